/* Depthwise quantized convolutions: two taps at a time, vectors of 32 bytes. */
#define FB_DW_NAME(function) fb_depthwise_avx2_##function
#include "depthwise/loops.inc"
