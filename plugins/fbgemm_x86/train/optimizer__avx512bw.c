/* train/optimizer.inc for AVX-512 (F, BW, DQ, VL). */
#include "train/optimizer.inc"
