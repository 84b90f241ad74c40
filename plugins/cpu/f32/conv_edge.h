/* A tile of a convolution at work, and its pixels at the edges (conv.h). */
#ifndef QE_CPU_F32_CONV_EDGE_H
#define QE_CPU_F32_CONV_EDGE_H

#include "f32/conv.h"

/* A pixel some of whose taps lie in the padding: it has taps [begin, end) along each dimension. */
typedef struct fb_f32_edge {
  int64_t begin[3], end[3];
} fb_f32_edge;

typedef struct fb_f32_tile_job {
  const float *x, *bias;
  float *y;
  fb_f32_window window;
  bool joined;           /* neighbouring taps of the last dimension read neighbouring memory */
  int64_t whole, pixels; /* pixels [0, whole) have all their taps, [whole, pixels) have not */
  bool new_pixels;       /* of one tap, and the caches don't have them yet */
  const float **xs;      /* for each: the input that its tap 0 meets, which may lie outside */
  float **ys;
  fb_f32_edge *edges;
  fb_f32_piece *pieces; /* of a whole pixel */
  int64_t *chunks;
  uint16_t *masks;
  float *part; /* sums of chunks but the first */
} fb_f32_tile_job;

/* The run of tap (t0, t1, t2) of a window. */
static inline fb_f32_piece fb_f32_tap(const fb_f32_conv *c, const fb_f32_window *w, int64_t t0, int64_t t1,
                                      int64_t t2) {
  const fb_f32_axis *a = w->axis;
  const int64_t tap = ((a[0].tap + t0 * a[0].tap_skip) * w->kernel[1] + a[1].tap + t1 * a[1].tap_skip) * w->kernel[2] +
                      a[2].tap + t2 * a[2].tap_skip;
  return (fb_f32_piece){.a = t0 * a[0].tap_step * w->x_step[0] + t1 * a[1].tap_step * w->x_step[1] +
                             t2 * a[2].tap_step * w->x_step[2],
                        .first = tap * c->ic,
                        .k = c->ic};
}

/* Columns of b, n of them, for the pixels from j->whole on. */
void fb_f32_run_edges(const fb_f32_conv *c, const fb_f32_tile_job *j, fb_f32_block b, int64_t n);

#endif
