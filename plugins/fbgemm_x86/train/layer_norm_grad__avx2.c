/* train/layer_norm_grad.inc for AVX2. */
#include "train/layer_norm_grad.inc"
