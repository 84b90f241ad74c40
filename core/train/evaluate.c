/*
 * Loss and top-1 of a model on a dataset. Each batch has its own sums, in double and in the order of its rows; the sums of
 * all batches are added in their order, so the result is the same whichever process ran which batch.
 */
#include <math.h>
#include <sleef.h>

#include "train/feed.h"
#include "train/predict.h"

typedef struct sums {
  double loss;
  int64_t terms; /* that loss is the sum of */
  int64_t rows, right;
} sums;

_Static_assert(sizeof(sums) % sizeof(float) == 0, "shared as floats");

/* The rows of a batch that count: those of its first `real` samples (a fixed batch is filled up with copies). */
typedef struct part {
  int64_t real, samples, inner;
} part;

static part part_of(const qe__feeder *f, const qe__batch *batch, int64_t real) {
  part p = {.real = real, .samples = batch->labels->dims[f->labels.axis], .inner = 1};
  for (uint32_t d = f->labels.axis + 1; d < batch->labels->rank; d++) p.inner *= batch->labels->dims[d];
  return p;
}

static bool counts(const part *p, int64_t row) { return row / p->inner % p->samples < p->real; }

/* ---- one batch's sums ---- */

/* Cross-entropy of a row in double; the first of equal maxima is the answer. */
static double cross_entropy(const float *x, int64_t classes, int64_t label, bool *right) {
  int64_t best = 0;
  for (int64_t c = 1; c < classes; c++) best = x[c] > x[best] ? c : best;
  *right = best == label;
  const double top = (double)x[best];
  double sum = 0;
  for (int64_t c = 0; c < classes; c++) sum += Sleef_cinz_expd1_u10purec((double)x[c] - top);
  return Sleef_cinz_logd1_u10purec(sum) + (top - (double)x[label]);
}

static qe_status_t add_classes(const qe_train_options_t *o, const part *p, const qe_tensor_t *y, const qe_tensor_t *labels, sums *s) {
  const int64_t classes = qe__classes(y), *label = labels->data;
  char a[200], b[200];
  if (classes < 1 || labels->count != y->count / classes) {
    return qe__fail(QE_ERROR_SHAPE, "labels of shape %s for an output of shape %s; expected one for each row of %lld classes",
                    qe__dims_text(labels->rank, labels->dims, a, sizeof a), qe__dims_text(y->rank, y->dims, b, sizeof b),
                    (long long)classes);
  }
  for (int64_t r = 0; r < labels->count; r++) {
    bool right;
    if (!counts(p, r) || (o->has_ignore_index && label[r] == o->ignore_index)) continue;
    if (label[r] < 0 || label[r] >= classes) {
      return qe__fail(QE_ERROR_INVALID_ARGUMENT, "row %lld of a batch has the label %lld; the model has %lld classes, 0 to %lld",
                      (long long)r, (long long)label[r], (long long)classes, (long long)classes - 1);
    }
    s->loss += cross_entropy((const float *)y->data + r * classes, classes, label[r], &right);
    s->right += right;
    s->rows++;
  }
  s->terms = s->rows;
  return QE_OK;
}

static qe_status_t add_squares(const part *p, const qe_tensor_t *y, const qe_tensor_t *labels, sums *s) {
  const float *have = y->data, *want = labels->data;
  char a[200], b[200];
  if (y->count != labels->count) {
    return qe__fail(QE_ERROR_SHAPE, "labels of shape %s for an output of shape %s; expected the same",
                    qe__dims_text(labels->rank, labels->dims, a, sizeof a), qe__dims_text(y->rank, y->dims, b, sizeof b));
  }
  for (int64_t i = 0; i < y->count; i++) {
    if (!counts(p, i)) continue;
    const double e = (double)have[i] - (double)want[i];
    s->loss += e * e;
    s->terms++;
  }
  s->rows = p->real;
  return QE_OK;
}

/* ---- running ---- */

typedef struct evaluation {
  const qe_train_options_t *options;
  qe_session_t *session;
  qe__feeder feed;
  int64_t batch, batches;
  sums *sums;        /* one per batch */
  int64_t *samples;  /* of one batch */
} evaluation;

