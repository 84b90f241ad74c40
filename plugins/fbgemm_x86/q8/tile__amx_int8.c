/*
 * The core of machines with tiles (AMX): 16 rows of A by 64 codes times 64 codes of 16 columns are one instruction.
 * Weights are packed as dot.inc packs them (a tile is 16 of its [k / 4] rows), so a single row goes its way instead.
 *
 * Two tiles of rows times two of columns (a panel) share their loads and fill the multiplier; a last odd tile of rows
 * meets four tiles of columns, as four independent sums hide the latency. Of a pair, one side stays in the first cache:
 * few rows, or the weights of the panel, for which a long depth is cut, sums then going through memory.
 */
#include "q8/core.h"
#include "q8/lanes.h"

#define FB_DEPTH_STEP   64
#define FB_TILES
#define DOT_ROWS        1
#define DOT_SUMS        16
#define DOT_BOTH_ROWS   1
#define DOT_KERNELS     ROWS_KERNEL(1, 2, 4, 4)
#define DOT(sums, x, w) _mm512_dpbusd_epi32(sums, x, w)
#include "q8/finish.inc"
#include "q8/pack.inc"
#include "q8/rows.inc"
#include "q8/dot.inc"
#include "q8/tile.inc"

#define TILE_ROWS   16
#define CUT_ABOVE   20          /* units of depth (64 codes) of a panel that the first cache holds */
#define CUT_TO      16
#define ROWS_TO_CUT 6           /* tiles of rows from which it pays; their sums must be finished before their turn */
#define A_STAYS     (32 * 1024) /* bytes of rows that the first cache holds */

/* gcc does not know that its tile instructions read memory: what they read must be there. */
#define WRITTEN() __asm__ volatile("" ::: "memory")

/* Tiles 6 and 7 hold weights, the others sums or rows. */
static void configure(int64_t rows) {
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } c = {.palette = 1};
  _Static_assert(sizeof c == 64, "as the processor reads it");
  for (int i = 0; i < 8; ++i) {
    c.row_bytes[i] = 64;
    c.rows[i] = (uint8_t)(i < 6 ? rows : 16);
  }
  WRITTEN();
  _tile_loadconfig(&c);
}

static inline bool tile_copies(int64_t taps, int64_t kc, uint8_t flip, int64_t x_step) {
  return flip != 0 || taps != 1 || kc % 64 != 0 || x_step == 0;
}

/* Scratch: sums of a step, those of a panel and all rows where the depth is cut, then copied rows. */
#define UNIT_SUMS (TILE_ROWS * PANEL_COLUMNS)

static inline int64_t scratch_own(int64_t rows) {
  return (2 * UNIT_SUMS + fb_round_up(rows, 2 * TILE_ROWS) * PANEL_COLUMNS) * (int64_t)sizeof(int32_t);
}

static uint64_t scratch_size(int64_t rows, int64_t n, int64_t taps, int64_t kc) {
  const uint64_t own = (uint64_t)scratch_own(rows) + rows_scratch(rows, padded_depth(taps * kc));
  const uint64_t dot = dot_scratch_size(rows, n, taps, kc);
  return own > dot ? own : dot;
}

typedef struct work {
  const fb_q8_block *b;
  const uint8_t *a;
  int64_t a_step, depth;    /* in units of 64 codes */
  int64_t tiles, tile_rows; /* of rows; the last tiles end with the block and may share rows with those before */
  int64_t cuts;             /* parts of the depth */
  stream passes;
  int32_t *step_sums, *cut_sums;
  sums waiting[2];
} work;

static sums sums_of(const work *w, const panel *p, const int32_t *from, int64_t row, int64_t rows, int64_t n) {
  const fb_q8_block *b = w->b;
  const int64_t size = b->finish->to == FB_Q8_CODES ? 1 : 4;
  return (sums){.p = p,
                .from = from,
                .row_sum = b->row_sum ? b->row_sum + row : NULL,
                .y = (char *)b->y + size * (row * b->y_step + n),
                .rows = rows,
                .y_step = b->y_step,
                .size = size};
}

