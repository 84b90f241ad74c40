/* float/softmax.inc for NEON. */
#include "float/softmax.inc"
