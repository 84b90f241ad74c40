/*
 * The geometry of convolutions in three spatial dimensions (missing leading ones have size 1). Along each dimension the
 * output positions of interest are first + i * step, i < n, and output i meets input at + i * in_step + t * tap_step
 * through its t'th tap, taps t < taps being the kernel's positions tap + t * tap_skip. A convolution is one such
 * window; a transposed one is a window for each phase of its stride: outputs of a phase have the same taps.
 */
#ifndef QE_CPU_F32_WINDOW_H
#define QE_CPU_F32_WINDOW_H

#include "fb.h"

typedef struct fb_f32_axis {
  int64_t first, step, n;
  int64_t at, in_step, tap_step;
  int64_t tap, tap_skip, taps;
  int64_t in;     /* size of the input */
  int64_t lo, hi; /* outputs [lo, hi) have all their taps; lo == hi: none */
} fb_f32_axis;

typedef struct fb_f32_window {
  fb_f32_axis axis[3];
  int64_t x_step[3], x_batch; /* in elements */
  int64_t y_step[3], y_batch;
  int64_t batch, kernel[3];
} fb_f32_window;

/* One of the windows of a problem: phases of a transposed one (spatial.h), else the only one. */
fb_f32_window fb_f32_window_of(const qe_problem *p, bool transposed, int64_t phase);
/* Taps [*begin, *end) of output i lie within the input; none: both 0. */
void fb_f32_taps(const fb_f32_axis *a, int64_t i, int64_t *begin, int64_t *end);

#endif
