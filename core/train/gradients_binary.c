/* Gradients of ops of several inputs with broadcasting: what an input was repeated over is summed. */
#include "train/gradients.h"

#define MUL QE__OP_Mul
#define DIV QE__OP_Div

static qe__value_id negated(qe__gradient *c, qe__value_id v) { return qe__emit_unary(&c->e, QE__OP_Neg, v); }

void qe__gradient_add(qe__gradient *c) {
  for (uint32_t i = 0; i < c->n->n_in; i++) qe__gradient_sum_to(c, i, c->dy[0]);
}

void qe__gradient_sub(qe__gradient *c) {
  qe__gradient_sum_to(c, 0, c->dy[0]);
  if (c->want[1]) qe__gradient_sum_to(c, 1, negated(c, c->dy[0]));
}

void qe__gradient_mul(qe__gradient *c) {
  for (uint32_t i = 0; i < 2; i++) {
    if (c->want[i]) qe__gradient_sum_to(c, i, qe__emit_binary(&c->e, MUL, c->dy[0], c->n->in[1 - i]));
  }
}

void qe__gradient_div(qe__gradient *c) {
  const qe__value_id da = qe__emit_binary(&c->e, DIV, c->dy[0], c->n->in[1]);
  qe__gradient_sum_to(c, 0, da);
  if (!c->want[1]) return;
  const qe__value_id product = qe__emit_binary(&c->e, MUL, da, qe__gradient_result(c));
  qe__gradient_sum_to(c, 1, negated(c, product));
}

/* Some exponent may be 0, whose derivative is 0 even where a power of the base is not finite. */
static bool may_be_zero(const qe_tensor_t *t) {
  for (int64_t i = 0; t != NULL && i < t->count; i++) {
    if (qe__tensor_float_at(t, i) == 0.0) return true;
  }
  return t == NULL;
}

void qe__gradient_pow(qe__gradient *c) {
  qe__emit *e = &c->e;
  const qe__value_id a = c->n->in[0], dy = c->dy[0], zero = qe__emit_scalar(e, 0.0f);
  const bool zeros = may_be_zero(e->g->values[c->n->in[1]].data);
  qe__value_id b = c->n->in[1];
  if (e->g->values[b].dtype != QE_FLOAT32) {
    const qe__attr to = QE__INT("to", QE_FLOAT32);
    b = qe__emit_node(e, QE__OP_Cast, 1, &b, 1, &to);
  }
  if (c->want[0]) {
    const qe__value_id power = qe__emit_binary(e, QE__OP_Pow, a, qe__emit_with(e, QE__OP_Sub, b, 1.0f));
    qe__value_id slope = qe__emit_binary(e, MUL, b, power);
    if (zeros) slope = qe__emit_where(e, qe__emit_with(e, QE__OP_Equal, b, 0.0f), zero, slope);
    qe__gradient_sum_to(c, 0, qe__emit_binary(e, MUL, dy, slope));
  }
  if (c->want[1]) { /* y * log(a), 0 where the base has no logarithm */
    const qe__value_id product = qe__emit_binary(e, MUL, qe__gradient_result(c), qe__emit_unary(e, QE__OP_Log, a));
    const qe__value_id slope = qe__emit_where(e, qe__emit_with(e, QE__OP_Greater, a, 0.0f), product, zero);
    qe__gradient_sum_to(c, 1, qe__emit_binary(e, MUL, dy, slope));
  }
}

/*
 * Max, Min: folded left to right, an input takes over where it is strictly beyond what came before; the gradient goes
 * to the last that took over.
 */
void qe__gradient_extremum(qe__gradient *c) {
  qe__emit *e = &c->e;
  const uint16_t op = c->n->op->id, beyond = op == QE__OP_Max ? QE__OP_Greater : QE__OP_Less;
  const uint32_t n = c->n->n_in;
  const qe__value_id *in = c->n->in, zero = qe__emit_scalar(e, 0.0f);
  qe__value_id *takes = qe__calloc(n + 1, sizeof *takes), before = in[0], dy = c->dy[0];
  if (takes == NULL) {
    qe__emit_failed(e, QE_ERROR_OUT_OF_MEMORY);
    return;
  }
  for (uint32_t i = 1; i < n; i++) {
    takes[i] = qe__emit_binary(e, beyond, in[i], before);
    if (i + 1 < n) before = qe__emit_binary(e, op, before, in[i]);
  }
  for (uint32_t i = n - 1; i > 0; i--) {
    if (c->want[i]) qe__gradient_sum_to(c, i, qe__emit_where(e, takes[i], dy, zero));
    dy = qe__emit_where(e, takes[i], zero, dy);
  }
  qe__gradient_sum_to(c, 0, dy);
  qe__free(takes);
}

void qe__gradient_where(qe__gradient *c) {
  const qe__value_id zero = qe__emit_scalar(&c->e, 0.0f), condition = c->n->in[0];
  if (c->want[1]) qe__gradient_sum_to(c, 1, qe__emit_where(&c->e, condition, c->dy[0], zero));
  if (c->want[2]) qe__gradient_sum_to(c, 2, qe__emit_where(&c->e, condition, zero, c->dy[0]));
}

void qe__gradient_prelu(qe__gradient *c) {
  qe__emit *e = &c->e;
  const qe__value_id x = c->n->in[0], dy = c->dy[0], negative = qe__emit_with(e, QE__OP_Less, x, 0.0f);
  if (c->want[0]) c->dx[0] = qe__emit_where(e, negative, qe__emit_binary(e, MUL, dy, c->n->in[1]), dy);
  if (!c->want[1]) return;
  const qe__value_id zero = qe__emit_scalar(e, 0.0f), product = qe__emit_binary(e, MUL, dy, x);
  qe__gradient_sum_to(c, 1, qe__emit_where(e, negative, product, zero));
}
