/* codes/dequantize.inc for NEON. */
#include "codes/dequantize.inc"
