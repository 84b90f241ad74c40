/* float/unary.inc for AVX2. */
#include "float/unary.inc"
