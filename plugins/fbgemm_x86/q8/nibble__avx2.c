/* Halves of codes (nibble.inc) with AVX2: 3 rows times 2 vectors take 12 of the 16 registers. */
#include "core.h"
#include "lanes.h"

#define FB_DEPTH_STEP 4
#define NIBBLE_ROWS   3
#include "finish.inc"
#include "pack.inc"

#define VI_ADD16(a, b)   _mm256_add_epi16(a, b)
#define VI_MADD(a, b)    _mm256_madd_epi16(a, b)
#define VI_MADDUBS(a, b) _mm256_maddubs_epi16(a, b)
#include "nibble.inc"

const fb_q8_core fb_q8_nibble__avx2 = {
    .name = "nibble__avx2",
    .rows = MOST_ROWS,
    .cols = PANEL_COLUMNS,
    .dynamic = true,
    .packed_size = packed_size,
    .pack = pack,
    .scratch_size = scratch_size,
    .block = block,
};
