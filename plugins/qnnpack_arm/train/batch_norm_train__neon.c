/* train/batch_norm_train.inc for NEON. */
#include "train/batch_norm_train.inc"
