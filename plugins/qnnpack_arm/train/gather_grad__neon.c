/* train/gather_grad.inc for NEON. */
#include "train/gather_grad.inc"
