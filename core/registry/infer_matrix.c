/* Matrix products. */
#include <string.h>

#include "registry/infer.h"

qe_status_t qe__infer_gemm(qe__infer_ctx *c) {
  qe_op_params *p = c->params;
  bool trans_a, trans_b;
  QE_TRY(qe__need_type(c, 0, QE__T_FLOAT | QE__T_INDEX | QE__T(UINT32) | QE__T(UINT64)));
  QE_TRY(qe__need_same_type(c, 1));
  QE_TRY(qe__need_rank(c, 0, 2, 2));
  QE_TRY(qe__need_rank(c, 1, 2, 2));
  QE_TRY(qe__attr_flag(c, "transA", false, &trans_a));
  QE_TRY(qe__attr_flag(c, "transB", false, &trans_b));
  QE_TRY(qe__attr_float(c, "alpha", 1.0f, &p->alpha));
  QE_TRY(qe__attr_float(c, "beta", 1.0f, &p->beta));
  p->trans_a = trans_a;
  p->trans_b = trans_b;
  const int64_t *a = c->in[0].dims, *b = c->in[1].dims;
  const int64_t dims[2] = {a[trans_a ? 1 : 0], b[trans_b ? 0 : 1]};
  if (a[trans_a ? 0 : 1] != b[trans_b ? 1 : 0]) {
    char ta[200], tb[200];
    return qe__fail(QE_ERROR_SHAPE, "inputs %s%s and %s%s do not fit: %lld and %lld elements would be multiplied",
                    qe__in_text(c, 0, ta, sizeof ta), trans_a ? " (transposed)" : "", qe__in_text(c, 1, tb, sizeof tb),
                    trans_b ? " (transposed)" : "", (long long)a[trans_a ? 0 : 1], (long long)b[trans_b ? 1 : 0]);
  }
  if (qe__has(c, 2)) {
    QE_TRY(qe__need_same_type(c, 2));
    if (!qe__broadcasts_to(c->in[2].rank, c->in[2].dims, 2, dims)) {
      char tc[200];
      return qe__fail(QE_ERROR_SHAPE, "input 2 (bias) has shape %s, which does not broadcast to [%lld,%lld]",
                      qe__in_text(c, 2, tc, sizeof tc), (long long)dims[0], (long long)dims[1]);
    }
  }
  qe__set_out(c, 0, c->in[0].dtype, 2, dims);
  return QE_OK;
}

/* numpy.matmul: vectors are widened and the added dimension is dropped again. *m, *n: 1 for vectors. trans_b: B, a
 * matrix, is given transposed. */
static qe_status_t matmul_out(qe__infer_ctx *c, qe_dtype_t dtype, bool trans_b, int64_t *m, int64_t *n) {
  char ta[200], tb[200];
  qe__operand_info turned = c->in[1];
  const qe__operand_info *a = &c->in[0], *b = &turned;
  QE_TRY(qe__need_rank(c, 0, 1, QE_MAX_RANK));
  QE_TRY(qe__need_rank(c, 1, trans_b ? 2 : 1, trans_b ? 2 : QE_MAX_RANK));
  if (trans_b) {
    turned.dims[0] = c->in[1].dims[1];
    turned.dims[1] = c->in[1].dims[0];
  }
  const bool vector_a = a->rank == 1, vector_b = b->rank == 1;
  const int64_t ka = a->dims[a->rank - 1], kb = b->dims[vector_b ? 0 : b->rank - 2];
  if (ka != kb) {
    return qe__fail(QE_ERROR_SHAPE, "inputs %s and %s do not fit: %lld and %lld elements would be multiplied",
                    qe__in_text(c, 0, ta, sizeof ta), qe__in_text(c, 1, tb, sizeof tb), (long long)ka, (long long)kb);
  }
  *m = vector_a ? 1 : a->dims[a->rank - 2];
  *n = vector_b ? 1 : b->dims[b->rank - 1];
  uint32_t rank = vector_a ? 0 : a->rank - 2;
  int64_t dims[QE_MAX_RANK + 2] = {0};
  if (rank > 0) memcpy(dims, a->dims, rank * sizeof dims[0]);
  QE_TRY(qe__broadcast(&rank, dims, vector_b ? 0 : b->rank - 2, b->dims));
  if (!vector_a) dims[rank++] = *m;
  if (!vector_b) dims[rank++] = *n;
  qe__set_out(c, 0, dtype, rank, dims);
  return QE_OK;
}

