/* Gradients of pooling, reductions and cumulative sums. */
#include "train/gradients.h"

static qe__attr shape_attr(qe__shape *x) { return QE__INTS("shape", x->rank, x->dims); }

void qe__gradient_max_pool(qe__gradient *c) {
  c->dx[0] = qe__gradient_like(c, QE__OP_MaxPoolGrad, 2, (qe__value_id[]){c->dy[0], c->n->in[0]}, 0, NULL);
}

void qe__gradient_average_pool(qe__gradient *c) {
  qe__shape x = qe__gradient_shape(c, 0);
  const qe__attr shape = shape_attr(&x);
  c->dx[0] = qe__gradient_like(c, QE__OP_AveragePoolGrad, 1, c->dy, 1, &shape);
}

/* dy, which has the dimensions that were reduced as ones or not at all, with them as ones. */
static qe__value_id kept(qe__gradient *c, qe__value_id v, uint32_t axes) {
  qe__shape x = qe__gradient_shape(c, 0);
  for (uint32_t d = 0; d < x.rank; d++) {
    if ((axes >> d & 1u) != 0) x.dims[d] = 1;
  }
  return qe__emit_reshape(&c->e, v, x.rank, x.dims);
}

static int64_t reduced_count(const qe__gradient *c, uint32_t axes) {
  const qe__shape x = qe__gradient_shape(c, 0);
  int64_t count = 1;
  for (uint32_t d = 0; d < x.rank; d++) count *= (axes >> d & 1u) != 0 ? x.dims[d] : 1;
  return count;
}

static void spread(qe__gradient *c, qe__value_id v) {
  const qe__shape x = qe__gradient_shape(c, 0);
  c->dx[0] = qe__emit_expand(&c->e, v, x.rank, x.dims);
}

static void mean(qe__gradient *c, uint32_t axes) {
  spread(c, qe__emit_with(&c->e, QE__OP_Div, kept(c, c->dy[0], axes), (float)reduced_count(c, axes)));
}

/* Shared by all elements that are the largest or smallest. */
static void extremum(qe__gradient *c, uint32_t axes) {
  qe__emit *e = &c->e;
  const qe__attr to = QE__INT("to", QE_FLOAT32);
  const qe__value_id y = kept(c, qe__gradient_result(c), axes), equal = qe__emit_binary(e, QE__OP_Equal, c->n->in[0], y);
  const qe__value_id ones = qe__emit_node(e, QE__OP_Cast, 1, &equal, 1, &to), count = qe__emit_sum(e, ones, axes, true);
  const qe__value_id dy = kept(c, c->dy[0], axes), share = qe__emit_binary(e, QE__OP_Div, dy, count);
  c->dx[0] = qe__emit_binary(e, QE__OP_Mul, ones, share);
}

static uint32_t positions(const qe__gradient *c) { return ((1u << qe__gradient_shape(c, 0).rank) - 1u) & ~3u; }

/* A global pool is a pool of one window where pools have that many dimensions. */
static bool one_window(qe__gradient *c, uint16_t op, uint32_t n_in, const qe__value_id *in, const qe__attr *more, uint32_t n_more) {
  qe__shape x = qe__gradient_shape(c, 0);
  if (x.rank < 3 || x.rank > 2 + QE_MAX_SPATIAL) return false;
  qe__attr attr[2] = {QE__INTS("kernel_shape", x.rank - 2, x.dims + 2)};
  if (n_more > 0) attr[1] = *more;
  c->dx[0] = qe__emit_node(&c->e, op, n_in, in, 1 + n_more, attr);
  return true;
}

void qe__gradient_global_max_pool(qe__gradient *c) {
  if (!one_window(c, QE__OP_MaxPoolGrad, 2, (qe__value_id[]){c->dy[0], c->n->in[0]}, NULL, 0)) extremum(c, positions(c));
}

void qe__gradient_global_average_pool(qe__gradient *c) {
  qe__shape x = qe__gradient_shape(c, 0);
  const qe__attr shape = shape_attr(&x);
  if (!one_window(c, QE__OP_AveragePoolGrad, 1, c->dy, &shape, 1)) mean(c, positions(c));
}

void qe__gradient_reduce_mean(qe__gradient *c) { mean(c, c->params.axes); }

void qe__gradient_reduce_sum(qe__gradient *c) { spread(c, kept(c, c->dy[0], c->params.axes)); }

void qe__gradient_reduce_extremum(qe__gradient *c) { extremum(c, c->params.axes); }

void qe__gradient_reduce_sum_square(qe__gradient *c) {
  const qe__value_id dy = kept(c, c->dy[0], c->params.axes), twice = qe__emit_with(&c->e, QE__OP_Mul, c->n->in[0], 2.0f);
  c->dx[0] = qe__emit_binary(&c->e, QE__OP_Mul, twice, dy);
}

/* x * (dy / y); 0 where everything is 0 */
void qe__gradient_reduce_l2(qe__gradient *c) {
  qe__emit *e = &c->e;
  const qe__value_id y = kept(c, qe__gradient_result(c), c->params.axes), dy = kept(c, c->dy[0], c->params.axes);
  const qe__value_id zero = qe__emit_scalar(e, 0.0f), quotient = qe__emit_binary(e, QE__OP_Div, dy, y);
  const qe__value_id share = qe__emit_where(e, qe__emit_binary(e, QE__OP_Equal, y, zero), zero, quotient);
  c->dx[0] = qe__emit_binary(e, QE__OP_Mul, c->n->in[0], share);
}

void qe__gradient_cumsum(qe__gradient *c) {
  const qe__attr turned = QE__INT("reverse", (c->params.mode & 2u) == 0);
  c->dx[0] = qe__gradient_like(c, QE__OP_CumSum, 2, (qe__value_id[]){c->dy[0], c->n->in[1]}, 1, &turned);
}
