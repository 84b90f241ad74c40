/* Depthwise quantized convolutions: four taps at a time, vectors of 32 bytes. */
#define FB_DW_NAME(function) fb_depthwise_avxvnni_##function
#include "depthwise/loops.inc"
