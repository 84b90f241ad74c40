/* codes/elementwise.inc for AVX-512 (F, BW, DQ, VL). */
#include "codes/elementwise.inc"
