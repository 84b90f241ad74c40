/*
 * One optimizer step: the shards of a batch one after the other (or on several processes), their results added in shard
 * order, then the optimizer. State changes at the end only, when nothing can fail any more.
 */
#include "train/step.h"

#include <math.h>
#include <string.h>

#include "train/program.h"
#include "train/random.h"
#include "train/update.h"

/* ---- what a shard gives, as one block of floats ---- */

enum { LOSS = 0, RIGHT = 1, FIXED = 2 }; /* then gradients, then statistics; absent ones stay 0 */

static size_t block_size(const qe_trainer_t *t) {
  size_t n = FIXED;
  for (uint32_t i = 0; i < t->n_parameters; i++) n += (size_t)t->parameters[i].tensor->count;
  for (uint32_t i = 0; i < t->n_statistics; i++) n += (size_t)t->statistics[i].tensor->count;
  return n;
}

static size_t parameter_offset(const qe_trainer_t *t, uint32_t index) {
  size_t n = FIXED;
  for (uint32_t i = 0; i < index; i++) n += (size_t)t->parameters[i].tensor->count;
  return n;
}

static size_t statistic_offset(const qe_trainer_t *t, uint32_t index) {
  size_t n = parameter_offset(t, t->n_parameters);
  for (uint32_t i = 0; i < index; i++) n += (size_t)t->statistics[i].tensor->count;
  return n;
}

/* ---- the phase ---- */

static bool reached(const qe_trainer_t *t, float fraction) {
  if (fraction <= 0.0f) return true;
  return t->total_steps > 0 && (double)t->at.step >= (double)fraction * (double)t->total_steps;
}

qe__phase qe__trainer_phase(const qe_trainer_t *t) {
  const qe_train_options_t *o = &t->options;
  if (!t->qat) return (qe__phase){0};
  bool learns = false;
  for (uint32_t i = 0; i < t->n_parameters; i++) learns = learns || t->parameters[i].fake >= 0;
  const bool learn = learns && t->at.step > 0;
  return (qe__phase){.fake_quantize = reached(t, o->fake_quantize_from),
                     .observe = !learn && (o->freeze_observers_at >= 1.0f || !reached(t, o->freeze_observers_at)),
                     .freeze_bn = o->freeze_bn_at < 1.0f && reached(t, o->freeze_bn_at),
                     .learn = learn};
}

/* ---- running one shard ---- */

static qe_status_t feed(const qe_trainer_t *t, const qe__program *p, const qe__batch *shard, float inverse_count, uint64_t key, qe_named_tensor_t *in,
                        qe_tensor_t *made[2]) {
  const int64_t two = 2, words[2] = {(int64_t)qe__random_mix(t->options.seed), (int64_t)key};
  QE_TRY(qe_tensor_from_data(QE_FLOAT32, 0, NULL, &inverse_count, &made[0]));
  QE_TRY(qe_tensor_from_data(QE_INT64, 1, &two, words, &made[1]));
  for (uint32_t i = 0; i < p->n_in; i++) {
    const qe__port *port = &p->in[i];
    switch (port->what) {
      case QE__FEED_INPUT: in[i].tensor = shard->inputs[port->index]; break;
      case QE__FEED_LABELS: in[i].tensor = shard->labels; break;
      case QE__FEED_INVERSE_COUNT: in[i].tensor = made[0]; break;
      case QE__FEED_KEY: in[i].tensor = made[1]; break;
      case QE__FEED_TEACHER: in[i].tensor = shard->teacher; break;
      case QE__FEED_PARAMETER: in[i].tensor = t->parameters[port->index].tensor; break;
      default: in[i].tensor = t->statistics[port->index].tensor; break;
    }
  }
  return QE_OK;
}

/* Rows whose largest output is the label. */
static int64_t count_right(const qe_train_options_t *o, const qe_tensor_t *logits, const qe_tensor_t *labels) {
  if (o->loss != QE_LOSS_CROSS_ENTROPY || logits->rank == 0 || labels->dtype != QE_INT64) return 0;
  const int64_t classes = logits->dims[logits->rank - 1], *label = labels->data;
  int64_t right = 0;
  for (int64_t r = 0; classes > 0 && r < labels->count; r++) {
    const float *x = (const float *)logits->data + r * classes;
    int64_t best = 0;
    if (o->has_ignore_index && label[r] == o->ignore_index) continue;
    for (int64_t c = 1; c < classes; c++) best = x[c] > x[best] ? c : best;
    right += best == label[r];
  }
  return right;
}

