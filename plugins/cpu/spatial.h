/* The geometry of convolutions and pools, brought to three spatial dimensions (missing leading ones have size 1). */
#ifndef QE_CPU_SPATIAL_H
#define QE_CPU_SPATIAL_H

#include "fb.h"

typedef struct fb_window {
  int64_t batch, channels;
  int64_t in[3], out[3]; /* sizes of x and y */
  int64_t kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
  int64_t x_batch, x_step[3]; /* strides in elements */
  int64_t y_batch, y_step[3];
  int64_t taps; /* of one window */
} fb_window;

/* 1, or 0 with the reason: ranks and attributes fit each other. */
int fb_window_check(const qe_problem *p, char *reason, size_t reason_size);
/* The same for Conv or (transposed) ConvTranspose: the window, the groups and the weight fit x and y, and a transposed
 * one has no more than FB_MOST_PHASES phases. */
int fb_conv_check(const qe_problem *p, bool transposed, char *reason, size_t reason_size);
/*
 * Outputs of a transposed convolution that are equal modulo the strides are a phase of it: they have the same taps, and
 * each phase is a convolution. This is how many there are, at most FB_MOST_PHASES + 1.
 */
#define FB_MOST_PHASES 1024
int64_t fb_phases(const qe_problem *p);
/* From x = in[0], y = out[0] and the params. params->spatial 0: one window that covers all of x (global pools). */
void fb_window_init(fb_window *g, const qe_problem *p);
/* The same for any two operands, so that gradients have the window of the op that they belong to. */
void fb_window_between(fb_window *g, const qe_op_params *a, const qe_operand *x, const qe_operand *y);

/* Taps [*begin, *end) along dimension d of the window at output position `at` that lie within x; none: equal. */
static inline void fb_window_range(const fb_window *g, int d, int64_t at, int64_t *begin, int64_t *end) {
  const int64_t first = at * g->stride[d] - g->pad[d];
  const int64_t before = fb_ceil_div(fb_max64(-first, 0), g->dilation[d]);
  const int64_t room = fb_ceil_div(fb_max64(g->in[d] - first, 0), g->dilation[d]);
  *begin = fb_min64(before, g->kernel[d]);
  *end = fb_max64(fb_min64(room, g->kernel[d]), *begin);
}

/* Positions of the padded input that the window at `at` has along d. */
static inline int64_t fb_window_padded(const fb_window *g, int d, int64_t at) {
  const int64_t room = g->in[d] + g->pad_end[d] + g->pad[d] - at * g->stride[d];
  return fb_max64(0, fb_min64(g->kernel[d], fb_ceil_div(fb_max64(room, 0), g->dilation[d])));
}

#endif
