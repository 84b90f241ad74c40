/*
 * Weights that a file prepares with nodes: Transpose of a constant (torch exports Linear that way), integer Clip of
 * codes (narrow ranges), QuantizeLinear of a float constant. They become constants, so that patterns see a weight.
 */
#include <string.h>

#include "onnx/qdq.h"
#include "registry/quant_rule.h"

/* Gives value v the elements of t, and takes t over. */
static void become_constant(qe__graph *g, qe__value_id v, qe_tensor_t *t) {
  qe__value *value = &g->values[v];
  value->data = t;
  value->dtype = t->dtype;
  value->rank = (int32_t)t->rank;
  for (uint32_t d = 0; d < t->rank; d++) value->dims[d] = t->dims[d];
}

/* ---- QuantizeLinear ---- */

static qe_status_t fold_quantize(qe__graph *g, qe__node *n) {
  const qe__value *x = &g->values[n->in[0]], *y = &g->values[n->out[0]];
  if (x->data == NULL || x->dtype != QE_FLOAT32 || x->q.view.count > 0 || y->q.view.count == 0) return QE_OK;
  qe_tensor_t *codes = NULL;
  const qe_status_t status = qe_quantize(x->data, y->dtype, &y->q.view, &codes);
  if (status != QE_OK) return qe__fail_in(status, "node '%s' (QuantizeLinear) on constant '%s'", n->name, x->name);
  become_constant(g, n->out[0], codes);
  qe__node_kill(n);
  return QE_OK;
}

/* ---- Clip of codes ---- */

static bool code_bound(const qe__graph *g, const qe__node *n, uint32_t i, int64_t fallback, int64_t *out) {
  *out = fallback;
  if (i >= n->n_in || n->in[i] == QE__NO_VALUE) return true;
  const qe_tensor_t *t = g->values[n->in[i]].data;
  if (t == NULL || t->count != 1 || !qe__dtype_is_code8(t->dtype)) return false;
  *out = qe__tensor_int_at(t, 0);
  return true;
}

static qe_status_t fold_clip(qe__graph *g, qe__node *n) {
  const qe__value *x = &g->values[n->in[0]];
  int64_t lo, hi;
  if (n->quantized || x->data == NULL || !qe__dtype_is_code8(x->dtype)) return QE_OK;
  if (!code_bound(g, n, 1, -128, &lo) || !code_bound(g, n, 2, 255, &hi)) return QE_OK;
  qe_tensor_t *t = NULL;
  QE_TRY(qe_tensor_create(x->dtype, x->data->rank, x->data->dims, &t));
  for (int64_t i = 0; i < t->count; i++) {
    int64_t code = qe__tensor_int_at(x->data, i);
    if (code < lo) code = lo;
    if (code > hi) code = hi;
    ((uint8_t *)t->data)[i] = (uint8_t)(code & 0xff);
  }
  become_constant(g, n->out[0], t);
  qe__node_kill(n);
  return QE_OK;
}

/* ---- Transpose ---- */

/* The node's permutation of `rank` dimensions; false when it is none. */
static bool permutation(const qe__node *n, uint32_t rank, uint32_t perm[QE_MAX_RANK]) {
  const qe__attr *a = qe__node_attr(n, "perm");
  bool seen[QE_MAX_RANK] = {false};
  if (a != NULL && (a->kind != QE__ATTR_INTS || a->count != rank)) return false;
  for (uint32_t d = 0; d < rank; d++) {
    const int64_t p = a != NULL ? a->ints[d] : (int64_t)(rank - 1 - d);
    if (p < 0 || p >= (int64_t)rank || seen[p]) return false;
    seen[p] = true;
    perm[d] = (uint32_t)p;
  }
  return true;
}

static qe_status_t transposed(const qe_tensor_t *t, const uint32_t perm[QE_MAX_RANK], qe_tensor_t **out) {
  const size_t size = qe_dtype_bits(t->dtype) / 8;
  int64_t dims[QE_MAX_RANK], stride[QE_MAX_RANK], step[QE_MAX_RANK], at[QE_MAX_RANK] = {0};
  int64_t from = 0;
  for (uint32_t d = t->rank, s = 0; d-- > 0; s++) stride[d] = s == 0 ? 1 : stride[d + 1] * t->dims[d + 1];
  for (uint32_t d = 0; d < t->rank; d++) {
    dims[d] = t->dims[perm[d]];
    step[d] = stride[perm[d]];
  }
  QE_TRY(qe_tensor_create(t->dtype, t->rank, dims, out));
  for (int64_t i = 0; i < t->count; i++) {
    memcpy((char *)(*out)->data + (size_t)i * size, (const char *)t->data + (size_t)from * size, size);
    for (uint32_t d = t->rank; d-- > 0;) {
      from += step[d];
      if (++at[d] < dims[d]) break;
      from -= step[d] * dims[d];
      at[d] = 0;
    }
  }
  return QE_OK;
}

