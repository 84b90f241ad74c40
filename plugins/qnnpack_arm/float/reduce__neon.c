/* float/reduce.inc for NEON. */
#include "float/reduce.inc"
