/* Depthwise quantized convolutions: four taps at a time (sdot). */
#define QUADS                1
#define FB_DW_NAME(function) fb_depthwise_dotprod_##function
#include "depthwise/loops.inc"
