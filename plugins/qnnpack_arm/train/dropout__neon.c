/* train/dropout.inc for NEON. */
#include "train/dropout.inc"
