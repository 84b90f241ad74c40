/* train/clip_grad.inc for AVX2. */
#include "train/clip_grad.inc"
