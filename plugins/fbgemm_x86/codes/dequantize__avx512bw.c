/* codes/dequantize.inc for AVX-512 (F, BW, DQ, VL). */
#include "codes/dequantize.inc"
