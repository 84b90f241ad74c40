/* train/dropout.inc for AVX2. */
#include "train/dropout.inc"
