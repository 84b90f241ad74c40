/* Who reads what, redirecting readers, and clearing away what nothing reads. */
#include <string.h>

#include "graph/names.h"
#include "graph/private.h"

static bool valid_id(const qe__graph *g, qe__value_id v) { return v >= 0 && (uint32_t)v < g->n_values; }

static qe_status_t bad_id(const qe__node *n, qe__value_id v) {
  return qe__fail(QE_ERROR_INTERNAL, "node '%s' (%s) refers to value %d, which its graph does not have", n->name,
                  n->op->name, (int)v);
}

/* producer[] and is_output[], and the number of reads of value v in start[v + 1]. */
static qe_status_t count_uses(const qe__graph *g, qe__uses *uses) {
  for (uint32_t v = 0; v < g->n_values; v++) uses->producer[v] = -1;
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const qe__node *n = g->nodes[i];
    if (n->dead) continue;
    for (uint32_t k = 0; k < n->n_in; k++) {
      if (n->in[k] == QE__NO_VALUE) continue;
      if (!valid_id(g, n->in[k])) return bad_id(n, n->in[k]);
      uses->start[n->in[k] + 1]++;
    }
    for (uint32_t k = 0; k < n->n_out; k++) {
      const qe__value_id v = n->out[k];
      if (v == QE__NO_VALUE) continue;
      if (!valid_id(g, v)) return bad_id(n, v);
      if (uses->producer[v] >= 0) {
        return qe__fail(QE_ERROR_FORMAT,
                        "value '%s' is written by node '%s' and by node '%s'; a value has one producer",
                        g->values[v].name, g->nodes[uses->producer[v]]->name, n->name);
      }
      uses->producer[v] = (int32_t)i;
    }
  }
  for (uint32_t i = 0; i < g->n_outputs; i++) uses->is_output[g->outputs[i]] = true;
  return QE_OK;
}

qe_status_t qe__graph_uses(const qe__graph *g, qe__uses *out) {
  *out = (qe__uses){0};
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  uint32_t *next = NULL;
  qe__uses uses = {.start = qe__calloc((size_t)g->n_values + 1, sizeof *uses.start),
                   .producer = qe__calloc((size_t)g->n_values + 1, sizeof *uses.producer),
                   .is_output = qe__calloc((size_t)g->n_values + 1, sizeof *uses.is_output)};
  if (uses.start == NULL || uses.producer == NULL || uses.is_output == NULL) goto done;
  QE_TRY_GOTO(count_uses(g, &uses), done);
  for (uint32_t v = 0; v < g->n_values; v++) uses.start[v + 1] += uses.start[v];
  const uint32_t total = uses.start[g->n_values];
  status = QE_ERROR_OUT_OF_MEMORY;
  uses.node = qe__calloc((size_t)total + 1, sizeof *uses.node);
  uses.input = qe__calloc((size_t)total + 1, sizeof *uses.input);
  next = qe__calloc((size_t)g->n_values + 1, sizeof *next);
  if (uses.node == NULL || uses.input == NULL || next == NULL) goto done;
  memcpy(next, uses.start, (size_t)g->n_values * sizeof *next);
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const qe__node *n = g->nodes[i];
    for (uint32_t k = 0; !n->dead && k < n->n_in; k++) {
      if (n->in[k] == QE__NO_VALUE) continue;
      const uint32_t at = next[n->in[k]]++;
      uses.node[at] = i;
      uses.input[at] = k;
    }
  }
  status = QE_OK;
done:
  qe__free(next);
  if (status == QE_OK) *out = uses;
  else qe__uses_free(&uses);
  return status;
}

void qe__uses_free(qe__uses *uses) {
  qe__free(uses->start);
  qe__free(uses->node);
  qe__free(uses->input);
  qe__free(uses->producer);
  qe__free(uses->is_output);
  *uses = (qe__uses){0};
}

void qe__graph_replace_uses(qe__graph *g, qe__value_id from, qe__value_id to) {
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    qe__node *n = g->nodes[i];
    for (uint32_t k = 0; k < n->n_in; k++) {
      if (n->in[k] == from) n->in[k] = to;
    }
  }
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    if (g->outputs[i] == from) g->outputs[i] = to;
  }
}

/* Marks what the graph's outputs depend on. `stack` has room for every node; each enters it once. */
static void mark_live(const qe__graph *g, const qe__uses *uses, bool *live_node, bool *live_value, uint32_t *stack) {
  uint32_t depth = 0;
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    const qe__value_id v = g->outputs[i];
    live_value[v] = true;
    if (uses->producer[v] >= 0 && !live_node[uses->producer[v]]) {
      live_node[uses->producer[v]] = true;
      stack[depth++] = (uint32_t)uses->producer[v];
    }
  }
  while (depth > 0) {
    const qe__node *n = g->nodes[stack[--depth]];
    for (uint32_t k = 0; k < n->n_in; k++) {
      const qe__value_id v = n->in[k];
      if (v == QE__NO_VALUE) continue;
      live_value[v] = true;
      const int32_t producer = uses->producer[v];
      if (producer < 0 || live_node[producer]) continue;
      live_node[producer] = true;
      stack[depth++] = (uint32_t)producer;
    }
  }
}

qe_status_t qe__graph_sweep(qe__graph *g) {
  qe__uses uses;
  QE_TRY(qe__graph_uses(g, &uses));
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  bool *live_node = qe__calloc((size_t)g->n_nodes + 1, sizeof *live_node);
  bool *live_value = qe__calloc((size_t)g->n_values + 1, sizeof *live_value);
  uint32_t *stack = qe__calloc((size_t)g->n_nodes + 1, sizeof *stack);
  if (live_node == NULL || live_value == NULL || stack == NULL) goto done;
  mark_live(g, &uses, live_node, live_value, stack);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    qe__node *n = g->nodes[i];
    if (live_node[i]) {
      g->nodes[kept++] = n;
      continue;
    }
    qe__name *entry = qe__names_find(g->names, n->name);
    if (entry != NULL) entry->node = false;
    qe__node_destroy(n);
  }
  g->n_nodes = kept;
  for (uint32_t v = 0; v < g->n_values; v++) {
    if (!live_value[v]) qe_tensor_release(&g->values[v].data);
  }
  status = QE_OK;
done:
  qe__free(stack);
  qe__free(live_value);
  qe__free(live_node);
  qe__uses_free(&uses);
  return status;
}
