/* float/layer_norm.inc for AVX2. */
#include "float/layer_norm.inc"
