/* codes/dynamic_quantize.inc for NEON. */
#include "codes/dynamic_quantize.inc"
