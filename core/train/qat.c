/* Preparing for quantization-aware training, and converting what it made. */
#include "train/qat.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "observe/kinds.h"
#include "qconfig/mapping.h"
#include "qengine/train.h"
#include "registry/quant_rule.h"

void qe__qat_destroy(qe__qat **qat) {
  qe__qat *q = *qat;
  if (!q) return;
  const uint32_t n_values = q->base ? q->base->graph->n_values : 0;
  for (uint32_t v = 0; q->constant && v < n_values; v++) qe_tensor_release(&q->constant[v]);
  for (uint32_t i = 0; i < q->n_fakes; i++) {
    if (q->range) qe_tensor_release(&q->range[i]);
    if (q->scale) qe_tensor_release(&q->scale[i]);
    if (q->zero_point) qe_tensor_release(&q->zero_point[i]);
  }
  qe__free(q->constant);
  qe__free(q->range);
  qe__free(q->scale);
  qe__free(q->zero_point);
  qe__free(q->fakes);
  qe__free(q->quantized);
  qe_model_destroy(&q->base);
  qe__free(q);
  *qat = NULL;
}

/* ---- places ---- */

/* Range, symmetry and the rest of an observer config; a kind that cannot be trained is said once, by name of the tensor. */
static qe_status_t take_config(const qe_observer_config_t *config, const char *what, bool weight, int32_t axis, qe__fake *f) {
  qe_observer_config_t c = *config;
  int32_t lo, hi;
  const bool average = strncmp(c.observer, "moving_average", 14) == 0, plain = strstr(c.observer, "min_max") != NULL;
  if (strcmp(c.observer, "fixed_qparams") == 0) {
    f->kind = QE__FAKE_FIXED;
    f->scale = c.scale;
    f->zero_point = (float)c.zero_point;
  } else if (!average && !plain && strcmp(c.observer, "reuse_input") != 0) {
    qe__log(QE_LOG_INFO, "tensor '%s': observer %s cannot be trained; %s of minima and maxima stands in for it", what, c.observer,
            weight ? "the range" : "the moving average");
  }
  const bool per_channel = qe__observer_config_per_channel(&c) && axis >= 0 && f->kind != QE__FAKE_FIXED;
  if (qe__observer_config_per_channel(&c)) {
    if (!per_channel) c.qscheme = c.qscheme == QE_PER_CHANNEL_SYMMETRIC ? QE_PER_TENSOR_SYMMETRIC : QE_PER_TENSOR_AFFINE;
    else if (c.ch_axis < 0) c.ch_axis = axis;
  }
  snprintf(c.observer, sizeof c.observer, "%s", per_channel ? "moving_average_per_channel_min_max" : "moving_average_min_max");
  QE_TRY(qe__observer_arguments(&c, what, &f->args));
  f->remembers = f->kind == QE__FAKE_OBSERVED && (average || !weight);
  f->axis = per_channel ? c.ch_axis : -1;
  (void)qe__dtype_integer_range(c.dtype, &lo, &hi);
  f->clamp_min = c.has_range ? c.quant_min : lo;
  f->clamp_max = c.has_range ? c.quant_max : hi;
  return QE_OK;
}

static qe_status_t add_fake(qe__qat *q, const qe__fake *f) {
  void *array = q->fakes;
  QE_TRY(qe__grow(&array, &q->cap_fakes, q->n_fakes, sizeof *q->fakes));
  q->fakes = array;
  q->fakes[q->n_fakes++] = *f;
  return QE_OK;
}

static bool has_fake(const qe__qat *q, qe__value_id v) {
  for (uint32_t i = 0; i < q->n_fakes; i++) {
    if (q->fakes[i].node < 0 && q->fakes[i].value == v) return true;
  }
  return false;
}

