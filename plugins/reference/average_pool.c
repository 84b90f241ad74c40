/*
 * AveragePool, float32, channels last: y = act(sum / (float)count), the sum from +0 over the window's elements in
 * row-major order of the kernel; neighbouring channels side by side. count: the elements within x, or with
 * count_include_pad the positions within the padded input (a window that ceil_mode lets stick out further does not
 * count those). A window without any counted position gives 0.
 */
#include <string.h>

#include "pool_window.h"

#define TILE_ELEMENTS 4096

static int64_t tile_pixels(const ref_window *g) { return ref_max64(1, TILE_ELEMENTS / ref_max64(1, g->channels)); }

int ref_average_pool_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return ref_window_check(p, reason, reason_size);
}

int ref_average_pool_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_window g;
  ref_window_init(&g, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(g.pixels, tile_pixels(&g));
  return 0;
}

int ref_average_pool_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const ref_loops *loops = ref_loops_of(self);
  ref_window g;
  ref_window_init(&g, p);
  const int64_t step = tile_pixels(&g), pixel_end = ref_min64(tile_end * step, g.pixels);
  for (int64_t pixel = tile_begin * step; pixel < pixel_end; ++pixel) {
    const ref_pixel at = ref_window_pixel(&g, pixel);
    const float *x = (const float *)call->in[0] + at.n * g.x_batch;
    float *y = (float *)call->out[0] + pixel * g.channels;
    const ref_taps w = ref_window_taps(&g, &at);
    const int64_t count = ref_window_count(&g, &at, p->params->count_include_pad);
    memset(y, 0, sizeof(float) * (size_t)g.channels);
    for (int64_t i = w.begin[0]; i < w.end[0]; ++i)
      for (int64_t j = w.begin[1]; j < w.end[1]; ++j)
        for (int64_t k = w.begin[2]; k < w.end[2]; ++k)
          loops->add_f32(y, x + ref_pool_offset(&g, w.first, i, j, k), g.channels);
    const float divisor = count > 0 ? (float)count : 1.0f;
    for (int64_t c = 0; c < g.channels; ++c)
      y[c] = ref_act(y[c] / divisor, p->act_lo, p->act_hi);
  }
  return 0;
}
