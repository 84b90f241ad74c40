/* float/group_norm.inc for NEON. */
#include "float/group_norm.inc"
