/* A graph's life: create, destroy, copy. */
#include "graph/graph.h"

#include <string.h>

#include "graph/names.h"
#include "graph/private.h"

qe_status_t qe__graph_create(qe__graph **out) {
  *out = NULL;
  qe__graph *g = qe__calloc(1, sizeof *g);
  if (g == NULL) return QE_ERROR_OUT_OF_MEMORY;
  g->name = qe__strdup("");
  if (g->name == NULL || qe__names_create(&g->names) != QE_OK) {
    qe__graph_destroy(&g);
    return QE_ERROR_OUT_OF_MEMORY;
  }
  *out = g;
  return QE_OK;
}

static void value_clear(qe__value *v) {
  qe__free(v->name);
  for (size_t d = 0; d < QE_MAX_RANK; d++) qe__free(v->symbols[d]);
  qe_tensor_release(&v->data);
  qe__qparams_clear(&v->q);
}

void qe__graph_destroy(qe__graph **graph) {
  qe__graph *g = *graph;
  if (g == NULL) return;
  for (uint32_t i = 0; i < g->n_values; i++) value_clear(&g->values[i]);
  for (uint32_t i = 0; i < g->n_nodes; i++) qe__node_destroy(g->nodes[i]);
  for (uint32_t i = 0; i < g->n_metadata; i++) {
    qe__free(g->metadata[i].key);
    qe__free(g->metadata[i].value);
  }
  qe__free(g->name);
  qe__free(g->values);
  qe__free(g->nodes);
  qe__free(g->inputs);
  qe__free(g->outputs);
  qe__free(g->metadata);
  qe__names_destroy(&g->names);
  qe__free(g);
  *graph = NULL;
}

static qe_status_t clone_value(qe__graph *copy, const qe__value *v) {
  qe__value_id id;
  QE_TRY(qe__graph_add_value(copy, v->name, v->dtype, &id));
  qe__value *c = &copy->values[id];
  c->rank = v->rank;
  memcpy(c->dims, v->dims, sizeof c->dims);
  for (size_t d = 0; d < QE_MAX_RANK; d++) {
    if (v->symbols[d] == NULL) continue;
    c->symbols[d] = qe__strdup(v->symbols[d]);
    if (c->symbols[d] == NULL) return QE_ERROR_OUT_OF_MEMORY;
  }
  if (v->data != NULL) c->data = qe_tensor_retain(v->data);
  if (v->q.view.count == 0) return QE_OK;
  return qe__qparams_set(&c->q, &v->q.view, v->dtype, v->rank < 0 ? 0 : (uint32_t)v->rank, NULL);
}

static qe_status_t clone_node(qe__graph *copy, const qe__node *n) {
  qe__node *c;
  QE_TRY(qe__graph_add_node(copy, n->op->name, n->name, n->n_in, n->in, n->n_out, n->out, &c));
  c->quantized = n->quantized;
  c->act = n->act;
  if (n->channel_stats != NULL) c->channel_stats = qe_tensor_retain(n->channel_stats);
  if (n->origin != NULL) {
    c->origin = qe__strdup(n->origin);
    if (c->origin == NULL) return QE_ERROR_OUT_OF_MEMORY;
  }
  for (uint32_t i = 0; i < n->n_attr; i++) QE_TRY(qe__node_copy_attr(c, &n->attr[i]));
  return QE_OK;
}

qe_status_t qe__graph_clone(const qe__graph *g, qe__graph **out) {
  qe_status_t status;
  qe__graph *copy = NULL;
  *out = NULL;
  QE_TRY(qe__graph_create(&copy));
  char *name = qe__strdup(g->name);
  if (name == NULL) {
    status = QE_ERROR_OUT_OF_MEMORY;
    goto fail;
  }
  qe__free(copy->name);
  copy->name = name;
  memcpy(copy->model_hash, g->model_hash, sizeof copy->model_hash);
  for (uint32_t i = 0; i < g->n_values; i++) QE_TRY_GOTO(clone_value(copy, &g->values[i]), fail);
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    if (!g->nodes[i]->dead) QE_TRY_GOTO(clone_node(copy, g->nodes[i]), fail);
  }
  for (uint32_t i = 0; i < g->n_inputs; i++) QE_TRY_GOTO(qe__graph_add_input(copy, g->inputs[i]), fail);
  for (uint32_t i = 0; i < g->n_outputs; i++) QE_TRY_GOTO(qe__graph_add_output(copy, g->outputs[i]), fail);
  for (uint32_t i = 0; i < g->n_metadata; i++) {
    QE_TRY_GOTO(qe__graph_set_metadata(copy, g->metadata[i].key, g->metadata[i].value), fail);
  }
  *out = copy;
  return QE_OK;
fail:
  qe__graph_destroy(&copy);
  return status;
}

qe_status_t qe__graph_set_metadata(qe__graph *g, const char *key, const char *value) {
  char *text = qe__strdup(value);
  if (text == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < g->n_metadata; i++) {
    if (strcmp(g->metadata[i].key, key) != 0) continue;
    qe__free(g->metadata[i].value);
    g->metadata[i].value = text;
    return QE_OK;
  }
  char *name = qe__strdup(key);
  void *array = g->metadata;
  if (name == NULL || qe__grow(&array, &g->cap_metadata, g->n_metadata, sizeof *g->metadata) != QE_OK) {
    qe__free(name);
    qe__free(text);
    return QE_ERROR_OUT_OF_MEMORY;
  }
  g->metadata = array;
  g->metadata[g->n_metadata++] = (qe__metadata){.key = name, .value = text};
  return QE_OK;
}

const char *qe__graph_get_metadata(const qe__graph *g, const char *key) {
  for (uint32_t i = 0; i < g->n_metadata; i++) {
    if (strcmp(g->metadata[i].key, key) == 0) return g->metadata[i].value;
  }
  return NULL;
}
