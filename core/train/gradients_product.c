/* Gradients of convolutions: the input's is the transposed operation, the weight's a correlation (ConvWeightGrad). */
#include "train/gradients.h"

enum { MAX_WINDOW_ATTRS = 6 };

/* The forward node's window with its pads resolved. The arrays of the attributes point into *p. */
typedef struct window {
  int64_t kernel[QE_MAX_SPATIAL], stride[QE_MAX_SPATIAL], dilation[QE_MAX_SPATIAL], pads[2 * QE_MAX_SPATIAL], extra[QE_MAX_SPATIAL];
  qe__attr attr[MAX_WINDOW_ATTRS];
} window;

static void window_of(const qe_op_params *p, window *w) {
  for (uint32_t i = 0; i < p->spatial; i++) {
    w->kernel[i] = p->kernel[i];
    w->stride[i] = p->stride[i];
    w->dilation[i] = p->dilation[i];
    w->pads[i] = p->pad_begin[i];
    w->pads[p->spatial + i] = p->pad_end[i];
    w->extra[i] = 0;
  }
  w->attr[0] = QE__INTS("kernel_shape", p->spatial, w->kernel);
  w->attr[1] = QE__INTS("strides", p->spatial, w->stride);
  w->attr[2] = QE__INTS("dilations", p->spatial, w->dilation);
  w->attr[3] = QE__INTS("pads", 2 * (size_t)p->spatial, w->pads);
  w->attr[4] = QE__INT("group", p->groups);
  w->attr[5] = QE__INTS("output_padding", p->spatial, w->extra);
}

/* Where, in the unpadded dimension, the last of n windows ends. */
static int64_t reach(const qe_op_params *p, uint32_t i, int64_t n) {
  return (n - 1) * p->stride[i] + (p->kernel[i] - 1) * p->dilation[i] + 1 - p->pad_begin[i];
}

static void bias(qe__gradient *c) {
  if (!qe__gradient_has(c, 2) || !c->want[2]) return;
  const uint32_t rank = qe__gradient_shape(c, 0).rank;
  c->dx[2] = qe__emit_sum(&c->e, c->dy[0], ((1u << rank) - 1u) & ~2u, false);
}

void qe__gradient_conv(qe__gradient *c) {
  const qe_op_params *p = &c->params;
  const qe__shape x = qe__gradient_shape(c, 0), y = qe__shape_of(c->e.g, c->dy[0]);
  window w;
  window_of(p, &w);
  for (uint32_t i = 0; i < p->spatial; i++) w.extra[i] = x.dims[2 + i] + p->pad_end[i] - reach(p, i, y.dims[2 + i]); /* behind the last window */
  if (c->want[0]) c->dx[0] = qe__emit_node(&c->e, QE__OP_ConvTranspose, 2, (qe__value_id[]){c->dy[0], c->n->in[1]}, 6, w.attr);
  if (c->want[1]) c->dx[1] = qe__emit_node(&c->e, QE__OP_ConvWeightGrad, 2, (qe__value_id[]){c->dy[0], c->n->in[0]}, 5, w.attr);
  bias(c);
}

void qe__gradient_conv_transpose(qe__gradient *c) {
  const qe_op_params *p = &c->params;
  const qe__shape x = qe__gradient_shape(c, 0);
  qe__value_id dy = c->dy[0];
  window w;
  window_of(p, &w);
  /* The convolution must find a window for each x, no fewer and no more: results that no window reaches (output padding)
   * hold the bias alone. */
  for (uint32_t i = 0; i < p->spatial; i++) {
    const int64_t size = qe__shape_of(c->e.g, c->dy[0]).dims[2 + i], end = reach(p, i, x.dims[2 + i]);
    w.pads[p->spatial + i] = end > size ? end - size : 0;
    if (size - end >= p->stride[i]) dy = qe__emit_slice(&c->e, dy, 2 + i, 0, end);
  }
  if (c->want[0]) c->dx[0] = qe__emit_node(&c->e, QE__OP_Conv, 2, (qe__value_id[]){dy, c->n->in[1]}, 5, w.attr);
  if (c->want[1]) c->dx[1] = qe__emit_node(&c->e, QE__OP_ConvWeightGrad, 2, (qe__value_id[]){c->n->in[0], dy}, 5, w.attr);
  bias(c);
}
