/*
 * Quantized nodes as single operators on integers: QLinearConv, QLinearMatMul, those of com.microsoft, and plain ops
 * that move or compare codes. A clamp that the type's range does not imply follows as an integer Clip.
 */
#include <math.h>
#include <string.h>

#include "onnx/export.h"
#include "onnx/fuse_util.h"
#include "registry/quant_rule.h"

#define MS "com.microsoft"

static bool per_tensor8(const qe__graph *g, qe__value_id v) {
  return v != QE__NO_VALUE && qe__dtype_is_code8(g->values[v].dtype) && g->values[v].q.view.count == 1;
}

static bool weight8(const qe__graph *g, qe__value_id v, int32_t axis) {
  if (v == QE__NO_VALUE || !qe__dtype_is_code8(g->values[v].dtype)) return false;
  const qe_qparams_t *q = &g->values[v].q.view;
  return q->count > 0 && (q->axis < 0 || q->axis == axis);
}

/* ONNX Runtime has these operators for one type of activations, and no int8 activations with uint8 weights. */
static bool types_fit(const qe__graph *g, const qe__node *n) {
  const qe_dtype_t t = g->values[n->out[0]].dtype;
  if (qe__op_is_weighted(n->op->id)) {
    return g->values[n->in[0]].dtype == t && (t == QE_UINT8 || g->values[n->in[1]].dtype == QE_INT8);
  }
  const uint32_t first = qe__fuse_first_data_input(n), count = qe__fuse_data_inputs(n);
  for (uint32_t i = first; i < n->n_in && i < first + count; i++) {
    if (n->in[i] == QE__NO_VALUE || g->values[n->in[i]].dtype != t) return false;
  }
  return true;
}

/* Codes, scale and zero point of a value: three inputs. */
static qe_status_t triple(qe__export *ex, qe__value_id v, char **in) {
  QE_TRY(qe__export_value(ex, v, &in[0]));
  return qe__export_params(ex, v, &in[1], &in[2]);
}

/* Where the operator writes: the node's output, or what an integer Clip (written by finish) reads. */
static qe_status_t begin(qe__export *ex, const qe__node *n, char **out) {
  int32_t lo, hi;
  *out = ex->g->values[n->out[0]].name;
  if (qe__export_act_implied(ex->g, n, &lo, &hi)) return QE_OK;
  char *base = qe__arena_format(&ex->arena, "%s_unclamped", *out);
  *out = base != NULL ? qe__export_value_name(ex, base) : NULL;
  return *out != NULL ? QE_OK : qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting");
}

static qe_status_t finish(qe__export *ex, const qe__node *n, char *written) {
  int32_t lo, hi;
  const qe__value *y = &ex->g->values[n->out[0]];
  if (qe__export_act_implied(ex->g, n, &lo, &hi)) return QE_OK;
  const uint8_t codes[2] = {(uint8_t)(lo & 0xff), (uint8_t)(hi & 0xff)};
  char *in[3] = {written, NULL, NULL}, *out = y->name;
  QE_TRY(qe__export_constant(ex, qe__arena_format(&ex->arena, "%s_min", out), y->dtype, 0, NULL, &codes[0], 1, &in[1]));
  QE_TRY(qe__export_constant(ex, qe__arena_format(&ex->arena, "%s_max", out), y->dtype, 0, NULL, &codes[1], 1, &in[2]));
  return qe__export_node(ex, "", "Clip", NULL, 3, in, 1, &out, NULL);
}

/* The bias has exactly the scale that the operator assumes. */
static bool bias_fits(const qe__graph *g, const qe__node *n) {
  if (n->n_in < 3 || n->in[2] == QE__NO_VALUE) return true;
  const qe__value *b = &g->values[n->in[2]];
  const qe_qparams_t *bq = &b->q.view, *xq = &g->values[n->in[0]].q.view, *wq = &g->values[n->in[1]].q.view;
  if (b->dtype != QE_INT32 || bq->count != wq->count) return false;
  for (uint32_t i = 0; i < bq->count; i++) {
    const float want = xq->scales[0] * wq->scales[i];
    if (memcmp(&want, &bq->scales[i], sizeof want) != 0 || bq->zero_points[i] != 0) return false;
  }
  return true;
}

static qe_status_t write_conv(qe__export *ex, const qe__node *n, bool *done) {
  char *in[9] = {NULL}, *out;
  Onnx__NodeProto *node;
  if (!weight8(ex->g, n->in[1], 0) || !bias_fits(ex->g, n)) return QE_OK;
  *done = true;
  QE_TRY(triple(ex, n->in[0], in));
  QE_TRY(triple(ex, n->in[1], in + 3));
  QE_TRY(qe__export_params(ex, n->out[0], &in[6], &in[7]));
  if (n->n_in > 2) QE_TRY(qe__export_value(ex, n->in[2], &in[8]));
  QE_TRY(begin(ex, n, &out));
  QE_TRY(qe__export_node(ex, "", "QLinearConv", n->name, 9, in, 1, &out, &node));
  QE_TRY(qe__export_attrs(ex, node, n));
  return finish(ex, n, out);
}

