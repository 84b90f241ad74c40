/* train/min_max.inc for NEON. */
#include "train/min_max.inc"