static qe_status_t add_activation(qe__qat *q, const qe_prepared_t *p, const qe__node *n, const qe__decision *d, qe__value_id v, bool output) {
  if (has_fake(q, v)) return QE_OK;
  const char *name = p->model->graph->values[v].name;
  qe__fake f = {.kind = QE__FAKE_OBSERVED, .value = v, .node = -1, .batch_norm = -1, .everyone = p->quantized_value[v], .channels = 1};
  QE_TRY(take_config(&d->qconfig->activation, name, false, -1, &f));
  if (output && d->shares_input) {
    if (qe__node_qrule(n) == QE__Q_SHARE) return QE_OK; /* its input's codes, moved */
    f.kind = QE__FAKE_SHARED;
    f.shared = n->in[0];
  } else if (output && !qe__observes_output(n, d)) {
    int32_t zero;
    f.kind = QE__FAKE_FIXED;
    qe__fixed_qparams(n, d->qconfig->activation.dtype, &f.scale, &zero);
    f.zero_point = (float)zero;
  }
  return add_fake(q, &f);
}

/* The BatchNorm that conversion folds into base node k, or -1: it reads the result, and is gone in the fused graph. */
static int32_t folded_batch_norm(const qe__graph *base, const qe__graph *fused, uint32_t k) {
  for (uint32_t i = k + 1; i < base->n_nodes; i++) {
    const qe__node *n = base->nodes[i];
    if (n->op->id != QE__OP_BatchNormalization || n->in[0] != base->nodes[k]->out[0]) continue;
    for (uint32_t j = 0; j < fused->n_nodes; j++) {
      if (strcmp(fused->nodes[j]->name, n->name) == 0) return -1;
    }
    return (int32_t)i;
  }
  return -1;
}

/* The constant at input i of base node k. */
static qe_status_t add_constant(qe__qat *q, const qe__graph *fused, uint32_t k, uint32_t i, const qe_observer_config_t *config, bool weight) {
  const qe__graph *g = q->base->graph;
  const qe__node *n = g->nodes[k];
  const qe_tensor_t *w = g->values[n->in[i]].data;
  const bool weighted = qe__op_is_weighted(n->op->id);
  qe__fake f = {.kind = QE__FAKE_OBSERVED, .value = n->in[i], .node = (int32_t)k, .input = i, .batch_norm = -1, .channels = 1};
  const int32_t axis = !weight ? -1 : weighted ? qe__weight_axis(g, n) : 1;
  QE_TRY(take_config(config, n->name, true, axis, &f));
  if (!weight) { /* conversion quantizes it over its own range */
    f.kind = QE__FAKE_OBSERVED;
    f.remembers = false;
  }
  if (f.axis >= 0) f.channels = w->dims[f.axis];
  if (weight && weighted) f.batch_norm = folded_batch_norm(g, fused, k);
  return add_fake(q, &f);
}

/* Base node of the same name; both graphs have their nodes in one order. */
static int32_t base_node(const qe__graph *base, const char *name, uint32_t *from) {
  for (uint32_t i = 0; i < base->n_nodes; i++) {
    const uint32_t k = (*from + i) % base->n_nodes;
    if (strcmp(base->nodes[k]->name, name) != 0) continue;
    *from = k + 1;
    return (int32_t)k;
  }
  return -1;
}

