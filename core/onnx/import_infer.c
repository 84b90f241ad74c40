/*
 * Types, ranks and shapes of values, as far as the graph itself says them. They inform the user and the exporter; a
 * plan computes its own, so an op that cannot be described here is simply left open.
 */
#include "base/status.h"
#include "graph/build.h"
#include "onnx/import.h"

static void copy_shape(qe__value *to, const qe__value *from) {
  to->rank = from->rank;
  for (size_t d = 0; d < QE_MAX_RANK; d++) to->dims[d] = from->dims[d];
}

static void forget_shapes(qe__graph *g, const qe__node *n) {
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] == QE__NO_VALUE) continue;
    g->values[n->out[i]].rank = -1;
    for (size_t d = 0; d < QE_MAX_RANK; d++) g->values[n->out[i]].dims[d] = -1;
  }
}

void qe__import_infer(qe__graph *g) {
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    qe__node *n = g->nodes[i];
    qe_dtype_t known[QE__MAX_OUTPUTS];
    const bool linear = n->op->id == QE__OP_QuantizeLinear || n->op->id == QE__OP_DequantizeLinear;
    if (linear && n->in[0] != QE__NO_VALUE && n->out[0] != QE__NO_VALUE) {
      copy_shape(&g->values[n->out[0]], &g->values[n->in[0]]);
      continue;
    }
    for (uint32_t k = 0; k < n->n_out; k++) {
      known[k] = n->out[k] != QE__NO_VALUE ? g->values[n->out[k]].dtype : QE_DTYPE_NONE;
    }
    if (qe__build_infer(g, n) != QE_OK) {
      qe__clear_error();
      forget_shapes(g, n);
    }
    for (uint32_t k = 0; k < n->n_out; k++) {
      if (known[k] != QE_DTYPE_NONE) g->values[n->out[k]].dtype = known[k];
    }
  }
}
