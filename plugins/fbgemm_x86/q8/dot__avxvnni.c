/* dot.inc with AVX-VNNI: 6 rows times 16 columns, 12 of 16 registers for sums. */
#include "q8/core.h"
#include "q8/lanes.h"

#define FB_DEPTH_STEP  4
#define DOT_ROWS       6
#define DOT_FETCH_ROWS 4 /* from which there is room for fetching weights */
#define DOT_MOST_ROWS  240 /* of a block */
#define DOT_SUMS       12
#define DOT_KERNELS \
  ROWS_KERNEL(1, 4) ROWS_KERNEL(2, 2) ROWS_KERNEL(3, 2) ROWS_KERNEL(4, 1) ROWS_KERNEL(5, 1) ROWS_KERNEL(6, 1)
#define DOT(sums, x, w) _mm256_dpbusd_avx_epi32(sums, x, w)
#include "q8/finish.inc"
#include "q8/pack.inc"
#include "q8/rows.inc"
#include "q8/dot.inc"

const fb_q8_core fb_q8_dot__avxvnni = {
    .name = "dot__avxvnni",
    .rows = DOT_MOST_ROWS,
    .cols = PANEL_COLUMNS,
    .run = 4,
    .lines = true,
    .steps = true,
    .dynamic = true,
    .packed_size = packed_size,
    .pack = pack,
    .scratch_size = dot_scratch_size,
    .block = dot_block,
};
