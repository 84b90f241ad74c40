/*
 * The core of machines with tiles (AMX): 16 rows of A by 64 codes times 64 codes of 16 columns are one instruction.
 * Weights are packed as dot.inc packs them (a tile is 16 of its [k / 4] rows), so few rows go its way instead.
 *
 * Two tiles of rows times two of columns share their loads and fill the multiplier; a last odd tile of rows meets four
 * tiles of columns, as four independent sums hide the latency. The sums of one step are finished, two rows at a time,
 * while the multiplier is busy with the next one.
 */
#include "core.h"

#define FB_LANES        16
#define FB_DEPTH_STEP   64
#define DOT_ROWS        12
#define DOT(sums, x, w) _mm512_dpbusd_epi32(sums, x, w)
#include "lanes.inc"
#include "finish.inc"
#include "pack.inc"
#include "rows.inc"
#include "dot.inc"

#define TILE_ROWS 16
#define DOT_UP_TO 3 /* rows that are faster without tiles */

/* gcc does not know that its tile instructions read memory: what they read must be there. */
#define WRITTEN() __asm__ volatile("" ::: "memory")

/* Sums of 16 rows and a panel of columns, and where they go. */
typedef struct unit {
  const panel *p;
  int32_t *sums;
  const int32_t *row_sum;
  char *y;
} unit;

typedef struct queue {
  unit units[2];
  int64_t count, rows; /* units, rows of each */
  int64_t at;          /* next row, over all units; a unit starts at a multiple of TILE_ROWS */
  int64_t y_step;      /* bytes */
} queue;

static inline void finish_next(queue *q) {
  if (q->at >= q->count * TILE_ROWS) return;
  const unit *u = &q->units[q->at / TILE_ROWS];
  const int64_t r = q->at % TILE_ROWS;
  const int rows = q->rows - r > 1 ? 2 : 1;
  const int64_t elements = u->p->f->to == FB_Q8_CODES ? q->y_step : q->y_step / 4;
  finish_pair(u->p, u->sums + r * PANEL_COLUMNS, rows, u->row_sum ? u->row_sum + r : NULL, u->y + r * q->y_step,
              elements);
  q->at = r + 2 < q->rows ? q->at + 2 : (q->at / TILE_ROWS + 1) * TILE_ROWS;
}

/* Where tiles begin, and their step from row to row. */
typedef struct side {
  const uint8_t *a[2];
  int64_t a_step;
  const int8_t *w[2]; /* of the panels */
  int64_t w_step[2];
  int64_t steps;      /* of 64 codes */
} side;

#define SUMS_STEP ((int64_t)sizeof(int32_t) * PANEL_COLUMNS)

/* Two tiles of rows times one panel of `columns` tiles: sums 0 and 1 of rows 0, 2 and 3 of rows 1. */
static inline __attribute__((always_inline)) void two_by(int columns, const side *s, const int32_t *bias,
                                                         int32_t *sums0, int32_t *sums1, queue *q) {
  const uint8_t *a0 = s->a[0], *a1 = s->a[1];
  const int8_t *w = s->w[0];
  const int64_t per_step = (q->count * ((q->rows + 1) / 2) + s->steps - 1) / fb_max64(1, s->steps);
  _tile_loadd(0, bias, 0);
  _tile_loadd(2, bias, 0);
  if (columns > 1) {
    _tile_loadd(1, bias + FB_LANES, 0);
    _tile_loadd(3, bias + FB_LANES, 0);
  }
  for (int64_t i = 0; i < s->steps; ++i) {
    _tile_loadd(6, w, s->w_step[0]);
    _tile_loadd(4, a0, s->a_step);
    _tile_dpbusd(0, 4, 6);
    _tile_loadd(5, a1, s->a_step);
    _tile_dpbusd(2, 5, 6);
    if (columns > 1) {
      _tile_loadd(7, w + 64, s->w_step[0]);
      _tile_dpbusd(1, 4, 7);
      _tile_dpbusd(3, 5, 7);
    }
    a0 += 64, a1 += 64;
    w += 16 * s->w_step[0];
    for (int64_t j = 0; j < per_step; ++j)
      finish_next(q);
  }
  while (q->at < q->count * TILE_ROWS)
    finish_next(q);
  _tile_stored(0, sums0, SUMS_STEP);
  _tile_stored(2, sums1, SUMS_STEP);
  if (columns > 1) {
    _tile_stored(1, sums0 + FB_LANES, SUMS_STEP);
    _tile_stored(3, sums1 + FB_LANES, SUMS_STEP);
  }
}

