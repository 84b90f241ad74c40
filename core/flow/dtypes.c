/* Dtypes of computed values. Shapes may be unknown; element types always follow from the inputs. */
#include <string.h>

#include "flow/flow_internal.h"

static qe_dtype_t result_dtype(const qe__graph *g, const qe__node *n, uint32_t out) {
  const qe_dtype_t x = n->n_in && n->in[0] != QE__NO_VALUE ? g->values[n->in[0]].dtype : QE_DTYPE_NONE;
  switch (n->op->id) {
    case QE__OP_Shape: case QE__OP_Size: case QE__OP_ArgMax: case QE__OP_ArgMin: return QE_INT64;
    case QE__OP_Equal: case QE__OP_Less: case QE__OP_LessOrEqual: case QE__OP_Greater: case QE__OP_GreaterOrEqual:
    case QE__OP_And: case QE__OP_Or: case QE__OP_Xor: case QE__OP_Not: return QE_BOOL;
    case QE__OP_Cast: return (qe_dtype_t)qe__node_int(n, "to", QE_DTYPE_NONE);
    case QE__OP_Where: return n->n_in > 1 ? g->values[n->in[1]].dtype : QE_DTYPE_NONE;
    case QE__OP_OneHot: return n->n_in > 2 ? g->values[n->in[2]].dtype : QE_DTYPE_NONE;
    case QE__OP_ConstantOfShape: {
      const qe__attr *value = qe__node_attr(n, "value");
      return value && value->tensor ? value->tensor->dtype : QE_FLOAT32;
    }
    case QE__OP_ConvInteger: case QE__OP_MatMulInteger: return QE_INT32;
    case QE__OP_DequantizeLinear: case QE__OP_MatMulIntegerToFloat: case QE__OP_Embedding: case QE__OP_EmbeddingBag:
      return QE_FLOAT32;
    case QE__OP_QuantizeLinear: return n->n_in > 2 && n->in[2] != QE__NO_VALUE ? g->values[n->in[2]].dtype : QE_UINT8;
    case QE__OP_DynamicQuantizeLinear: return out == 1 ? QE_FLOAT32 : QE_UINT8;
    default: return x;
  }
}

qe_status_t qe__infer_dtypes(qe__graph *g) {
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    const qe__node *n = g->nodes[k];
    for (uint32_t i = 0; i < n->n_out; i++) {
      if (n->out[i] == QE__NO_VALUE || g->values[n->out[i]].dtype != QE_DTYPE_NONE) continue;
      g->values[n->out[i]].dtype = result_dtype(g, n, i);
    }
  }
  return QE_OK;
}
