/* float/softmax.inc for AVX2. */
#include "float/softmax.inc"
