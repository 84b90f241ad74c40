/* Gradients of ops on one input, element by element. Where a derivative is short in the result y, it is written in y. */
#include "train/gradients.h"

#define ADD QE__OP_Add
#define SUB QE__OP_Sub
#define MUL QE__OP_Mul
#define DIV QE__OP_Div

/* dx[0] = dy * v */
static void times(qe__gradient *c, qe__value_id v) { c->dx[0] = qe__emit_binary(&c->e, MUL, c->dy[0], v); }

/* constant - x */
static qe__value_id minus_from(qe__emit *e, float constant, qe__value_id x) {
  return qe__emit_binary(e, SUB, qe__emit_scalar(e, constant), x);
}

static qe__value_id square(qe__emit *e, qe__value_id x) { return qe__emit_binary(e, MUL, x, x); }

/* `from`'s gradient passes where y lies between the bounds */
static qe__value_id within(qe__emit *e, qe__value_id from, qe__value_id y, float lo, float hi) {
  const qe__attr bounds[2] = {QE__FLOAT("min", lo), QE__FLOAT("max", hi)};
  return qe__emit_node(e, QE__OP_ClipGrad, 2, (qe__value_id[]){from, y}, 2, bounds);
}

/* dx[0] = x < 0 (or, with greater, x > bound) ? a : b */
static void choose(qe__gradient *c, uint16_t comparison, float bound, qe__value_id a, qe__value_id b) {
  c->dx[0] = qe__emit_where(&c->e, qe__emit_with(&c->e, comparison, c->n->in[0], bound), a, b);
}

void qe__gradient_relu(qe__gradient *c) {
  const qe__attr bound = QE__FLOAT("min", 0.0f);
  c->dx[0] = qe__emit_node(&c->e, QE__OP_ClipGrad, 2, (qe__value_id[]){c->dy[0], c->n->out[0]}, 1, &bound);
}

void qe__gradient_clip(qe__gradient *c) { c->dx[0] = within(&c->e, c->dy[0], qe__gradient_result(c), c->params.clip_lo, c->params.clip_hi); }

void qe__gradient_leaky_relu(qe__gradient *c) {
  const qe__value_id scaled = qe__emit_with(&c->e, MUL, c->dy[0], c->params.alpha);
  choose(c, QE__OP_Less, 0.0f, scaled, c->dy[0]);
}

/* alpha * exp(x) = y + alpha */
void qe__gradient_elu(qe__gradient *c) {
  const qe__value_id slope = qe__emit_with(&c->e, ADD, qe__gradient_result(c), c->params.alpha);
  choose(c, QE__OP_Less, 0.0f, qe__emit_binary(&c->e, MUL, c->dy[0], slope), c->dy[0]);
}

/* exp(x / alpha) = y / alpha + 1 */
void qe__gradient_celu(qe__gradient *c) {
  const qe__value_id scaled = qe__emit_with(&c->e, DIV, qe__gradient_result(c), c->params.alpha);
  const qe__value_id slope = qe__emit_with(&c->e, ADD, scaled, 1.0f);
  choose(c, QE__OP_Less, 0.0f, qe__emit_binary(&c->e, MUL, c->dy[0], slope), c->dy[0]);
}

/* gamma * (alpha * exp(x)) = y + gamma * alpha */
void qe__gradient_selu(qe__gradient *c) {
  const qe__value_id slope = qe__emit_with(&c->e, ADD, qe__gradient_result(c), c->params.gamma * c->params.alpha);
  const qe__value_id below = qe__emit_binary(&c->e, MUL, c->dy[0], slope), above = qe__emit_with(&c->e, MUL, c->dy[0], c->params.gamma);
  choose(c, QE__OP_Greater, 0.0f, above, below);
}

void qe__gradient_thresholded_relu(qe__gradient *c) {
  const qe__value_id zero = qe__emit_scalar(&c->e, 0.0f);
  choose(c, QE__OP_Greater, c->params.alpha, c->dy[0], zero);
}

void qe__gradient_sigmoid(qe__gradient *c) {
  const qe__value_id y = qe__gradient_result(c), rest = minus_from(&c->e, 1.0f, y);
  times(c, qe__emit_binary(&c->e, MUL, y, rest));
}

void qe__gradient_hard_sigmoid(qe__gradient *c) {
  const qe__value_id inside = within(&c->e, c->dy[0], qe__gradient_result(c), 0.0f, 1.0f);
  c->dx[0] = qe__emit_with(&c->e, MUL, inside, c->params.alpha);
}

void qe__gradient_tanh(qe__gradient *c) { times(c, minus_from(&c->e, 1.0f, square(&c->e, qe__gradient_result(c)))); }

/* y = x * h with h = clip(x / 6 + 1/2, 0, 1): dx = dy * h + (dy * x / 6 where h is inside) */
void qe__gradient_hard_swish(qe__gradient *c) {
  qe__emit *e = &c->e;
  const float sixth = 1.0f / 6.0f;
  const qe__value_id x = c->n->in[0];
  const qe__attr line[2] = {QE__FLOAT("alpha", sixth), QE__FLOAT("beta", 0.5f)};
  const qe__value_id h = qe__emit_node(e, QE__OP_HardSigmoid, 1, &x, 2, line);
  const qe__value_id steep = qe__emit_with(e, MUL, qe__emit_binary(e, MUL, c->dy[0], x), sixth);
  const qe__value_id inside = within(e, steep, h, 0.0f, 1.0f);
  c->dx[0] = qe__emit_binary(e, ADD, qe__emit_binary(e, MUL, c->dy[0], h), inside);
}

