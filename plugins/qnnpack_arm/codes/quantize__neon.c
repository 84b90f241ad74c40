/* codes/quantize.inc for NEON. */
#include "codes/quantize.inc"
