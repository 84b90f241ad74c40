/*
 * The training graph of one shard: a clone of the base graph whose parameters and statistics are inputs, with BatchNorm,
 * Dropout and fake-quantize in the form of the phase, the loss, and what differentiation adds.
 */
#include <math.h>
#include <string.h>

#include "train/differentiate.h"
#include "train/program.h"
#include "train/recompute.h"
#include "train/shapes.h"
#include "train/unroll.h"

/* ---- inputs and outputs ---- */

static qe_status_t add_port(qe__port **ports, uint32_t *count, size_t *capacity, qe__port port) {
  void *array = *ports;
  QE_TRY(qe__grow(&array, capacity, *count, sizeof **ports));
  *ports = array;
  (*ports)[(*count)++] = port;
  return QE_OK;
}

static void set_dims(qe__graph *g, qe__value_id v, uint32_t rank, const int64_t *dims) {
  qe__value *value = &g->values[v];
  value->rank = (int32_t)rank;
  for (uint32_t d = 0; d < QE_MAX_RANK; d++) {
    qe__free(value->symbols[d]);
    value->symbols[d] = NULL;
    value->dims[d] = d < rank ? dims[d] : -1;
  }
}

qe__value_id qe__step_input(qe__step_builder *b, qe__feed what, uint32_t index, const char *name, qe_dtype_t dtype, uint32_t rank, const int64_t *dims) {
  qe__emit *e = &b->e;
  char *fresh = qe__graph_fresh_name(e->g, name);
  qe__value_id v = QE__NO_VALUE;
  if (!qe__emit_failed(e, fresh ? QE_OK : QE_ERROR_OUT_OF_MEMORY)) e->status = qe__graph_add_value(e->g, fresh, dtype, &v);
  qe__free(fresh);
  if (e->status == QE_OK) set_dims(e->g, v, rank, dims);
  if (e->status == QE_OK) e->status = qe__graph_add_input(e->g, v);
  if (e->status == QE_OK) e->status = add_port(&b->p->in, &b->p->n_in, &b->p->cap_in, (qe__port){(int)what, index, v, QE__NO_VALUE});
  return v;
}

void qe__step_output(qe__step_builder *b, qe__yield what, uint32_t index, qe__value_id v, qe__value_id over) {
  qe__graph *g = b->e.g;
  bool known = v == QE__NO_VALUE;
  for (uint32_t i = 0; i < g->n_outputs && !known; i++) known = g->outputs[i] == v;
  if (b->e.status == QE_OK && !known) b->e.status = qe__graph_add_output(g, v);
  if (b->e.status == QE_OK && v != QE__NO_VALUE) b->e.status = add_port(&b->p->out, &b->p->n_out, &b->p->cap_out, (qe__port){(int)what, index, v, over});
}

/* A constant of the base graph becomes an input of the same name; in inference, the constant that it is now. */
static void free_constant(qe__step_builder *b, qe__feed what, uint32_t index, qe__value_id v, qe_tensor_t *t) {
  qe_tensor_release(&b->e.g->values[v].data);
  if (b->phase.infer) {
    b->e.g->values[v].data = qe_tensor_retain(t);
    return;
  }
  set_dims(b->e.g, v, t->rank, t->dims);
  if (b->e.status == QE_OK) b->e.status = qe__graph_add_input(b->e.g, v);
  if (b->e.status == QE_OK) b->e.status = add_port(&b->p->in, &b->p->n_in, &b->p->cap_in, (qe__port){(int)what, index, v, QE__NO_VALUE});
}

/* State that is no constant of the base graph: an input, or in inference a constant. */
static qe__value_id add_state(qe__step_builder *b, qe__feed what, uint32_t index, const char *name, qe_tensor_t *t) {
  qe__value_id v = QE__NO_VALUE;
  if (!b->phase.infer) return qe__step_input(b, what, index, name, QE_FLOAT32, t->rank, t->dims);
  if (b->e.status == QE_OK) b->e.status = qe__graph_add_constant(b->e.g, NULL, t, &v);
  return v;
}

