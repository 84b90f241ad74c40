/* Taking an op over as it is, and what follows from an op about the type and rank of its outputs. */
#include <string.h>

#include "onnx/import.h"

static int32_t max_rank(const qe__import *im, const qe__node *n, uint32_t first) {
  int32_t rank = 0;
  for (uint32_t i = first; i < n->n_in; i++) {
    const int32_t r = qe__import_rank(im, n->in[i]);
    if (r < 0) return -1;
    if (r > rank) rank = r;
  }
  return rank;
}

static int32_t matmul_rank(int32_t a, int32_t b) {
  if (a < 1 || b < 1) return -1;
  if (a == 1 || b == 1) return a + b - 2 < 0 ? 0 : a + b - 2;
  return a > b ? a : b;
}

/* Rank after removing (or adding) the axes that input 1 lists. */
static int32_t rank_by_axes(const qe__import *im, const qe__node *n, int32_t sign, int32_t without) {
  const int32_t r = qe__import_rank(im, n->in[0]);
  if (n->n_in < 2 || n->in[1] == QE__NO_VALUE) return without;
  const qe_tensor_t *axes = qe__import_data(im, n->in[1]);
  if (r < 0 || axes == NULL) return -1;
  const int64_t rank = r + sign * axes->count;
  return rank >= 0 && rank <= QE_MAX_RANK ? (int32_t)rank : -1;
}

static int32_t shape_input_rank(const qe__import *im, const qe__node *n, uint32_t i) {
  const qe_tensor_t *shape = i < n->n_in ? qe__import_data(im, n->in[i]) : NULL;
  return shape != NULL && shape->rank == 1 && shape->count <= QE_MAX_RANK ? (int32_t)shape->count : -1;
}

static int32_t output_rank(const qe__import *im, const qe__node *n, uint32_t output) {
  const int32_t r = n->n_in > 0 ? qe__import_rank(im, n->in[0]) : -1;
  switch (n->op->id) {
    case QE__OP_Gemm: case QE__OP_Flatten: return 2;
    case QE__OP_MatMul: case QE__OP_MatMulInteger: case QE__OP_MatMulIntegerToFloat: return matmul_rank(r, qe__import_rank(im, n->in[1]));
    case QE__OP_Add:
    case QE__OP_Sub:
    case QE__OP_Mul:
    case QE__OP_Div:
    case QE__OP_Pow:
    case QE__OP_Mod:
    case QE__OP_Max:
    case QE__OP_Min:
    case QE__OP_Sum:
    case QE__OP_Equal:
    case QE__OP_Less:
    case QE__OP_LessOrEqual:
    case QE__OP_Greater:
    case QE__OP_GreaterOrEqual:
    case QE__OP_And: case QE__OP_Or: case QE__OP_Xor: case QE__OP_Where: return max_rank(im, n, 0);
    case QE__OP_Reshape: return shape_input_rank(im, n, 1);
    case QE__OP_Expand: {
      const int32_t s = shape_input_rank(im, n, 1);
      return r < 0 || s < 0 ? -1 : r > s ? r : s;
    }
    case QE__OP_ConstantOfShape: return shape_input_rank(im, n, 0);
    case QE__OP_Squeeze: return rank_by_axes(im, n, -1, -1);
    case QE__OP_Unsqueeze: return rank_by_axes(im, n, 1, -1);
    case QE__OP_ReduceMean:
    case QE__OP_ReduceSum:
    case QE__OP_ReduceMax:
    case QE__OP_ReduceMin:
    case QE__OP_ReduceProd:
    case QE__OP_ReduceL2:
    case QE__OP_ReduceSumSquare:
      if (qe__node_int(n, "keepdims", 1) != 0) return r;
      return rank_by_axes(im, n, -1, qe__node_int(n, "noop_with_empty_axes", 0) != 0 ? r : 0);
    case QE__OP_ArgMax: case QE__OP_ArgMin: return qe__node_int(n, "keepdims", 1) != 0 || r < 1 ? r : r - 1;
    case QE__OP_Gather: {
      const int32_t i = qe__import_rank(im, n->in[1]);
      return r < 0 || i < 0 ? -1 : r + i - 1;
    }
    case QE__OP_Embedding: {
      const int32_t i = qe__import_rank(im, n->in[1]);
      return i < 0 ? -1 : i + 1;
    }
    case QE__OP_EmbeddingBag: return 2;
    case QE__OP_Shape: case QE__OP_Range: return 1;
    case QE__OP_Size: return 0;
    case QE__OP_OneHot: return r < 0 ? -1 : r + 1;
    case QE__OP_LSTM: case QE__OP_GRU: case QE__OP_RNN:
    case QE__OP_DynamicQuantizeLSTM: case QE__OP_DynamicQuantizeGRU: case QE__OP_DynamicQuantizeRNN:
      return output == 0 ? 4 : 3;
    case QE__OP_DynamicQuantizeLinear: return output == 0 ? r : 0;
    default: return r;
  }
}

