/*
 * dot.inc with AVX-512 VNNI: 12 rows times 32 columns. Of 32 registers 24 hold sums; the pointers to 12 rows still fit
 * into registers, too.
 */
#include "core.h"
#include "lanes.h"

#define FB_DEPTH_STEP    4
#define DOT_ROWS         12
#define DOT(sums, x, w) _mm512_dpbusd_epi32(sums, x, w)
#include "finish.inc"
#include "pack.inc"
#include "rows.inc"
#include "dot.inc"

const fb_q8_core fb_q8_dot__avx512vnni = {
    .name = "dot__avx512vnni",
    .rows = 240,
    .cols = PANEL_COLUMNS,
    .run = 4,
    .dynamic = true,
    .packed_size = packed_size,
    .pack = pack,
    .scratch_size = dot_scratch_size,
    .block = dot_block,
};
