/* weight_only/nbits.inc for AVX2. */
#define FB_NBITS fb_nbits_core__avx2
#include "weight_only/nbits.inc"
