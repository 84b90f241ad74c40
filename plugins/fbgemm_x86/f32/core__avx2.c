/* The core of float32 products for AVX2: blocks of up to 6 x 16 sums. */
#define LANES 8
#define ROWS  6
#define CORE  fb_f32_core__avx2
#include "f32/core.inc"
