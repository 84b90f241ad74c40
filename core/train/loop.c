/*
 * Epochs over a dataset. Whatever the loop knows is in the trainer's position and follows from it, so a training that goes
 * on from a checkpoint does the very steps that it would have done.
 */
#include <inttypes.h>
#include <math.h>
#include <unistd.h>

#include "base/log.h"
#include "train/checkpoint.h"
#include "train/feed.h"
#include "train/metrics.h"
#include "train/shuffle.h"

enum { STEP_LINES = 1000 }; /* about as many steps are written to the metrics file */

typedef struct fit {
  qe_trainer_t *t;
  const qe_train_data_t *validation;
  const qe_train_callbacks_t *callbacks;
  qe__feeder feed;
  qe__metrics_file metrics;
  int64_t *order;         /* samples of this epoch */
  uint64_t total;         /* steps */
  qe_train_metrics_t last;/* step */
  double epoch_start;
} fit;

/* ---- before the first step ---- */

static qe_status_t count_steps(fit *f) {
  qe_trainer_t *t = f->t;
  const qe_train_options_t *o = &t->options;
  const uint64_t samples = (uint64_t)f->feed.count;
  if (o->batch == 0) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "batch is 0; expected 1 sample and more");
  t->steps_per_epoch = samples / o->batch + (!o->drop_last && samples % o->batch != 0);
  if (t->steps_per_epoch == 0) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "training data: %" PRIu64 " samples give no batch of %u%s", samples, o->batch,
                    samples > 0 ? "; take a smaller batch, or do not drop the last one" : "");
  }
  t->total_steps = f->total = t->steps_per_epoch * o->epochs;
  return QE_OK;
}

static qe_status_t check(const fit *f) {
  const qe_train_options_t *o = &f->t->options;
  const uint32_t processes = qe__comm_size();
  if (o->patience > 0 && f->validation == NULL) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "patience is %u, but there is no validation data to judge by; give some", o->patience);
  }
  if (o->shards >= processes) return QE_OK;
  return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%u shards for %u processes; set shards to %u or more (the result depends on that number)",
                  o->shards, processes, processes);
}

static qe_status_t save(fit *f) {
  qe_trainer_t *t = f->t;
  if (t->options.checkpoint == NULL) return QE_OK;
  qe__metrics_sync(&f->metrics);
  if (f->metrics.fd >= 0) t->metrics_lines = f->metrics.lines + 1;
  return qe_trainer_save(t, t->options.checkpoint);
}

/* From the checkpoint, when there is one and it is wanted. */
static qe_status_t go_on(fit *f) {
  qe_trainer_t *t = f->t;
  const char *path = t->options.checkpoint;
  if (path == NULL || !t->options.resume || access(path, F_OK) != 0) return QE_OK;
  QE_TRY(qe_trainer_load(t, path));
  qe__log(QE_LOG_INFO, "%s: training goes on after step %" PRIu64 " of %" PRIu64, path, t->at.step, f->total);
  return QE_OK;
}

static qe_status_t prepare(fit *f, const qe_train_data_t *train) {
  qe_trainer_t *t = f->t;
  const qe__graph *g = t->base->graph;
  qe__feeder feed;
  QE_TRY(qe__feed_open(g, t->options.loss, train, "training data", &f->feed));
  if (f->validation != NULL) { /* what is wrong with it should not be found out after the first epoch */
    QE_TRY(qe__feed_open(g, t->options.loss, f->validation, "validation data", &feed));
    qe__feed_close(&feed);
  }
  QE_TRY(check(f));
  QE_TRY(count_steps(f));
  qe__feed_fingerprint(&f->feed, t->data_hash);
  if (t->options.checkpoint != NULL) QE_TRY(qe__checkpoint_identify(t));
  QE_TRY(go_on(f));
  if (t->at.step == 0) t->at.best = (double)NAN;
  else f->last.lr = (double)qe__learning_rate(&t->options, t->at.step - 1, t->steps_per_epoch, f->total);
  f->order = qe__calloc((size_t)f->feed.count + 1, sizeof *f->order);
  if (f->order == NULL) return QE_ERROR_OUT_OF_MEMORY;
  const bool known = t->metrics_lines > 0;
  return qe__metrics_open(qe__comm_rank() == 0 ? t->options.metrics : NULL, known, known ? t->metrics_lines - 1 : 0, &f->metrics);
}

/* ---- steps ---- */

/* What a callback says, for all processes; whoever stops does so with a checkpoint. */
static qe_status_t stop_or_not(fit *f, qe_status_t said) {
  const qe_status_t status = qe__comm_agree(said);
  if (status == QE_OK) return QE_OK;
  const qe_status_t saved = save(f);
  return saved != QE_OK ? saved : status;
}

static void count_in(qe__position *at, const qe_train_metrics_t *m) {
  at->batch++;
  at->rows += m->count;
  if (m->count > 0) at->loss_sum += m->loss * (double)m->count;
  if (m->count > 0 && !isnan(m->top1)) at->right += llround(m->top1 * (double)m->count);
}

