/* Geometry of convolutions and pools (window.h). */
#include "window.h"

static bool is_size(int64_t v, int64_t least) {
  return v >= least && v <= INT32_MAX;
}

int fb_window_check(const qe_problem *p, char *reason, size_t reason_size) {
  const qe_op_params *a = p->params;
  const int rank = p->in[0]->rank;
  if (p->out[0]->rank != rank || rank < 3 || rank > 2 + QE_MAX_SPATIAL || (a->spatial && (int)a->spatial != rank - 2))
    return fb_refuse(reason, reason_size, "%s: ranks %d and %d with %u spatial dimensions", p->op, rank,
                     p->out[0]->rank, a->spatial);
  for (uint32_t i = 0; i < a->spatial; ++i)
    if (!is_size(a->kernel[i], 1) || !is_size(a->stride[i], 1) || !is_size(a->dilation[i], 1) ||
        !is_size(a->pad_begin[i], INT32_MIN) || !is_size(a->pad_end[i], INT32_MIN))
      return fb_refuse(reason, reason_size, "%s: the window is larger than 2^31 along spatial dimension %u", p->op, i);
  return 1;
}

void fb_window_init(fb_window *g, const qe_problem *p) {
  const qe_op_params *a = p->params;
  const qe_operand *x = p->in[0], *y = p->out[0];
  *g = (fb_window){.batch = x->dims[0],
                   .channels = x->dims[1],
                   .out_channels = y->dims[1],
                   .x_batch = x->strides[0],
                   .x_channel = x->strides[1],
                   .y_batch = y->strides[0],
                   .y_channel = y->strides[1],
                   .taps = 1};
  for (int d = 0; d < 3; ++d) {
    const int axis = d + x->rank - 3;
    g->in[d] = g->out[d] = g->kernel[d] = g->stride[d] = g->dilation[d] = 1;
    if (axis < 2) continue;
    g->in[d] = g->kernel[d] = x->dims[axis];
    g->out[d] = y->dims[axis];
    g->x_step[d] = x->strides[axis];
    g->y_step[d] = y->strides[axis];
    if (a->spatial) {
      g->kernel[d] = a->kernel[axis - 2];
      g->stride[d] = a->stride[axis - 2];
      g->dilation[d] = a->dilation[axis - 2];
      g->pad[d] = a->pad_begin[axis - 2];
      g->pad_end[d] = a->pad_end[axis - 2];
    }
  }
  for (int d = 0; d < 3; ++d) g->taps = (int64_t)((uint64_t)g->taps * (uint64_t)g->kernel[d]);
}
