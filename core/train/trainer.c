/* A trainer's life, its options, and its state as models. */
#include "train/trainer.h"

#include <stddef.h>
#include <string.h>

#include "train/differentiate.h"
#include "train/parameters.h"
#include "train/update.h"

void qe_train_options_default(qe_train_options_t *out) {
  if (!out) return;
  *out = (qe_train_options_t){.struct_size = sizeof *out,
                              .seed = 1,
                              .epochs = 1,
                              .batch = 64,
                              .shards = 1,
                              .lr = 0.01f,
                              .momentum = 0.9f,
                              .decay_weights_only = 1,
                              .beta1 = 0.9f,
                              .beta2 = 0.999f,
                              .adam_eps = 1e-8f,
                              .lr_gamma = 0.1f,
                              .lr_step_epochs = 1,
                              .bn_momentum = 0.1f,
                              .freeze_observers_at = 0.85f,
                              .freeze_bn_at = 0.7f,
                              .qparams_lr = 0.1f,
                              .distill = 0.5f,
                              .temperature = 4.0f};
}

/* name, lowest, highest (as accepted) */
static qe_status_t check_number(const char *name, float v, float lo, float hi) {
  if (v >= lo && v <= hi) return QE_OK;
  return qe__fail(QE_ERROR_INVALID_ARGUMENT, "options.%s is %g; %g to %g was expected", name, (double)v, (double)lo, (double)hi);
}

static qe_status_t check_options(const qe_train_options_t *o) {
  if ((unsigned)o->loss > QE_LOSS_MSE) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "options.loss is %d, which is no loss", (int)o->loss);
  if ((unsigned)o->optimizer > QE_OPTIMIZER_ADAMW) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "options.optimizer is %d, which is none", (int)o->optimizer);
  if ((unsigned)o->schedule > QE_LR_LINEAR) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "options.schedule is %d, which is none", (int)o->schedule);
  if (o->batch < 1) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "options.batch is 0; at least 1 was expected");
  if (o->shards > o->batch) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "options.shards is %u for batches of %u; at most one shard per sample", o->shards, o->batch);
  QE_TRY(check_number("lr", o->lr, 0.0f, 1e6f));
  QE_TRY(check_number("momentum", o->momentum, 0.0f, 1.0f));
  QE_TRY(check_number("weight_decay", o->weight_decay, 0.0f, 1e6f));
  QE_TRY(check_number("beta1", o->beta1, 0.0f, 0.99999994f));
  QE_TRY(check_number("beta2", o->beta2, 0.0f, 0.99999994f));
  QE_TRY(check_number("adam_eps", o->adam_eps, 0.0f, 1.0f));
  QE_TRY(check_number("clip_norm", o->clip_norm, 0.0f, 1e30f));
  QE_TRY(check_number("label_smoothing", o->label_smoothing, 0.0f, 0.99999994f));
  QE_TRY(check_number("bn_momentum", o->bn_momentum, 0.0f, 1.0f));
  QE_TRY(check_number("distill", o->distill, 0.0f, 1.0f));
  QE_TRY(check_number("temperature", o->temperature, 1e-6f, 1e6f));
  return check_number("qparams_lr", o->qparams_lr, 0.0f, 1e6f);
}

/* Fields that the caller does not know yet have their defaults. */
static qe_status_t read_options(const qe_train_options_t *given, qe_train_options_t *out) {
  const size_t size = given->struct_size;
  qe_train_options_default(out);
  if (size < offsetof(qe_train_options_t, metrics) + sizeof given->metrics || size > sizeof *out) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "options.struct_size is %zu, expected %zu; start from qe_train_options_default", size, sizeof *out);
  }
  memcpy(out, given, size);
  out->struct_size = sizeof *out;
  return check_options(out);
}

static qe_status_t own_text(const char **text) {
  if (*text && !(*text = qe__strdup(*text))) return QE_ERROR_OUT_OF_MEMORY;
  return QE_OK;
}

static qe_status_t own_options(qe_trainer_t *t, const qe_train_options_t *o) {
  t->options = *o;
  t->options.engine = t->options.checkpoint = t->options.metrics = NULL;
  t->options.teacher = o->teacher ? qe__model_retain(o->teacher) : NULL;
  const char *engine = o->engine, *checkpoint = o->checkpoint, *metrics = o->metrics;
  QE_TRY(own_text(&engine));
  t->options.engine = engine;
  QE_TRY(own_text(&checkpoint));
  t->options.checkpoint = checkpoint;
  QE_TRY(own_text(&metrics));
  t->options.metrics = metrics;
  return QE_OK;
}

static void free_text(const char *text) { qe__free((void *)(uintptr_t)text); }

