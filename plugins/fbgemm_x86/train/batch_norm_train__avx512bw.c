/* train/batch_norm_train.inc for AVX-512 (F, BW, DQ, VL). */
#include "train/batch_norm_train.inc"
