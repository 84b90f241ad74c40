/* float/binary.inc for AVX-512 (F, BW, DQ, VL). */
#include "float/binary.inc"
