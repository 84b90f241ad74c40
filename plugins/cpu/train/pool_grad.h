/* MaxPoolGrad and AveragePoolGrad, channels last: the rows of dx that a tile owns. */
#ifndef QE_CPU_TRAIN_POOL_GRAD_H
#define QE_CPU_TRAIN_POOL_GRAD_H

#include "spatial.h"

/* A row: all positions of the last dimension, all channels. */
typedef struct fb_pool_grad {
  fb_window g;       /* between dx and dy */
  int64_t rows;      /* of a sample */
  int64_t tile_rows; /* of a tile, all of one sample; MaxPoolGrad in three dimensions: all */
  int64_t tiles;
  bool covered; /* each element of dx lies in exactly one window */
} fb_pool_grad;

void fb_pool_grad_init(fb_pool_grad *s, const qe_problem *p);

/* Scratch memory: of windows along the last dimension the taps within x, or of positions the windows that have them. */
typedef struct fb_span {
  int64_t begin, end;
} fb_span;

/* AveragePoolGrad: a row of dy that adds to a row of dx, and the elements that its windows have in the other dimensions. */
typedef struct fb_dy_row {
  int64_t offset, count;
} fb_dy_row;

/* Windows [begin, end) along d with position `at` between their first and their last tap. */
static inline fb_span fb_windows_around(const fb_window *g, int d, int64_t at) {
  const int64_t top = at + g->pad[d], low = top - (g->kernel[d] - 1) * g->dilation[d];
  fb_span w = {.begin = fb_ceil_div(fb_max64(low, 0), g->stride[d]), .end = top < 0 ? 0 : top / g->stride[d] + 1};
  w.end = fb_min64(w.end, g->out[d]);
  w.begin = fb_min64(w.begin, w.end);
  return w;
}
/* Does such a window have a tap there? */
static inline bool fb_window_taps(const fb_window *g, int d, int64_t window, int64_t at) {
  return g->dilation[d] == 1 || (at + g->pad[d] - window * g->stride[d]) % g->dilation[d] == 0;
}

#endif
