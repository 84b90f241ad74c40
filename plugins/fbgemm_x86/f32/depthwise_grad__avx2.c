/* Weight gradients of depthwise convolutions of float32 for AVX2. */
#define LANES 8
#define FN    fb_f32_dwg__avx2
#include "f32/depthwise_grad.inc"
