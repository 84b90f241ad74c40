/* codes/elementwise.inc for NEON. */
#include "codes/elementwise.inc"
