/* train/dropout.inc for AVX-512 (F, BW, DQ, VL). */
#include "train/dropout.inc"
