/* Depthwise quantized convolutions: four taps at a time, vectors of 64 bytes. */
#define FB_DW_NAME(function) fb_depthwise_avx512vnni_##function
#include "depthwise/loops.inc"
