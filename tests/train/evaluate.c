/* Loss and top-1: against a plain computation, whatever the batch, with labels that do not count, with a fixed batch. */
#include <math.h>
#include <stdio.h>

#include "support/models.h"

/* x [batch,4] -> y [batch,4]: the identity, so that the data are the logits */
static qe_model_t *identity(int64_t batch) {
  qe_model_t *m;
  cr_assert_eq(qe_model_create("identity", &m), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 2, (int64_t[]){batch, 4});
  qe_output(m, "y", qe_op(m, "Identity", "id", 1, &x, NULL));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  return m;
}

typedef struct fixture {
  qe_tensor_t *x, *labels;
  qe_train_input_t in;
  qe_train_data_t data;
  qe_dataset_t *d, *l;
} fixture;

enum { ROWS = 37 };

static void fixture_make(fixture *f, uint64_t seed) {
  f->x = test_random(2, (int64_t[]){ROWS, 4}, 3.0f, seed);
  int32_t labels[ROWS];
  for (int i = 0; i < ROWS; i++) labels[i] = (int32_t)((i * 7 + (int)seed) % 4);
  labels[3] = labels[36] = -100;
  cr_assert_eq(qe_tensor_from_data(QE_INT32, 1, (int64_t[]){ROWS}, labels, &f->labels), QE_OK);
  cr_assert_eq(qe_dataset_from_tensor(f->x, NULL, &f->d), QE_OK);
  cr_assert_eq(qe_dataset_from_tensor(f->labels, NULL, &f->l), QE_OK);
  f->in = (qe_train_input_t){"x", f->d};
  f->data = (qe_train_data_t){1, &f->in, f->l};
}

static void fixture_free(fixture *f) {
  qe_dataset_destroy(&f->d);
  qe_dataset_destroy(&f->l);
  qe_tensor_release(&f->x);
  qe_tensor_release(&f->labels);
}

/* Mean cross-entropy and share of hits by libm. */
static void plain(const fixture *f, double *loss, double *top1) {
  const float *x = qe_tensor_const_data(f->x);
  const int32_t *label = qe_tensor_const_data(f->labels);
  int rows = 0, right = 0;
  *loss = 0;
  for (int r = 0; r < ROWS; r++, x += 4) {
    if (label[r] < 0) continue;
    double sum = 0;
    int best = 0;
    for (int c = 0; c < 4; c++) {
      sum += exp((double)x[c]);
      if (x[c] > x[best]) best = c;
    }
    *loss += log(sum) - (double)x[label[r]];
    right += best == label[r];
    rows++;
  }
  *loss /= rows;
  *top1 = (double)right / rows;
}

Test(evaluate, same_for_every_batch_and_as_computed_plainly) {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    fixture f;
    fixture_make(&f, seed);
    qe_model_t *m = identity(-1), *five = identity(5);
    double loss, top1;
    plain(&f, &loss, &top1);
    double first = 0;
    for (uint32_t batch = 1; batch <= 40; batch += 3) {
      for (int fixed = 0; fixed < 2; fixed++) {
        const qe_train_options_t o = {.struct_size = sizeof o, .batch = batch, .has_ignore_index = 1, .ignore_index = -100};
        qe_train_metrics_t r;
        cr_assert_eq(qe_evaluate(fixed ? five : m, &o, &f.data, &r), QE_OK, "%s", qe_last_error());
        cr_assert_eq(r.count, ROWS - 2);
        cr_assert_eq(r.top1, top1, "seed %d, batch %u: %g, expected %g", (int)seed, batch, r.top1, top1);
        cr_assert_float_eq(r.loss, loss, 1e-12, "seed %d, batch %u: %.17g, expected %.17g", (int)seed, batch, r.loss, loss);
        if (batch == 1 && !fixed) first = r.loss;
        if (batch == 1 && !fixed) cr_assert(isnan(r.lr) && isnan(r.grad_norm));
      }
      /* one run gives one answer */
      const qe_train_options_t again = {.struct_size = sizeof again, .batch = 1, .has_ignore_index = 1, .ignore_index = -100};
      qe_train_metrics_t r;
      cr_assert_eq(qe_evaluate(m, &again, &f.data, &r), QE_OK);
      cr_assert_eq(r.loss, first);
    }
    qe_model_destroy(&m);
    qe_model_destroy(&five);
    fixture_free(&f);
  }
}

Test(evaluate, a_label_out_of_range_is_named) {
  fixture f;
  fixture_make(&f, 1);
  qe_model_t *m = identity(-1);
  qe_train_metrics_t r;
  cr_assert_eq(qe_evaluate(m, NULL, &f.data, &r), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_not_null(strstr(qe_last_error(), "label -100"), "%s", qe_last_error());
  cr_assert_not_null(strstr(qe_last_error(), "4 classes"), "%s", qe_last_error());
  qe_model_destroy(&m);
  fixture_free(&f);
}

Test(evaluate, squared_error) {
  fixture f;
  fixture_make(&f, 4);
  qe_tensor_t *want = test_random(2, (int64_t[]){ROWS, 4}, 3.0f, 5);
  qe_dataset_destroy(&f.l);
  cr_assert_eq(qe_dataset_from_tensor(want, NULL, &f.l), QE_OK);
  f.data.labels = f.l;
  qe_model_t *m = identity(-1), *five = identity(5);
  const qe_train_options_t o = {.struct_size = sizeof o, .loss = QE_LOSS_MSE, .batch = 8};
  double sum = 0;
  for (int i = 0; i < ROWS * 4; i++) {
    const double e = (double)((const float *)qe_tensor_const_data(f.x))[i] - (double)((const float *)qe_tensor_const_data(want))[i];
    sum += e * e;
  }
  for (int fixed = 0; fixed < 2; fixed++) {
    qe_train_metrics_t r;
    cr_assert_eq(qe_evaluate(fixed ? five : m, &o, &f.data, &r), QE_OK, "%s", qe_last_error());
    cr_assert_eq(r.count, ROWS);
    cr_assert_float_eq(r.loss, sum / (ROWS * 4), 1e-12);
    cr_assert(isnan(r.top1));
  }
  qe_model_destroy(&m);
  qe_model_destroy(&five);
  qe_tensor_release(&want);
  fixture_free(&f);
}

Test(evaluate, no_samples) {
  qe_tensor_t *x, *labels;
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 2, (int64_t[]){0, 4}, &x), QE_OK);
  cr_assert_eq(qe_tensor_create(QE_UINT8, 1, (int64_t[]){0}, &labels), QE_OK);
  qe_dataset_t *d, *l;
  cr_assert_eq(qe_dataset_from_tensor(x, NULL, &d), QE_OK);
  cr_assert_eq(qe_dataset_from_tensor(labels, NULL, &l), QE_OK);
  const qe_train_input_t in = {NULL, d};
  const qe_train_data_t data = {1, &in, l};
  qe_model_t *m = identity(-1);
  qe_train_metrics_t r;
  cr_assert_eq(qe_evaluate(m, NULL, &data, &r), QE_OK, "%s", qe_last_error());
  cr_assert(r.count == 0 && isnan(r.loss) && isnan(r.top1));
  qe_model_destroy(&m);
  qe_dataset_destroy(&d);
  qe_dataset_destroy(&l);
  qe_tensor_release(&x);
  qe_tensor_release(&labels);
}
