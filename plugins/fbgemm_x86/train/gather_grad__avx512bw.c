/* train/gather_grad.inc for AVX-512 (F, BW, DQ, VL). */
#include "train/gather_grad.inc"
