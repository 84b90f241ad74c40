/* recurrent/loops.inc for NEON. */
#include "recurrent/loops.inc"
