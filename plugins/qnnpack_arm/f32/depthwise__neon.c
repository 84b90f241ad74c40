/* Depthwise convolutions of float32 for NEON. */
#define LANES 4
#define FN    fb_f32_dw__neon
#include "f32/depthwise.inc"
