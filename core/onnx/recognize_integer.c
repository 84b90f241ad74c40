/*
 * Products of codes with a float result written out, as ONNX has no op for them:
 *   MatMulInteger -> Cast to float32 -> Mul by scale of A * scale of B [-> Add of a bias]
 * becomes MatMulIntegerToFloat, which rounds at the same places. A scale that is one value is the product of itself and
 * 1. A B that a Transpose makes is taken as it was before, so that a weight with other readers stays one tensor. And one
 * value is quantized once: of DynamicQuantizeLinear nodes with the same input the first is kept.
 */
#include "onnx/fuse_util.h"
#include "onnx/recognize.h"

/* ---- one DynamicQuantizeLinear per value ---- */

static qe__node *earlier_twin(const qe__match *m, uint32_t index) {
  enum { LOOKED_AT = 64 };
  const qe__value_id x = m->g->nodes[index]->in[0];
  const uint32_t first = m->uses.start[x], end = m->uses.start[x + 1];
  for (uint32_t u = first; u < end && u < first + LOOKED_AT && m->uses.node[u] < index; u++) {
    qe__node *other = m->g->nodes[m->uses.node[u]];
    if (!other->dead && other->op->id == QE__OP_DynamicQuantizeLinear && other->n_out == 3) return other;
  }
  return NULL;
}

static bool makes_output(const qe__match *m, const qe__node *n) {
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] != QE__NO_VALUE && m->uses.is_output[n->out[i]]) return true;
  }
  return false;
}

static qe_status_t share_quantization(qe__match *m) {
  qe__value_id *alias = qe__calloc((size_t)m->n_values + 1, sizeof *alias);
  qe_status_t status = QE_OK;
  if (alias == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t v = 0; v < m->n_values; v++) alias[v] = (qe__value_id)v;
  for (uint32_t i = 0; i < m->g->n_nodes; i++) {
    qe__node *n = m->g->nodes[i];
    if (n->dead) continue;
    for (uint32_t k = 0; k < n->n_in; k++) {
      if (n->in[k] != QE__NO_VALUE) n->in[k] = alias[n->in[k]];
    }
    if (n->op->id != QE__OP_DynamicQuantizeLinear || n->in[0] == QE__NO_VALUE || makes_output(m, n)) continue;
    qe__node *twin = earlier_twin(m, i);
    if (twin == NULL) continue;
    bool all = true;
    for (uint32_t k = 0; k < n->n_out; k++) all = all && (n->out[k] == QE__NO_VALUE || twin->out[k] != QE__NO_VALUE);
    if (!all) continue;
    for (uint32_t k = 0; k < n->n_out; k++) {
      if (n->out[k] != QE__NO_VALUE) alias[n->out[k]] = twin->out[k];
    }
    QE_TRY_GOTO(qe__fuse_origin(twin, twin->name), done);
    QE_TRY_GOTO(qe__fuse_origin(twin, n->name), done);
    qe__node_kill(n);
  }
done:
  qe__free(alias);
  return status;
}

/* ---- products ---- */

/* Certainly one element. */
static bool is_single(const qe__match *m, qe__value_id v) {
  const qe_tensor_t *t = m->g->values[v].data;
  if (t != NULL) return t->count == 1 && t->rank <= 1;
  const qe__value *value = &m->g->values[v];
  return qe__import_rank(m->im, v) == 0 || (value->rank == 1 && value->dims[0] == 1);
}

/* One element or a vector: what a scale or a zero point of B may be. */
static bool is_row(const qe__match *m, qe__value_id v) {
  const int32_t rank = qe__import_rank(m->im, v);
  return is_single(m, v) || rank == 1;
}

static bool is_float(const qe__match *m, qe__value_id v) {
  return m->g->values[v].dtype == QE_FLOAT32 || m->g->values[v].dtype == QE_DTYPE_NONE;
}

/* Splits the scale of a product into that of A and that of B; *node: the Mul between them, or NULL. */
static bool split_scale(qe__match *m, qe__value_id scale, qe__value_id *a, qe__value_id *b, qe__node **node) {
  qe__node *mul = qe__match_maker(m, scale, QE__OP_Mul);
  *node = NULL;
  *a = *b = QE__NO_VALUE;
  if (mul != NULL && mul->n_in == 2 && mul->in[0] != QE__NO_VALUE && mul->in[1] != QE__NO_VALUE) {
    for (uint32_t k = 0; k < 2; k++) {
      if (!is_single(m, mul->in[k]) || !is_row(m, mul->in[1 - k])) continue;
      *a = mul->in[k];
      *b = mul->in[1 - k];
      *node = mul;
      return is_float(m, *a) && is_float(m, *b);
    }
  }
  if (is_single(m, scale)) *a = scale;
  else if (is_row(m, scale)) *b = scale;
  return (*a != QE__NO_VALUE || *b != QE__NO_VALUE) && is_float(m, scale);
}

/* The value that *v, a product's B, is the transpose of. */
static bool turned(const qe__match *m, qe__value_id *v) {
  const qe__node *n = qe__match_maker(m, *v, QE__OP_Transpose);
  const qe__attr *perm = n != NULL ? qe__node_attr(n, "perm") : NULL;
  if (n == NULL || n->in[0] == QE__NO_VALUE) return false;
  if (perm != NULL ? perm->count != 2 || perm->ints[0] != 1 : qe__import_rank(m->im, n->in[0]) != 2) return false;
  *v = n->in[0];
  return true;
}