static qe_status_t evaluate_batch(evaluation *e, int64_t b) {
  const int64_t first = b * e->batch, left = e->feed.count - first, real = left < e->batch ? left : e->batch;
  const int64_t size = e->feed.fixed > 0 ? e->batch : real;
  qe__batch batch;
  qe_tensor_t *y = NULL;
  for (int64_t k = 0; k < size; k++) e->samples[k] = first + (k < real ? k : real - 1);
  QE_TRY(qe__feed_batch(&e->feed, size, e->samples, NULL, &batch));
  qe_status_t status = qe__run_batch(e->session, &batch, &y);
  if (status == QE_OK) {
    const part p = part_of(&e->feed, &batch, real);
    status = e->options->loss == QE_LOSS_MSE ? add_squares(&p, y, batch.labels, &e->sums[b])
                                             : add_classes(e->options, &p, y, batch.labels, &e->sums[b]);
  }
  qe_tensor_release(&y);
  qe__batch_free(&batch);
  return status;
}

static qe_status_t run_batches(evaluation *e) {
  const uint32_t rank = qe__comm_rank(), size = qe__comm_size(), batches = (uint32_t)e->batches;
  const uint32_t first = qe__first_shard(rank, size, batches), end = qe__first_shard(rank + 1, size, batches);
  qe_status_t status = QE_OK;
  for (uint32_t b = first; b < end && status == QE_OK; b++) status = evaluate_batch(e, b);
  QE_TRY(qe__comm_agree(status));
  return qe__comm_share((float *)e->sums, batches, sizeof(sums) / sizeof(float));
}

static void sum_up(const evaluation *e, qe_train_metrics_t *out) {
  sums all = {0};
  for (int64_t b = 0; b < e->batches; b++) {
    all.loss += e->sums[b].loss;
    all.terms += e->sums[b].terms;
    all.rows += e->sums[b].rows;
    all.right += e->sums[b].right;
  }
  out->count = all.rows;
  out->loss = all.terms > 0 ? all.loss / (double)all.terms : (double)NAN;
  out->top1 = all.rows > 0 && e->options->loss != QE_LOSS_MSE ? (double)all.right / (double)all.rows : (double)NAN;
}

qe_status_t qe_evaluate(const qe_model_t *model, const qe_train_options_t *options, const qe_train_data_t *data, qe_train_metrics_t *out) {
  static const qe_train_options_t defaults = {.loss = QE_LOSS_CROSS_ENTROPY, .batch = 64};
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = (qe_train_metrics_t){.loss = (double)NAN, .top1 = (double)NAN, .lr = (double)NAN, .grad_norm = (double)NAN};
  QE_CHECK_ARG(model != NULL && data != NULL, "model or data is NULL");
  evaluation e = {.options = options != NULL ? options : &defaults};
  const qe_session_options_t session = {.struct_size = sizeof session, .engine = e.options->engine, .threads = e.options->threads};
  const double start = qe__seconds();
  QE_TRY(qe__feed_open(model->graph, e.options->loss, data, "evaluation data", &e.feed));
  e.batch = e.feed.fixed > 0 ? e.feed.fixed : e.options->batch > 0 ? e.options->batch : 1;
  e.batches = e.feed.count / e.batch + (e.feed.count % e.batch != 0);
  qe_status_t status = e.batches <= UINT32_MAX ? QE_OK : qe__fail(QE_ERROR_INVALID_ARGUMENT, "%lld batches are too many", (long long)e.batches);
  if (status == QE_OK) status = qe_session_create(model, &session, &e.session);
  if (status == QE_OK) {
    e.sums = qe__calloc((size_t)e.batches + 1, sizeof *e.sums);
    e.samples = qe__calloc((size_t)e.batch, sizeof *e.samples);
    status = e.sums != NULL && e.samples != NULL ? run_batches(&e) : QE_ERROR_OUT_OF_MEMORY;
  }
  if (status == QE_OK) sum_up(&e, out);
  out->seconds = qe__seconds() - start;
  qe__free(e.sums);
  qe__free(e.samples);
  qe_session_destroy(&e.session);
  qe__feed_close(&e.feed);
  return status;
}

qe_status_t qe_trainer_evaluate(qe_trainer_t *t, const qe_train_data_t *data, qe_train_metrics_t *out) {
  qe_model_t *model = NULL;
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = (qe_train_metrics_t){.loss = (double)NAN, .top1 = (double)NAN, .lr = (double)NAN, .grad_norm = (double)NAN};
  QE_CHECK_ARG(t != NULL, "trainer is NULL");
  QE_TRY(t->qat != NULL ? qe_convert(t->qat, &model, NULL) : qe_trainer_model(t, &model));
  const qe_status_t status = qe_evaluate(model, &t->options, data, out);
  out->step = t->at.step;
  out->epoch = t->at.epoch;
  qe_model_destroy(&model);
  return status;
}