void qe_trainer_destroy(qe_trainer_t **trainer) {
  qe_trainer_t *t = trainer ? *trainer : NULL;
  if (!t) return;
  for (uint32_t i = 0; i < QE__PROGRAMS; i++) qe__program_destroy(&t->programs[i]);
  qe__updater_destroy(&t->updater);
  qe_session_destroy(&t->teacher);
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    qe_tensor_release(&t->parameters[i].tensor);
    for (uint32_t k = 0; k < 2; k++) qe_tensor_release(&t->parameters[i].state[k]);
  }
  for (uint32_t i = 0; i < t->n_statistics; i++) qe_tensor_release(&t->statistics[i].tensor);
  qe__free(t->parameters);
  qe__free(t->statistics);
  qe_model_t *teacher = (qe_model_t *)(uintptr_t)t->options.teacher;
  qe_model_destroy(&teacher);
  free_text(t->options.engine);
  free_text(t->options.checkpoint);
  free_text(t->options.metrics);
  qe_model_destroy(&t->base);
  qe__free(t);
  *trainer = NULL;
}

/* Every op between a parameter and the output has a gradient; said before anything starts. */
static qe_status_t check_model(const qe_trainer_t *t) {
  const qe__graph *g = t->base->graph;
  if (g->n_outputs == 0) return qe__fail(QE_ERROR_UNSUPPORTED, "the model has no output to compute a loss from");
  qe__value_id *wrt = qe__calloc((size_t)t->n_parameters + 1, sizeof *wrt);
  uint32_t n = 0;
  if (!wrt) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    if (t->parameters[i].fake < 0) wrt[n++] = t->parameters[i].value;
  }
  const qe_status_t status = n == 0 ? qe__fail(QE_ERROR_UNSUPPORTED, "the model has no float constant that can be trained") : qe__check_gradients(g, g->outputs[0], n, wrt);
  qe__free(wrt);
  return status;
}

static qe_status_t create(qe_model_t *base, qe_prepared_t *qat, const qe_train_options_t *options, qe_trainer_t **out) {
  qe_status_t status;
  qe_trainer_t *t = qe__calloc(1, sizeof *t);
  if (!t) {
    qe_model_destroy(&base);
    return QE_ERROR_OUT_OF_MEMORY;
  }
  t->base = base;
  t->qat = qat;
  QE_TRY_GOTO(own_options(t, options), fail);
  QE_TRY_GOTO(qe__collect_parameters(t), fail);
  if (qat) QE_TRY_GOTO(qe__collect_ranges(t), fail);
  if (qat && options->learn_qparams) QE_TRY_GOTO(qe__collect_learned(t), fail);
  QE_TRY_GOTO(check_model(t), fail);
  QE_TRY_GOTO(qe__optimizer_state(t), fail);
  *out = t;
  return QE_OK;
fail:
  qe_trainer_destroy(&t);
  return status;
}

qe_status_t qe_trainer_create(const qe_model_t *model, const qe_train_options_t *options, qe_trainer_t **out) {
  qe_model_t *base;
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(model && options, "model or options is NULL");
  qe_train_options_t o;
  QE_TRY(read_options(options, &o));
  QE_TRY(qe_model_clone(model, &base));
  qe_status_t status = qe__fuse_for_training(base->graph);
  if (status == QE_OK) status = qe__infer_dtypes(base->graph);
  if (status == QE_OK) return create(base, NULL, &o, out);
  qe_model_destroy(&base);
  return status;
}

qe_status_t qe_trainer_create_qat(qe_prepared_t *prepared, const qe_train_options_t *options, qe_trainer_t **out) {
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(prepared && options, "prepared or options is NULL");
  qe_train_options_t o;
  QE_TRY(read_options(options, &o));
  if (!prepared->qat) return qe__fail(QE_ERROR_STATE, "this model was prepared by qe_prepare, for calibration; qe_prepare_qat prepares for training");
  return create(qe__model_retain(prepared->qat->base), prepared, &o, out);
}

/* ---- state ---- */

