/* The window of pools on integers: that of the params, or for global pools one over everything. */
#ifndef QE_REFERENCE_POOL_WINDOW_H
#define QE_REFERENCE_POOL_WINDOW_H

#include "window.h"

/* Needs ranks 3 to 5. */
static inline void ref_pool_window_init(ref_window *g, const qe_problem *p) {
  if (p->params->spatial) {
    ref_window_init(g, p);
    return;
  }
  const qe_operand *x = p->in[0], *y = p->out[0];
  *g = (ref_window){.batch = x->dims[0],
                    .channels = x->dims[1],
                    .out_channels = x->dims[1],
                    .x_batch = x->strides[0],
                    .x_channel = x->strides[1],
                    .y_batch = y->strides[0],
                    .y_channel = y->strides[1],
                    .pixels = x->dims[0]};
  for (uint32_t d = 0; d < 3; ++d) {
    const bool given = d + x->rank >= 5;
    const uint32_t axis = given ? d + x->rank - 3 : 0;
    g->in[d] = g->kernel[d] = given ? x->dims[axis] : 1;
    g->out[d] = g->stride[d] = g->dilation[d] = 1;
    g->x_step[d] = given ? x->strides[axis] : 0;
  }
  g->taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
}

/* Elements of x at the tap (i, j, k) of a window that begins at `first`, relative to the sample. */
static inline int64_t ref_pool_offset(const ref_window *g, const int64_t first[3], int64_t i, int64_t j, int64_t k) {
  return (first[0] + i * g->dilation[0]) * g->x_step[0] + (first[1] + j * g->dilation[1]) * g->x_step[1] +
         (first[2] + k * g->dilation[2]) * g->x_step[2];
}

#endif