static void add_inputs(qe__step_builder *b, const qe__batch *shard) {
  const qe_trainer_t *t = b->t;
  qe__graph *g = b->e.g;
  for (uint32_t i = 0; i < g->n_inputs && shard; i++) {
    set_dims(g, g->inputs[i], shard->inputs[i]->rank, shard->inputs[i]->dims);
    g->values[g->inputs[i]].dtype = shard->inputs[i]->dtype;
    qe__emit_failed(&b->e, add_port(&b->p->in, &b->p->n_in, &b->p->cap_in, (qe__port){QE__FEED_INPUT, i, g->inputs[i], QE__NO_VALUE}));
  }
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    const qe__parameter *p = &t->parameters[i];
    b->parameter[i] = p->value;
    if (p->fake < 0) free_constant(b, QE__FEED_PARAMETER, i, p->value, p->tensor);
    else if (b->phase.learn) b->parameter[i] = add_state(b, QE__FEED_PARAMETER, i, p->zero_point ? "zero_point" : "scale", p->tensor);
  }
  for (uint32_t i = 0; i < t->n_statistics; i++) {
    const qe__statistic *s = &t->statistics[i];
    b->statistic[i] = s->value;
    if (s->fake < 0) free_constant(b, QE__FEED_STATISTIC, i, s->value, s->tensor);
    else b->statistic[i] = add_state(b, QE__FEED_STATISTIC, i, "range", s->tensor);
  }
}

/* ---- ops that train differently ---- */

void qe__step_batch_norm(qe__step_builder *b, uint32_t n_in, const qe__value_id *in, float eps, qe__act act, qe__value_id y, int32_t mean, int32_t var) {
  qe__value_id out[3];
  const qe__attr epsilon = QE__FLOAT("epsilon", eps);
  qe__emit_outputs(&b->e, QE__OP_BatchNormTrain, n_in, in, 1, &epsilon, 3, NULL, out);
  qe__node *made = qe__emit_last(&b->e);
  if (!made) return;
  made->act = act;
  made->out[0] = y;
  if (mean >= 0) qe__step_output(b, QE__YIELD_STATISTIC, (uint32_t)mean, out[1], in[0]);
  if (var >= 0) qe__step_output(b, QE__YIELD_STATISTIC, (uint32_t)var, out[2], in[0]);
}

static void batch_norm(qe__step_builder *b, qe__node *n) {
  const int32_t mean = qe__find_statistic(b->t, n->in[3], -1), var = qe__find_statistic(b->t, n->in[4], -1);
  const qe__value_id in[3] = {n->in[0], n->in[1], n->in[2]}, y = n->out[0];
  qe__node_kill(n); /* before another node makes y */
  qe__step_batch_norm(b, 3, in, qe__node_float(n, "epsilon", 1e-5f), n->act, y, mean, var);
}

static void dropout(qe__step_builder *b, qe__node *n, uint32_t stream, qe__value_id *key) {
  const float ratio = qe__node_float(n, "ratio", 0.5f);
  const int64_t two = 2;
  if (ratio <= 0.0f || b->phase.infer) return;
  if (*key == QE__NO_VALUE) *key = qe__step_input(b, QE__FEED_KEY, 0, "key", QE_INT64, 1, &two);
  const qe__value_id in[2] = {n->in[0], *key}, y = n->out[0];
  const qe__attr attr[] = {QE__FLOAT("ratio", ratio), QE__INT("stream", stream)};
  qe__node_kill(n);
  qe__emit_node(&b->e, QE__OP_RandomDropout, 2, in, 2, attr);
  if (b->e.status == QE_OK) qe__emit_last(&b->e)->out[0] = y;
}

static void training_forms(qe__step_builder *b) {
  qe__value_id key = QE__NO_VALUE;
  const uint32_t n_nodes = b->e.g->n_nodes;
  for (uint32_t k = 0; k < n_nodes && b->e.status == QE_OK; k++) {
    qe__node *n = b->e.g->nodes[k];
    if (n->dead) continue;
    if (n->op->id == QE__OP_BatchNormalization && !b->phase.freeze_bn) batch_norm(b, n);
    else if (n->op->id == QE__OP_Dropout) dropout(b, n, k, &key);
  }
}

