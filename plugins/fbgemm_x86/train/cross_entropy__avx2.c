/* train/cross_entropy.inc for AVX2. */
#include "train/cross_entropy.inc"