/* The columns of the product, -1 when they are not known. */
static int64_t columns(const qe__match *m, qe__value_id b, bool trans_b) {
  const qe_tensor_t *t = m->g->values[b].data;
  if (t == NULL || t->rank < 2) return -1;
  return t->dims[t->rank - (trans_b ? 2 : 1)];
}

/* v, one element or a vector, certainly fits a product with n columns (-1: unknown): a longer one would broadcast it. */
static bool fits_columns(const qe__match *m, qe__value_id v, int64_t n) {
  if (v == QE__NO_VALUE || is_single(m, v)) return true;
  const qe_tensor_t *t = m->g->values[v].data;
  const int64_t size = t != NULL ? t->count : m->g->values[v].dims[0];
  return size >= 0 ? n < 0 || size == n : n != 1;
}

/* The Add behind y, when it adds a vector of n elements; *bias: that. */
static qe__node *bias_behind(const qe__match *m, qe__value_id y, int64_t n, qe__value_id *bias) {
  qe__node *add = qe__match_reader(m, y, QE__OP_Add);
  *bias = QE__NO_VALUE;
  if (add == NULL || add->n_in != 2 || n < 0) return NULL;
  *bias = add->in[add->in[0] == y ? 1 : 0];
  const qe_tensor_t *t = *bias != QE__NO_VALUE ? m->g->values[*bias].data : NULL;
  return t != NULL && t->dtype == QE_FLOAT32 && t->rank == 1 && t->count == n ? add : NULL;
}

static qe_status_t product(qe__match *m, qe__node *mul) {
  qe__node *cast = NULL, *integer = NULL, *scales = NULL, *merged[5];
  qe__value_id scale = QE__NO_VALUE, sa, sb, bias;
  for (uint32_t k = 0; k < 2 && mul->n_in == 2 && integer == NULL; k++) {
    cast = qe__match_inner(m, mul->in[k], QE__OP_Cast);
    scale = mul->in[1 - k];
    if (cast != NULL && qe__node_int(cast, "to", 0) == QE_FLOAT32) {
      integer = qe__match_inner(m, cast->in[0], QE__OP_MatMulInteger);
    }
  }
  if (integer == NULL || scale == QE__NO_VALUE || !split_scale(m, scale, &sa, &sb, &scales)) return QE_OK;
  qe__value_id za = integer->n_in > 2 ? integer->in[2] : QE__NO_VALUE;
  qe__value_id zb = integer->n_in > 3 ? integer->in[3] : QE__NO_VALUE;
  if (za != QE__NO_VALUE && !is_single(m, za)) return QE_OK;
  if (zb != QE__NO_VALUE && !is_row(m, zb)) return QE_OK;
  /* a vector of scales broadcasts against the last dimension, which a product with a vector does not have */
  qe__value_id b = integer->in[1];
  const bool trans_b = turned(m, &b);
  const int32_t rank = trans_b ? 2 : qe__import_rank(m->im, b);
  if (sb != QE__NO_VALUE && !is_single(m, sb) && rank < 2) return QE_OK;
  const int64_t n_columns = columns(m, b, trans_b);
  if (!fits_columns(m, sb, n_columns) || !fits_columns(m, zb, n_columns)) return QE_OK;
  qe__node *last = bias_behind(m, mul->out[0], n_columns, &bias);
  if (last == NULL) {
    last = mul;
    bias = QE__NO_VALUE;
  }
  if (sa == QE__NO_VALUE) QE_TRY(qe__fuse_constant_f32(m->g, last->name, "one", 1.0f, &sa));
  if (sb == QE__NO_VALUE) QE_TRY(qe__fuse_constant_f32(m->g, last->name, "one", 1.0f, &sb));
  uint32_t n = 0;
  merged[n++] = integer;
  merged[n++] = cast;
  if (scales != NULL && qe__match_readers(m, scale) == 1) merged[n++] = scales;
  if (last != mul) merged[n++] = mul;
  const qe__value_id in[7] = {integer->in[0], b, sa, sb, za, zb, bias};
  QE_TRY(qe__match_become(last, QE__OP_MatMulIntegerToFloat, 7, in, n, merged));
  return trans_b ? qe__node_set_int(last, "transB", 1) : QE_OK;
}

/* The op itself, with a Transpose before B. */
static qe_status_t take_transpose(qe__match *m, qe__node *n) {
  if (n->n_in < 2 || n->in[1] == QE__NO_VALUE || qe__node_int(n, "transB", 0) != 0) return QE_OK;
  return turned(m, &n->in[1]) ? qe__node_set_int(n, "transB", 1) : QE_OK;
}

qe_status_t qe__recognize_integer_products(const qe__import *im) {
  qe__match m;
  qe_status_t status;
  QE_TRY_GOTO(qe__match_begin(&m, im), done);
  QE_TRY_GOTO(share_quantization(&m), done);
  for (uint32_t i = 0; i < m.g->n_nodes; i++) {
    qe__node *n = m.g->nodes[i];
    if (n->dead || n->quantized) continue;
    if (n->op->id == QE__OP_Mul) QE_TRY_GOTO(product(&m, n), done);
    else if (n->op->id == QE__OP_MatMulIntegerToFloat) QE_TRY_GOTO(take_transpose(&m, n), done);
  }
done:
  qe__match_end(&m);
  return status;
}
