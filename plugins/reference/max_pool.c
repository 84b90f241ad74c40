/*
 * MaxPool, float32, channels last: the largest element of each window, NaN when one is in it, -inf when the window
 * holds no element. Taps in row-major order of the kernel (that decides which zero wins); neighbouring channels side by
 * side.
 */
#include <math.h>
#include <string.h>

#include "pool_window.h"

#define TILE_ELEMENTS 4096

static int64_t tile_pixels(const ref_window *g) { return ref_max64(1, TILE_ELEMENTS / ref_max64(1, g->channels)); }

int ref_max_pool_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_window g;
  ref_window_init(&g, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(g.pixels, tile_pixels(&g));
  return 0;
}

int ref_max_pool_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (ref_has_out(p, 1))
    return ref_refuse(reason, reason_size, "MaxPool: gives no indices");
  return ref_window_check(p, reason, reason_size);
}

static void pool_pixel(const ref_window *g, const ref_loops *loops, const ref_pixel *at, const float *x, float *y) {
  const ref_taps w = ref_window_taps(g, at);
  bool empty = true;
  for (int64_t i = w.begin[0]; i < w.end[0]; ++i)
    for (int64_t j = w.begin[1]; j < w.end[1]; ++j)
      for (int64_t k = w.begin[2]; k < w.end[2]; ++k) {
        const float *from = x + ref_pool_offset(g, w.first, i, j, k);
        if (empty)
          memcpy(y, from, sizeof(float) * (size_t)g->channels);
        else
          loops->max_f32(y, from, g->channels);
        empty = false;
      }
  for (int64_t c = 0; empty && c < g->channels; ++c)
    y[c] = -INFINITY;
}

int ref_max_pool_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const ref_loops *loops = ref_loops_of(self);
  ref_window g;
  ref_window_init(&g, p);
  const int64_t step = tile_pixels(&g), end = ref_min64(tile_end * step, g.pixels);
  for (int64_t pixel = tile_begin * step; pixel < end; ++pixel) {
    const ref_pixel at = ref_window_pixel(&g, pixel);
    float *y = (float *)call->out[0] + pixel * g.channels;
    pool_pixel(&g, loops, &at, (const float *)call->in[0] + at.n * g.x_batch, y);
    loops->finish_f32(y, y, NULL, p->act_lo, p->act_hi, g.channels);
  }
  return 0;
}
