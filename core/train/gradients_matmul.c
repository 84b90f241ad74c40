/* Gradients of matrix products: other products of the same matrices. */
#include "train/gradients.h"

static qe__value_id gemm(qe__gradient *c, qe__value_id a, bool trans_a, qe__value_id b, bool trans_b, float alpha) {
  const qe__attr attr[3] = {QE__INT("transA", trans_a), QE__INT("transB", trans_b), QE__FLOAT("alpha", alpha)};
  return qe__emit_node(&c->e, QE__OP_Gemm, 2, (qe__value_id[]){a, b}, 3, attr);
}

void qe__gradient_gemm(qe__gradient *c) {
  const qe__value_id dy = c->dy[0], a = c->n->in[0], b = c->n->in[1];
  const bool ta = c->params.trans_a, tb = c->params.trans_b;
  const float alpha = c->params.alpha;
  if (c->want[0]) c->dx[0] = ta ? gemm(c, b, tb, dy, true, alpha) : gemm(c, dy, false, b, !tb, alpha);
  if (c->want[1]) c->dx[1] = tb ? gemm(c, dy, true, a, ta, alpha) : gemm(c, a, !ta, dy, false, alpha);
  if (!qe__gradient_has(c, 2) || !c->want[2]) return;
  qe__gradient_sum_to(c, 2, c->params.beta == 1.0f ? dy : qe__emit_with(&c->e, QE__OP_Mul, dy, c->params.beta));
}

/* The last two dimensions exchanged. */
static qe__value_id turned(qe__gradient *c, qe__value_id v) {
  int64_t perm[QE_MAX_RANK];
  const uint32_t rank = qe__shape_of(c->e.g, v).rank;
  if (rank < 2) return QE__NO_VALUE; /* something has failed */
  for (uint32_t d = 0; d < rank; d++) perm[d] = d;
  perm[rank - 2] = rank - 1;
  perm[rank - 1] = rank - 2;
  return qe__emit_transpose(&c->e, v, perm);
}

/* [..., columns] as a matrix. */
static qe__value_id flat(qe__gradient *c, qe__value_id v, const qe__shape *s) {
  const int64_t dims[2] = {qe__shape_count(s, 0, s->rank - 1), s->dims[s->rank - 1]};
  return qe__emit_reshape(&c->e, v, 2, dims);
}

/* Vectors as numpy widens them: a row on the left, a column on the right. */
static qe__shape widened(const qe__shape *s, bool left) {
  qe__shape wide = *s;
  if (s->rank != 1) return wide;
  wide.rank = 2;
  wide.dims[0] = left ? 1 : s->dims[0];
  wide.dims[1] = left ? s->dims[0] : 1;
  return wide;
}

/* y's shape when both operands are at least matrices. */
static qe__shape wide_result(const qe__shape *y, bool row, bool column) {
  qe__shape wide = *y;
  if (row && !column) { /* [..., N] */
    wide.dims[wide.rank] = wide.dims[wide.rank - 1];
    wide.dims[wide.rank++ - 1] = 1;
  }
  if (row && column) wide.dims[wide.rank++] = 1;
  if (column) wide.dims[wide.rank++] = 1;
  return wide;
}

/* d op(X) of a product with a batch; the sum over dimensions in which X was broadcast, in X's own shape. */
static void from_batch(qe__gradient *c, uint32_t i, const qe__shape *wide, qe__value_id left, qe__value_id right) {
  const qe__shape x = qe__gradient_shape(c, i);
  qe__value_id v = qe__emit_binary(&c->e, QE__OP_MatMul, left, right);
  v = qe__emit_sum_to(&c->e, v, wide->rank, wide->dims);
  c->dx[i] = qe__emit_reshape(&c->e, v, x.rank, x.dims);
}

void qe__gradient_matmul(qe__gradient *c) {
  qe__emit *e = &c->e;
  const qe__shape a0 = qe__gradient_shape(c, 0), b0 = qe__gradient_shape(c, 1), y0 = qe__shape_of(e->g, c->dy[0]);
  const qe__shape a = widened(&a0, true), b = widened(&b0, false), y = wide_result(&y0, a0.rank == 1, b0.rank == 1);
  const qe__value_id av = qe__emit_reshape(e, c->n->in[0], a.rank, a.dims);
  const qe__value_id bv = qe__emit_reshape(e, c->n->in[1], b.rank, b.dims);
  const qe__value_id dy = qe__emit_reshape(e, c->dy[0], y.rank, y.dims);
  if (b.rank == 2) { /* one matrix on the right: the batch is more rows */
    const qe__value_id rows = flat(c, dy, &y);
    if (c->want[0]) c->dx[0] = qe__emit_reshape(e, gemm(c, rows, false, bv, true, 1.0f), a0.rank, a0.dims);
    if (c->want[1]) {
      const qe__value_id left = flat(c, av, &a);
      c->dx[1] = qe__emit_reshape(e, gemm(c, left, true, rows, false, 1.0f), b0.rank, b0.dims);
    }
  } else {
    if (c->want[0]) from_batch(c, 0, &a, dy, turned(c, bv));
    if (c->want[1]) from_batch(c, 1, &b, turned(c, av), dy);
  }
  if (!qe__gradient_has(c, 2) || !c->want[2]) return;
  c->dx[2] = qe__emit_sum(e, dy, (1u << (y.rank - 1)) - 1u, false);
}
