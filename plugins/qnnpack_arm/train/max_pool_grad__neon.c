/* train/max_pool_grad.inc for NEON. */
#include "train/max_pool_grad.inc"
