/* float/layer_norm.inc for NEON. */
#include "float/layer_norm.inc"
