/*
 * Constant folding: nodes that depend on constants only are computed once and become constants, so that fusion and
 * quantization see weights where the exporter left Transpose, Reshape or arithmetic around them. Quantize and
 * dequantize nodes stay: they are what makes a quantized model small.
 */
#include "flow/flow_internal.h"
#include "graph/model.h"
#include "runtime/plan.h"

static bool foldable(const qe__graph *g, const qe__node *n, const bool *known) {
  if (n->quantized || n->op->id == QE__OP_DequantizeLinear || n->op->id == QE__OP_QuantizeLinear) return false;
  for (uint32_t i = 0; i < n->n_in; i++) {
    const qe__value_id v = n->in[i];
    if (v != QE__NO_VALUE && (!known[v] || g->values[v].q.view.count)) return false;
  }
  return n->n_in > 0;
}

/* A graph of the foldable nodes alone: no inputs, their results as outputs. */
static qe_status_t extract(const qe__graph *g, uint32_t n, const qe__value_id *wanted, qe_model_t **out) {
  qe__graph *part = NULL;
  *out = NULL;
  QE_TRY(qe__graph_clone(g, &part));
  part->n_inputs = 0;
  part->n_outputs = 0;
  qe_status_t status = QE_OK;
  for (uint32_t i = 0; i < n && status == QE_OK; i++) status = qe__graph_add_output(part, wanted[i]);
  if (status == QE_OK) status = qe__graph_sweep(part);
  if (status != QE_OK) {
    qe__graph_destroy(&part);
    return status;
  }
  return qe__model_wrap(part, out);
}

static qe_status_t compute(qe__graph *g, uint32_t n, const qe__value_id *wanted) {
  qe_model_t *part = NULL;
  qe_session_t *session = NULL;
  qe_status_t status;
  qe_named_tensor_t *results = qe__calloc(n, sizeof *results);
  if (!results) return QE_ERROR_OUT_OF_MEMORY;
  QE_TRY_GOTO(extract(g, n, wanted, &part), done);
  QE_TRY_GOTO(qe_session_create(part, &(qe_session_options_t){.struct_size = sizeof(qe_session_options_t), .threads = 1}, &session), done);
  QE_TRY_GOTO(qe_session_run(session, 0, NULL, n, results), done);
  for (uint32_t i = 0; i < n; i++) {
    qe__value *v = &g->values[wanted[i]];
    v->data = results[i].tensor;
    v->dtype = v->data->dtype;
    v->rank = (int32_t)v->data->rank;
    for (uint32_t d = 0; d < v->data->rank; d++) v->dims[d] = v->data->dims[d];
    results[i].tensor = NULL;
  }
done:
  for (uint32_t i = 0; i < n; i++) qe_tensor_release(&results[i].tensor);
  qe__free(results);
  qe_session_destroy(&session);
  qe_model_destroy(&part);
  return status;
}

qe_status_t qe__fold_constants(qe__graph *g) {
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  qe__uses uses = {0};
  bool *known = qe__calloc(g->n_values + 1, sizeof *known), *folded = qe__calloc(g->n_nodes + 1, sizeof *folded);
  qe__value_id *wanted = qe__calloc(g->n_values + 1, sizeof *wanted);
  uint32_t n = 0;
  if (!known || !folded || !wanted) goto done;
  QE_TRY_GOTO(qe__graph_uses(g, &uses), done);
  for (uint32_t v = 0; v < g->n_values; v++) known[v] = g->values[v].data != NULL;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    const qe__node *node = g->nodes[k];
    folded[k] = foldable(g, node, known);
    for (uint32_t i = 0; folded[k] && i < node->n_out; i++) { /* a constant can't be a graph output of its own */
      if (node->out[i] != QE__NO_VALUE && uses.is_output[node->out[i]]) folded[k] = false;
    }
    for (uint32_t i = 0; folded[k] && i < node->n_out; i++) {
      if (node->out[i] == QE__NO_VALUE) continue;
      known[node->out[i]] = true;
      wanted[n++] = node->out[i];
    }
  }
  if (n > 0) QE_TRY_GOTO(compute(g, n, wanted), done);
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    if (folded[k]) qe__node_kill(g->nodes[k]);
  }
  status = n > 0 ? qe__graph_sweep(g) : QE_OK;
done:
  qe__uses_free(&uses);
  qe__free(known);
  qe__free(folded);
  qe__free(wanted);
  return status;
}