static qe_status_t place_fakes(qe__qat *q, const qe_prepared_t *p) {
  const qe__graph *g = p->model->graph;
  uint32_t from = 0;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    const qe__node *n = g->nodes[k];
    const qe__decision *d = &p->decision[k];
    const int32_t at = base_node(q->base->graph, n->name, &from);
    if (!d->quantized || at < 0) continue;
    q->quantized[at] = true;
    const qe__node *b = q->base->graph->nodes[at];
    const bool recurrent = qe__op_is_recurrent(n->op->id);
    const bool weighted = recurrent || (qe__op_is_weighted(n->op->id) && g->values[n->in[1]].data);
    for (uint32_t i = 0; i < n->n_in; i++) {
      if (!qe__is_data_input(n, i)) continue;
      const bool weight = weighted && i > 0;
      if (g->values[n->in[i]].data) {
        if (q->base->graph->values[b->in[i]].data) QE_TRY(add_constant(q, g, (uint32_t)at, i, weight ? &d->qconfig->weight : &d->qconfig->activation, weight));
      } else if (!p->quantized_value[n->in[i]]) {
        QE_TRY(add_activation(q, p, n, d, n->in[i], false));
      }
    }
    for (uint32_t i = 0; i < n->n_out; i++) {
      if (n->out[i] != QE__NO_VALUE && qe__op_quantizes_output(n->op->id, i)) QE_TRY(add_activation(q, p, n, d, n->out[i], true));
    }
  }
  return QE_OK;
}

/* ---- converting ---- */

/* A fused clone of base with the trained constants. */

static qe_status_t float_model(const qe__qat *q, qe_model_t **out) {
  qe_model_t *m;
  qe_status_t status = QE_OK;
  *out = NULL;
  QE_TRY(qe_model_clone(q->base, &m));
  for (uint32_t v = 0; v < q->base->graph->n_values; v++) {
    if (!q->constant[v]) continue;
    qe_tensor_release(&m->graph->values[v].data);
    QE_TRY_GOTO(qe__tensor_copy(q->constant[v], &m->graph->values[v].data), fail); /* training goes on in its own */
  }
  QE_TRY_GOTO(qe__fuse(m->graph), fail);
  *out = m;
  return QE_OK;
fail:
  qe_model_destroy(&m);
  return status;
}

static qe_status_t pair_params(const qe__fake *f, const qe_tensor_t *range, qe__qparams *out) {
  float *scales = qe__calloc((size_t)f->channels + 1, sizeof *scales);
  int32_t *zeros = qe__calloc((size_t)f->channels + 1, sizeof *zeros);
  qe_status_t status = scales && zeros ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
  const float *r = range->data;
  for (int64_t c = 0; status == QE_OK && c < f->channels; c++) {
    const float lo = r[c], hi = r[f->channels + c];
    status = qe_choose_qparams(lo > hi ? 0.0f : lo, lo > hi ? 0.0f : hi, (qe_dtype_t)f->args.dtype, f->args.quant_min, f->args.quant_max,
                               f->args.symmetric, f->args.eps, &scales[c], &zeros[c]);
  }
  if (status == QE_OK) status = qe__qparams_set(out, &(qe_qparams_t){(uint32_t)f->channels, f->axis, scales, zeros}, (qe_dtype_t)f->args.dtype, 0, NULL);
  qe__free(scales);
  qe__free(zeros);
  return status;
}

static qe_status_t learned_params(const qe__fake *f, const qe_tensor_t *scale, const qe_tensor_t *zero_point, qe__qparams *out) {
  const int32_t middle = f->args.dtype == QE_UINT8 ? 128 : 0; /* symmetric: not learned */
  int32_t *zeros = qe__calloc((size_t)f->channels + 1, sizeof *zeros);
  if (!zeros) return QE_ERROR_OUT_OF_MEMORY;
  for (int64_t c = 0; c < f->channels; c++) {
    zeros[c] = !zero_point ? middle : qe__quantize_value(((const float *)zero_point->data)[c], 1.0f, 0, f->clamp_min, f->clamp_max);
  }
  const qe_status_t status = qe__qparams_set(out, &(qe_qparams_t){(uint32_t)f->channels, f->axis, scale->data, zeros}, (qe_dtype_t)f->args.dtype, 0, NULL);
  qe__free(zeros);
  return status;
}

/* Where conversion looks for the parameters of place i: an activation's value, or the fused node's weight. */
static qe__value_id converted_value(const qe__qat *q, const qe__fake *f, const qe__graph *g) {
  if (f->node < 0) return f->value;
  const char *name = q->base->graph->nodes[f->node]->name;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    if (strcmp(g->nodes[k]->name, name) == 0) return g->nodes[k]->in[f->input];
  }
  return QE__NO_VALUE;
}

