/* Weight gradients of depthwise convolutions of float32 for AVX-512. */
#define LANES 16
#define FN    fb_f32_dwg__avx512bw
#include "f32/depthwise_grad.inc"
