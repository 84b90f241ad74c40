/* The invariants of a graph, checked after import and after every transformation. */
#include <math.h>

#include "graph/names.h"
#include "graph/private.h"

static qe_status_t verify_qparams(const qe__value *v) {
  const qe_qparams_t *q = &v->q.view;
  if (q->count == 0) return QE_OK;
  int32_t lo, hi;
  if (!qe__dtype_integer_range(v->dtype, &lo, &hi)) {
    return qe__fail(QE_ERROR_DTYPE, "value '%s' has quantization parameters but its type is %s", v->name,
                    qe_dtype_name(v->dtype));
  }
  if (q->axis < 0 && q->count != 1) {
    return qe__fail(QE_ERROR_FORMAT, "value '%s' has %u scales and no axis they run along", v->name,
                    (unsigned)q->count);
  }
  if (q->axis >= 0 && v->rank >= 0) {
    if (q->axis >= v->rank) {
      return qe__fail(QE_ERROR_SHAPE, "value '%s' is quantized along dimension %d but has rank %d", v->name,
                      (int)q->axis, (int)v->rank);
    }
    if (v->dims[q->axis] >= 0 && v->dims[q->axis] != (int64_t)q->count) {
      return qe__fail(QE_ERROR_SHAPE, "value '%s' has %u scales along dimension %d, which is %lld long", v->name,
                      (unsigned)q->count, (int)q->axis, (long long)v->dims[q->axis]);
    }
  }
  for (uint32_t i = 0; i < q->count; i++) {
    if (!isfinite(q->scales[i]) || q->scales[i] <= 0.0f) {
      return qe__fail(QE_ERROR_NUMERIC, "value '%s': scale %u is %g; scales are finite and positive", v->name,
                      (unsigned)i, (double)q->scales[i]);
    }
    if (q->zero_points[i] < lo || q->zero_points[i] > hi) {
      return qe__fail(QE_ERROR_NUMERIC, "value '%s': zero point %u is %d, outside %s", v->name, (unsigned)i,
                      (int)q->zero_points[i], qe_dtype_name(v->dtype));
    }
  }
  return QE_OK;
}

static qe_status_t verify_value(const qe__graph *g, uint32_t id) {
  const qe__value *v = &g->values[id];
  const qe__name *entry = v->name != NULL ? qe__names_find(g->names, v->name) : NULL;
  if (entry == NULL || entry->value != (int32_t)id) {
    return qe__fail(QE_ERROR_INTERNAL, "value %u ('%s') is not the one its name leads to", (unsigned)id,
                    v->name != NULL ? v->name : "");
  }
  if (v->rank > QE_MAX_RANK || v->rank < -1) {
    return qe__fail(QE_ERROR_SHAPE, "value '%s' has rank %d; at most %d is supported", v->name, (int)v->rank,
                    QE_MAX_RANK);
  }
  if (v->data != NULL) {
    bool same = v->dtype == v->data->dtype && v->rank == (int32_t)v->data->rank;
    for (uint32_t d = 0; same && d < v->data->rank; d++) same = v->dims[d] == v->data->dims[d];
    if (!same)
      return qe__fail(QE_ERROR_INTERNAL, "constant '%s' does not have the type and shape of its data", v->name);
  }
  return verify_qparams(v);
}

