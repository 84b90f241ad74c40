/*
 * dot.inc with AVX-512 VNNI: 12 rows times 32 columns. Of 32 registers 24 hold sums; the pointers to 12 rows still fit
 * into registers, too.
 */
#include "q8/core.h"
#include "q8/lanes.h"

#define FB_DEPTH_STEP  4
#define DOT_ROWS       12
#define DOT_FETCH_ROWS 5 /* from which there is room for fetching weights */
#define DOT_MOST_ROWS  240 /* of a block */
#define DOT_SUMS       24
#define DOT_KERNELS                                                                                           \
  ROWS_KERNEL(1, 4) ROWS_KERNEL(2, 4) ROWS_KERNEL(3, 2) ROWS_KERNEL(4, 2) ROWS_KERNEL(5, 1) ROWS_KERNEL(6, 1) \
  ROWS_KERNEL(7, 1) ROWS_KERNEL(8, 1) ROWS_KERNEL(9, 1) ROWS_KERNEL(10, 1) ROWS_KERNEL(11, 1) ROWS_KERNEL(12, 1)
#define DOT(sums, x, w) _mm512_dpbusd_epi32(sums, x, w)
#include "q8/finish.inc"
#include "q8/pack.inc"
#include "q8/rows.inc"
#include "q8/dot.inc"

const fb_q8_core fb_q8_dot__avx512vnni = {
    .name = "dot__avx512vnni",
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
