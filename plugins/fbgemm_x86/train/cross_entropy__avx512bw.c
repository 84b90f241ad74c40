/* train/cross_entropy.inc for AVX-512 (F, BW, DQ, VL). */
#include "train/cross_entropy.inc"
