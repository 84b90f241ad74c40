/* train/max_pool_grad.inc for AVX2. */
#include "train/max_pool_grad.inc"
