/* The optimizer: one SgdUpdate or AdamUpdate node per parameter, in a session of its own. */
#include <math.h>

#include "train/emit.h"
#include "train/update.h"

struct qe__updater {
  uint32_t n;              /* nodes: parameters that have a gradient */
  uint32_t *which;         /* per node: the parameter */
  uint32_t states;         /* of each: 1 or 2 */
  qe_model_t *model;
  qe_session_t *session;
};

typedef struct qe__updater updater;

void qe__updater_destroy(qe__updater **u) {
  if (!*u) return;
  qe_session_destroy(&(*u)->session);
  qe_model_destroy(&(*u)->model);
  qe__free((*u)->which);
  qe__free(*u);
  *u = NULL;
}

static qe__value_id input_like(qe__emit *e, uint32_t rank, const int64_t *dims) {
  qe__value_id v = QE__NO_VALUE;
  if (e->status == QE_OK) e->status = qe__graph_add_value(e->g, NULL, QE_FLOAT32, &v);
  if (e->status != QE_OK) return v;
  e->g->values[v].rank = (int32_t)rank;
  for (uint32_t d = 0; d < rank; d++) e->g->values[v].dims[d] = dims[d];
  e->status = qe__graph_add_input(e->g, v);
  return v;
}

/* Inputs: hyperparameters with weight decay, without, of quantization parameters; then weight, gradient and states of each node. */
static qe_status_t build(const qe_trainer_t *t, updater *u, qe_tensor_t *const *gradient) {
  const bool adam = t->options.optimizer != QE_OPTIMIZER_SGD;
  const int64_t length = adam ? 8 : 4;
  qe__graph *g;
  QE_TRY(qe__graph_create(&g));
  QE_TRY(qe__model_wrap(g, &u->model));
  qe__emit e = {.g = g, .early = true};
  qe__value_id hyper[3];
  for (uint32_t k = 0; k < 3; k++) hyper[k] = input_like(&e, 1, &length);
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    const qe__parameter *p = &t->parameters[i];
    qe__value_id in[5], out[3];
    if (!gradient[i]) continue;
    u->which[u->n++] = i;
    for (uint32_t k = 0; k < 2 + u->states; k++) in[k] = input_like(&e, p->tensor->rank, p->tensor->dims);
    in[2 + u->states] = hyper[p->fake >= 0 ? 2 : p->decay ? 0 : 1];
    const qe__attr nesterov = QE__INT("nesterov", t->options.nesterov != 0);
    qe__emit_outputs(&e, adam ? QE__OP_AdamUpdate : QE__OP_SgdUpdate, 3 + u->states, in, adam ? 0 : 1, &nesterov, 1 + u->states, NULL, out);
    for (uint32_t k = 0; k < 1 + u->states && e.status == QE_OK; k++) e.status = qe__graph_add_output(g, out[k]);
  }
  QE_TRY(e.status);
  const qe_session_options_t options = {.struct_size = sizeof options, .engine = t->options.engine, .threads = t->options.threads};
  return qe_session_create(u->model, &options, &u->session);
}

static bool serves(const updater *u, const qe_trainer_t *t, qe_tensor_t *const *gradient) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    if (!gradient[i]) continue;
    if (n >= u->n || u->which[n] != i) return false;
    n++;
  }
  return n == u->n;
}

static qe_status_t get(qe_trainer_t *t, qe_tensor_t *const *gradient) {
  if (t->updater && serves(t->updater, t, gradient)) return QE_OK;
  qe__updater_destroy(&t->updater);
  updater *u = qe__calloc(1, sizeof *u);
  if (!u) return QE_ERROR_OUT_OF_MEMORY;
  u->states = t->options.optimizer == QE_OPTIMIZER_SGD ? 1 : 2;
  u->which = qe__calloc(t->n_parameters + 1, sizeof *u->which);
  const qe_status_t status = u->which ? build(t, u, gradient) : QE_ERROR_OUT_OF_MEMORY;
  if (status != QE_OK) qe__updater_destroy(&u);
  t->updater = u;
  return status;
}