qe_status_t qe__infer_matmul(qe__infer_ctx *c) {
  int64_t m, n;
  QE_TRY(qe__need_type(c, 0, QE__T_FLOAT | QE__T_INDEX | QE__T(UINT32) | QE__T(UINT64)));
  QE_TRY(qe__need_same_type(c, 1));
  QE_TRY(matmul_out(c, c->in[0].dtype, false, &m, &n));
  if (!qe__has(c, 2)) return QE_OK;
  QE_TRY(qe__need_same_type(c, 2));
  return qe__need_vector(c, 2, n, "bias");
}

static bool is_scalar(const qe__operand_info *o) { return o->rank == 0 || (o->rank == 1 && o->dims[0] == 1); }

/* Zero points of A and B, from input `first` on: one, or one per row of A and column of B. */
static qe_status_t check_zero_points(qe__infer_ctx *c, uint32_t first, int64_t m, int64_t n) {
  for (uint32_t i = 0; i < 2; i++) {
    if (!qe__has(c, first + i)) continue;
    if (c->in[first + i].dtype != c->in[i].dtype) {
      return qe__fail(QE_ERROR_DTYPE, "input %u (zero point) is %s; the tensor it belongs to is %s",
                      (unsigned)(first + i), qe_dtype_name(c->in[first + i].dtype), qe_dtype_name(c->in[i].dtype));
    }
    if (is_scalar(&c->in[first + i])) continue;
    QE_TRY(qe__need_vector(c, first + i, i == 0 ? m : n, i == 0 ? "zero points of the rows" : "zero points of the columns"));
  }
  return QE_OK;
}

qe_status_t qe__infer_matmul_integer(qe__infer_ctx *c) {
  int64_t m, n;
  QE_TRY(qe__need_type(c, 0, QE__T_BYTE));
  QE_TRY(qe__need_type(c, 1, QE__T_BYTE));
  QE_TRY(matmul_out(c, QE_INT32, false, &m, &n));
  return check_zero_points(c, 2, m, n);
}

/* Inputs as com.microsoft has them: A, B, scale of A, scale of B, zero points, bias. */
qe_status_t qe__infer_matmul_integer_to_float(qe__infer_ctx *c) {
  int64_t m, n;
  bool trans_b;
  QE_TRY(qe__need_type(c, 0, QE__T_BYTE));
  QE_TRY(qe__need_type(c, 1, QE__T_BYTE));
  QE_TRY(qe__attr_flag(c, "transB", false, &trans_b));
  c->params->trans_b = trans_b;
  QE_TRY(matmul_out(c, QE_FLOAT32, trans_b, &m, &n));
  for (uint32_t i = 2; i < 4; i++) {
    if (!qe__has(c, i)) return qe__fail(QE_ERROR_FORMAT, "input %u (a scale) is missing", (unsigned)i);
    QE_TRY(qe__need_type(c, i, QE__T(FLOAT32)));
    if (is_scalar(&c->in[i])) continue;
    if (i == 2) {
      char text[200];
      return qe__fail(QE_ERROR_SHAPE, "input 2 (scale of A) has shape %s; one element was expected",
                      qe__in_text(c, 2, text, sizeof text));
    }
    QE_TRY(qe__need_vector(c, 3, n, "scales of the columns"));
  }
  QE_TRY(check_zero_points(c, 4, 1, n));
  if (!qe__has(c, 6)) return QE_OK;
  QE_TRY(qe__need_type(c, 6, QE__T(FLOAT32)));
  return qe__need_vector(c, 6, n, "bias");
}
