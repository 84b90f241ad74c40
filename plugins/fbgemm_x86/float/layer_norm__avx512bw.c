/* float/layer_norm.inc for AVX-512 (F, BW, DQ, VL). */
#include "float/layer_norm.inc"
