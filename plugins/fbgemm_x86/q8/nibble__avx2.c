/* Halves of codes (nibble.inc) with AVX2: 2 rows times 2 vectors take 8 of the 16 registers, the products up to 4. */
#include "q8/core.h"
#include "q8/lanes.h"

#define FB_DEPTH_STEP 4
#define NIBBLE_ROWS   2
#include "q8/finish.inc"
#include "q8/pack.inc"

#define VI_ADD16(a, b)   _mm256_add_epi16(a, b)
#define VI_MADD(a, b)    _mm256_madd_epi16(a, b)
#define VI_MADDUBS(a, b) _mm256_maddubs_epi16(a, b)
#include "q8/nibble.inc"

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
