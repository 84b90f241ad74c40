/* Halves of codes (nibble.inc) with AVX-512: 6 rows times 2 vectors take 24 of the 32 registers. */
#include "q8/core.h"
#include "q8/lanes.h"

#define FB_DEPTH_STEP 4
#define NIBBLE_ROWS   6
#include "q8/finish.inc"
#include "q8/pack.inc"

#define VI_ADD16(a, b)   _mm512_add_epi16(a, b)
#define VI_MADD(a, b)    _mm512_madd_epi16(a, b)
#define VI_MADDUBS(a, b) _mm512_maddubs_epi16(a, b)
#include "q8/nibble.inc"

const fb_q8_core fb_q8_nibble__avx512bw = {
    .name = "nibble__avx512bw",
    .rows = MOST_ROWS,
    .cols = PANEL_COLUMNS,
    .dynamic = true,
    .packed_size = packed_size,
    .pack = pack,
    .scratch_size = scratch_size,
    .block = block,
};
