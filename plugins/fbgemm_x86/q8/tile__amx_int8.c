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
#define DOT_FETCH_ROWS  2
#define DOT_MOST_ROWS   256
#define DOT_SUMS        16
#define DOT_KERNELS     ROWS_KERNEL(1, 4)
#define DOT(sums, x, w) _mm512_dpbusd_epi32(sums, x, w)
#include "q8/finish.inc"
#include "q8/pack.inc"
#include "q8/rows.inc"
#include "q8/dot.inc"
#include "q8/tile.inc"

#define TILE_ROWS   16
#define MOST_ROWS   DOT_MOST_ROWS
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

/* Scratch: sums of a step, those of a panel and all tiles of rows where the depth is cut, then copied rows. */
#define UNIT_SUMS (TILE_ROWS * PANEL_COLUMNS)

static inline int64_t tiles_to_cut(int64_t rows) { return rows / 8 + 2; }
static inline int64_t scratch_own(int64_t rows) {
  return (2 + tiles_to_cut(rows)) * UNIT_SUMS * (int64_t)sizeof(int32_t);
}

static uint64_t scratch_size(int64_t rows, int64_t n, int64_t taps, int64_t kc) {
  const uint64_t own = (uint64_t)scratch_own(rows) + rows_scratch(rows, padded_depth(taps * kc));
  const uint64_t dot = dot_scratch_size(rows, n, taps, kc);
  return own > dot ? own : dot;
}

typedef struct work {
  const fb_q8_block *b;
  const tiles *rows;
  int64_t count;     /* of tiles of rows; a last odd one stands alone */
  int64_t tile_rows; /* of each */
  int64_t x_step, run, depth, cuts;
  stream passes;
  int64_t size;      /* of an output */
  int32_t *step_sums, *cut_sums;
  sums waiting[2];
} work;

static inline sums sums_of(const work *w, const panel *p, const int32_t *from, const tiles *rows, int64_t n) {
  return (sums){.p = p,
                .from = from,
                .row_sum = rows->row_sum,
                .y = (char *)w->b->y + rows->y + w->size * n,
                .rows = rows->rows,
                .y_step = w->b->y_step,
                .size = w->size};
}

/* Pairs of tiles of rows times the panel of columns from n on. */
static void pairs(work *w, const panel *p, const int8_t *weights, int64_t n) {
  const int64_t w_step = p->wide ? 128 : 64;
  step s = {.x_step = w->x_step, .run = w->run, .w_step = {w_step}, .to = {w->step_sums}};
  for (int64_t cut = 1; cut <= w->cuts; ++cut) {
    s.w[0] = weights + 16 * s.at * w_step;
    s.depth = (w->cuts == 1 ? w->depth : w->depth * cut / w->cuts) - s.at;
    step_function *plain = two_by_plain(w->passes, s.depth, p->real);
    for (int64_t t = 0; t < w->count / 2; ++t) {
      s.a = &w->rows[t];
      s.ahead = (const char *)s.w[0] + s.depth * (16 * w_step + 64 * FETCHED * (t % FETCHING_STEPS));
      if (w->cuts > 1) s.to[0] = w->cut_sums + 2 * t * UNIT_SUMS;
      finish_all(&w->waiting[1]);
      (!p->wide ? two_by_1 : is_plain(w->waiting) ? plain : two_by_2)(&s, w->waiting);
      if (cut == w->cuts) w->waiting[0] = sums_of(w, p, s.to[0], s.a, n);
    }
    s.at += s.depth;
    s.more = true;
  }
}

/* All rows times the one or two panels of columns from n on. */
static void panels_of(work *w, int64_t n, panel *p) {
  static step_function *const one_by_n[] = {one_by_1, one_by_2, one_by_3, one_by_4};
  const fb_q8_block *b = w->b;
  const int64_t k = b->taps * b->kc;
  const int count = b->n1 - n > PANEL_COLUMNS ? 2 : 1;
  step s = {.a = &w->rows[w->count / 2],
            .x_step = w->x_step,
            .run = w->run,
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
  if (w->count % 2 == 0) return;
  (columns == 4 && is_plain(w->waiting) ? one_by_4_1[p->real] : one_by_n[columns - 1])(&s, w->waiting);
  for (int i = 0; i < count; ++i) w->waiting[i] = sums_of(w, &p[i], s.to[i], s.a, n + i * PANEL_COLUMNS);
}

/* Cuts the rows into tiles, none of which spans runs of rows; the last one of a run ends with it. */
static void cut_rows(work *w, const uint8_t *const *x, int64_t taps, int64_t run_rows, tiles *to) {
  const fb_q8_block *b = w->b;
  const int64_t per_run = fb_ceil_div(run_rows, TILE_ROWS);
  w->rows = to;
  w->tile_rows = fb_ceil_div(run_rows, per_run);
  for (int64_t first = 0; first < b->rows; first += run_rows)
    for (int64_t i = 0; i < per_run; ++i, ++w->count) {
      const int64_t row = first + fb_min64(i * w->tile_rows, run_rows - w->tile_rows);
      const uint8_t *const *runs = x + row * taps;
      tiles *t = &to[w->count / 2];
      if (w->count % 2 == 0) {
        *t = (tiles){.x = {runs},
                     .a = {runs[0]},
                     .rows = w->tile_rows,
                     .second = row,
                     .row_sum = b->row_sum ? b->row_sum + row : NULL,
                     .y = w->size * row * b->y_step};
        continue;
      }
      t->x[1] = runs;
      t->a[1] = runs[0];
      t->second = row - t->second;
      t->rows += t->second;
    }
}

static void tile_block(const fb_q8_block *b) {
  const int64_t depth = padded_depth(b->taps * b->kc);
  const bool copies = b->flip != 0 || b->kc % 64 != 0 || b->x_step == 0;
  work w = {.b = b,
            .x_step = copies ? depth : b->x_step,
            .run = (copies ? depth : b->kc) / 64,
            .depth = depth / 64,
            .cuts = 1,
            .passes = b->taps > 1 && !copies ? STREAM_NONE : b->rows * depth <= A_STAYS ? STREAM_W : STREAM_A,
            .size = b->finish->to == FB_Q8_CODES ? 1 : 4,
            .step_sums = b->scratch};
  w.cut_sums = w.step_sums + 2 * UNIT_SUMS;
  tiles rows[MOST_ROWS / 2];
  if (copies) {
    fb_q8_block copy = *b;
    copy.scratch = (char *)b->scratch + scratch_own(b->rows);
    cut_rows(&w, rows_copy(&copy, copy.flip, depth), 1, b->rows, rows);
  } else {
    cut_rows(&w, b->x, b->taps, b->x_run ? b->x_run : b->rows, rows);
  }
  if (w.depth > CUT_ABOVE && w.count >= ROWS_TO_CUT && w.count <= tiles_to_cut(b->rows))
    w.cuts = fb_ceil_div(w.depth, CUT_TO);
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
    .rows = MOST_ROWS,
    .cols = 2 * PANEL_COLUMNS,
    .run = 64,
    .even = true,
    .dynamic = true,
    .packed_size = packed_size,
    .pack = pack,
    .scratch_size = scratch_size,
    .block = block,
};
