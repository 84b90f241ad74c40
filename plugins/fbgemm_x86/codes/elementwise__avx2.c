/* codes/elementwise.inc for AVX2. */
#include "codes/elementwise.inc"
