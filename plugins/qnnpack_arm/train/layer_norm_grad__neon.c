/* train/layer_norm_grad.inc for NEON. */
#include "train/layer_norm_grad.inc"