static void keep(const qe_trainer_t *t, const qe__program *p, const qe__batch *shard, const qe_named_tensor_t *out, float *block) {
  for (uint32_t i = 0; i < p->n_out; i++) {
    const qe_tensor_t *x = out[i].tensor;
    switch (p->out[i].what) {
      case QE__YIELD_LOSS: block[LOSS] = *(const float *)x->data; break;
      case QE__YIELD_LOGITS: block[RIGHT] = (float)count_right(&t->options, x, shard->labels); break;
      case QE__YIELD_GRADIENT: memcpy(block + parameter_offset(t, p->out[i].index), x->data, x->bytes); break;
      default: memcpy(block + statistic_offset(t, p->out[i].index), x->data, x->bytes); break;
    }
  }
}

/* The first tensor of a run that is not finite. */
typedef struct search {
  qe__value_id found;
} search;

static qe_status_t look(void *arg, int32_t value, const qe_tensor_t *x) {
  search *s = arg;
  if (x->dtype != QE_FLOAT32) return QE_OK;
  for (int64_t i = 0; i < x->count; i++) {
    if (isfinite(((const float *)x->data)[i])) continue;
    s->found = value;
    return QE_ERROR_NUMERIC;
  }
  return QE_OK;
}

static qe_status_t not_finite(const qe_trainer_t *t, const qe__program *p, const qe_named_tensor_t *in, const char *what, double value) {
  const qe__graph *g = p->model->graph;
  search s = {QE__NO_VALUE};
  const char *made_by = "an input of the step", *op = "";
  int32_t *values = qe__calloc((size_t)g->n_values + 1, sizeof *values);
  uint32_t n = 0;
  for (uint32_t i = 0; values && i < g->n_inputs; i++) values[n++] = g->inputs[i];
  for (uint32_t k = 0; values && k < g->n_nodes; k++) {
    for (uint32_t i = 0; i < g->nodes[k]->n_out; i++) {
      if (g->nodes[k]->out[i] != QE__NO_VALUE) values[n++] = g->nodes[k]->out[i];
    }
  }
  if (values) (void)qe_session_run_tapped(p->session, p->n_in, in, n, values, look, &s);
  qe__free(values);
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    for (uint32_t i = 0; i < g->nodes[k]->n_out; i++) {
      if (s.found == QE__NO_VALUE || g->nodes[k]->out[i] != s.found) continue;
      made_by = g->nodes[k]->name;
      op = g->nodes[k]->op->name;
    }
  }
  return qe__fail(QE_ERROR_NUMERIC,
                  "step %llu: %s is %g; the first tensor that is not finite is '%s', from node '%s'%s%s%s. Nothing was changed by this step; "
                  "try a smaller lr, clip_norm, or look at the data",
                  (unsigned long long)t->at.step, what, value, s.found != QE__NO_VALUE ? g->values[s.found].name : "?", made_by, op[0] ? " (" : "", op, op[0] ? ")" : "");
}

static qe_status_t run_shard(qe_trainer_t *t, const qe__phase *phase, const qe__batch *shard, float inverse_count, uint64_t key, float *block) {
  qe__program *p;
  qe_tensor_t *made[2] = {NULL, NULL};
  QE_TRY(qe__program_get(t, phase, shard, &p));
  qe_named_tensor_t *in = qe__calloc((size_t)p->n_in + 1, sizeof *in), *out = qe__calloc((size_t)p->n_out + 1, sizeof *out);
  qe_status_t status = in && out ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; status == QE_OK && i < p->n_out; i++) out[i].name = p->model->graph->values[p->out[i].value].name;
  if (status == QE_OK) status = feed(t, p, shard, inverse_count, key, in, made);
  if (status == QE_OK) status = qe_session_run(p->session, p->n_in, in, p->n_out, out);
  if (status == QE_OK) keep(t, p, shard, out, block);
  if (status == QE_OK && !isfinite(block[LOSS])) status = not_finite(t, p, in, "the loss", (double)block[LOSS]);
  const size_t size = block_size(t);
  for (size_t i = FIXED; status == QE_OK && i < size; i++) {
    if (!isfinite(block[i])) status = not_finite(t, p, in, "a gradient or statistic", (double)block[i]);
  }
  for (uint32_t i = 0; out && i < p->n_out; i++) qe_tensor_release(&out[i].tensor);
  for (uint32_t i = 0; i < 2; i++) qe_tensor_release(&made[i]);
  qe__free(in);
  qe__free(out);
  return status;
}

