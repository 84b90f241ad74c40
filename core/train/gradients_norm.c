/* Gradients of normalizations and softmax. */
#include "train/gradients.h"

/* Every dimension but the channels'. */
static uint32_t all_but_channels(const qe__shape *x) { return ((1u << x->rank) - 1u) & ~2u; }

/* A vector [C] as [C, 1, ...], which broadcasts over x's positions. */
static qe__value_id per_channel(qe__gradient *c, qe__value_id v, const qe__shape *x) {
  int64_t dims[QE_MAX_RANK] = {x->dims[1]};
  for (uint32_t d = 1; d + 1 < x->rank; d++) dims[d] = 1;
  return qe__emit_reshape(&c->e, v, x->rank - 1, dims);
}

/* With r = 1 / sqrt(var + eps): y = (x - mean) * (scale * r) + B. */
void qe__gradient_batch_norm(qe__gradient *c) {
  qe__emit *e = &c->e;
  const qe__value_id *in = c->n->in, dy = c->dy[0];
  const qe__shape x = qe__gradient_shape(c, 0);
  const qe__value_id deviation = qe__emit_unary(e, QE__OP_Sqrt, qe__emit_with(e, QE__OP_Add, in[4], c->params.epsilon));
  const qe__value_id factor = qe__emit_binary(e, QE__OP_Div, in[1], deviation);
  if (c->want[0]) c->dx[0] = qe__emit_binary(e, QE__OP_Mul, dy, per_channel(c, factor, &x));
  qe__value_id sum = QE__NO_VALUE, dscale = QE__NO_VALUE;
  if (c->want[2] || c->want[3]) sum = qe__emit_sum(e, dy, all_but_channels(&x), false);
  if (c->want[1] || c->want[4]) {
    const qe__value_id centered = qe__emit_binary(e, QE__OP_Sub, in[0], per_channel(c, in[3], &x));
    const qe__value_id product = qe__emit_binary(e, QE__OP_Mul, dy, centered);
    dscale = qe__emit_binary(e, QE__OP_Div, qe__emit_sum(e, product, all_but_channels(&x), false), deviation);
  }
  if (c->want[1]) c->dx[1] = dscale;
  if (c->want[2]) c->dx[2] = sum;
  if (c->want[3]) c->dx[3] = qe__emit_unary(e, QE__OP_Neg, qe__emit_binary(e, QE__OP_Mul, sum, factor));
  if (c->want[4]) { /* -1/2 * scale * r^3 * sum(dy * (x - mean)) */
    const qe__value_id half = qe__emit_with(e, QE__OP_Mul, qe__emit_binary(e, QE__OP_Div, factor, deviation), -0.5f);
    c->dx[4] = qe__emit_binary(e, QE__OP_Mul, half, dscale);
  }
}

/* The forward node's statistics, which it may not have been asked for. */
static qe__value_id statistic(qe__gradient *c, uint32_t i) {
  qe__value_id *out = &c->n->out[i];
  if (*out == QE__NO_VALUE && !qe__emit_failed(&c->e, qe__graph_add_value(c->e.g, NULL, QE_DTYPE_NONE, out))) {
    qe_op_params params;
    qe__emit_failed(&c->e, qe__infer_concrete(c->e.g, c->n, &params));
  }
  return *out;
}

void qe__gradient_batch_norm_train(qe__gradient *c) {
  const qe__value_id *in = c->n->in;
  const bool multiplied = qe__gradient_has(c, 3);
  qe__value_id operands[6] = {c->dy[0], in[0], in[1]}, out[4];
  operands[3] = statistic(c, 1);
  operands[4] = statistic(c, 2);
  if (multiplied) operands[5] = in[3];
  const bool wanted[4] = {true, c->want[1], c->want[2], multiplied && c->want[3]};
  const qe__attr epsilon = QE__FLOAT("epsilon", c->params.epsilon);
  qe__emit_outputs(&c->e, QE__OP_BatchNormGrad, multiplied ? 6 : 5, operands, 1, &epsilon, 4, wanted, out);
  if (c->want[0]) c->dx[0] = out[0];
  for (uint32_t i = 1; i < 4; i++) {
    if (wanted[i]) c->dx[i] = out[i];
  }
}

