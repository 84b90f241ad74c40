/* Depthwise quantized convolutions, four codes at a time in vectors of 64 bytes. */
#define BYTES 64
#define QUADS 1
#define FB_DW_NAME(function) fb_depthwise_avx512vnni_##function
#include "loops.inc"