/* One tile of rows times `columns` tiles of one or two panels. */
static inline __attribute__((always_inline)) void one_by(int columns, const side *s, const int32_t *bias,
                                                         int32_t *sums0, int32_t *sums1, queue *q) {
  const uint8_t *a = s->a[0];
  const int8_t *w0 = s->w[0], *w1 = s->w[1];
  const int64_t per_step = (q->count * ((q->rows + 1) / 2) + s->steps - 1) / fb_max64(1, s->steps);
  _tile_loadd(0, bias, 0);
  if (columns > 1) _tile_loadd(1, bias + FB_LANES, 0);
  if (columns > 2) _tile_loadd(2, bias + 2 * FB_LANES, 0);
  if (columns > 3) _tile_loadd(3, bias + 3 * FB_LANES, 0);
  for (int64_t i = 0; i < s->steps; ++i) {
    _tile_loadd(4, a, s->a_step);
    _tile_loadd(6, w0, s->w_step[0]);
    _tile_dpbusd(0, 4, 6);
    if (columns > 1) {
      _tile_loadd(7, w0 + 64, s->w_step[0]);
      _tile_dpbusd(1, 4, 7);
    }
    if (columns > 2) {
      _tile_loadd(6, w1, s->w_step[1]);
      _tile_dpbusd(2, 4, 6);
    }
    if (columns > 3) {
      _tile_loadd(7, w1 + 64, s->w_step[1]);
      _tile_dpbusd(3, 4, 7);
    }
    a += 64;
    w0 += 16 * s->w_step[0];
    w1 += 16 * s->w_step[1];
    for (int64_t j = 0; j < per_step; ++j)
      finish_next(q);
  }
  while (q->at < q->count * TILE_ROWS)
    finish_next(q);
  _tile_stored(0, sums0, SUMS_STEP);
  if (columns > 1) _tile_stored(1, sums0 + FB_LANES, SUMS_STEP);
  if (columns > 2) _tile_stored(2, sums1, SUMS_STEP);
  if (columns > 3) _tile_stored(3, sums1 + FB_LANES, SUMS_STEP);
}

static void two_by_1(const side *s, const int32_t *b, int32_t *s0, int32_t *s1, queue *q) { two_by(1, s, b, s0, s1, q); }
static void two_by_2(const side *s, const int32_t *b, int32_t *s0, int32_t *s1, queue *q) { two_by(2, s, b, s0, s1, q); }
static void one_by_1(const side *s, const int32_t *b, int32_t *s0, int32_t *s1, queue *q) { one_by(1, s, b, s0, s1, q); }
static void one_by_2(const side *s, const int32_t *b, int32_t *s0, int32_t *s1, queue *q) { one_by(2, s, b, s0, s1, q); }
static void one_by_3(const side *s, const int32_t *b, int32_t *s0, int32_t *s1, queue *q) { one_by(3, s, b, s0, s1, q); }
static void one_by_4(const side *s, const int32_t *b, int32_t *s0, int32_t *s1, queue *q) { one_by(4, s, b, s0, s1, q); }

typedef void step(const side *s, const int32_t *bias, int32_t *sums0, int32_t *sums1, queue *q);
static step *const two_by_n[] = {two_by_1, two_by_2};
static step *const one_by_n[] = {one_by_1, one_by_2, one_by_3, one_by_4};

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

/* Scratch: two buffers of two units of sums, the bias of two panels, then copied rows. */
#define UNIT_SUMS   (TILE_ROWS * PANEL_COLUMNS)
#define SCRATCH_OWN ((4 * UNIT_SUMS + 2 * PANEL_COLUMNS) * (int64_t)sizeof(int32_t))

static uint64_t scratch_size(int64_t rows, int64_t n, int64_t taps, int64_t kc) {
  const uint64_t own = (uint64_t)SCRATCH_OWN + rows_scratch(rows, padded_depth(taps * kc));
  const uint64_t dot = dot_scratch_size(rows, n, taps, kc);
  return own > dot ? own : dot;
}

typedef struct work {
  const fb_q8_block *b;
  int64_t tiles, tile_rows; /* of rows: the last one ends with the block and may share rows with the one before */
  side s;
  const uint8_t *a;
  panel panels[4];          /* those in work, and those that the queue may still need */
  int32_t *bias, *sums;
  queue q;
  int turn;
} work;

static inline int64_t tile_row(const work *w, int64_t tile) {
  return fb_min64(tile * w->tile_rows, w->b->rows - w->tile_rows);
}

static unit unit_of(const work *w, int64_t row, int64_t n, const panel *p, int32_t *sums) {
  const fb_q8_block *b = w->b;
  const int64_t size = b->finish->to == FB_Q8_CODES ? 1 : 4;
  return (unit){.p = p,
                .sums = sums,
                .row_sum = b->row_sum ? b->row_sum + row : NULL,
                .y = (char *)b->y + size * (row * b->y_step + n)};
}

