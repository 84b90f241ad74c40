/* Depthwise quantized convolutions, two codes at a time in vectors of 32 bytes. */
#define BYTES 32
#define QUADS 0
#define FB_DW_NAME(function) fb_depthwise_avx2_##function
#include "loops.inc"
