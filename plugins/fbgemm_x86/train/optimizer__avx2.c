/* train/optimizer.inc for AVX2. */
#include "train/optimizer.inc"
