/* float/group_norm.inc for AVX2. */
#include "float/group_norm.inc"
