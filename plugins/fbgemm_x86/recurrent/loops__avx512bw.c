/* recurrent/loops.inc for AVX-512 (F, BW, DQ, VL). */
#include "recurrent/loops.inc"
