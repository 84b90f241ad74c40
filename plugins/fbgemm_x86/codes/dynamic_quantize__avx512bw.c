/* codes/dynamic_quantize.inc for AVX-512 (F, BW, DQ, VL). */
#include "codes/dynamic_quantize.inc"