/* ---- putting shards together ---- */

typedef struct moved { /* what a step changes, before it is changed */
  qe_tensor_t **gradient;   /* per parameter, or NULL */
  qe_tensor_t **statistic;  /* per statistic: as it will be, or NULL: stays */
  double loss, norm;
  int64_t right;
} moved;

static void moved_free(const qe_trainer_t *t, moved *m) {
  for (uint32_t i = 0; m->gradient && i < t->n_parameters; i++) qe_tensor_release(&m->gradient[i]);
  for (uint32_t i = 0; m->statistic && i < t->n_statistics; i++) qe_tensor_release(&m->statistic[i]);
  qe__free(m->gradient);
  qe__free(m->statistic);
}

static bool yields(const qe__program *p, int what, uint32_t index, const qe__port **port) {
  for (uint32_t i = 0; i < p->n_out; i++) {
    *port = &p->out[i];
    if (p->out[i].what == what && p->out[i].index == index) return true;
  }
  return false;
}

static qe_status_t add_gradients(const qe_trainer_t *t, const qe__program *p, const float *blocks, uint32_t shards, size_t size, moved *m) {
  const qe__port *port;
  double squares = 0.0;
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    const qe_tensor_t *like = t->parameters[i].tensor;
    if (!yields(p, QE__YIELD_GRADIENT, i, &port)) continue;
    QE_TRY(qe_tensor_create(QE_FLOAT32, like->rank, like->dims, &m->gradient[i]));
    float *sum = m->gradient[i]->data;
    const size_t offset = parameter_offset(t, i);
    memcpy(sum, blocks + offset, m->gradient[i]->bytes);
    for (uint32_t s = 1; s < shards; s++) {
      const float *more = blocks + s * size + offset;
      for (int64_t k = 0; k < like->count; k++) sum[k] += more[k];
    }
    for (int64_t k = 0; k < like->count; k++) squares += (double)sum[k] * (double)sum[k];
  }
  m->norm = sqrt(squares);
  return QE_OK;
}

/* Elements per channel that a shard's statistic of a BatchNorm was taken over, in a shard like the program's. */
static double elements(const qe__program *p, const qe__port *port) {
  const qe__value *x = &p->model->graph->values[port->over];
  double n = 1.0;
  for (int32_t d = 0; d < x->rank; d++) n *= d == 1 ? 1.0 : (double)x->dims[d];
  return n;
}

static void move_running(const qe_trainer_t *t, const qe__program *p, const qe__port *port, const qe__statistic *s, const float *blocks, const int64_t *rows,
                         uint32_t shards, size_t size, float *to) {
  const size_t offset = statistic_offset(t, port->index);
  const double n = elements(p, port);
  const float unbias = s->variance && n > 1.0 ? (float)(n / (n - 1.0)) : 1.0f;
  int64_t all = 0;
  for (uint32_t k = 0; k < shards; k++) all += rows[k];
  for (int64_t c = 0; c < s->tensor->count; c++) {
    float batch = 0.0f;
    for (uint32_t k = 0; k < shards; k++) batch += ((float)rows[k] / (float)all) * blocks[k * size + offset + (size_t)c];
    batch *= unbias;
    const float old = ((const float *)s->tensor->data)[c];
    to[c] = old + t->options.bn_momentum * (batch - old);
  }
}

