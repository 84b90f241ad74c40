/*
 * Shapes are inferred node by node. Where a node needs the value of an input that is not there yet (the target of a
 * Reshape, computed from shapes), it and what depends on it wait: the constants found so far are folded, and another
 * round goes on from there.
 */
#include "train/shapes.h"

#include <string.h>

#include "flow/flow_internal.h"
#include "train/emit.h"

typedef struct round {
  uint32_t inferred;  /* nodes whose outputs are known after this round */
  qe__node *blocked;  /* the first node that waits for a value */
} round;

static bool is_concrete(const qe__value *v) {
  if (v->dtype == QE_DTYPE_NONE || v->rank < 0) return false;
  for (int32_t d = 0; d < v->rank; d++) {
    if (v->dims[d] < 0) return false;
  }
  return true;
}

static bool inputs_known(const qe__graph *g, const qe__node *n, const bool *known) {
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (n->in[i] != QE__NO_VALUE && g->values[n->in[i]].data == NULL && !known[n->in[i]]) return false;
  }
  return true;
}

/* Shape and Size: constants as soon as the dimensions are known. */
static qe_status_t shape_constant(qe__graph *g, qe__node *n, const qe_op_params *params) {
  const qe__shape x = qe__shape_of(g, n->in[0]);
  const int64_t count = qe__shape_count(&x, 0, x.rank);
  qe__value *y = &g->values[n->out[0]];
  if (n->op->id == QE__OP_Size) QE_TRY(qe_tensor_from_data(QE_INT64, 0, NULL, &count, &y->data));
  else QE_TRY(qe_tensor_from_data(QE_INT64, 1, y->dims, x.dims + params->starts[0], &y->data));
  qe__node_kill(n);
  return QE_OK;
}

static bool is_output(const qe__graph *g, qe__value_id v) {
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    if (g->outputs[i] == v) return true;
  }
  return false;
}

static bool reads_shape_only(const qe__node *n) { return n->op->id == QE__OP_Shape || n->op->id == QE__OP_Size; }

static qe_status_t infer_node(qe__graph *g, qe__node *n) {
  qe_op_params params;
  QE_TRY(qe__infer_concrete(g, n, &params));
  return reads_shape_only(n) && !is_output(g, n->out[0]) ? shape_constant(g, n, &params) : QE_OK;
}

/* An input whose value decides the result's shape or parameters is computed, so far. */
static bool waits_for_value(const qe__graph *g, const qe__node *n) {
  const bool all = n->op->id == QE__OP_Range || n->op->id == QE__OP_OneHot;
  if (reads_shape_only(n)) return false;
  for (uint32_t i = all ? 0 : n->op->kernel_in; i < n->n_in; i++) {
    if (n->in[i] != QE__NO_VALUE && g->values[n->in[i]].data == NULL) return true;
  }
  return false;
}

static qe_status_t infer_round(qe__graph *g, bool *known, round *r) {
  *r = (round){0};
  memset(known, 0, g->n_values * sizeof *known);
  for (uint32_t i = 0; i < g->n_inputs; i++) known[g->inputs[i]] = true;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    qe__node *n = g->nodes[k];
    if (n->dead || !inputs_known(g, n, known)) continue;
    if (waits_for_value(g, n)) {
      if (r->blocked == NULL) r->blocked = n;
      continue;
    }
    QE_TRY(infer_node(g, n));
    r->inferred += !n->dead;
    for (uint32_t i = 0; i < n->n_out; i++) {
      if (n->out[i] != QE__NO_VALUE) known[n->out[i]] = true;
    }
  }
  return QE_OK;
}

/* Folding removes nodes: progress is that fewer wait. */
static uint32_t waiting(const qe__graph *g, const round *r) {
  uint32_t alive = 0;
  for (uint32_t k = 0; k < g->n_nodes; k++) alive += !g->nodes[k]->dead;
  return alive > r->inferred ? alive - r->inferred : 0;
}

static qe_status_t run(qe__graph *g, bool *known) {
  uint32_t before = UINT32_MAX;
  for (;;) {
    round r;
    QE_TRY(infer_round(g, known, &r));
    const uint32_t now = waiting(g, &r);
    if (r.blocked != NULL && now >= before) {
      QE_TRY(infer_node(g, r.blocked)); /* says which value depends on data */
      return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (%s): its shape depends on data, which training cannot have; make its shape-like inputs constants",
                      r.blocked->name, r.blocked->op->name);
    }
    before = now;
    QE_TRY(qe__graph_sweep(g));
    QE_TRY(qe__fold_constants(g));
    if (r.blocked == NULL) return QE_OK;
  }
}

qe_status_t qe__train_shapes(qe__graph *g) {
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    const qe__value *v = &g->values[g->inputs[i]];
    if (!is_concrete(v))
      return qe__fail(QE_ERROR_SHAPE, "graph '%s': input '%s' has no concrete shape; training needs one", g->name, v->name);
  }
  bool *known = qe__calloc((size_t)g->n_values + 1, sizeof *known);
  if (known == NULL) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = run(g, known);
  qe__free(known);
  return status;
}
