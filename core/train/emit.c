/* Adding nodes to a graph of concrete shapes (emit.h). */
#include "train/emit.h"

#include <string.h>

/* ---- shapes ---- */

qe__shape qe__shape_of(const qe__graph *g, qe__value_id v) {
  qe__shape s = {0};
  if (v == QE__NO_VALUE || g->values[v].rank < 0) return s;
  s.rank = (uint32_t)g->values[v].rank;
  memcpy(s.dims, g->values[v].dims, s.rank * sizeof s.dims[0]);
  return s;
}

bool qe__same_shape(const qe__shape *a, const qe__shape *b) {
  return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) == 0;
}

int64_t qe__shape_count(const qe__shape *s, uint32_t from, uint32_t to) {
  int64_t count = 1;
  for (uint32_t d = from; d < to; d++) count *= s->dims[d];
  return count;
}

/* ---- inference ---- */

static qe_status_t describe_input(const qe__graph *g, const qe__node *n, uint32_t i, qe__operand_info *in) {
  const qe__value *v = &g->values[n->in[i]];
  bool concrete = v->rank >= 0;
  for (int32_t d = 0; concrete && d < v->rank; d++) concrete = v->dims[d] >= 0;
  if (!concrete || v->dtype == QE_DTYPE_NONE) {
    return qe__fail(QE_ERROR_SHAPE, "node '%s' (%s): the shape of its input %u, '%s', is not known; give every input of the graph a shape",
                    n->name, n->op->name, (unsigned)i, v->name);
  }
  *in = (qe__operand_info){.present = true, .dtype = v->dtype, .rank = (uint32_t)v->rank, .data = v->data};
  memcpy(in->dims, v->dims, in->rank * sizeof in->dims[0]);
  return QE_OK;
}

static void store_outputs(qe__graph *g, const qe__node *n, const qe__operand_info *out) {
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] == QE__NO_VALUE) continue;
    qe__value *v = &g->values[n->out[i]];
    v->dtype = out[i].dtype;
    v->rank = (int32_t)out[i].rank;
    for (uint32_t d = 0; d < QE_MAX_RANK; d++) v->dims[d] = d < out[i].rank ? out[i].dims[d] : -1;
  }
}

qe_status_t qe__infer_concrete(qe__graph *g, const qe__node *n, qe_op_params *params) {
  qe_status_t status = QE_OK;
  qe__operand_info *in = qe__calloc((size_t)n->n_in + n->n_out + 1, sizeof *in);
  if (in == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe__operand_info *out = in + n->n_in;
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (n->in[i] != QE__NO_VALUE) QE_TRY_GOTO(describe_input(g, n, i, &in[i]), done);
  }
  for (uint32_t i = 0; i < n->n_out; i++) {
    out[i].present = n->out[i] != QE__NO_VALUE;
    if (out[i].present) out[i].dtype = g->values[n->out[i]].dtype;
  }
  qe__infer_ctx c = {.node = n, .n_in = n->n_in, .n_out = n->n_out, .in = in, .out = out, .params = params};
  status = qe__op_infer(&c);
  if (status == QE_OK) store_outputs(g, n, out);
done:
  qe__free(in);
  return status;
}

/* ---- nodes ---- */

bool qe__emit_failed(qe__emit *e, qe_status_t status) {
  if (e->status == QE_OK) e->status = status;
  return e->status != QE_OK;
}

static qe_status_t set_attr(qe__node *n, const qe__attr *a) {
  switch (a->kind) {
    case QE__ATTR_INT: return qe__node_set_int(n, a->name, a->i);
    case QE__ATTR_FLOAT: return qe__node_set_float(n, a->name, a->f);
    case QE__ATTR_STRING: return qe__node_set_string(n, a->name, a->s);
    case QE__ATTR_INTS: return qe__node_set_ints(n, a->name, a->ints, a->count);
    case QE__ATTR_FLOATS: return qe__node_set_floats(n, a->name, a->floats, a->count);
    case QE__ATTR_STRINGS: return qe__node_set_strings(n, a->name, (const char *const *)a->strings, a->count);
    case QE__ATTR_TENSOR: return qe__node_set_tensor(n, a->name, a->tensor);
  }
  return QE_OK;
}