static qe_status_t one_step(fit *f) {
  qe_trainer_t *t = f->t;
  const int64_t first = (int64_t)t->at.batch * t->options.batch, left = f->feed.count - first;
  const int64_t count = left < (int64_t)t->options.batch ? left : (int64_t)t->options.batch;
  const qe_train_callbacks_t *c = f->callbacks;
  const qe__augmentation augment = {c != NULL ? c->augment : NULL, c != NULL ? c->arg : NULL,
                                    qe__augment_stream(t->options.seed, t->at.epoch)};
  qe__batch batch;
  const double start = qe__seconds();
  QE_TRY(qe__feed_batch(&f->feed, count, f->order + first, &augment, &batch));
  qe_status_t status = qe__distill(t, &batch);
  if (status == QE_OK) status = qe__trainer_step(t, &batch, &f->last);
  qe__batch_free(&batch);
  QE_TRY(status);
  f->last.seconds = qe__seconds() - start;
  f->last.step = t->at.step;
  f->last.epoch = t->at.epoch;
  count_in(&t->at, &f->last);
  return QE_OK;
}

static qe_status_t steps(fit *f) {
  qe_trainer_t *t = f->t;
  const qe_train_callbacks_t *c = f->callbacks;
  while (t->at.batch < t->steps_per_epoch) {
    QE_TRY(one_step(f));
    if ((t->at.step - 1) % (f->total / STEP_LINES + 1) == 0) QE_TRY(qe__comm_agree(qe__metrics_step(&f->metrics, &f->last)));
    if (c != NULL && c->step != NULL) QE_TRY(stop_or_not(f, c->step(c->arg, &f->last, f->total)));
    const bool due = t->options.checkpoint_steps > 0 && t->at.step % t->options.checkpoint_steps == 0;
    if (due && t->at.batch < t->steps_per_epoch) QE_TRY(save(f)); /* the end of the epoch has its own */
  }
  return QE_OK;
}

/* ---- epochs ---- */

static void order_samples(fit *f) {
  const qe_trainer_t *t = f->t;
  if (!t->options.no_shuffle) {
    qe__shuffle(t->options.seed, t->at.epoch, f->feed.count, f->order);
    return;
  }
  for (int64_t i = 0; i < f->feed.count; i++) f->order[i] = i;
}

/* By top-1 where there is one, else by the loss. */
static void judge(qe__position *at, const qe_train_metrics_t *v) {
  const double score = isnan(v->top1) ? -v->loss : v->top1;
  const bool better = !isnan(score) && (isnan(at->best) || score > at->best);
  if (better) at->best = score;
  at->bad_epochs = better ? 0 : at->bad_epochs + 1;
}

/* The metrics of an epoch whose steps are done; the position goes on to the next. */
static qe_train_metrics_t close_epoch(fit *f) {
  qe__position *at = &f->t->at;
  const double rows = (double)at->rows;
  at->epoch++;
  const qe_train_metrics_t m = {.step = at->step,
                                .epoch = at->epoch,
                                .count = at->rows,
                                .loss = at->rows > 0 ? at->loss_sum / rows : (double)NAN,
                                .top1 = at->rows > 0 && f->t->options.loss == QE_LOSS_CROSS_ENTROPY ? (double)at->right / rows : (double)NAN,
                                .lr = f->last.lr,
                                .grad_norm = f->last.grad_norm,
                                .seconds = qe__seconds() - f->epoch_start};
  at->batch = 0;
  at->loss_sum = 0;
  at->rows = at->right = 0;
  return m;
}

static qe_status_t one_epoch(fit *f) {
  qe_trainer_t *t = f->t;
  const qe_train_callbacks_t *c = f->callbacks;
  qe_train_metrics_t v;
  f->epoch_start = qe__seconds();
  order_samples(f);
  QE_TRY(steps(f));
  if (f->validation != NULL) {
    QE_TRY(qe_trainer_evaluate(t, f->validation, &v));
    v.epoch = t->at.epoch + 1;
    judge(&t->at, &v);
  }
  const qe_train_metrics_t m = close_epoch(f);
  QE_TRY(qe__comm_agree(qe__metrics_epoch(&f->metrics, &m, f->validation != NULL ? &v : NULL)));
  if (c != NULL && c->epoch != NULL) QE_TRY(stop_or_not(f, c->epoch(c->arg, t, &m, f->validation != NULL ? &v : NULL)));
  return save(f);
}

qe_status_t qe_trainer_fit(qe_trainer_t *t, const qe_train_data_t *train, const qe_train_data_t *validation, const qe_train_callbacks_t *callbacks) {
  QE_CHECK_ARG(t != NULL && train != NULL, "trainer or training data is NULL");
  fit f = {.t = t, .validation = validation, .callbacks = callbacks, .metrics = {.fd = -1}};
  const uint32_t patience = t->options.patience;
  qe_status_t status = prepare(&f, train);
  if (status == QE_OK && t->at.epoch < t->options.epochs) status = save(&f); /* can it be written? not asked after hours only */
  while (status == QE_OK && t->at.epoch < t->options.epochs) {
    if (patience > 0 && t->at.bad_epochs >= patience) {
      qe__log(QE_LOG_INFO, "training stops after epoch %u: no better validation in %u epochs", t->at.epoch, t->at.bad_epochs);
      break;
    }
    status = one_epoch(&f);
  }
  qe__metrics_close(&f.metrics);
  qe__free(f.order);
  qe__feed_close(&f.feed);
  return status;
}