static qe_status_t write_matmul(qe__export *ex, const qe__node *n, bool *done) {
  char *in[8] = {NULL}, *out;
  const qe_tensor_t *w = ex->g->values[n->in[1]].data;
  const bool has_bias = n->n_in > 2 && n->in[2] != QE__NO_VALUE;
  if (has_bias || !weight8(ex->g, n->in[1], w != NULL ? (int32_t)w->rank - 1 : -1)) return QE_OK;
  *done = true;
  QE_TRY(triple(ex, n->in[0], in));
  QE_TRY(triple(ex, n->in[1], in + 3));
  QE_TRY(qe__export_params(ex, n->out[0], &in[6], &in[7]));
  QE_TRY(begin(ex, n, &out));
  QE_TRY(qe__export_node(ex, "", "QLinearMatMul", n->name, 8, in, 1, &out, NULL));
  return finish(ex, n, out);
}

static qe_status_t write_gemm(qe__export *ex, const qe__node *n, bool *done) {
  char *in[9] = {NULL}, *out;
  Onnx__NodeProto *node;
  const int64_t trans_b = qe__node_int(n, "transB", 0);
  if (!weight8(ex->g, n->in[1], trans_b != 0 ? 0 : 1) || !bias_fits(ex->g, n) ||
      qe__node_float(n, "alpha", 1.0f) != 1.0f) {
    return QE_OK;
  }
  if (qe__node_float(n, "beta", 1.0f) != 1.0f || qe__node_int(n, "transA", 0) != 0) return QE_OK;
  *done = true;
  QE_TRY(triple(ex, n->in[0], in));
  QE_TRY(triple(ex, n->in[1], in + 3));
  if (n->n_in > 2) QE_TRY(qe__export_value(ex, n->in[2], &in[6]));
  QE_TRY(qe__export_params(ex, n->out[0], &in[7], &in[8]));
  QE_TRY(begin(ex, n, &out));
  QE_TRY(qe__export_node(ex, MS, "QGemm", n->name, 9, in, 1, &out, &node));
  for (uint32_t i = 0; i < n->n_attr; i++) { /* beta is not one of QGemm's attributes */
    if (strcmp(n->attr[i].name, "beta") != 0) QE_TRY(qe__export_attr(ex, node, &n->attr[i]));
  }
  return finish(ex, n, out);
}

/* n triples, then (or, with params_first, before them) the output's parameters. */
static qe_status_t write_qlinear(qe__export *ex, const qe__node *n, const char *op, bool params_first, bool *done) {
  const uint32_t first = qe__fuse_first_data_input(n), count = qe__fuse_data_inputs(n);
  if (n->n_in < first + count) return QE_OK;
  for (uint32_t i = first; i < first + count; i++) {
    if (!per_tensor8(ex->g, n->in[i])) return QE_OK;
  }
  const size_t n_in = first + 3 * (size_t)count + 2;
  char **in = qe__arena_alloc(&ex->arena, n_in, sizeof *in), **at = in, *out;
  Onnx__NodeProto *node;
  if (in == NULL) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting");
  *done = true;
  for (uint32_t i = 0; i < first; i++) QE_TRY(qe__export_value(ex, n->in[i], at++));
  if (params_first) {
    QE_TRY(qe__export_params(ex, n->out[0], &at[0], &at[1]));
    at += 2;
  }
  for (uint32_t i = first; i < first + count; i++, at += 3) QE_TRY(triple(ex, n->in[i], at));
  if (!params_first) QE_TRY(qe__export_params(ex, n->out[0], &at[0], &at[1]));
  QE_TRY(begin(ex, n, &out));
  QE_TRY(qe__export_node(ex, MS, op, n->name, n_in, in, 1, &out, &node));
  QE_TRY(qe__export_attrs(ex, node, n));
  return finish(ex, n, out);
}

/* An op that moves codes, on the codes themselves: all of one type and with equal parameters. */
static bool moves_integers(const qe__node *n) {
  switch (n->op->id) {
    case QE__OP_MaxPool:
    case QE__OP_Reshape:
    case QE__OP_Transpose:
    case QE__OP_Slice:
    case QE__OP_Split:
    case QE__OP_Squeeze:
    case QE__OP_Unsqueeze:
    case QE__OP_Flatten:
    case QE__OP_Gather:
    case QE__OP_GatherElements:
    case QE__OP_Expand:
    case QE__OP_Tile:
    case QE__OP_DepthToSpace:
    case QE__OP_SpaceToDepth:
    case QE__OP_Identity:
    case QE__OP_Pad:
    case QE__OP_Resize:
    case QE__OP_ReduceMax:
    case QE__OP_ReduceMin: return qe__node_qexec(n) == QE__X_MOVE;
    default:
      return false;
  }
}

