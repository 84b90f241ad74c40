/* recurrent/loops.inc for AVX2. */
#include "recurrent/loops.inc"