/* One step; its sums become the queue when the queue has been finished. */
static void advance(work *w, step *f, const int32_t *bias, unit first, unit second, int64_t count) {
  f(&w->s, bias, first.sums, second.sums, &w->q);
  w->q.units[0] = first;
  w->q.units[1] = second;
  w->q.count = count;
  w->q.at = 0;
  w->turn ^= 1;
}

/* All rows times the one or two panels of columns from n on. */
static void panels_of(work *w, int64_t n, panel *p) {
  const fb_q8_block *b = w->b;
  const int64_t depth = b->taps * b->kc;
  const int count = b->n1 - n > PANEL_COLUMNS ? 2 : 1;
  int tiles = 0;
  for (int i = 0; i < count; ++i) {
    const int64_t at = n + i * PANEL_COLUMNS;
    panel_begin(&p[i], b->finish, at, fb_min64(PANEL_COLUMNS, b->n1 - at));
    w->s.w[i] = (const int8_t *)b->packed + panel_at(at, depth);
    w->s.w_step[i] = p[i].wide ? 128 : 64;
    VI_STORE(w->bias + i * PANEL_COLUMNS, p[i].bias[0]);
    VI_STORE(w->bias + i * PANEL_COLUMNS + FB_LANES, p[i].bias[1]);
    tiles += p[i].wide ? 2 : 1;
  }
  WRITTEN();
  const side both = w->s;
  for (int i = 0; i < count; ++i) {
    w->s.w[0] = both.w[i];
    w->s.w_step[0] = both.w_step[i];
    for (int64_t t = 0; t + 1 < w->tiles; t += 2) {
      int32_t *sums = w->sums + w->turn * 2 * UNIT_SUMS;
      const int64_t row0 = tile_row(w, t), row1 = tile_row(w, t + 1), at = n + i * PANEL_COLUMNS;
      w->s.a[0] = w->a + row0 * w->s.a_step;
      w->s.a[1] = w->a + row1 * w->s.a_step;
      advance(w, two_by_n[p[i].wide], w->bias + i * PANEL_COLUMNS, unit_of(w, row0, at, &p[i], sums),
              unit_of(w, row1, at, &p[i], sums + UNIT_SUMS), 2);
    }
  }
  w->s.w[0] = both.w[0];
  w->s.w_step[0] = both.w_step[0];
  if (w->tiles % 2 != 0) {
    int32_t *sums = w->sums + w->turn * 2 * UNIT_SUMS;
    const int64_t row = tile_row(w, w->tiles - 1);
    w->s.a[0] = w->a + row * w->s.a_step;
    advance(w, one_by_n[tiles - 1], w->bias, unit_of(w, row, n, &p[0], sums),
            unit_of(w, row, n + PANEL_COLUMNS, &p[1], sums + UNIT_SUMS), count);
  }
}

static void tile_block(const fb_q8_block *b) {
  const int64_t depth = padded_depth(b->taps * b->kc);
  work w = {.b = b, .tiles = fb_ceil_div(b->rows, TILE_ROWS)};
  w.tile_rows = fb_ceil_div(b->rows, w.tiles);
  w.sums = b->scratch;
  w.bias = w.sums + 4 * UNIT_SUMS;
  w.s.steps = depth / 64;
  w.q.rows = w.tile_rows;
  w.q.y_step = b->y_step * (b->finish->to == FB_Q8_CODES ? 1 : 4);
  w.a = b->x[0];
  w.s.a_step = b->x_step;
  if (tile_copies(b->taps, b->kc, b->flip, b->x_step)) {
    fb_q8_block copy = *b;
    copy.scratch = (char *)b->scratch + SCRATCH_OWN;
    w.a = rows_copy(&copy, depth)[0];
    w.s.a_step = depth;
    WRITTEN();
  }
  configure(w.tile_rows);
  int turn = 0;
  for (int64_t n = b->n0; n < b->n1; n += 2 * PANEL_COLUMNS, turn ^= 2)
    panels_of(&w, n, w.panels + turn);
  while (w.q.at < w.q.count * TILE_ROWS)
    finish_next(&w.q);
  _tile_release();
}

static void block(const fb_q8_block *b) {
  if (b->rows <= DOT_UP_TO || b->taps * b->kc == 0)
    dot_block(b);
  else
    tile_block(b);
}

const fb_q8_core fb_q8_tile__amx_int8 = {
    .name = "tile__amx_int8",
    .rows = 256,
    .cols = 2 * PANEL_COLUMNS,
    .run = 64,
    .dynamic = true,
    .packed_size = packed_size,
    .pack = pack,
    .scratch_size = scratch_size,
    .block = block,
};
