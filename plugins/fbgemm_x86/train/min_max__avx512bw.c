/* train/min_max.inc for AVX-512 (F, BW, DQ, VL). */
#include "train/min_max.inc"
