/* train/average_pool_grad.inc for AVX2. */
#include "train/average_pool_grad.inc"
