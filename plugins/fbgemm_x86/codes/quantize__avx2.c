/* codes/quantize.inc for AVX2. */
#include "codes/quantize.inc"
