/* Weights in panels (core.h): once for constants, else in run(). */
#include "f32/core.h"

/* The elements of column n, in the order of k: a walk over taps and channels. */
static void pack_panel(const fb_f32_weight *w, int64_t n0, int64_t n, int64_t width, float *to) {
  for (int64_t i = 0; i < w->taps[0]; ++i)
    for (int64_t j = 0; j < w->taps[1]; ++j)
      for (int64_t t = 0; t < w->taps[2]; ++t)
        for (int64_t c = 0; c < w->kc; ++c, to += width) {
          const float *from =
              w->data + n0 * w->step_n + i * w->step_tap[0] + j * w->step_tap[1] + t * w->step_tap[2] + c * w->step_c;
          for (int64_t v = 0; v < n; ++v) to[v] = from[v * w->step_n];
          for (int64_t v = n; v < width; ++v) to[v] = 0.0f;
        }
}

void fb_f32_pack(const fb_f32_core *core, const fb_f32_weight *w, int64_t n0, int64_t n1, float *to) {
  const int64_t depth = fb_f32_depth(w);
  if (w->step_n == 1 && depth == w->kc && depth > 0) {
    core->pack_rows(w->data + n0, w->step_c, depth, n1 - n0, to);
    return;
  }
  for (int64_t n = n0; n < n1; n += core->cols) {
    const int64_t width = w->n - n > core->lanes ? core->cols : core->lanes;
    pack_panel(w, n, fb_min64(n1 - n, width), width, to);
    to += width * depth;
  }
}
