/* float/binary.inc for NEON. */
#include "float/binary.inc"
