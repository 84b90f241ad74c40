/* weight_only/nbits.inc for AVX-512. */
#define FB_NBITS fb_nbits_core__avx512bw
#include "weight_only/nbits.inc"
