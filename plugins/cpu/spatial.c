/* Geometry of convolutions and pools (spatial.h). */
#include "spatial.h"

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

int64_t fb_phases(const qe_problem *p) {
  int64_t n = 1;
  for (uint32_t i = 0; i < p->params->spatial; ++i) n = fb_min64(n * p->params->stride[i], FB_MOST_PHASES + 1);
  return n;
}

int fb_conv_check(const qe_problem *p, bool transposed, char *reason, size_t reason_size) {
  if (!fb_window_check(p, reason, reason_size)) return 0;
  const qe_op_params *a = p->params;
  const qe_operand *x = p->in[0], *w = p->in[1], *y = p->out[0];
  const int64_t groups = a->groups, ins = x->dims[1], outs = y->dims[1];
  bool fits = a->spatial >= 1 && groups >= 1 && ins % groups == 0 && outs % groups == 0 && w->rank == x->rank &&
              w->dims[0] == (transposed ? ins : outs) && w->dims[1] == (transposed ? outs : ins) / groups;
  for (uint32_t i = 0; fits && i < a->spatial; ++i) fits = w->dims[2 + i] == a->kernel[i];
  if (!fits)
    return fb_refuse(reason, reason_size, "%s: a weight of rank %d does not fit %lld -> %lld channels in %lld groups",
                     p->op, w->rank, (long long)ins, (long long)outs, (long long)groups);
  if (transposed && fb_phases(p) > FB_MOST_PHASES)
    return fb_refuse(reason, reason_size, "%s: the strides have more than %d phases", p->op, FB_MOST_PHASES);
  return 1;
}

void fb_window_init(fb_window *g, const qe_problem *p) {
  fb_window_between(g, p->params, p->in[0], p->out[0]);
}

void fb_window_between(fb_window *g, const qe_op_params *a, const qe_operand *x, const qe_operand *y) {
  *g = (fb_window){.batch = x->dims[0],
                   .channels = x->dims[1],
                   .x_batch = x->strides[0],
                   .y_batch = y->strides[0],
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
