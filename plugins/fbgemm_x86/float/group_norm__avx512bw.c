/* float/group_norm.inc for AVX-512 (F, BW, DQ, VL). */
#include "float/group_norm.inc"
