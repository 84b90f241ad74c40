/* Depthwise quantized convolutions: two taps at a time, vectors of 64 bytes. */
#define FB_DW_NAME(function) fb_depthwise_avx512bw_##function
#include "depthwise/loops.inc"
