/* float/softmax.inc for AVX-512 (F, BW, DQ, VL). */
#include "float/softmax.inc"
