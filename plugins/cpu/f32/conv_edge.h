/* A tile of a convolution at work: its pixels, by the taps that they have (conv.h). */
#ifndef QE_CPU_F32_CONV_EDGE_H
#define QE_CPU_F32_CONV_EDGE_H

#include "f32/conv.h"

/* Taps [begin, end) along each dimension; the others lie in the padding. */
typedef struct fb_f32_edge {
  int64_t begin[3], end[3];
} fb_f32_edge;

/* Positions up to `end` along a dimension, from where the one before ends, have the same taps [first, last). */
typedef struct fb_f32_span {
  int64_t end, first, last;
} fb_f32_span;

typedef struct fb_f32_line {
  int64_t i0, i1; /* positions along the leading dimensions */
  const float *x; /* the input that tap 0 of output 0 of the line meets, which may lie outside */
  float *y;
} fb_f32_line;

/* Pixels [first, first + count) of a tile, which have the same taps. */
typedef struct fb_f32_class {
  fb_f32_edge taps;
  int64_t first, count;
} fb_f32_class;

typedef struct fb_f32_tile_job {
  const float *x, *bias;
  float *y;
  fb_f32_window window;
  bool joined;        /* neighbouring taps of the last dimension read neighbouring memory */
  bool new_pixels;    /* of one tap, and the caches don't have them yet */
  fb_f32_span *spans; /* of each dimension, one after the other */
  int64_t span_count[3];
  fb_f32_line *lines;
  fb_f32_class *classes;
  int64_t class_count, alone; /* classes from `alone` on share blocks */
  int64_t pixels;
  const float **xs; /* for each pixel: the input that its tap 0 meets, which may lie outside */
  float **ys;
  fb_f32_piece *pieces;
  int64_t *chunks;
  const float **tap_xs; /* pixels of the classes that share blocks: those that have the tap at hand */
  float **tap_sums, **sums, **outs;
  float *part; /* their sums of chunks but the first */
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

/* Most classes of a tile. */
int64_t fb_f32_most_classes(const fb_f32_window *w);
void fb_f32_find_spans(fb_f32_tile_job *j);
/* Collects the pixels [begin, end) of lines [line0, line1). */
void fb_f32_collect(const fb_f32_conv *c, fb_f32_tile_job *j, int64_t line0, int64_t line1, int64_t begin, int64_t end);
/* The columns of b for the classes from j->alone on. */
void fb_f32_run_taps(const fb_f32_conv *c, const fb_f32_tile_job *j, fb_f32_block b);

#endif