static qe_status_t pad_code(qe__export *ex, const qe__node *n, char **name, bool *possible) {
  const qe__value *x = &ex->g->values[n->in[0]];
  const bool given = n->n_in > 2 && n->in[2] != QE__NO_VALUE;
  const qe__value *v = given ? &ex->g->values[n->in[2]] : NULL;
  float real = 0.0f;
  *possible = !given || (v->data != NULL && v->data->count == 1 && v->dtype == QE_FLOAT32);
  if (!*possible) return QE_OK;
  if (given) real = (float)qe__tensor_float_at(v->data, 0);
  int32_t qmin = 0, qmax = 0;
  (void)qe__dtype_integer_range(x->dtype, &qmin, &qmax);
  const uint8_t code =
      (uint8_t)(qe__quantize_value(real, x->q.view.scales[0], x->q.view.zero_points[0], qmin, qmax) & 0xff);
  return qe__export_constant(ex, qe__arena_format(&ex->arena, "%s_fill", n->name), x->dtype, 0, NULL, &code, 1, name);
}

static qe_status_t write_moved(qe__export *ex, const qe__node *n, bool *done) {
  const qe__value *x = &ex->g->values[n->in[0]];
  int32_t lo, hi;
  if (!per_tensor8(ex->g, n->in[0]) || (n->n_out == 1 && !qe__export_act_implied(ex->g, n, &lo, &hi))) return QE_OK;
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] == QE__NO_VALUE) continue;
    const qe__value *y = &ex->g->values[n->out[i]];
    if (y->dtype != x->dtype || !qe__qparams_equal(&y->q.view, &x->q.view)) return QE_OK;
  }
  const uint32_t n_in = n->op->id == QE__OP_Pad && n->n_in < 3 ? 3 : n->n_in;
  char **in = qe__arena_alloc(&ex->arena, (size_t)n_in + 1, sizeof *in),
       **out = qe__arena_alloc(&ex->arena, (size_t)n->n_out + 1, sizeof *out);
  if (in == NULL || out == NULL) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting");
  char *fill = NULL;
  if (n->op->id == QE__OP_Pad) {
    bool possible;
    QE_TRY(pad_code(ex, n, &fill, &possible));
    if (!possible) return QE_OK;
  }
  *done = true;
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (fill == NULL || i != 2) QE_TRY(qe__export_input(ex, n, i, &in[i]));
  }
  if (fill != NULL) in[2] = fill;
  for (uint32_t i = 0; i < n->n_out; i++) QE_TRY(qe__export_value(ex, n->out[i], &out[i]));
  qe__node plain = *n;
  plain.n_in = n_in;
  return qe__export_plain(ex, &plain, in, out, &(const qe__act){-INFINITY, INFINITY});
}

qe_status_t qe__export_qoperator(qe__export *ex, const qe__node *n, bool *done) {
  *done = false;
  if (n->n_in == 0 || n->out[0] == QE__NO_VALUE || !per_tensor8(ex->g, n->out[0])) return QE_OK;
  if (n->op->id != QE__OP_Where && !per_tensor8(ex->g, n->in[0])) return QE_OK;
  if (!types_fit(ex->g, n)) return QE_OK;
  switch (n->op->id) {
    case QE__OP_Conv: return write_conv(ex, n, done);
    case QE__OP_MatMul: return write_matmul(ex, n, done);
    case QE__OP_Gemm: return write_gemm(ex, n, done);
    case QE__OP_Add: return write_qlinear(ex, n, "QLinearAdd", false, done);
    case QE__OP_Mul: return write_qlinear(ex, n, "QLinearMul", false, done);
    case QE__OP_Sigmoid: return write_qlinear(ex, n, "QLinearSigmoid", false, done);
    case QE__OP_LeakyRelu: return write_qlinear(ex, n, "QLinearLeakyRelu", false, done);
    case QE__OP_GlobalAveragePool: return write_qlinear(ex, n, "QLinearGlobalAveragePool", false, done);
    case QE__OP_AveragePool:
      return qe__node_attr(n, "dilations") != NULL ? QE_OK : write_qlinear(ex, n, "QLinearAveragePool", false, done);
    case QE__OP_Concat: return write_qlinear(ex, n, "QLinearConcat", true, done);
    case QE__OP_Where: return write_qlinear(ex, n, "QLinearWhere", false, done);
    default: return moves_integers(n) ? write_moved(ex, n, done) : QE_OK;
  }
}
