/* Whole trainings on a small network: data, options, and what a run came to. */
#ifndef TEST_TRAIN_FIT_CASE_H
#define TEST_TRAIN_FIT_CASE_H

#include "train/train_case.h"

typedef struct fit_data {
  qe_dataset_t *x, *labels;
  qe_train_input_t in;
  qe_train_data_t data;
} fit_data;

static inline void fit_data_open(fit_data *d, int64_t samples, uint64_t seed) {
  qe__batch b = test_batch(samples, seed);
  TEST_OK(qe_dataset_from_tensor(b.inputs[0], NULL, &d->x));
  TEST_OK(qe_dataset_from_tensor(b.labels, NULL, &d->labels));
  d->in = (qe_train_input_t){"x", d->x};
  d->data = (qe_train_data_t){1, &d->in, d->labels};
  qe__batch_free(&b);
}

static inline void fit_data_close(fit_data *d) {
  qe_dataset_destroy(&d->x);
  qe_dataset_destroy(&d->labels);
}

/* A float or (preset not NULL) quantization-aware trainer of test_cnn. */
typedef struct fit_trainer {
  qe_model_t *model;
  qe_prepared_t *prepared;
  qe_trainer_t *t;
} fit_trainer;

static inline void fit_trainer_open(fit_trainer *f, const char *preset, const qe_train_options_t *o) {
  memset(f, 0, sizeof *f);
  f->model = test_cnn(6);
  if (preset) f->prepared = test_prepare_qat(f->model, preset);
  TEST_OK(preset ? qe_trainer_create_qat(f->prepared, o, &f->t) : qe_trainer_create(f->model, o, &f->t));
}

static inline void fit_trainer_close(fit_trainer *f) {
  qe_trainer_destroy(&f->t);
  qe_prepared_destroy(&f->prepared);
  qe_model_destroy(&f->model);
}

/* 40 samples in batches of 16: 3 steps an epoch, the last one smaller. */
enum { FIT_SAMPLES = 40, FIT_STEPS = 3 };
static inline qe_train_options_t fit_options(void) {
  qe_train_options_t o = test_options();
  o.threads = 1;
  o.batch = 16;
  o.epochs = 3;
  o.schedule = QE_LR_COSINE;
  o.shards = 2;
  return o;
}

#endif
