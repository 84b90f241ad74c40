/* The core of float32 products for NEON: blocks of up to 8 x 8 sums, half of the registers. */
#define LANES 4
#define ROWS  8
#define CORE  fb_f32_core__neon
#include "f32/core.inc"
