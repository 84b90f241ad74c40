/* train/layer_norm_grad.inc for AVX-512 (F, BW, DQ, VL). */
#include "train/layer_norm_grad.inc"
