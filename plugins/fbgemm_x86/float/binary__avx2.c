/* float/binary.inc for AVX2. */
#include "float/binary.inc"
