/* Which opset a node needs at least. 13 has per-channel quantization and axes as inputs of the ops that matter most. */
#include <string.h>

#include "onnx/export.h"

enum { BASE = 13 };

static bool wide_codes(const qe__graph *g, qe__value_id v) {
  if (v == QE__NO_VALUE || g->values[v].q.view.count == 0) return false;
  const qe_dtype_t t = g->values[v].dtype;
  return t == QE_INT16 || t == QE_UINT16 || t == QE_INT4 || t == QE_UINT4;
}

static bool four_bits(const qe__graph *g, qe__value_id v) {
  return v != QE__NO_VALUE && (g->values[v].dtype == QE_INT4 || g->values[v].dtype == QE_UINT4);
}

static int64_t by_op(const qe__graph *g, const qe__node *n) {
  switch (n->op->id) {
    case QE__OP_HardSwish: case QE__OP_Trilu: return 14;
    case QE__OP_Reshape: return qe__node_int(n, "allowzero", 0) != 0 ? 14 : BASE;
    case QE__OP_LSTM: case QE__OP_GRU: case QE__OP_RNN: return qe__node_int(n, "layout", 0) != 0 ? 14 : BASE;
    case QE__OP_DynamicQuantizeGRU: case QE__OP_DynamicQuantizeRNN: return 14; /* layout, in their functions */
    case QE__OP_Embedding: case QE__OP_EmbeddingBag: return four_bits(g, n->in[0]) ? 21 : BASE;
    case QE__OP_Shape: return qe__node_attr(n, "start") != NULL || qe__node_attr(n, "end") != NULL ? 15 : BASE;
    case QE__OP_LayerNormalization: return 17;
    case QE__OP_Mish: return 18;
    case QE__OP_Split: return qe__node_attr(n, "num_outputs") != NULL ? 18 : BASE;
    case QE__OP_ReduceMean:
    case QE__OP_ReduceMax:
    case QE__OP_ReduceMin:
    case QE__OP_ReduceProd:
    case QE__OP_ReduceL2:
    case QE__OP_ReduceSumSquare: {
      const bool has_axes = n->n_in > 1 && n->in[1] != QE__NO_VALUE;
      const bool constant = !has_axes || g->values[n->in[1]].data != NULL;
      return !constant || (!has_axes && qe__node_int(n, "noop_with_empty_axes", 0) != 0) ? 18 : BASE;
    }
    case QE__OP_Pad: return strcmp(qe__node_string(n, "mode", "constant"), "wrap") == 0 ? 19 : n->n_in > 3 ? 18 : BASE;
    case QE__OP_AveragePool: return qe__node_attr(n, "dilations") != NULL ? 19 : BASE;
    case QE__OP_Resize:
      return strcmp(qe__node_string(n, "coordinate_transformation_mode", ""), "half_pixel_symmetric") == 0 ? 19 : BASE;
    case QE__OP_Gelu: return 20;
    case QE__OP_GroupNormalization: return 21;
    default: return BASE;
  }
}

int64_t qe__export_min_opset(const qe__graph *g, const qe__node *n) {
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (wide_codes(g, n->in[i])) return 21;
  }
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (wide_codes(g, n->out[i])) return 21;
  }
  return by_op(g, n);
}