/* ---- the loss ---- */

static qe__value_id all_sum(qe__step_builder *b, uint16_t op, qe__value_id x) {
  const qe__attr drop = QE__INT("keepdims", 0);
  return qe__emit_node(&b->e, op, 1, &x, 1, &drop);
}

static qe__value_id over_classes(qe__step_builder *b, uint16_t op, qe__value_id x) {
  const qe__attr last = QE__INT("axis", -1);
  return qe__emit_node(&b->e, op, 1, &x, 1, &last);
}

/* T^2 * sum of p * (log p - log q) with p = softmax(teacher / T), q = softmax(logits / T). */
static qe__value_id distillation(qe__step_builder *b, qe__value_id logits, qe__value_id teacher) {
  qe__emit *e = &b->e;
  const float t = b->t->options.temperature;
  const qe__value_id heat = qe__emit_scalar(e, t), u = qe__emit_binary(e, QE__OP_Div, teacher, heat);
  const qe__value_id log_p = over_classes(b, QE__OP_LogSoftmax, u);
  const qe__value_id difference = qe__emit_binary(e, QE__OP_Sub, log_p, over_classes(b, QE__OP_LogSoftmax, qe__emit_binary(e, QE__OP_Div, logits, heat)));
  const qe__value_id sum = all_sum(b, QE__OP_ReduceSum, qe__emit_binary(e, QE__OP_Mul, over_classes(b, QE__OP_Softmax, u), difference));
  return qe__emit_binary(e, QE__OP_Mul, sum, qe__emit_scalar(e, t * t));
}

static qe__value_id loss_of(qe__step_builder *b, qe__value_id logits, const qe__batch *shard) {
  qe__emit *e = &b->e;
  const qe_train_options_t *o = &b->t->options;
  const qe__value_id labels = qe__step_input(b, QE__FEED_LABELS, 0, "labels", shard->labels->dtype, shard->labels->rank, shard->labels->dims);
  const qe__value_id inverse = qe__step_input(b, QE__FEED_INVERSE_COUNT, 0, "inverse_count", QE_FLOAT32, 0, NULL);
  qe__value_id sum, in[2] = {logits, labels};
  if (o->loss == QE_LOSS_MSE) {
    sum = all_sum(b, QE__OP_ReduceSumSquare, qe__emit_binary(e, QE__OP_Sub, logits, labels));
  } else {
    qe__attr attr[2];
    uint32_t n = 0;
    if (o->label_smoothing > 0.0f) attr[n++] = QE__FLOAT("label_smoothing", o->label_smoothing);
    if (o->has_ignore_index) attr[n++] = QE__INT("ignore_index", o->ignore_index);
    sum = qe__emit_node(e, QE__OP_SoftmaxCrossEntropy, 2, in, n, attr);
  }
  if (shard->teacher) {
    const qe__value_id teacher = qe__step_input(b, QE__FEED_TEACHER, 0, "teacher", QE_FLOAT32, shard->teacher->rank, shard->teacher->dims);
    const qe__value_id divergence = distillation(b, logits, teacher);
    const qe__value_id soft = qe__emit_binary(e, QE__OP_Mul, divergence, qe__emit_scalar(e, o->distill));
    const qe__value_id hard = qe__emit_binary(e, QE__OP_Mul, sum, qe__emit_scalar(e, 1.0f - o->distill));
    sum = qe__emit_binary(e, QE__OP_Add, hard, soft);
  }
  return qe__emit_binary(e, QE__OP_Mul, sum, inverse);
}

/* ---- all of it ---- */