qe_status_t qe__trainer_state(const qe_trainer_t *t, qe__state_entry **out, uint32_t *count) {
  static const char *const states[2] = {"momentum", "moment2"};
  const qe__graph *g = t->base->graph;
  const size_t most = (size_t)t->n_parameters * 3 + t->n_statistics;
  qe__state_entry *e = qe__calloc(most + 1, sizeof *e);
  uint32_t n = 0;
  *out = NULL;
  *count = 0;
  if (!e) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    qe__parameter *p = &t->parameters[i];
    const qe__value_id v = p->fake < 0 ? p->value : t->qat->qat->fakes[p->fake].value;
    e[n++] = (qe__state_entry){p->fake < 0 ? "parameter" : p->zero_point ? "zero_point" : "scale", g->values[v].name, p->tensor, &p->tensor};
    for (uint32_t k = 0; k < 2; k++) {
      if (p->state[k]) e[n++] = (qe__state_entry){p->fake < 0 ? states[k] : k ? "moment2 of quantization" : p->zero_point ? "momentum of zero_point" : "momentum of scale", g->values[v].name, p->state[k], &p->state[k]};
    }
  }
  for (uint32_t i = 0; i < t->n_statistics; i++) {
    qe__statistic *s = &t->statistics[i];
    e[n++] = (qe__state_entry){s->fake < 0 ? "running" : "range", g->values[s->value].name, s->tensor, &s->tensor};
  }
  *out = e;
  *count = n;
  return QE_OK;
}

/* The first numbers of learned scales and zero points: what the ranges give when the first step is over. */
static qe_status_t start_learning(qe_trainer_t *t) {
  const qe__qat *q = t->qat->qat;
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    qe__parameter *p = &t->parameters[i];
    qe__qparams params = {0};
    if (p->fake < 0) continue;
    QE_TRY(qe__qat_params(q, (uint32_t)p->fake, &params));
    float *to = p->tensor->data;
    for (int64_t c = 0; c < p->tensor->count && (uint32_t)c < params.view.count; c++) to[c] = p->zero_point ? (float)params.zero_points[c] : params.scales[c];
    qe__qparams_clear(&params);
  }
  return QE_OK;
}

static void hold(qe_tensor_t **slot, qe_tensor_t *tensor) {
  qe_tensor_retain(tensor);
  qe_tensor_release(slot);
  *slot = tensor;
}

qe_status_t qe__trainer_publish(qe_trainer_t *t) {
  if (!t->qat) return QE_OK;
  qe__qat *q = t->qat->qat;
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    if (t->parameters[i].fake < 0) hold(&q->constant[t->parameters[i].value], t->parameters[i].tensor);
  }
  for (uint32_t i = 0; i < t->n_statistics; i++) {
    const qe__statistic *s = &t->statistics[i];
    const float *r = s->tensor->data;
    if (s->fake < 0) hold(&q->constant[s->value], s->tensor);
    else if (r[0] <= r[s->tensor->count / 2]) hold(&q->range[s->fake], s->tensor);
  }
  if (t->options.learn_qparams && t->at.step == 1) QE_TRY(start_learning(t));
  for (uint32_t i = 0; i < t->n_parameters && t->options.learn_qparams && t->at.step > 0; i++) {
    const qe__parameter *p = &t->parameters[i];
    if (p->fake >= 0) hold(p->zero_point ? &q->zero_point[p->fake] : &q->scale[p->fake], p->tensor);
  }
  return QE_OK;
}

/* ---- models ---- */

qe_status_t qe_trainer_model(const qe_trainer_t *t, qe_model_t **out) {
  qe_model_t *m;
  qe_status_t status = QE_OK;
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(t, "trainer is NULL");
  QE_TRY(qe_model_clone(t->base, &m));
  for (uint32_t i = 0; i < t->n_parameters + t->n_statistics && status == QE_OK; i++) {
    const bool parameter = i < t->n_parameters;
    const qe__statistic *s = parameter ? NULL : &t->statistics[i - t->n_parameters];
    if (parameter ? t->parameters[i].fake >= 0 : s->fake >= 0) continue;
    qe_tensor_t **data = &m->graph->values[parameter ? t->parameters[i].value : s->value].data;
    qe_tensor_release(data);
    status = qe__tensor_copy(parameter ? t->parameters[i].tensor : s->tensor, data); /* training goes on in its own */
  }
  if (status == QE_OK) status = qe__drop_identities(m->graph);
  if (status != QE_OK) {
    qe_model_destroy(&m);
    return status;
  }
  *out = m;
  return QE_OK;
}

qe_status_t qe_trainer_fake_quantized(const qe_trainer_t *t, qe_model_t **out) {
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(t, "trainer is NULL");
  if (!t->qat) return qe__fail(QE_ERROR_STATE, "this trainer trains in float; qe_trainer_create_qat fake-quantizes");
  qe__program *p = qe__calloc(1, sizeof *p);
  if (!p) return QE_ERROR_OUT_OF_MEMORY;
  qe__step_builder b = {.t = t, .p = p, .phase = {.fake_quantize = true, .freeze_bn = true, .infer = true, .learn = t->options.learn_qparams && t->at.step > 0}};
  const qe_status_t status = qe__step_graph(&b, NULL);
  if (status == QE_OK) {
    *out = p->model;
    p->model = NULL;
  }
  qe__program_destroy(&p);
  return status;
}
