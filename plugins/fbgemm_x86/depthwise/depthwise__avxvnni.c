/* Depthwise quantized convolutions, four codes at a time in vectors of 32 bytes. */
#define BYTES 32
#define QUADS 1
#define FB_DW_NAME(function) fb_depthwise_avxvnni_##function
#include "loops.inc"