static qe_dtype_t output_dtype(const qe__import *im, const qe__node *n, uint32_t output) {
  const qe__value *values = im->g->values;
  const qe_dtype_t first = n->n_in > 0 && n->in[0] != QE__NO_VALUE ? values[n->in[0]].dtype : QE_DTYPE_NONE;
  switch (n->op->id) {
    case QE__OP_Equal:
    case QE__OP_Less:
    case QE__OP_LessOrEqual:
    case QE__OP_Greater:
    case QE__OP_GreaterOrEqual: return QE_BOOL;
    case QE__OP_Where: return values[n->in[1]].dtype;
    case QE__OP_Cast: {
      const int64_t to = qe__node_int(n, "to", 0);
      return qe__dtype_valid(to) ? (qe_dtype_t)to : QE_DTYPE_NONE;
    }
    case QE__OP_Shape: case QE__OP_Size: case QE__OP_ArgMax: case QE__OP_ArgMin: return QE_INT64;
    case QE__OP_ConvInteger: case QE__OP_MatMulInteger: return QE_INT32;
    case QE__OP_DequantizeLinear:
    case QE__OP_MatMulIntegerToFloat:
    case QE__OP_Embedding:
    case QE__OP_EmbeddingBag: return QE_FLOAT32;
    case QE__OP_QuantizeLinear: return QE_DTYPE_NONE;
    case QE__OP_DynamicQuantizeLinear: return output == 1 ? QE_FLOAT32 : QE_UINT8;
    case QE__OP_MaxPool: return output == 0 ? first : QE_INT64;
    case QE__OP_ConstantOfShape: {
      const qe__attr *value = qe__node_attr(n, "value");
      return value != NULL && value->tensor != NULL ? value->tensor->dtype : QE_FLOAT32;
    }
    case QE__OP_OneHot: return n->n_in > 2 && n->in[2] != QE__NO_VALUE ? values[n->in[2]].dtype : QE_DTYPE_NONE;
    default: return first;
  }
}

qe_status_t qe__import_note_outputs(qe__import *im, const qe__node *n) {
  for (uint32_t i = 0; i < n->n_in && i < n->op->min_in; i++) {
    if (n->in[i] == QE__NO_VALUE) return QE_OK; /* verification will refuse the node */
  }
  if (n->n_in < n->op->min_in) return QE_OK;
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] == QE__NO_VALUE) continue;
    qe__value *v = &im->g->values[n->out[i]];
    if (v->dtype == QE_DTYPE_NONE) v->dtype = output_dtype(im, n, i);
    const int32_t rank = output_rank(im, n, i);
    if (rank >= 0 && rank <= QE_MAX_RANK) QE_TRY(qe__import_set_rank(im, n->out[i], rank));
  }
  return QE_OK;
}

qe_status_t qe__import_as_is(qe__import *im, const char *op, qe__node **node) {
  qe_status_t status;
  qe__node *made = NULL;
  const size_t n_in = im->node->n_input, n_out = im->node->n_output;
  if (n_in > 4096 || n_out > QE__MAX_OUTPUTS) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "%zu inputs and %zu outputs; at most 4096 and %d are supported",
                           n_in, n_out, QE__MAX_OUTPUTS);
  }
  qe__value_id *ids = qe__calloc(n_in + n_out + 1, sizeof *ids);
  if (ids == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < n_in; i++) QE_TRY_GOTO(qe__import_in(im, i, &ids[i]), done);
  for (size_t i = 0; i < n_out; i++) QE_TRY_GOTO(qe__import_out(im, i, &ids[n_in + i]), done);
  QE_TRY_GOTO(qe__import_node(im, op, NULL, (uint32_t)n_in, ids, (uint32_t)n_out, ids + n_in, &made), done);
  QE_TRY_GOTO(qe__import_copy_attributes(im, made), done);
done:
  qe__free(ids);
  if (status == QE_OK && node != NULL) *node = made;
  return status;
}
