/* train/clip_grad.inc for AVX-512 (F, BW, DQ, VL). */
#include "train/clip_grad.inc"
