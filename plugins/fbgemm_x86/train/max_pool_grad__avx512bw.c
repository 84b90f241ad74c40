/* train/max_pool_grad.inc for AVX-512 (F, BW, DQ, VL). */
#include "train/max_pool_grad.inc"
