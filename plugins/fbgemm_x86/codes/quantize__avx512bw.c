/* codes/quantize.inc for AVX-512 (F, BW, DQ, VL). */
#include "codes/quantize.inc"
