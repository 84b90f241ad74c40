/* train/batch_norm_train.inc for AVX2. */
#include "train/batch_norm_train.inc"