/* Pairs of tiles of rows times the panel of columns from n on. */
static void pairs(work *w, const panel *p, const int8_t *weights, int64_t n) {
  const int64_t w_step = p->wide ? 128 : 64;
  const int64_t second = fb_min64(w->tile_rows, w->b->rows - w->tile_rows), rows = w->tile_rows + second;
  int64_t k = 0;
  for (int64_t cut = 1; cut <= w->cuts; ++cut) {
    const int64_t end = w->cuts == 1 ? w->depth : w->depth * cut / w->cuts;
    step_function *plain = two_by_plain(w->passes, end - k);
    for (int64_t t = 0; t + 1 < w->tiles; t += 2) {
      const int64_t row = fb_min64(t * w->tile_rows, w->b->rows - rows);
      const uint8_t *a = w->a + row * w->a_step + 64 * k;
      int32_t *to = w->cuts > 1 ? w->cut_sums + t * UNIT_SUMS : w->step_sums;
      const step s = {.a = {a, a + second * w->a_step},
                      .a_step = w->a_step,
                      .w = {weights + 16 * k * w_step},
                      .w_step = {w_step},
                      .depth = end - k,
                      .more = k > 0,
                      .to = {to, to + second * PANEL_COLUMNS}};
      finish_all(&w->waiting[1]);
      (!p->wide ? two_by_1 : is_plain(w->waiting) ? plain : two_by_2)(&s, w->waiting);
      if (cut == w->cuts) w->waiting[0] = sums_of(w, p, to, row, rows, n);
    }
    k = end;
  }
}

/* All rows times the one or two panels of columns from n on. */
static void panels_of(work *w, int64_t n, panel *p) {
  static step_function *const one_by_n[] = {one_by_1, one_by_2, one_by_3, one_by_4};
  const fb_q8_block *b = w->b;
  const int64_t k = b->taps * b->kc, row = b->rows - w->tile_rows;
  const int count = b->n1 - n > PANEL_COLUMNS ? 2 : 1;
  step s = {.a = {w->a + row * w->a_step},
            .a_step = w->a_step,
            .depth = w->depth,
            .to = {w->step_sums, w->step_sums + UNIT_SUMS}};
  int columns = 0;
  for (int i = 0; i < count; ++i) {
    const int64_t at = n + i * PANEL_COLUMNS;
    panel_begin(&p[i], b->finish, k, at, fb_min64(PANEL_COLUMNS, b->n1 - at));
    s.w[i] = (const int8_t *)b->packed + panel_at(at, k);
    s.w_step[i] = p[i].wide ? 128 : 64;
    columns += p[i].wide ? 2 : 1;
    pairs(w, &p[i], s.w[i], at);
  }
  if (w->tiles % 2 == 0) return;
  (columns == 4 && is_plain(w->waiting) ? one_by_4_1 : one_by_n[columns - 1])(&s, w->waiting);
  for (int i = 0; i < count; ++i)
    w->waiting[i] = sums_of(w, &p[i], s.to[i], row, w->tile_rows, n + i * PANEL_COLUMNS);
}

static void tile_block(const fb_q8_block *b) {
  const int64_t depth = padded_depth(b->taps * b->kc), tiles = fb_ceil_div(b->rows, TILE_ROWS);
  work w = {.b = b,
            .a = b->x[0],
            .a_step = b->x_step,
            .depth = depth / 64,
            .tiles = tiles,
            .tile_rows = fb_ceil_div(b->rows, tiles),
            .cuts = depth > 64 * CUT_ABOVE && tiles >= ROWS_TO_CUT ? fb_ceil_div(depth, 64 * CUT_TO) : 1,
            .passes = b->rows * depth <= A_STAYS ? STREAM_W : STREAM_A,
            .step_sums = b->scratch};
  w.cut_sums = w.step_sums + 2 * UNIT_SUMS;
  if (tile_copies(b->taps, b->kc, b->flip, b->x_step)) {
    fb_q8_block copy = *b;
    copy.scratch = (char *)b->scratch + scratch_own(b->rows);
    w.a = rows_copy(&copy, depth)[0];
    w.a_step = depth;
  }
  configure(w.tile_rows);
  panel panels[4]; /* those in work, and those whose sums still wait */
  int turn = 0;
  for (int64_t n = b->n0; n < b->n1; n += 2 * PANEL_COLUMNS, turn ^= 2) panels_of(&w, n, panels + turn);
  finish_all(&w.waiting[0]);
  finish_all(&w.waiting[1]);
  _tile_release();
}

static void block(const fb_q8_block *b) {
  if (b->rows <= DOT_ROWS || b->taps * b->kc == 0)
    dot_block(b);
  else
    tile_block(b);
}

const fb_q8_core fb_q8_tile__amx_int8 = {
    .name = "tile__amx_int8",
    .rows = 256,
    .cols = 2 * PANEL_COLUMNS,
    .run = 64,
    .even = true,
    .dynamic = true,
    .packed_size = packed_size,
    .pack = pack,
    .scratch_size = scratch_size,
    .block = block,
};