static void move_range(const qe_trainer_t *t, uint32_t index, const qe__statistic *s, const float *blocks, uint32_t shards, size_t size, float *to) {
  const float constant = qe__fake_averaging(&t->qat->qat->fakes[s->fake]), *old = s->tensor->data;
  const size_t offset = statistic_offset(t, index);
  const int64_t n = s->tensor->count, half = n / 2;
  for (int64_t c = 0; c < n; c++) {
    float v = blocks[offset + (size_t)c];
    for (uint32_t k = 1; k < shards; k++) {
      const float other = blocks[k * size + offset + (size_t)c];
      v = c < half ? (other < v ? other : v) : (other > v ? other : v);
    }
    const bool first = old[c % half] > old[half + c % half];
    to[c] = first || constant == 1.0f ? v : old[c] + constant * (v - old[c]);
  }
}

static qe_status_t move_statistics(const qe_trainer_t *t, const qe__program *p, const float *blocks, const int64_t *rows, uint32_t shards, size_t size, moved *m) {
  const qe__port *port;
  for (uint32_t i = 0; i < t->n_statistics; i++) {
    const qe__statistic *s = &t->statistics[i];
    if (!yields(p, QE__YIELD_STATISTIC, i, &port)) continue;
    QE_TRY(qe_tensor_create(QE_FLOAT32, s->tensor->rank, s->tensor->dims, &m->statistic[i]));
    if (s->fake >= 0) move_range(t, i, s, blocks, shards, size, m->statistic[i]->data);
    else move_running(t, p, port, s, blocks, rows, shards, size, m->statistic[i]->data);
  }
  return QE_OK;
}

/* ---- the step ---- */

/* Rows of the loss that count, over the whole batch. */
static qe_status_t count_rows(const qe_trainer_t *t, const qe__batch *batch, int64_t *out) {
  const qe_tensor_t *labels = batch->labels;
  *out = labels->count;
  if (t->options.loss != QE_LOSS_CROSS_ENTROPY || labels->dtype != QE_INT64) return QE_OK;
  const int64_t *label = labels->data;
  for (int64_t i = 0; i < labels->count && t->options.has_ignore_index; i++) *out -= label[i] == t->options.ignore_index;
  return QE_OK;
}

/* Labels within the classes that output 0 has; its last dimension in the program. */
static qe_status_t check_labels(const qe_trainer_t *t, const qe__program *p, const qe__batch *batch) {
  if (t->options.loss != QE_LOSS_CROSS_ENTROPY) return QE_OK;
  const qe__value *y = &p->model->graph->values[p->model->graph->outputs[0]];
  const int64_t classes = y->rank > 0 ? y->dims[y->rank - 1] : 0, *label = batch->labels->data;
  for (int64_t i = 0; i < batch->labels->count; i++) {
    if ((label[i] >= 0 && label[i] < classes) || (t->options.has_ignore_index && label[i] == t->options.ignore_index)) continue;
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "label %lld (row %lld of the batch) is out of range: the model's output '%s' has %lld classes, 0 to %lld",
                    (long long)label[i], (long long)i, t->base->graph->values[t->base->graph->outputs[0]].name, (long long)classes, (long long)classes - 1);
  }
  return QE_OK;
}

static qe_status_t run_shards(qe_trainer_t *t, const qe__batch *batch, uint32_t shards, float inverse_count, size_t size, float *blocks, int64_t *rows) {
  const qe__phase phase = qe__trainer_phase(t);
  const uint32_t rank = qe__comm_rank(), ranks = qe__comm_size();
  const uint32_t mine = qe__first_shard(rank, ranks, shards), end = qe__first_shard(rank + 1, ranks, shards);
  qe_status_t status = QE_OK;
  for (uint32_t s = 0; s < shards; s++) {
    const int64_t first = batch->rows * s / shards, last = batch->rows * (s + 1) / shards;
    qe__batch shard;
    rows[s] = last - first;
    if (s < mine || s >= end || rows[s] == 0 || status != QE_OK) continue;
    status = qe__batch_slice(t->base->graph, batch, first, last - first, &shard);
    if (status != QE_OK) continue;
    status = run_shard(t, &phase, &shard, inverse_count, t->at.step * shards + s, blocks + s * size);
    qe__batch_free(&shard);
  }
  QE_TRY(qe__comm_agree(status));
  return qe__comm_share(blocks, shards, size);
}

