/* train/cross_entropy.inc for NEON. */
#include "train/cross_entropy.inc"
