/* float/unary.inc for NEON. */
#include "float/unary.inc"
