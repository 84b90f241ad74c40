/*
 * Pixels that lack some taps (conv.h). A block goes through the taps in order; taps that the same rows have make one
 * call of the core for those rows, while the sums of the others rest in memory. So a tap in the padding is skipped, not
 * multiplied by 0, and hardly slows down the rows that have it.
 */
#include "f32/conv_edge.h"

#include <string.h>

enum { CHUNK = FB_F32_CHUNK, PIECES = 64, FEW_CHANNELS = 32 };

typedef struct edge_block {
  const fb_f32_conv *c;
  fb_f32_block b;
  int rows;
  const float *const *x;
  float *const *y;
  float *sums[FB_F32_ROWS]; /* where sums of this chunk rest: y, or the scratch of later chunks */
  int64_t chunk;
  bool begun;    /* the rows of sums have values */
  unsigned mask; /* rows of the pieces that wait */
  int64_t waiting;
  fb_f32_piece pieces[PIECES];
} edge_block;

static unsigned all(const edge_block *e) {
  return (1u << e->rows) - 1;
}

/* Adds the waiting pieces for rows `mask`; `how`: what ends with them. */
static void run(edge_block *e, unsigned mask, int how) {
  const float *x[FB_F32_ROWS];
  float *sums[FB_F32_ROWS], *y[FB_F32_ROWS];
  int rows = 0;
  for (int r = 0; r < e->rows; ++r)
    if (mask >> r & 1) {
      x[rows] = e->x[r];
      sums[rows] = e->sums[r];
      y[rows++] = e->y[r];
    }
  if (!e->begun && mask != all(e)) {
    for (int r = 0; r < e->rows; ++r) memset(e->sums[r] + e->b.col, 0, sizeof(float) * (size_t)e->b.n);
    e->begun = true;
  }
  fb_f32_block b = e->b;
  b.rows = rows;
  b.how = how | (e->begun ? FB_F32_RESUME : 0);
  b.x = x;
  b.acc = sums;
  b.y = y;
  b.pieces = e->pieces;
  b.count = e->waiting;
  e->c->core->block(&b);
  e->begun = true;
  e->waiting = 0;
}

static void begin_chunk(edge_block *e, const fb_f32_tile_job *j) {
  const int64_t row = e->c->groups * e->c->oc;
  for (int r = 0; r < e->rows; ++r) e->sums[r] = e->chunk > 0 ? j->part + r * row : e->y[r];
  e->begun = false;
}

/* Sums of the chunk go to y. */
static void end_chunk(edge_block *e) {
  const bool last = e->chunk + 1 == fb_f32_chunks(e->c->depth);
  const int how = (e->chunk > 0 ? FB_F32_ADD : 0) | (last ? FB_F32_FINISH : 0);
  if (e->waiting > 0 && e->mask != all(e)) run(e, e->mask, FB_F32_KEEP);
  run(e, all(e), how);
  ++e->chunk;
}

static void add_piece(edge_block *e, const fb_f32_tile_job *j, unsigned mask, fb_f32_piece p) {
  while (p.k > 0) {
    for (; e->chunk < p.first / CHUNK; begin_chunk(e, j)) end_chunk(e);
    if (e->waiting > 0 && (e->mask != mask || e->waiting == PIECES)) run(e, e->mask, FB_F32_KEEP);
    const int64_t k = fb_min64(p.k, CHUNK - p.first % CHUNK);
    fb_f32_piece *last = e->pieces + e->waiting - 1;
    if (e->waiting > 0 && last->first + last->k == p.first && last->a + last->k == p.a)
      last->k += k; /* goes on where the last one ends */
    else
      e->pieces[e->waiting++] = (fb_f32_piece){p.a, p.first, k};
    e->mask = mask;
    p = (fb_f32_piece){p.a + k, p.first + k, p.k - k};
  }
}

/* For each tap along dimension d the rows that have it. */
static void fill_masks(const fb_f32_tile_job *j, int64_t first, int rows, int d, uint16_t *masks) {
  memset(masks, 0, sizeof *masks * (size_t)j->window.axis[d].taps);
  for (int r = 0; r < rows; ++r) {
    const fb_f32_edge *e = j->edges + first + r;
    for (int64_t t = e->begin[d]; t < e->end[d]; ++t) masks[t] = (uint16_t)(masks[t] | 1u << r);
  }
}

static void run_pixels(const fb_f32_conv *c, const fb_f32_tile_job *j, fb_f32_block b, int64_t first, int rows) {
  const fb_f32_window *w = &j->window;
  const fb_f32_axis *a = w->axis;
  uint16_t *m0 = j->masks, *m1 = m0 + a[0].taps, *m2 = m1 + a[1].taps;
  fill_masks(j, first, rows, 0, m0);
  fill_masks(j, first, rows, 1, m1);
  fill_masks(j, first, rows, 2, m2);
  edge_block e = {.c = c, .b = b, .rows = rows, .x = j->xs + first, .y = j->ys + first};
  begin_chunk(&e, j);
  for (int64_t t0 = 0; t0 < a[0].taps; ++t0)
    for (int64_t t1 = 0; t1 < a[1].taps; ++t1) {
      if (!(m0[t0] & m1[t1])) continue;
      for (int64_t t2 = 0; t2 < a[2].taps; ++t2) {
        const unsigned mask = m0[t0] & m1[t1] & m2[t2];
        if (mask) add_piece(&e, j, mask, fb_f32_tap(c, w, t0, t1, t2));
      }
    }
  for (; e.chunk + 1 < fb_f32_chunks(c->depth); begin_chunk(&e, j)) end_chunk(&e);
  end_chunk(&e);
}

static bool same_taps(const fb_f32_edge *a, const fb_f32_edge *b) {
  return memcmp(a, b, sizeof *a) == 0;
}

void fb_f32_run_edges(const fb_f32_conv *c, const fb_f32_tile_job *j, fb_f32_block b, int64_t n) {
  b.n = n;
  for (int64_t at = j->whole, end; at < j->pixels; at = end) {
    /* With few channels a call is short, and many of them cost more than blocks of few rows. */
    end = j->pixels;
    if (c->ic < FEW_CHANNELS)
      for (end = at + 1; end < j->pixels && same_taps(j->edges + at, j->edges + end);) ++end;
    const int64_t blocks = fb_ceil_div(end - at, c->core->rows);
    for (int64_t i = 0; i < blocks; ++i) {
      const int64_t r0 = at + i * (end - at) / blocks, r1 = at + (i + 1) * (end - at) / blocks;
      run_pixels(c, j, b, r0, (int)(r1 - r0));
    }
  }
}
