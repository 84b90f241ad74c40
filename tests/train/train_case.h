/* Trainers on a small network, and batches that it can learn. */
#ifndef TEST_TRAIN_CASE_H
#define TEST_TRAIN_CASE_H

#include <math.h>
#include <string.h>

#include "support/models.h"
#include "train/trainer.h"

#define TEST_OK(call) cr_assert_eq((call), QE_OK, "%s: %s", #call, qe_last_error())

/* `rows` samples for test_cnn: the label is the place of a bright column. */
static inline qe__batch test_batch(int64_t rows, uint64_t seed) {
  qe__batch b;
  TEST_OK(qe__batch_create(1, &b));
  b.inputs[0] = test_random(4, (int64_t[]){rows, 3, 8, 8}, 0.5f, seed);
  TEST_OK(qe_tensor_create(QE_INT64, 1, &rows, &b.labels));
  b.rows = rows;
  float *x = qe_tensor_data(b.inputs[0]);
  int64_t *label = qe_tensor_data(b.labels);
  for (int64_t i = 0; i < rows; i++) {
    label[i] = (int64_t)((seed * 7 + (uint64_t)i * 3) % 5);
    for (int64_t k = 0; k < 24; k++) x[i * 192 + k * 8 + label[i]] += 1.5f;
  }
  return b;
}

static inline qe_train_options_t test_options(void) {
  qe_train_options_t o;
  qe_train_options_default(&o);
  o.lr = 0.05f;
  o.clip_norm = 5.0f;
  return o;
}

static inline qe_prepared_t *test_prepare_qat(const qe_model_t *m, const char *preset) {
  qe_qconfig_mapping_t *mapping = NULL;
  qe_prepared_t *p = NULL;
  TEST_OK(qe_qconfig_mapping_preset(preset, &mapping));
  TEST_OK(qe_prepare_qat(m, mapping, NULL, &p));
  qe_qconfig_mapping_destroy(&mapping);
  return p;
}

static inline qe_train_metrics_t test_steps(qe_trainer_t *t, uint64_t from, uint64_t to, int64_t rows) {
  qe_train_metrics_t m = {0};
  for (uint64_t i = from; i < to; i++) {
    qe__batch b = test_batch(rows, i + 1);
    TEST_OK(qe__trainer_step(t, &b, &m));
    qe__batch_free(&b);
  }
  return m;
}

/* All state as one SHA-256-like sum of bits: the same for the same bytes. */
static inline uint64_t test_state_hash(const qe_trainer_t *t) {
  qe__state_entry *e = NULL;
  uint32_t n = 0;
  uint64_t h = UINT64_C(1469598103934665603);
  TEST_OK(qe__trainer_state(t, &e, &n));
  for (uint32_t i = 0; i < n; i++) {
    const unsigned char *p = e[i].tensor->data;
    for (size_t k = 0; k < e[i].tensor->bytes; k++) h = (h ^ p[k]) * UINT64_C(1099511628211);
  }
  qe__free(e);
  return h;
}

#endif