static qe_status_t verify_node(const qe__graph *g, const qe__node *n) {
  char text[160];
  qe__node_text(n, text, sizeof text);
  const qe__op_schema *op = n->op;
  if (n->n_in < op->min_in || (op->max_in != 255 && n->n_in > op->max_in)) {
    return qe__fail(QE_ERROR_FORMAT, "%s has %u inputs; %s takes %u to %u", text, (unsigned)n->n_in, op->name,
                    op->min_in, op->max_in);
  }
  if (n->n_out < 1 || n->n_out > QE__MAX_OUTPUTS || (op->max_out != 255 && n->n_out > op->max_out)) {
    return qe__fail(QE_ERROR_FORMAT, "%s has %u outputs; %s gives %u to %u", text, (unsigned)n->n_out, op->name,
                    op->min_out, op->max_out < QE__MAX_OUTPUTS ? op->max_out : QE__MAX_OUTPUTS);
  }
  bool any_quantized = false, any_output = false;
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (n->in[i] == QE__NO_VALUE) {
      if (i < op->min_in)
        return qe__fail(QE_ERROR_FORMAT, "%s: input %u is missing and not optional", text, (unsigned)i);
      continue;
    }
    any_quantized = any_quantized || g->values[n->in[i]].q.view.count > 0;
  }
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] == QE__NO_VALUE) continue;
    any_output = true;
    any_quantized = any_quantized || g->values[n->out[i]].q.view.count > 0;
  }
  if (!any_output) return qe__fail(QE_ERROR_FORMAT, "%s: none of its outputs is given a name", text);
  if (n->quantized && !any_quantized)
    return qe__fail(QE_ERROR_FORMAT, "%s is marked quantized but no operand has quantization parameters", text);
  if (!(n->act.lo <= n->act.hi)) {
    return qe__fail(QE_ERROR_NUMERIC, "%s: fused activation [%g, %g] is empty", text, (double)n->act.lo,
                    (double)n->act.hi);
  }
  const qe__name *entry = qe__names_find(g->names, n->name);
  if (entry == NULL || !entry->node) return qe__fail(QE_ERROR_INTERNAL, "%s: its name is not known to the graph", text);
  return QE_OK;
}

/* Every value that is read is an input, a constant or the result of an earlier node, and only one of these. */
static qe_status_t verify_flow(const qe__graph *g, const qe__uses *uses, bool *known) {
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    const qe__value_id v = g->inputs[i];
    if (known[v]) return qe__fail(QE_ERROR_FORMAT, "value '%s' is listed twice as an input", g->values[v].name);
    if (g->values[v].data != NULL)
      return qe__fail(QE_ERROR_FORMAT, "value '%s' is both an input and a constant", g->values[v].name);
    known[v] = true;
  }
  for (uint32_t v = 0; v < g->n_values; v++) {
    if (g->values[v].data != NULL) known[v] = true;
    if (known[v] && uses->producer[v] >= 0) {
      return qe__fail(QE_ERROR_FORMAT, "value '%s' is %s and also written by node '%s'", g->values[v].name,
                      g->values[v].data != NULL ? "a constant" : "an input", g->nodes[uses->producer[v]]->name);
    }
  }
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const qe__node *n = g->nodes[i];
    if (n->dead) continue;
    for (uint32_t k = 0; k < n->n_in; k++) {
      const qe__value_id v = n->in[k];
      if (v == QE__NO_VALUE || known[v]) continue;
      const int32_t producer = uses->producer[v];
      if (producer < 0) {
        return qe__fail(QE_ERROR_FORMAT,
                        "node '%s' (%s) reads '%s', which is no input, no constant and no node's output", n->name,
                        n->op->name, g->values[v].name);
      }
      return qe__fail(QE_ERROR_FORMAT,
                      "node '%s' (%s) reads '%s' before node '%s' writes it; the nodes are not in order", n->name,
                      n->op->name, g->values[v].name, g->nodes[producer]->name);
    }
    for (uint32_t k = 0; k < n->n_out; k++) {
      if (n->out[k] != QE__NO_VALUE) known[n->out[k]] = true;
    }
  }
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    if (!known[g->outputs[i]]) {
      return qe__fail(QE_ERROR_FORMAT, "output '%s' is no input, no constant and no node's output",
                      g->values[g->outputs[i]].name);
    }
  }
  return QE_OK;
}

qe_status_t qe__graph_verify(const qe__graph *g) {
  qe__uses uses = {0};
  bool *known = NULL;
  qe_status_t status;
  for (uint32_t v = 0; v < g->n_values; v++) QE_TRY_GOTO(verify_value(g, v), done);
  QE_TRY_GOTO(qe__graph_uses(g, &uses), done);
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    if (!g->nodes[i]->dead) QE_TRY_GOTO(verify_node(g, g->nodes[i]), done);
  }
  known = qe__calloc((size_t)g->n_values + 1, sizeof *known);
  if (known == NULL) {
    status = QE_ERROR_OUT_OF_MEMORY;
    goto done;
  }
  QE_TRY_GOTO(verify_flow(g, &uses, known), done);
  if (g->n_outputs == 0) status = qe__fail(QE_ERROR_FORMAT, "it has no outputs");
done:
  qe__free(known);
  qe__uses_free(&uses);
  if (status != QE_OK) return qe__fail_in(status, "graph '%s'", g->name);
  return QE_OK;
}