static qe_status_t add_node(qe__emit *e, uint16_t op, uint32_t n_in, const qe__value_id *in, uint32_t n_out, const bool *wanted,
                            qe__value_id *out, qe__node **node) {
  const char *op_name = qe__op_at(op)->name;
  for (uint32_t i = 0; i < n_out; i++) {
    if (wanted == NULL || wanted[i]) QE_TRY(qe__graph_add_value(e->g, NULL, QE_DTYPE_NONE, &out[i]));
  }
  if (e->name == NULL) return qe__graph_add_node(e->g, op_name, NULL, n_in, in, n_out, out, node);
  char *base = qe__format("%s/%s", e->name, op_name);
  char *name = base != NULL ? qe__graph_fresh_name(e->g, base) : NULL;
  const qe_status_t status =
      name != NULL ? qe__graph_add_node(e->g, op_name, name, n_in, in, n_out, out, node) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(name);
  qe__free(base);
  return status;
}

static qe_status_t describe_node(qe__emit *e, qe__node *n, uint32_t n_attr, const qe__attr *attr) {
  qe_op_params params;
  for (uint32_t i = 0; i < n_attr; i++) QE_TRY(set_attr(n, &attr[i]));
  if (!e->early) return qe__infer_concrete(e->g, n, &params);
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] != QE__NO_VALUE) e->g->values[n->out[i]].dtype = QE_FLOAT32;
  }
  return QE_OK;
}

void qe__emit_outputs(qe__emit *e, uint16_t op, uint32_t n_in, const qe__value_id *in, uint32_t n_attr, const qe__attr *attr,
                      uint32_t n_out, const bool *wanted, qe__value_id *out) {
  qe__node *n;
  for (uint32_t i = 0; i < n_out; i++) out[i] = QE__NO_VALUE;
  if (e->status != QE_OK) return;
  if (!qe__emit_failed(e, add_node(e, op, n_in, in, n_out, wanted, out, &n)) && !qe__emit_failed(e, describe_node(e, n, n_attr, attr))) return;
  for (uint32_t i = 0; i < n_out; i++) out[i] = QE__NO_VALUE;
}

qe__node *qe__emit_last(const qe__emit *e) { return e->status == QE_OK ? e->g->nodes[e->g->n_nodes - 1] : NULL; }

qe__value_id qe__emit_node(qe__emit *e, uint16_t op, uint32_t n_in, const qe__value_id *in, uint32_t n_attr, const qe__attr *attr) {
  qe__value_id out;
  qe__emit_outputs(e, op, n_in, in, n_attr, attr, 1, NULL, &out);
  return out;
}

qe__value_id qe__emit_unary(qe__emit *e, uint16_t op, qe__value_id x) { return qe__emit_node(e, op, 1, &x, 0, NULL); }

qe__value_id qe__emit_binary(qe__emit *e, uint16_t op, qe__value_id a, qe__value_id b) {
  return qe__emit_node(e, op, 2, (qe__value_id[]){a, b}, 0, NULL);
}

qe__value_id qe__emit_with(qe__emit *e, uint16_t op, qe__value_id x, float constant) {
  return qe__emit_binary(e, op, x, qe__emit_scalar(e, constant));
}

qe__value_id qe__emit_where(qe__emit *e, qe__value_id condition, qe__value_id a, qe__value_id b) {
  return qe__emit_node(e, QE__OP_Where, 3, (qe__value_id[]){condition, a, b}, 0, NULL);
}

/* ---- constants ---- */

static qe__value_id constant(qe__emit *e, qe_tensor_t *t) {
  qe__value_id v = QE__NO_VALUE;
  qe__emit_failed(e, qe__graph_add_constant(e->g, NULL, t, &v));
  qe_tensor_release(&t);
  return v;
}

qe__value_id qe__emit_scalar(qe__emit *e, float value) { return qe__emit_filled(e, 0, NULL, value); }

qe__value_id qe__emit_ints(qe__emit *e, uint32_t n, const int64_t *values) {
  const int64_t count = n;
  qe_tensor_t *t = NULL;
  if (e->status != QE_OK || qe__emit_failed(e, qe_tensor_from_data(QE_INT64, 1, &count, values, &t))) return QE__NO_VALUE;
  return constant(e, t);
}

qe__value_id qe__emit_vector(qe__emit *e, int64_t n, const float *values) {
  qe_tensor_t *t = NULL;
  if (e->status != QE_OK || qe__emit_failed(e, qe_tensor_from_data(QE_FLOAT32, 1, &n, values, &t))) return QE__NO_VALUE;
  return constant(e, t);
}

qe__value_id qe__emit_filled(qe__emit *e, uint32_t rank, const int64_t *dims, float value) {
  qe_tensor_t *t = NULL;
  if (e->status != QE_OK || qe__emit_failed(e, qe_tensor_create(QE_FLOAT32, rank, dims, &t))) return QE__NO_VALUE;
  float *to = qe_tensor_data(t);
  for (int64_t i = 0; i < t->count; i++) to[i] = value;
  return constant(e, t);
}

