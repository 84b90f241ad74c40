/* float/reduce.inc for AVX-512 (F, BW, DQ, VL). */
#include "float/reduce.inc"
