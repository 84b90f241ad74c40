/* Depthwise quantized convolutions, two codes at a time in vectors of 64 bytes. */
#define BYTES 64
#define QUADS 0
#define FB_DW_NAME(function) fb_depthwise_avx512bw_##function
#include "loops.inc"
