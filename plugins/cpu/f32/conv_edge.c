/*
 * Pixels of several classes in the same blocks (conv.h): the taps one after the other, each for the pixels that have
 * it, while sums rest in memory. So a tap in the padding is skipped, not multiplied by 0, blocks are full whatever the
 * classes, and the weights of a tap stay in the first-level cache.
 */
#include "f32/conv_edge.h"

#include <string.h>

enum { CHUNK = FB_F32_CHUNK };

typedef struct tap_run {
  const fb_f32_conv *c;
  const fb_f32_tile_job *j;
  fb_f32_block b;
  int64_t first, count; /* pixels */
  int64_t chunk;
} tap_run;

/* Sums of the first chunk rest where the outputs will be. */
static void begin_chunk(tap_run *t) {
  const fb_f32_tile_job *j = t->j;
  for (int64_t i = 0; i < t->count; ++i) {
    j->sums[i] = t->chunk > 0 ? j->part + i * t->b.n : j->outs[i];
    memset(j->sums[i], 0, sizeof(float) * (size_t)t->b.n);
  }
}

static void end_chunk(tap_run *t) {
  const bool last = t->chunk + 1 == fb_f32_chunks(t->c->depth);
  fb_f32_block b = t->b;
  b.rows = t->count;
  b.how = FB_F32_RESUME | (t->chunk > 0 ? FB_F32_ADD : 0) | (last ? FB_F32_FINISH : 0);
  b.acc = t->j->sums;
  b.y = t->j->outs;
  b.x = t->j->xs + t->first; /* no terms of them */
  t->c->core->block(&b);
  ++t->chunk;
}

static bool has_tap(const fb_f32_edge *e, const int64_t *tap) {
  return tap[0] >= e->begin[0] && tap[0] < e->end[0] && tap[1] >= e->begin[1] && tap[1] < e->end[1] &&
         tap[2] >= e->begin[2] && tap[2] < e->end[2];
}

/* The pixels that have a tap. */
static int64_t gather(const tap_run *t, const int64_t *tap) {
  const fb_f32_tile_job *j = t->j;
  int64_t rows = 0;
  for (int64_t i = j->alone; i < j->class_count; ++i) {
    const fb_f32_class *p = &j->classes[i];
    if (!has_tap(&p->taps, tap)) continue;
    memcpy(j->tap_xs + rows, j->xs + p->first, sizeof *j->xs * (size_t)p->count);
    memcpy(j->tap_sums + rows, j->sums + (p->first - t->first), sizeof *j->sums * (size_t)p->count);
    rows += p->count;
  }
  return rows;
}

static void add_tap(tap_run *t, const int64_t *tap) {
  fb_f32_piece rest = fb_f32_tap(t->c, &t->j->window, tap[0], tap[1], tap[2]);
  while (rest.k > 0) {
    for (; t->chunk < rest.first / CHUNK; begin_chunk(t)) end_chunk(t);
    const fb_f32_piece piece = {rest.a, rest.first, fb_min64(rest.k, CHUNK - rest.first % CHUNK)};
    fb_f32_block b = t->b;
    b.rows = gather(t, tap);
    b.how = FB_F32_RESUME | FB_F32_KEEP | (t->count > t->c->core->rows ? FB_F32_NEXT_PANEL : 0); /* as in product.c */
    b.x = t->j->tap_xs;
    b.acc = t->j->tap_sums;
    b.pieces = &piece;
    b.count = 1;
    if (b.rows > 0) t->c->core->block(&b);
    rest = (fb_f32_piece){rest.a + piece.k, rest.first + piece.k, rest.k - piece.k};
  }
}

void fb_f32_run_taps(const fb_f32_conv *c, const fb_f32_tile_job *j, fb_f32_block b) {
  const fb_f32_axis *a = j->window.axis;
  tap_run t = {.c = c, .j = j, .b = b, .first = j->classes[j->alone].first};
  t.count = j->pixels - t.first;
  for (int64_t i = 0; i < t.count; ++i) j->outs[i] = j->ys[t.first + i] + b.col;
  t.b.col = 0;
  if (b.bias) t.b.bias = b.bias + b.col;
  begin_chunk(&t);
  int64_t tap[3];
  for (tap[0] = 0; tap[0] < a[0].taps; ++tap[0])
    for (tap[1] = 0; tap[1] < a[1].taps; ++tap[1])
      for (tap[2] = 0; tap[2] < a[2].taps; ++tap[2]) add_tap(&t, tap);
  for (; t.chunk + 1 < fb_f32_chunks(c->depth); begin_chunk(&t)) end_chunk(&t);
  end_chunk(&t);
}
