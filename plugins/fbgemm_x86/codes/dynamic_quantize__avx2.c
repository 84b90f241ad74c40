/* codes/dynamic_quantize.inc for AVX2. */
#include "codes/dynamic_quantize.inc"
