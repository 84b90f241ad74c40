/*
 * Cleaning before patterns are looked for. Constants behind QuantizeLinear (weights of a QAT export) become integer
 * constants; quantize(dequantize(q)) with equal parameters is q; several QuantizeLinear nodes that do the same to one
 * value become one.
 */
#include "onnx/qdq.h"

bool qe__qdq_is_quantize(const qe__node *n) {
  return !n->dead && n->op->id == QE__OP_QuantizeLinear && n->n_in == 1 && n->in[0] != QE__NO_VALUE;
}
bool qe__qdq_is_dequantize(const qe__node *n) {
  return !n->dead && n->op->id == QE__OP_DequantizeLinear && n->n_in == 1 && n->in[0] != QE__NO_VALUE;
}

static bool same_codes(const qe__graph *g, qe__value_id a, qe__value_id b) {
  return g->values[a].dtype == g->values[b].dtype && g->values[a].q.view.count > 0 &&
         qe__qparams_equal(&g->values[a].q.view, &g->values[b].q.view);
}

typedef struct cleaner {
  qe__graph *g;
  qe__uses uses;
  qe__value_id *alias; /* per value: what its readers read instead */
} cleaner;

/* An earlier QuantizeLinear of the same value with the same parameters. A value rarely has more than a few. */
static qe__value_id earlier_twin(const cleaner *c, uint32_t index) {
  enum { LOOKED_AT = 64 };
  const qe__node *n = c->g->nodes[index];
  const qe__value_id x = n->in[0];
  for (uint32_t u = c->uses.start[x]; u < c->uses.start[x + 1] && u < c->uses.start[x] + LOOKED_AT; u++) {
    const qe__node *other = c->g->nodes[c->uses.node[u]];
    if (c->uses.node[u] >= index) break;
    if (qe__qdq_is_quantize(other) && same_codes(c->g, other->out[0], n->out[0])) return other->out[0];
  }
  return QE__NO_VALUE;
}

static qe__value_id same_as(const cleaner *c, uint32_t index) {
  const qe__node *n = c->g->nodes[index];
  const int32_t p = c->uses.producer[n->in[0]];
  if (p >= 0 && qe__qdq_is_dequantize(c->g->nodes[p])) {
    const qe__value_id codes = c->alias[c->g->nodes[p]->in[0]];
    if (same_codes(c->g, codes, n->out[0])) return codes;
  }
  return earlier_twin(c, index);
}

qe_status_t qe__qdq_clean(qe__graph *g) {
  QE_TRY(qe__qdq_constants(g));
  cleaner c = {.g = g};
  qe_status_t status;
  QE_TRY_GOTO(qe__graph_uses(g, &c.uses), done);
  c.alias = qe__calloc((size_t)g->n_values + 1, sizeof *c.alias);
  if (c.alias == NULL) {
    status = QE_ERROR_OUT_OF_MEMORY;
    goto done;
  }
  for (uint32_t v = 0; v < g->n_values; v++) c.alias[v] = (qe__value_id)v;
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    qe__node *n = g->nodes[i];
    if (n->dead) continue;
    for (uint32_t k = 0; k < n->n_in; k++) {
      if (n->in[k] != QE__NO_VALUE) n->in[k] = c.alias[n->in[k]];
    }
    if (!qe__qdq_is_quantize(n) || c.uses.is_output[n->out[0]]) continue;
    const qe__value_id other = same_as(&c, i);
    if (other == QE__NO_VALUE) continue;
    c.alias[n->out[0]] = other;
    qe__node_kill(n);
  }
done:
  qe__free(c.alias);
  qe__uses_free(&c.uses);
  return status;
}