static qe_status_t gradients(qe__step_builder *b, qe__value_id loss) {
  const qe_trainer_t *t = b->t;
  qe__value_id *wanted = qe__calloc(t->n_parameters + 1, sizeof *wanted), *grad = qe__calloc(t->n_parameters + 1, sizeof *grad);
  uint32_t *which = qe__calloc(t->n_parameters + 1, sizeof *which), n = 0;
  qe_status_t status = wanted && grad && which ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; status == QE_OK && i < t->n_parameters; i++) {
    if (t->parameters[i].fake >= 0 && !b->phase.learn) continue;
    which[n] = i;
    wanted[n++] = b->parameter[i];
  }
  if (status == QE_OK) status = qe__differentiate(b->e.g, loss, n, wanted, grad);
  for (uint32_t i = 0; status == QE_OK && i < n; i++) qe__step_output(b, QE__YIELD_GRADIENT, which[i], grad[i], QE__NO_VALUE);
  qe__free(wanted);
  qe__free(grad);
  qe__free(which);
  return status == QE_OK ? b->e.status : status;
}

/* LSQ: gradients of scales and zero points count 1 / sqrt(elements * largest code). */
static void scale_gradients(qe__step_builder *b) {
  qe__graph *g = b->e.g;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    qe__node *n = g->nodes[k];
    if (n->op->id != QE__OP_FakeQuantize) continue;
    const qe__value *x = &g->values[n->in[0]];
    double elements = (double)qe__node_int(n, "quant_max", 255);
    for (int32_t d = 0; d < x->rank; d++) elements *= (double)x->dims[d];
    if (elements > 0.0) qe__emit_failed(&b->e, qe__node_set_float(n, "grad_factor", (float)(1.0 / sqrt(elements))));
  }
}

/* What is added stands behind its readers until it is sorted. */
static qe_status_t settle(qe__graph *g) {
  QE_TRY(qe__graph_sort(g));
  return qe__graph_sweep(g);
}

static qe_status_t build(qe__step_builder *b, const qe__batch *shard) {
  qe__graph *g = b->e.g;
  QE_TRY(qe__graph_verify(g));
  if (g->n_outputs == 0) return qe__fail(QE_ERROR_UNSUPPORTED, "the model has no output to compute a loss from");
  g->n_outputs = 1;
  add_inputs(b, shard);
  if (b->e.status == QE_OK && b->t->qat) (void)qe__step_fake_quantize(b);
  if (b->e.status == QE_OK) training_forms(b);
  if (b->phase.infer) {
    QE_TRY(b->e.status);
    QE_TRY(settle(g));
    return qe__graph_verify(g);
  }
  const qe__value_id loss = b->e.status == QE_OK ? loss_of(b, g->outputs[0], shard) : QE__NO_VALUE;
  qe__step_output(b, QE__YIELD_LOSS, 0, loss, QE__NO_VALUE);
  qe__step_output(b, QE__YIELD_LOGITS, 0, g->outputs[0], QE__NO_VALUE);
  QE_TRY(b->e.status);
  QE_TRY(settle(g));
  QE_TRY(qe__train_shapes(g));
  QE_TRY(qe__unroll_recurrent(g));
  if (b->phase.learn) scale_gradients(b);
  const uint32_t n_forward = g->n_nodes;
  QE_TRY(gradients(b, loss));
  if (b->t->options.recompute) QE_TRY(qe__recompute(g, n_forward));
  QE_TRY(settle(g));
  return qe__graph_verify(g);
}

qe_status_t qe__step_graph(qe__step_builder *b, const qe__batch *shard) {
  qe__graph *g;
  QE_TRY(qe__graph_clone(b->t->base->graph, &g));
  QE_TRY(qe__model_wrap(g, &b->p->model));
  b->p->n_model_values = g->n_values;
  b->e = (qe__emit){.g = g, .early = true};
  b->parameter = qe__calloc(b->t->n_parameters + 1, sizeof *b->parameter);
  b->statistic = qe__calloc(b->t->n_statistics + 1, sizeof *b->statistic);
  const qe_status_t status = b->parameter && b->statistic ? build(b, shard) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(b->parameter);
  qe__free(b->statistic);
  return status;
}
