/* The model handle: life, and everything a caller may ask about a model. */
#include "graph/model.h"

#include <string.h>

#include "base/sha256.h"

qe_status_t qe__model_wrap(qe__graph *graph, qe_model_t **out) {
  *out = NULL;
  qe_model_t *m = qe__calloc(1, sizeof *m);
  if (m == NULL) {
    qe__graph_destroy(&graph);
    return QE_ERROR_OUT_OF_MEMORY;
  }
  atomic_init(&m->references, 1);
  m->graph = graph;
  *out = m;
  return QE_OK;
}

qe_model_t *qe__model_retain(const qe_model_t *model) {
  /* the count is not part of what a const model promises to keep */
  qe_model_t *m = (qe_model_t *)(uintptr_t)model;
  atomic_fetch_add_explicit(&m->references, 1, memory_order_relaxed);
  return m;
}

void qe_model_destroy(qe_model_t **model) {
  if (model == NULL || *model == NULL) return;
  qe_model_t *m = *model;
  *model = NULL;
  if (atomic_fetch_sub_explicit(&m->references, 1, memory_order_acq_rel) != 1) return;
  qe__graph_destroy(&m->graph);
  qe__free(m->build_error);
  qe__free(m);
}

qe_status_t qe_model_clone(const qe_model_t *model, qe_model_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(model != NULL, "model is NULL");
  qe__graph *graph;
  QE_TRY(qe__graph_clone(model->graph, &graph));
  qe_model_t *copy;
  QE_TRY(qe__model_wrap(graph, &copy));
  copy->build_status = model->build_status;
  if (model->build_error != NULL) {
    copy->build_error = qe__strdup(model->build_error);
    if (copy->build_error == NULL) {
      qe_model_destroy(&copy);
      return QE_ERROR_OUT_OF_MEMORY;
    }
  }
  *out = copy;
  return QE_OK;
}

uint32_t qe_model_input_count(const qe_model_t *model) { return model != NULL ? model->graph->n_inputs : 0; }
uint32_t qe_model_output_count(const qe_model_t *model) { return model != NULL ? model->graph->n_outputs : 0; }
uint32_t qe_model_value_count(const qe_model_t *model) { return model != NULL ? model->graph->n_values : 0; }
uint32_t qe_model_node_count(const qe_model_t *model) { return model != NULL ? model->graph->n_nodes : 0; }

static void describe(const qe__value *v, qe_value_info_t *out) {
  out->name = v->name;
  out->dtype = v->dtype;
  out->rank = v->rank;
  for (size_t d = 0; d < QE_MAX_RANK; d++) {
    out->dims[d] = (int64_t)d < v->rank ? v->dims[d] : 0;
    out->symbols[d] = v->symbols[d];
  }
  out->qparams = v->q.view.count > 0 ? &v->q.view : NULL;
  out->constant = v->data;
}

qe_status_t qe_model_value(const qe_model_t *model, uint32_t index, qe_value_info_t *out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  memset(out, 0, sizeof *out);
  QE_CHECK_ARG(model != NULL, "model is NULL");
  if (index >= model->graph->n_values) {
    return qe__fail(QE_ERROR_NOT_FOUND, "value %u was asked for; the model has %u", (unsigned)index,
                    (unsigned)model->graph->n_values);
  }
  describe(&model->graph->values[index], out);
  return QE_OK;
}

qe_status_t qe_model_input(const qe_model_t *model, uint32_t index, qe_value_info_t *out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  memset(out, 0, sizeof *out);
  QE_CHECK_ARG(model != NULL, "model is NULL");
  if (index >= model->graph->n_inputs) {
    return qe__fail(QE_ERROR_NOT_FOUND, "input %u was asked for; the model has %u", (unsigned)index,
                    (unsigned)model->graph->n_inputs);
  }
  describe(&model->graph->values[model->graph->inputs[index]], out);
  return QE_OK;
}

qe_status_t qe_model_output(const qe_model_t *model, uint32_t index, qe_value_info_t *out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  memset(out, 0, sizeof *out);
  QE_CHECK_ARG(model != NULL, "model is NULL");
  if (index >= model->graph->n_outputs) {
    return qe__fail(QE_ERROR_NOT_FOUND, "output %u was asked for; the model has %u", (unsigned)index,
                    (unsigned)model->graph->n_outputs);
  }
  describe(&model->graph->values[model->graph->outputs[index]], out);
  return QE_OK;
}

qe_status_t qe_model_node(const qe_model_t *model, uint32_t index, qe_node_info_t *out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  memset(out, 0, sizeof *out);
  QE_CHECK_ARG(model != NULL, "model is NULL");
  if (index >= model->graph->n_nodes) {
    return qe__fail(QE_ERROR_NOT_FOUND, "node %u was asked for; the model has %u", (unsigned)index,
                    (unsigned)model->graph->n_nodes);
  }
  const qe__node *n = model->graph->nodes[index];
  *out = (qe_node_info_t){.name = n->name,
                          .op = n->op->name,
                          .domain = n->op->domain,
                          .origin = n->origin,
                          .n_in = n->n_in,
                          .n_out = n->n_out,
                          .quantized = n->quantized};
  return QE_OK;
}

int32_t qe_model_node_input(const qe_model_t *model, uint32_t node, uint32_t index) {
  if (model == NULL || node >= model->graph->n_nodes || index >= model->graph->nodes[node]->n_in) return QE__NO_VALUE;
  return model->graph->nodes[node]->in[index];
}

int32_t qe_model_node_output(const qe_model_t *model, uint32_t node, uint32_t index) {
  if (model == NULL || node >= model->graph->n_nodes || index >= model->graph->nodes[node]->n_out) return QE__NO_VALUE;
  return model->graph->nodes[node]->out[index];
}

int64_t qe_model_parameter_count(const qe_model_t *model) {
  int64_t sum = 0;
  for (uint32_t v = 0; model != NULL && v < model->graph->n_values; v++) {
    if (model->graph->values[v].data != NULL) sum += model->graph->values[v].data->count;
  }
  return sum;
}

int64_t qe_model_parameter_bytes(const qe_model_t *model) {
  int64_t sum = 0;
  for (uint32_t v = 0; model != NULL && v < model->graph->n_values; v++) {
    if (model->graph->values[v].data != NULL) sum += (int64_t)model->graph->values[v].data->bytes;
  }
  return sum;
}

const char *qe_model_metadata(const qe_model_t *model, const char *key) {
  return model != NULL && key != NULL ? qe__graph_get_metadata(model->graph, key) : NULL;
}

qe_status_t qe_model_set_metadata(qe_model_t *model, const char *key, const char *value) {
  QE_CHECK_ARG(model != NULL, "model is NULL");
  QE_CHECK_ARG(key != NULL && key[0] != '\0', "key is empty");
  QE_CHECK_ARG(value != NULL, "value is NULL");
  return qe__graph_set_metadata(model->graph, key, value);
}

void qe_model_hash(const qe_model_t *model, char out[65]) {
  static const uint8_t built[32];
  out[0] = '\0';
  if (model == NULL || memcmp(model->graph->model_hash, built, sizeof built) == 0) return;
  qe__sha256_text(model->graph->model_hash, out);
}
