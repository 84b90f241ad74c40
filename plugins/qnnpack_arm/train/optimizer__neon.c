/* train/optimizer.inc for NEON. */
#include "train/optimizer.inc"
