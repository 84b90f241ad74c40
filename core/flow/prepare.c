/* Prepare and calibrate: observers on the values that need parameters, fed by the float model. */
#include <string.h>

#include "base/log.h"
#include "flow/flow_internal.h"
#include "graph/model.h"
#include "registry/quant_rule.h"
#include "train/qat.h"

bool qe__observes_output(const qe__node *n, const qe__decision *d) {
  const qe__qrule rule = qe__node_qrule(n);
  return d->quantized && !d->shares_input && (rule == QE__Q_OBSERVED || rule == QE__Q_SHARE_ALL);
}

static qe_status_t watch(qe_prepared_t *p, qe__value_id v, const qe_observer_config_t *config) {
  qe_observer_config_t c = *config;
  if (p->observer[v]) return QE_OK;
  if (strcmp(c.observer, "reuse_input") == 0) { /* nothing to reuse here: watch it plainly */
    memcpy(c.observer, "histogram", sizeof "histogram");
  }
  return qe__observer_create(&c, p->model->graph->values[v].name, &p->observer[v]);
}

static qe_status_t place_observers(qe_prepared_t *p) {
  const qe__graph *g = p->model->graph;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    const qe__node *n = g->nodes[k];
    const qe__decision *d = &p->decision[k];
    if (!d->quantized) continue;
    for (uint32_t i = 0; i < n->n_in; i++) {
      if (qe__is_data_input(n, i) && !g->values[n->in[i]].data && !p->quantized_value[n->in[i]]) QE_TRY(watch(p, n->in[i], &d->qconfig->activation));
    }
    for (uint32_t i = 0; i < n->n_out && qe__observes_output(n, d); i++) {
      if (n->out[i] != QE__NO_VALUE && qe__op_quantizes_output(n->op->id, i)) QE_TRY(watch(p, n->out[i], &d->qconfig->activation));
    }
  }
  p->watched = qe__calloc(g->n_values + 1, sizeof *p->watched);
  if (!p->watched) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t v = 0; v < g->n_values; v++) {
    if (p->observer[v]) p->watched[p->n_watched++] = (int32_t)v;
  }
  return QE_OK;
}

qe_status_t qe__prepare_model(qe_model_t *model, const qe_qconfig_mapping_t *mapping, bool equalize, const qe_session_options_t *options,
                              qe_prepared_t **out) {
  qe_status_t status;
  *out = NULL;
  qe_prepared_t *p = qe__calloc(1, sizeof *p);
  if (!p) {
    qe_model_destroy(&model);
    return QE_ERROR_OUT_OF_MEMORY;
  }
  p->model = model;
  QE_TRY_GOTO(qe__qconfig_mapping_clone(mapping, &p->mapping), fail);
  qe__graph *g = p->model->graph;
  if (equalize) QE_TRY_GOTO(qe__equalize(g), fail);
  QE_TRY_GOTO(qe__dynamic_apply(g, p->mapping, false, &p->dynamic), fail);
  QE_TRY_GOTO(qe__infer_dtypes(g), fail); /* of what was added */
  p->decision = qe__calloc(g->n_nodes + 1, sizeof *p->decision);
  p->quantized_value = qe__calloc(g->n_values + 1, sizeof *p->quantized_value);
  p->observer = qe__calloc(g->n_values + 1, sizeof *p->observer);
  p->given = qe__calloc(g->n_values + 1, sizeof *p->given);
  if (!p->decision || !p->quantized_value || !p->observer || !p->given) {
    status = QE_ERROR_OUT_OF_MEMORY;
    goto fail;
  }
  QE_TRY_GOTO(qe__decide(g, p->dynamic.config, p->decision, p->quantized_value), fail);
  QE_TRY_GOTO(place_observers(p), fail);
  QE_TRY_GOTO(qe_session_create(p->model, options, &p->session), fail);
  *out = p;
  return QE_OK;
fail:
  qe_prepared_destroy(&p);
  return status;
}

qe_status_t qe_prepare(const qe_model_t *model, const qe_qconfig_mapping_t *mapping, const qe_session_options_t *options, qe_prepared_t **out) {
  qe_model_t *copy;
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(model && mapping, "model or mapping is NULL");
  QE_TRY(qe_model_clone(model, &copy));
  return qe__prepare_model(copy, mapping, qe__qconfig_mapping_equalize(mapping), options, out);
}

void qe_prepared_destroy(qe_prepared_t **prepared) {
  qe_prepared_t *p = prepared ? *prepared : NULL;
  if (!p) return;
  qe_session_destroy(&p->session);
  if (p->observer) {
    for (uint32_t v = 0; v < p->model->graph->n_values; v++) qe__observer_destroy(&p->observer[v]);
  }
  if (p->given) {
    for (uint32_t v = 0; v < p->model->graph->n_values; v++) qe__qparams_clear(&p->given[v]);
  }
  qe__free(p->given);
  qe__qat_destroy(&p->qat);
  qe__free(p->observer);
  qe__free(p->watched);
  qe__free(p->quantized_value);
  qe__free(p->decision);
  qe__dynamic_plan_free(&p->dynamic);
  qe_qconfig_mapping_destroy(&p->mapping);
  qe_model_destroy(&p->model);
  qe__free(p);
  *prepared = NULL;
}

static qe_status_t feed(void *arg, int32_t value, const qe_tensor_t *tensor) {
  qe_prepared_t *p = arg;
  return qe__observer_observe(p->observer[value], tensor);
}

qe_status_t qe_calibrate(qe_prepared_t *p, uint32_t n_inputs, const qe_named_tensor_t *inputs) {
  QE_CHECK_ARG(p, "prepared is NULL");
  QE_CHECK_ARG(n_inputs == 0 || inputs, "inputs is NULL");
  if (p->qat) return qe__fail(QE_ERROR_STATE, "this model was prepared by qe_prepare_qat: it is trained, not calibrated");
  for (uint32_t i = 0; i < n_inputs; i++) {
    QE_CHECK_ARG(inputs[i].tensor, "an input's tensor is NULL");
    if (qe_tensor_count(inputs[i].tensor) == 0) return QE_OK;
  }
  QE_TRY(qe_session_run_tapped(p->session, n_inputs, inputs, p->n_watched, p->watched, feed, p));
  p->batches++;
  return QE_OK;
}

uint64_t qe_prepared_batches(const qe_prepared_t *prepared) { return prepared ? prepared->batches : 0; }
