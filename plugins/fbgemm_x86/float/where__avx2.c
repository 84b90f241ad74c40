/* float/where.inc for AVX2. */
#include "float/where.inc"
