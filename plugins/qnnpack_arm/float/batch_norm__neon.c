/* float/batch_norm.inc for NEON. */
#include "float/batch_norm.inc"
