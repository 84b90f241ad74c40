/* Depthwise convolutions of float32 for AVX-512. */
#define LANES 16
#define FN    fb_f32_dw__avx512bw
#include "f32/depthwise.inc"
