/* float/batch_norm.inc for AVX2. */
#include "float/batch_norm.inc"
