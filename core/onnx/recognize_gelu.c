/*
 * Gelu written out, as exporters for opsets below 20 do:
 *   0.5 * x * (1 + erf(x / sqrt(2)))
 *   0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))      also with x * (1 + 0.044715 * x^2) inside
 * in any order and bracketing of the factors, with a division in place of a factor where that is the same constant. The
 * constants must be the floats nearest to the exact ones: anything else is another function.
 */
#include "onnx/recognize.h"

#define SQRT_2       1.41421356237309504880f
#define SQRT_HALF    0.70710678118654752440f
#define SQRT_2_BY_PI 0.79788456080286535588f
#define CUBIC        0.044715f

enum { MAX_MERGED = 4 * QE__MATCH_FACTORS };

typedef struct pieces {
  const qe__match *m;
  qe__value_id x;
  uint32_t n;
  qe__node *nodes[MAX_MERGED];
} pieces;

static void take(pieces *p, qe__node *n) {
  if (p->n < MAX_MERGED) p->nodes[p->n++] = n;
}
static void take_factors(pieces *p, const qe__factors *f) {
  for (uint32_t i = 0; i < f->n_nodes; i++) take(p, f->nodes[i]);
}

/* The constants of a product are one: `multiplier`, or a division by `divisor`. */
static bool one_constant(const qe__factors *f, float multiplier, float divisor) {
  if (f->n_multipliers + f->n_divisors != 1) return false;
  return f->n_multipliers == 1 ? f->multipliers[0] == multiplier : f->divisors[0] == divisor;
}

/* n is x, `times` times. */
static bool only_x(const pieces *p, const qe__factors *f, uint32_t times) {
  if (f->n_values != times) return false;
  for (uint32_t i = 0; i < times; i++) {
    if (f->values[i] != p->x) return false;
  }
  return true;
}

/* The term beside a constant 1 in the inner sum v. */
static bool one_plus(pieces *p, qe__value_id v, qe__value_id *term) {
  qe__node *add = qe__match_inner(p->m, v, QE__OP_Add);
  float one;
  if (add == NULL || !qe__match_with_scalar(p->m, add, &one, term) || one != 1.0f) return false;
  take(p, add);
  return true;
}

/* v = 0.044715 * x^power */
static bool cubic_term(pieces *p, qe__value_id v, uint32_t power) {
  qe__factors f;
  if (!qe__match_factors(p->m, v, &f) || !only_x(p, &f, power) || f.n_divisors != 0 || f.n_multipliers != 1 ||
      f.multipliers[0] != CUBIC) {
    return false;
  }
  take_factors(p, &f);
  return true;
}

/* v = x + 0.044715 * x^3 */
static bool cubic_sum(pieces *p, qe__value_id v) {
  qe__node *add = qe__match_inner(p->m, v, QE__OP_Add);
  if (add == NULL || add->n_in != 2) return false;
  const uint32_t k = add->in[0] == p->x ? 1 : 0;
  if (add->in[1 - k] != p->x || !cubic_term(p, add->in[k], 3)) return false;
  take(p, add);
  return true;
}

/* v = x / sqrt(2) */
static bool erf_argument(pieces *p, qe__value_id v) {
  qe__factors f;
  if (!qe__match_factors(p->m, v, &f) || !only_x(p, &f, 1) || !one_constant(&f, SQRT_HALF, SQRT_2)) return false;
  take_factors(p, &f);
  return true;
}

static bool tanh_argument(pieces *p, qe__value_id v) {
  qe__factors f;
  if (!qe__match_factors(p->m, v, &f) || f.n_divisors != 0 || f.n_multipliers != 1 ||
      f.multipliers[0] != SQRT_2_BY_PI) {
    return false;
  }
  take_factors(p, &f);
  if (f.n_values == 1) return cubic_sum(p, f.values[0]);
  if (f.n_values != 2) return false;
  qe__value_id term;
  const uint32_t k = f.values[0] == p->x ? 1 : 0;
  return f.values[1 - k] == p->x && one_plus(p, f.values[k], &term) && cubic_term(p, term, 2);
}

/* v = 1 + erf(...) or 1 + tanh(...) with x inside. */
static bool gate(pieces *p, qe__value_id v, bool *is_tanh) {
  qe__value_id term;
  if (!one_plus(p, v, &term)) return false;
  qe__node *n = qe__match_inner(p->m, term, QE__OP_Erf);
  *is_tanh = n == NULL;
  if (n == NULL) n = qe__match_inner(p->m, term, QE__OP_Tanh);
  if (n == NULL) return false;
  take(p, n);
  return *is_tanh ? tanh_argument(p, n->in[0]) : erf_argument(p, n->in[0]);
}

static qe_status_t gelu(qe__match *m, qe__node *n) {
  qe__factors f;
  if ((n->op->id != QE__OP_Mul && n->op->id != QE__OP_Div) || !qe__match_product(m, n, &f) || f.n_values != 2 ||
      !one_constant(&f, 0.5f, 2.0f)) {
    return QE_OK;
  }
  for (uint32_t k = 0; k < 2; k++) {
    pieces p = {.m = m, .x = f.values[k]};
    bool is_tanh;
    if (f.values[0] == f.values[1] || !gate(&p, f.values[1 - k], &is_tanh)) continue;
    take_factors(&p, &f);
    QE_TRY(qe__match_become(n, QE__OP_Gelu, 1, &p.x, p.n, p.nodes));
    return qe__node_set_string(n, "approximate", is_tanh ? "tanh" : "none");
  }
  return QE_OK;
}

qe_status_t qe__recognize_gelu(const qe__import *im) {
  qe__match m;
  qe_status_t status;
  QE_TRY_GOTO(qe__match_begin(&m, im), done);
  for (uint32_t i = 0; i < m.g->n_nodes; i++) {
    if (!m.g->nodes[i]->dead) QE_TRY_GOTO(gelu(&m, m.g->nodes[i]), done);
  }
done:
  qe__match_end(&m);
  return status;
}
