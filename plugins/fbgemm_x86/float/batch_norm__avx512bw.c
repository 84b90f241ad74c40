/* float/batch_norm.inc for AVX-512 (F, BW, DQ, VL). */
#include "float/batch_norm.inc"
