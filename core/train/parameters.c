/* What a trainer moves: constants of the model by their role, ranges and parameters of fake-quantize. */
#include "train/parameters.h"

#include <math.h>

#include "train/role.h"

static bool is_parameter(const qe__graph *g, const qe__uses *uses, const qe__node *n, uint32_t i, qe__role *role) {
  if (n->in[i] == QE__NO_VALUE) return false;
  const qe_tensor_t *t = g->values[n->in[i]].data;
  *role = qe__node_role(g, uses, n, i);
  return t && t->dtype == QE_FLOAT32 && t->count > 0 && *role != QE__ROLE_NONE;
}

static bool known(const qe_trainer_t *t, qe__value_id v) {
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    if (t->parameters[i].value == v) return true;
  }
  return qe__find_statistic(t, v, -1) >= 0;
}

static qe_status_t add_parameter(qe_trainer_t *t, qe__parameter p) {
  void *array = t->parameters;
  QE_TRY(qe__grow(&array, &t->cap_parameters, t->n_parameters, sizeof *t->parameters));
  t->parameters = array;
  t->parameters[t->n_parameters++] = p;
  return QE_OK;
}

static qe_status_t add_statistic(qe_trainer_t *t, qe__statistic s) {
  void *array = t->statistics;
  QE_TRY(qe__grow(&array, &t->cap_statistics, t->n_statistics, sizeof *t->statistics));
  t->statistics = array;
  t->statistics[t->n_statistics++] = s;
  return QE_OK;
}

/* The trained tensor of an earlier trainer, or the model's. */
static qe_tensor_t *start(const qe_trainer_t *t, qe__value_id v) {
  qe_tensor_t *trained = t->qat ? t->qat->qat->constant[v] : NULL;
  return qe_tensor_retain(trained ? trained : t->base->graph->values[v].data);
}

static qe_status_t collect(qe_trainer_t *t, const qe__uses *uses) {
  const qe__graph *g = t->base->graph;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    const qe__node *n = g->nodes[k];
    for (uint32_t i = 0; i < n->n_in; i++) {
      qe__role role;
      if (!is_parameter(g, uses, n, i, &role) || known(t, n->in[i])) continue;
      const bool weight = role == QE__ROLE_WEIGHT || role == QE__ROLE_RECURRENT || role == QE__ROLE_TABLE;
      if (!qe__role_is_trained(role)) {
        QE_TRY(add_statistic(t, (qe__statistic){.value = n->in[i], .fake = -1, .variance = role == QE__ROLE_VARIANCE, .tensor = start(t, n->in[i])}));
      } else {
        QE_TRY(add_parameter(t, (qe__parameter){.value = n->in[i], .fake = -1, .tensor = start(t, n->in[i]), .decay = weight || !t->options.decay_weights_only}));
      }
    }
  }
  return QE_OK;
}

qe_status_t qe__collect_parameters(qe_trainer_t *t) {
  qe__uses uses;
  QE_TRY(qe__graph_uses(t->base->graph, &uses));
  const qe_status_t status = collect(t, &uses);
  qe__uses_free(&uses);
  return status;
}

/* A range that nothing was seen of: the smallest above the largest. */
static qe_status_t fresh_range(int64_t channels, qe_tensor_t **out) {
  QE_TRY(qe_tensor_create(QE_FLOAT32, 2, (int64_t[]){2, channels}, out));
  float *r = (*out)->data;
  for (int64_t c = 0; c < channels; c++) {
    r[c] = INFINITY;
    r[channels + c] = -INFINITY;
  }
  return QE_OK;
}

qe_status_t qe__collect_ranges(qe_trainer_t *t) {
  const qe__qat *q = t->qat->qat;
  for (uint32_t i = 0; i < q->n_fakes; i++) {
    const qe__fake *f = &q->fakes[i];
    qe_tensor_t *range = q->range[i] ? qe_tensor_retain(q->range[i]) : NULL;
    if (f->kind != QE__FAKE_OBSERVED || (!f->remembers && !t->options.learn_qparams)) continue;
    if (!range) QE_TRY(fresh_range(f->channels, &range));
    QE_TRY(add_statistic(t, (qe__statistic){.value = f->value, .fake = (int32_t)i, .tensor = range}));
  }
  return QE_OK;
}

qe_status_t qe__collect_learned(qe_trainer_t *t) {
  const qe__qat *q = t->qat->qat;
  for (uint32_t i = 0; i < q->n_fakes; i++) {
    const qe__fake *f = &q->fakes[i];
    if (f->kind != QE__FAKE_OBSERVED) continue;
    for (uint32_t z = 0; z < (f->args.symmetric ? 1u : 2u); z++) {
      qe_tensor_t *from = z ? q->zero_point[i] : q->scale[i], *tensor = from ? qe_tensor_retain(from) : NULL;
      if (!tensor) QE_TRY(qe_tensor_create(QE_FLOAT32, 1, &f->channels, &tensor));
      QE_TRY(add_parameter(t, (qe__parameter){.value = QE__NO_VALUE, .fake = (int32_t)i, .zero_point = z == 1, .tensor = tensor}));
    }
  }
  return QE_OK;
}
