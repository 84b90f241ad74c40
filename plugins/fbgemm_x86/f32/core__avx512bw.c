/* The core of float32 products for AVX-512: blocks of up to 12 x 32 sums. */
#define LANES 16
#define ROWS  12
#define CORE  fb_f32_core__avx512bw
#include "f32/core.inc"
