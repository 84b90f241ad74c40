/* train/clip_grad.inc for NEON. */
#include "train/clip_grad.inc"
