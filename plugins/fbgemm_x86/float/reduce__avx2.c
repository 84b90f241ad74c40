/* float/reduce.inc for AVX2. */
#include "float/reduce.inc"