qe_status_t qe__qat_params(const qe__qat *q, uint32_t i, qe__qparams *out) {
  const qe__fake *f = &q->fakes[i];
  if (q->scale[i] && (q->zero_point[i] || f->args.symmetric)) return learned_params(f, q->scale[i], q->zero_point[i], out);
  return q->range[i] ? pair_params(f, q->range[i], out) : QE_OK;
}

static qe_status_t give_params(const qe__qat *q, qe_prepared_t *s) {
  for (uint32_t i = 0; i < q->n_fakes; i++) {
    const qe__fake *f = &q->fakes[i];
    const qe__value_id v = converted_value(q, f, s->model->graph);
    if (f->kind != QE__FAKE_OBSERVED || v == QE__NO_VALUE) continue;
    QE_TRY(qe__qat_params(q, i, &s->given[v]));
    if (f->node < 0 && s->given[v].view.count == 0)
      qe__log(QE_LOG_WARNING, "tensor '%s' was never observed: scale 1, zero point 0; train before converting", s->model->graph->values[v].name);
  }
  return QE_OK;
}

qe_status_t qe__qat_convert(qe_prepared_t *p, qe_model_t **out, qe_report_t **report) {
  qe_model_t *m;
  qe_prepared_t *s = NULL;
  const qe_session_options_t none = {.struct_size = sizeof none, .engine = "none"};
  qe_status_t status;
  QE_TRY(float_model(p->qat, &m));
  QE_TRY(qe__prepare_model(m, p->mapping, false, &none, &s));
  QE_TRY_GOTO(give_params(p->qat, s), done);
  status = qe__convert_static(s, out, report);
done:
  qe_prepared_destroy(&s);
  return status;
}

/* ---- preparing ---- */

static qe_status_t prepare(const qe_model_t *model, const qe_qconfig_mapping_t *mapping, const qe_session_options_t *options, qe__qat *q,
                           qe_prepared_t **out) {
  qe_model_t *fused;
  QE_TRY(qe_model_clone(model, &q->base));
  QE_TRY(qe__fuse_for_training(q->base->graph));
  QE_TRY(qe__infer_dtypes(q->base->graph));
  QE_TRY(qe_model_clone(q->base, &fused));
  const qe_status_t status = qe__fuse(fused->graph);
  if (status != QE_OK) {
    qe_model_destroy(&fused);
    return status;
  }
  QE_TRY(qe__prepare_model(fused, mapping, false, options, out));
  const qe__graph *g = q->base->graph;
  q->constant = qe__calloc(g->n_values + 1, sizeof *q->constant);
  q->quantized = qe__calloc(g->n_nodes + 1, sizeof *q->quantized);
  if (!q->constant || !q->quantized) return QE_ERROR_OUT_OF_MEMORY;
  QE_TRY(place_fakes(q, *out));
  q->range = qe__calloc(q->n_fakes + 1, sizeof *q->range);
  q->scale = qe__calloc(q->n_fakes + 1, sizeof *q->scale);
  q->zero_point = qe__calloc(q->n_fakes + 1, sizeof *q->zero_point);
  return q->range && q->scale && q->zero_point ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
}

qe_status_t qe_prepare_qat(const qe_model_t *model, const qe_qconfig_mapping_t *mapping, const qe_session_options_t *options, qe_prepared_t **out) {
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(model && mapping, "model or mapping is NULL");
  qe__qat *q = qe__calloc(1, sizeof *q);
  if (!q) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = prepare(model, mapping, options, q, out);
  if (status != QE_OK) {
    qe__qat_destroy(&q);
    qe_prepared_destroy(out);
    return status;
  }
  (*out)->qat = q;
  return QE_OK;
}