/* s + y * (1 - s) */
void qe__gradient_silu(qe__gradient *c) {
  qe__emit *e = &c->e;
  const qe__value_id y = qe__gradient_result(c), s = qe__emit_unary(e, QE__OP_Sigmoid, c->n->in[0]);
  const qe__value_id slope = qe__emit_binary(e, MUL, y, minus_from(e, 1.0f, s));
  times(c, qe__emit_binary(e, ADD, s, slope));
}

/* t + x * s * (1 - t * t), t = tanh(softplus(x)), s = sigmoid(x) */
void qe__gradient_mish(qe__gradient *c) {
  qe__emit *e = &c->e;
  const qe__value_id x = c->n->in[0], t = qe__emit_unary(e, QE__OP_Tanh, qe__emit_unary(e, QE__OP_Softplus, x));
  const qe__value_id product = qe__emit_binary(e, MUL, x, qe__emit_unary(e, QE__OP_Sigmoid, x));
  const qe__value_id slope = qe__emit_binary(e, MUL, product, minus_from(e, 1.0f, square(e, t)));
  times(c, qe__emit_binary(e, ADD, t, slope));
}

/* (1 + f) / 2 + x * f' / 2, f the erf or tanh within */
static void gelu_slope(qe__gradient *c, qe__value_id f, qe__value_id half_derivative) {
  qe__emit *e = &c->e;
  const qe__value_id slope = qe__emit_binary(e, MUL, c->n->in[0], half_derivative);
  const qe__value_id share = qe__emit_with(e, MUL, qe__emit_with(e, ADD, f, 1.0f), 0.5f);
  times(c, qe__emit_binary(e, ADD, share, slope));
}

void qe__gradient_gelu(qe__gradient *c) {
  qe__emit *e = &c->e;
  const qe__value_id x = c->n->in[0], xx = square(e, x);
  if (c->params.mode == 0) {
    const qe__value_id f = qe__emit_unary(e, QE__OP_Erf, qe__emit_with(e, MUL, x, 0.707106781186547524f));
    const qe__value_id bell = qe__emit_unary(e, QE__OP_Exp, qe__emit_with(e, MUL, xx, -0.5f));
    gelu_slope(c, f, qe__emit_with(e, MUL, bell, 0.398942280401432678f)); /* 1 / sqrt(2 pi) */
    return;
  }
  const float a = 0.797884560802865356f, b = 0.044715f; /* sqrt(2 / pi) */
  const qe__value_id cubic = qe__emit_with(e, ADD, qe__emit_with(e, MUL, xx, a * b), a);
  const qe__value_id t = qe__emit_unary(e, QE__OP_Tanh, qe__emit_binary(e, MUL, x, cubic));
  const qe__value_id inner = qe__emit_with(e, ADD, qe__emit_with(e, MUL, xx, 1.5f * a * b), 0.5f * a);
  gelu_slope(c, t, qe__emit_binary(e, MUL, inner, minus_from(e, 1.0f, square(e, t))));
}

void qe__gradient_softplus(qe__gradient *c) { times(c, qe__emit_unary(&c->e, QE__OP_Sigmoid, c->n->in[0])); }

void qe__gradient_softsign(qe__gradient *c) {
  const qe__value_id width = qe__emit_with(&c->e, ADD, qe__emit_unary(&c->e, QE__OP_Abs, c->n->in[0]), 1.0f);
  c->dx[0] = qe__emit_binary(&c->e, DIV, c->dy[0], square(&c->e, width));
}

void qe__gradient_erf(qe__gradient *c) {
  const qe__value_id bell = qe__emit_unary(&c->e, QE__OP_Exp, qe__emit_unary(&c->e, QE__OP_Neg, square(&c->e, c->n->in[0])));
  times(c, qe__emit_with(&c->e, MUL, bell, 1.12837916709551257f)); /* 2 / sqrt(pi) */
}

void qe__gradient_exp(qe__gradient *c) { times(c, qe__gradient_result(c)); }

void qe__gradient_log(qe__gradient *c) { c->dx[0] = qe__emit_binary(&c->e, DIV, c->dy[0], c->n->in[0]); }

void qe__gradient_sqrt(qe__gradient *c) {
  const qe__value_id half = qe__emit_with(&c->e, MUL, c->dy[0], 0.5f);
  c->dx[0] = qe__emit_binary(&c->e, DIV, half, qe__gradient_result(c));
}

void qe__gradient_neg(qe__gradient *c) { c->dx[0] = qe__emit_unary(&c->e, QE__OP_Neg, c->dy[0]); }

void qe__gradient_abs(qe__gradient *c) { times(c, qe__emit_unary(&c->e, QE__OP_Sign, c->n->in[0])); }

void qe__gradient_reciprocal(qe__gradient *c) {
  times(c, qe__emit_unary(&c->e, QE__OP_Neg, square(&c->e, qe__gradient_result(c))));
}

void qe__gradient_sin(qe__gradient *c) { times(c, qe__emit_unary(&c->e, QE__OP_Cos, c->n->in[0])); }

void qe__gradient_cos(qe__gradient *c) {
  times(c, qe__emit_unary(&c->e, QE__OP_Neg, qe__emit_unary(&c->e, QE__OP_Sin, c->n->in[0])));
}
