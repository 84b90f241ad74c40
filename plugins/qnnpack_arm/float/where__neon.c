/* float/where.inc for NEON. */
#include "float/where.inc"
