/* float/unary.inc for AVX-512 (F, BW, DQ, VL). */
#include "float/unary.inc"
