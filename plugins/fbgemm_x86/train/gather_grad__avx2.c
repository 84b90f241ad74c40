/* train/gather_grad.inc for AVX2. */
#include "train/gather_grad.inc"
