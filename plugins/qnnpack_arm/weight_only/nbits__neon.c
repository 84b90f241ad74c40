/* weight_only/nbits.inc for NEON. */
#define FB_NBITS fb_nbits_core__neon
#include "weight_only/nbits.inc"
