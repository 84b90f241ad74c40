/* train/average_pool_grad.inc for NEON. */
#include "train/average_pool_grad.inc"