/* LayerNormGrad over dimensions from `axis` on; dx and, where wanted, dscale and dB of the normalized shape. */
static void layer_norm_grad(qe__gradient *c, qe__value_id dy, qe__value_id x, qe__value_id scale, int64_t axis, const bool wanted[3],
                            qe__value_id out[3]) {
  const qe__attr attr[2] = {QE__FLOAT("epsilon", c->params.epsilon), QE__INT("axis", axis)};
  qe__emit_outputs(&c->e, QE__OP_LayerNormGrad, 3, (qe__value_id[]){dy, x, scale}, 2, attr, 3, wanted, out);
}

void qe__gradient_layer_norm(qe__gradient *c) {
  const qe__shape x = qe__gradient_shape(c, 0);
  const uint32_t axis = (uint32_t)c->params.axis;
  const qe__value_id scale = qe__emit_reshape(&c->e, c->n->in[1], x.rank - axis, x.dims + axis);
  const bool wanted[3] = {true, c->want[1], qe__gradient_has(c, 2) && c->want[2]};
  qe__value_id out[3];
  layer_norm_grad(c, c->dy[0], c->n->in[0], scale, axis, wanted, out);
  if (c->want[0]) c->dx[0] = out[0];
  for (uint32_t i = 1; i < 3; i++) {
    if (wanted[i]) qe__gradient_sum_to(c, i, out[i]); /* the operand may have ones in front */
  }
}

/* Groups are the rows of a layer normalization without scale, which is then applied per channel. */
void qe__gradient_group_norm(qe__gradient *c) {
  qe__emit *e = &c->e;
  const qe__value_id *in = c->n->in, dy = c->dy[0];
  const qe__shape x = qe__gradient_shape(c, 0);
  const int64_t groups = c->n->op->id == QE__OP_GroupNormalization ? c->params.groups : x.dims[1];
  const int64_t rows[2] = {x.dims[0] * groups, groups > 0 ? qe__shape_count(&x, 1, x.rank) / groups : 0};
  const qe__value_id flat = qe__emit_reshape(e, in[0], 2, rows), ones = qe__emit_filled(e, 1, &rows[1], 1.0f);
  if (c->want[0]) {
    const bool wanted[3] = {true, false, false};
    qe__value_id out[3];
    const qe__value_id scaled = qe__emit_binary(e, QE__OP_Mul, dy, per_channel(c, in[1], &x));
    layer_norm_grad(c, qe__emit_reshape(e, scaled, 2, rows), flat, ones, 1, wanted, out);
    c->dx[0] = qe__emit_reshape(e, out[0], x.rank, x.dims);
  }
  if (c->want[1]) {
    const qe__attr attr[2] = {QE__FLOAT("epsilon", c->params.epsilon), QE__INT("axis", 1)};
    const qe__value_id normal = qe__emit_node(e, QE__OP_LayerNormalization, 2, (qe__value_id[]){flat, ones}, 2, attr);
    const qe__value_id product = qe__emit_binary(e, QE__OP_Mul, dy, qe__emit_reshape(e, normal, x.rank, x.dims));
    c->dx[1] = qe__emit_sum(e, product, all_but_channels(&x), false);
  }
  if (c->want[2]) c->dx[2] = qe__emit_sum(e, dy, all_but_channels(&x), false);
}

/* dx = y * (dy - sum(dy * y)) */
void qe__gradient_softmax(qe__gradient *c) {
  qe__emit *e = &c->e;
  const qe__value_id y = qe__gradient_result(c), product = qe__emit_binary(e, QE__OP_Mul, c->dy[0], y);
  const qe__value_id rest = qe__emit_binary(e, QE__OP_Sub, c->dy[0], qe__emit_sum(e, product, 1u << c->params.axis, true));
  c->dx[0] = qe__emit_binary(e, QE__OP_Mul, y, rest);
}

/* dx = dy - exp(y) * sum(dy) */
void qe__gradient_log_softmax(qe__gradient *c) {
  qe__emit *e = &c->e;
  const qe__value_id p = qe__emit_unary(e, QE__OP_Exp, qe__gradient_result(c));
  const qe__value_id share = qe__emit_binary(e, QE__OP_Mul, p, qe__emit_sum(e, c->dy[0], 1u << c->params.axis, true));
  c->dx[0] = qe__emit_binary(e, QE__OP_Sub, c->dy[0], share);
}