static bool only_quantized(const qe__graph *g, const qe__uses *uses, qe__value_id v) {
  if (uses->is_output[v] || uses->start[v] == uses->start[v + 1]) return false;
  for (uint32_t u = uses->start[v]; u < uses->start[v + 1]; u++) {
    if (!qe__qdq_is_quantize(g->nodes[uses->node[u]])) return false;
  }
  return true;
}

/* Transpose(float constant) that only QuantizeLinear nodes read. */
static qe_status_t fold_transpose(qe__graph *g, const qe__uses *uses, qe__node *n) {
  uint32_t perm[QE_MAX_RANK];
  const qe_tensor_t *x = g->values[n->in[0]].data;
  if (x == NULL || x->dtype != QE_FLOAT32 || !only_quantized(g, uses, n->out[0]) || !permutation(n, x->rank, perm)) {
    return QE_OK;
  }
  qe_tensor_t *t = NULL;
  QE_TRY(transposed(x, perm, &t));
  become_constant(g, n->out[0], t);
  qe__node_kill(n);
  return QE_OK;
}

/* Transpose(DequantizeLinear(constant codes)) becomes DequantizeLinear(transposed codes). */
static qe_status_t swap_transpose(qe__graph *g, const qe__uses *uses, qe__node *n) {
  uint32_t perm[QE_MAX_RANK];
  const int32_t p = uses->producer[n->in[0]];
  if (p < 0 || !qe__qdq_is_dequantize(g->nodes[p])) return QE_OK;
  const qe__value_id codes = g->nodes[p]->in[0];
  const qe_tensor_t *x = g->values[codes].data;
  if (x == NULL || !qe__dtype_is_code8(x->dtype) || !permutation(n, x->rank, perm)) return QE_OK;
  qe_tensor_t *t = NULL;
  qe__value_id v = QE__NO_VALUE;
  char *wish = NULL, *name = NULL;
  qe_status_t status;
  QE_TRY_GOTO(transposed(x, perm, &t), done);
  qe_qparams_t q = g->values[codes].q.view;
  for (uint32_t d = 0; q.axis >= 0 && d < x->rank; d++) {
    if ((int32_t)perm[d] != q.axis) continue;
    q.axis = (int32_t)d;
    break;
  }
  QE_TRY_GOTO(qe_tensor_set_qparams(t, &q), done);
  status = QE_ERROR_OUT_OF_MEMORY;
  wish = qe__format("%s_transposed", g->values[codes].name);
  name = wish != NULL ? qe__graph_fresh_name(g, wish) : NULL;
  if (name == NULL) goto done;
  QE_TRY_GOTO(qe__graph_add_constant(g, name, t, &v), done);
  n->op = qe__op_at(QE__OP_DequantizeLinear);
  n->in[0] = v;
  qe__node_remove_attr(n, "perm");
  if (q.axis >= 0) status = qe__node_set_int(n, "axis", q.axis);
done:
  qe__free(wish);
  qe__free(name);
  qe_tensor_release(&t);
  return status;
}

static bool is_transpose(const qe__node *n) {
  return !n->dead && !n->quantized && n->op->id == QE__OP_Transpose && n->n_in == 1;
}

qe_status_t qe__qdq_constants(qe__graph *g) {
  qe__uses uses;
  qe_status_t status = QE_OK;
  QE_TRY(qe__graph_uses(g, &uses));
  for (uint32_t i = 0; i < g->n_nodes && status == QE_OK; i++) { /* in order: a Clip follows its QuantizeLinear */
    qe__node *n = g->nodes[i];
    if (is_transpose(n)) status = fold_transpose(g, &uses, n);
    else if (qe__qdq_is_quantize(n)) status = fold_quantize(g, n);
    else if (!n->dead && n->op->id == QE__OP_Clip) status = fold_clip(g, n);
    if (status == QE_OK && is_transpose(n)) status = swap_transpose(g, &uses, n);
  }
  qe__uses_free(&uses);
  return status;
}
