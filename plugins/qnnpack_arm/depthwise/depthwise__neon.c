/* Depthwise quantized convolutions: two taps at a time (smlal), 16 bits wide. */
#define QUADS                0
#define FB_DW_NAME(function) fb_depthwise_neon_##function
#include "depthwise/loops.inc"
