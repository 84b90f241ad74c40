/*
 * One product for many: a sum of n partial products takes n matrices of the weight's size that all wait for the last of
 * them; joined operands are as large as the activations, and the product runs over a long dimension, which is fast.
 */
#include "train/merge.h"

enum { FEWEST = 4 }; /* for which joining is worth a copy of the operands */

/* a^T * b without anything else. */
static bool is_product(const qe__node *n) {
  return n->op->id == QE__OP_Gemm && n->n_in == 2 && qe__node_int(n, "transA", 0) && !qe__node_int(n, "transB", 0);
}

/* The nodes of the parts. Later readers are differentiated first, so parts are found from the end in their order. */
static bool find_products(const qe__graph *g, uint32_t n, const qe__value_id *parts, const qe__node **node) {
  uint32_t k = g->n_nodes;
  for (uint32_t i = 0; i < n; i++) {
    while (k > 0 && g->nodes[k - 1]->out[0] != parts[i]) k--;
    if (k == 0 || !is_product(g->nodes[k - 1])) return false;
    node[i] = g->nodes[--k];
    if (qe__node_float(node[i], "alpha", 1.0f) != qe__node_float(node[0], "alpha", 1.0f)) return false;
  }
  return true;
}

static qe__value_id merge(qe__emit *e, uint32_t n, const qe__node **node, qe__value_id *ids) {
  qe__value_id in[2];
  for (uint32_t k = 0; k < 2; k++) {
    for (uint32_t i = 0; i < n; i++) ids[i] = node[i]->in[k];
    in[k] = qe__emit_concat(e, 0, n, ids);
  }
  const qe__attr attr[2] = {QE__INT("transA", 1), QE__FLOAT("alpha", qe__node_float(node[0], "alpha", 1.0f))};
  return qe__emit_node(e, QE__OP_Gemm, 2, in, 2, attr);
}

qe__value_id qe__merge_products(qe__emit *e, uint32_t n, const qe__value_id *parts) {
  qe__value_id merged = QE__NO_VALUE;
  if (n < FEWEST || e->status != QE_OK) return merged;
  const qe__node **node = qe__calloc(n, sizeof(qe__node *));
  qe__value_id *ids = qe__calloc(n, sizeof *ids);
  if (node == NULL || ids == NULL) qe__emit_failed(e, QE_ERROR_OUT_OF_MEMORY);
  else if (find_products(e->g, n, parts, node)) merged = merge(e, n, node, ids);
  qe__free(ids);
  qe__free(node);
  return merged;
}
