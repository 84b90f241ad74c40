/* train/min_max.inc for AVX2. */
#include "train/min_max.inc"