/* ---- shapes of values ---- */

static bool has_shape(const qe__emit *e, qe__value_id x, uint32_t rank, const int64_t *dims) {
  const qe__value *v = &e->g->values[x];
  return v->rank == (int32_t)rank && memcmp(v->dims, dims, rank * sizeof dims[0]) == 0;
}

qe__value_id qe__emit_reshape(qe__emit *e, qe__value_id x, uint32_t rank, const int64_t *dims) {
  if (x == QE__NO_VALUE || has_shape(e, x, rank, dims)) return x;
  const qe__attr zeros = QE__INT("allowzero", 1); /* a 0 is a size */
  const qe__value_id in[2] = {x, qe__emit_ints(e, rank, dims)};
  return qe__emit_node(e, QE__OP_Reshape, 2, in, 1, &zeros);
}

qe__value_id qe__emit_expand(qe__emit *e, qe__value_id x, uint32_t rank, const int64_t *dims) {
  if (x == QE__NO_VALUE || has_shape(e, x, rank, dims)) return x;
  return qe__emit_binary(e, QE__OP_Expand, x, qe__emit_ints(e, rank, dims));
}

qe__value_id qe__emit_transpose(qe__emit *e, qe__value_id x, const int64_t *perm) {
  if (x == QE__NO_VALUE) return x;
  int64_t copy[QE_MAX_RANK];
  const uint32_t rank = qe__shape_of(e->g, x).rank;
  memcpy(copy, perm, rank * sizeof copy[0]);
  const qe__attr attr = QE__INTS("perm", rank, copy);
  return qe__emit_node(e, QE__OP_Transpose, 1, &x, 1, &attr);
}

qe__value_id qe__emit_slice(qe__emit *e, qe__value_id x, uint32_t axis, int64_t begin, int64_t end) {
  const qe__shape from = qe__shape_of(e->g, x);
  const int64_t at = axis;
  if (x == QE__NO_VALUE || (begin == 0 && end == from.dims[axis])) return x;
  qe__value_id in[4] = {x};
  in[1] = qe__emit_ints(e, 1, &begin);
  in[2] = qe__emit_ints(e, 1, &end);
  in[3] = qe__emit_ints(e, 1, &at);
  return qe__emit_node(e, QE__OP_Slice, 4, in, 0, NULL);
}

/* A node has so many operands at most: more are joined in steps. */
qe__value_id qe__emit_concat(qe__emit *e, uint32_t axis, int64_t n, const qe__value_id *parts) {
  qe__value_id big[QE__MAX_OUTPUTS];
  int64_t each = 1;
  if (n == 1) return parts[0];
  while ((n + each - 1) / each > QE__MAX_OUTPUTS) each *= QE__MAX_OUTPUTS;
  const uint32_t count = (uint32_t)((n + each - 1) / each);
  for (uint32_t i = 0; each > 1 && i < count; i++) {
    big[i] = qe__emit_concat(e, axis, i + 1 < count ? each : n - each * (int64_t)i, parts + each * (int64_t)i);
  }
  const qe__attr attr = QE__INT("axis", axis);
  return qe__emit_node(e, QE__OP_Concat, count, each > 1 ? big : parts, 1, &attr);
}

qe__value_id qe__emit_sum(qe__emit *e, qe__value_id x, uint32_t axes, bool keepdims) {
  int64_t list[QE_MAX_RANK];
  uint32_t n = 0;
  for (uint32_t d = 0; d < QE_MAX_RANK; d++) {
    if ((axes >> d & 1u) != 0) list[n++] = d;
  }
  if (n == 0) return x;
  const qe__attr keep = QE__INT("keepdims", keepdims);
  const qe__value_id in[2] = {x, qe__emit_ints(e, n, list)};
  return qe__emit_node(e, QE__OP_ReduceSum, 2, in, 1, &keep);
}

qe__value_id qe__emit_sum_to(qe__emit *e, qe__value_id x, uint32_t rank, const int64_t *dims) {
  const qe__shape from = qe__shape_of(e->g, x);
  if (x == QE__NO_VALUE) return x;
  uint32_t axes = 0;
  for (uint32_t d = 0; d < from.rank; d++) {
    const int64_t to = d + rank < from.rank ? 1 : dims[d + rank - from.rank];
    if (to == 1 && from.dims[d] != 1) axes |= 1u << d;
  }
  return qe__emit_reshape(e, qe__emit_sum(e, x, axes, true), rank, dims);
}
