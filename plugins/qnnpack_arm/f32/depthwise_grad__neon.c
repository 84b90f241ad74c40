/* Weight gradients of depthwise convolutions of float32 for NEON. */
#define LANES 4
#define FN    fb_f32_dwg__neon
#include "f32/depthwise_grad.inc"
