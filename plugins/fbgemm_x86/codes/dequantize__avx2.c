/* codes/dequantize.inc for AVX2. */
#include "codes/dequantize.inc"