static void commit(qe_trainer_t *t, moved *m) {
  for (uint32_t i = 0; i < t->n_statistics; i++) {
    if (!m->statistic[i]) continue;
    qe_tensor_release(&t->statistics[i].tensor);
    t->statistics[i].tensor = m->statistic[i];
    m->statistic[i] = NULL;
  }
  for (uint32_t i = 0; i < t->n_parameters; i++) { /* a learned scale stays a scale */
    const qe__parameter *p = &t->parameters[i];
    if (p->fake < 0 || p->zero_point) continue;
    const float eps = t->qat->qat->fakes[p->fake].args.eps;
    float *scale = p->tensor->data;
    for (int64_t c = 0; c < p->tensor->count; c++) scale[c] = scale[c] > eps ? scale[c] : eps;
  }
}

static qe_status_t step(qe_trainer_t *t, const qe__batch *batch, uint32_t shards, size_t size, float *blocks, int64_t *rows, moved *m, qe_train_metrics_t *out) {
  qe__program *p;
  qe__batch first;
  int64_t counted;
  const qe__phase phase = qe__trainer_phase(t);
  QE_TRY(count_rows(t, batch, &counted));
  if (counted == 0) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "step %llu: no row of the batch counts", (unsigned long long)t->at.step);
  QE_TRY(qe__batch_slice(t->base->graph, batch, 0, batch->rows / shards, &first));
  qe_status_t status = qe__program_get(t, &phase, &first, &p);
  qe__batch_free(&first);
  QE_TRY(status);
  QE_TRY(check_labels(t, p, batch));
  QE_TRY(run_shards(t, batch, shards, 1.0f / (float)counted, size, blocks, rows));
  for (uint32_t s = 0; s < shards; s++) {
    m->loss += (double)blocks[s * size + LOSS];
    m->right += (int64_t)blocks[s * size + RIGHT];
  }
  QE_TRY(add_gradients(t, p, blocks, shards, size, m));
  if (!isfinite(m->norm)) return qe__fail(QE_ERROR_NUMERIC, "step %llu: the norm of the gradient is %g; try a smaller lr", (unsigned long long)t->at.step, m->norm);
  QE_TRY(move_statistics(t, p, blocks, rows, shards, size, m));
  const float lr = qe__learning_rate(&t->options, t->at.step, t->steps_per_epoch, t->total_steps), clip = t->options.clip_norm;
  QE_TRY(qe__update(t, m->gradient, lr, clip > 0.0f && m->norm > (double)clip ? (float)((double)clip / m->norm) : 1.0f));
  commit(t, m);
  t->at.step++;
  *out = (qe_train_metrics_t){.step = t->at.step, .epoch = t->at.epoch, .count = counted, .loss = m->loss, .lr = (double)lr, .grad_norm = m->norm,
                              .top1 = t->options.loss == QE_LOSS_CROSS_ENTROPY ? (double)m->right / (double)counted : (double)NAN};
  return QE_OK;
}

qe_status_t qe__trainer_step(qe_trainer_t *t, const qe__batch *batch, qe_train_metrics_t *out) {
  const uint32_t wanted = t->options.shards > 0 ? t->options.shards : 1;
  const uint32_t shards = batch->rows < (int64_t)wanted ? (uint32_t)batch->rows : wanted;
  const size_t size = block_size(t);
  size_t floats;
  moved m = {0};
  if (batch->rows < 1) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "step %llu: the batch is empty", (unsigned long long)t->at.step);
  if (!qe__mul_size(size, shards, &floats)) return QE_ERROR_OUT_OF_MEMORY;
  float *blocks = qe__calloc(floats, sizeof *blocks);
  int64_t *rows = qe__calloc(shards, sizeof *rows);
  m.gradient = qe__calloc((size_t)t->n_parameters + 1, sizeof(qe_tensor_t *));
  m.statistic = qe__calloc((size_t)t->n_statistics + 1, sizeof(qe_tensor_t *));
  qe_status_t status = blocks && rows && m.gradient && m.statistic ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
  if (status == QE_OK) status = step(t, batch, shards, size, blocks, rows, &m, out);
  if (status == QE_OK) status = qe__trainer_publish(t);
  moved_free(t, &m);
  qe__free(blocks);
  qe__free(rows);
  return status;
}
