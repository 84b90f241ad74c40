/* float/where.inc for AVX-512 (F, BW, DQ, VL). */
#include "float/where.inc"