/* b^n by repeated squaring: the same bits everywhere. */
static double power(double b, uint64_t n) {
  double result = 1.0;
  for (; n > 0; n >>= 1, b *= b) {
    if (n & 1) result *= b;
  }
  return result;
}

static qe_status_t hyperparameters(const qe_trainer_t *t, float lr, float grad_scale, bool decay, qe_tensor_t **out) {
  const qe_train_options_t *o = &t->options;
  const float wd = decay ? o->weight_decay : 0.0f;
  if (o->optimizer == QE_OPTIMIZER_SGD) {
    const float h[4] = {lr, o->momentum, wd, grad_scale};
    return qe_tensor_from_data(QE_FLOAT32, 1, &(int64_t){4}, h, out);
  }
  const bool decoupled = o->optimizer == QE_OPTIMIZER_ADAMW;
  const double first = 1.0 - power((double)o->beta1, t->at.step + 1), second = 1.0 - power((double)o->beta2, t->at.step + 1);
  const float h[8] = {(float)((double)lr / first), o->beta1, o->beta2, o->adam_eps, decoupled ? 0.0f : wd, grad_scale, (float)sqrt(second), decoupled ? lr * wd : 0.0f};
  return qe_tensor_from_data(QE_FLOAT32, 1, &(int64_t){8}, h, out);
}

qe_status_t qe__optimizer_state(const qe_trainer_t *t) {
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    qe__parameter *p = &t->parameters[i];
    for (uint32_t k = 0; k < (t->options.optimizer == QE_OPTIMIZER_SGD ? 1u : 2u); k++) {
      if (!p->state[k]) QE_TRY(qe_tensor_create(QE_FLOAT32, p->tensor->rank, p->tensor->dims, &p->state[k]));
    }
  }
  return QE_OK;
}

qe_status_t qe__update(qe_trainer_t *t, qe_tensor_t *const *gradient, float lr, float grad_scale) {
  QE_TRY(get(t, gradient));
  const updater *u = t->updater;
  if (u->n == 0) return qe__fail(QE_ERROR_UNSUPPORTED, "the loss depends on no parameter of the model");
  const uint32_t n_in = 3 + u->n * (2 + u->states), per = 1 + u->states, n_out = u->n * per;
  qe_named_tensor_t *in = qe__calloc(n_in, sizeof *in), *out = qe__calloc(n_out, sizeof *out);
  qe_tensor_t *hyper[3] = {NULL, NULL, NULL};
  qe_status_t status = in && out ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
  uint32_t n = 0;
  if (status == QE_OK) status = hyperparameters(t, lr, grad_scale, true, &hyper[0]);
  if (status == QE_OK) status = hyperparameters(t, lr, grad_scale, false, &hyper[1]);
  if (status == QE_OK) status = hyperparameters(t, lr * t->options.qparams_lr, grad_scale, false, &hyper[2]);
  for (uint32_t k = 0; k < 3; k++) {
    if (in) in[n++].tensor = hyper[k];
  }
  for (uint32_t i = 0; status == QE_OK && i < u->n; i++) {
    const qe__parameter *p = &t->parameters[u->which[i]];
    in[n++].tensor = p->tensor;
    in[n++].tensor = gradient[u->which[i]];
    for (uint32_t k = 0; k < u->states; k++) in[n++].tensor = p->state[k];
  }
  if (status == QE_OK) status = qe_session_run(u->session, n, in, n_out, out);
  for (uint32_t i = 0; status == QE_OK && i < n_out; i++) { /* all of it worked: nothing below fails */
    qe__parameter *p = &t->parameters[u->which[i / per]];
    qe_tensor_t **to = i % per == 0 ? &p->tensor : &p->state[i % per - 1];
    qe_tensor_release(to);
    *to = out[i].tensor;
  }
  for (uint32_t k = 0; k < 3; k++) qe_tensor_release(&hyper[k]);
  qe__free(in);
  qe__free(out);
  return status;
}
