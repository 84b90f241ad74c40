/* Distillation: the student comes near to its teacher; shards see their own rows of the teacher's word. */
#include <criterion/criterion.h>
#include <math.h>

#include "train/fit_case.h"

/* Mean of KL(softmax(teacher / T), softmax(student / T)) by libm. */
static double divergence(const qe_model_t *teacher, const qe_model_t *student, qe_tensor_t *x, double temperature) {
  qe_tensor_t *a = test_run(teacher, x, 0), *b = test_run(student, x, 0);
  const float *p = qe_tensor_const_data(a), *q = qe_tensor_const_data(b);
  const int64_t rows = qe_tensor_dims(a)[0];
  double sum = 0;
  for (int64_t r = 0; r < rows; r++, p += 5, q += 5) {
    double zp = 0, zq = 0;
    for (int c = 0; c < 5; c++) {
      zp += exp((double)p[c] / temperature);
      zq += exp((double)q[c] / temperature);
    }
    for (int c = 0; c < 5; c++) {
      const double lp = (double)p[c] / temperature - log(zp), lq = (double)q[c] / temperature - log(zq);
      sum += exp(lp) * (lp - lq);
    }
  }
  qe_tensor_release(&a);
  qe_tensor_release(&b);
  return sum / (double)rows;
}

Test(distill, the_student_comes_near) {
  qe_model_t *teacher = test_cnn(12), *student = NULL;
  fit_data train;
  fit_data_open(&train, 64, 1);
  qe_train_options_t o = fit_options();
  o.teacher = teacher;
  o.distill = 1.0f; /* nothing but the teacher */
  o.temperature = 2.0f;
  o.epochs = 40;
  o.lr = 0.1f;
  o.schedule = QE_LR_CONSTANT;
  o.freeze_bn_at = 0.0f;
  fit_trainer f;
  qe__batch b = test_batch(64, 1);
  fit_trainer_open(&f, NULL, &o);
  const double before = divergence(teacher, f.model, b.inputs[0], 2.0);
  TEST_OK(qe_trainer_fit(f.t, &train.data, NULL, NULL));
  TEST_OK(qe_trainer_model(f.t, &student));
  const double after = divergence(teacher, student, b.inputs[0], 2.0);
  cr_assert_lt(after, 0.6 * before, "%g, was %g", after, before);
  qe__batch_free(&b);
  qe_model_destroy(&student);
  fit_trainer_close(&f);
  fit_data_close(&train);
  qe_model_destroy(&teacher);
}

/* A step's loss is 4 KL at temperature 2, whatever the shards: no BatchNorm statistics are in the way of a model that has none. */
Test(distill, loss_of_one_step) {
  qe_model_t *teacher = test_cnn(12), *fused = NULL;
  qe__batch b = test_batch(12, 3);
  double loss[2];
  qe_model_t *m = test_cnn(6);
  TEST_OK(qe_model_clone(m, &fused));
  TEST_OK(qe_fuse(fused)); /* BatchNorm is in the weights */
  const double want = 4.0 * divergence(teacher, fused, b.inputs[0], 2.0);
  for (int way = 0; way < 2; way++) {
    qe_train_options_t o = test_options();
    qe_trainer_t *t;
    qe_train_metrics_t r;
    o.teacher = teacher;
    o.distill = 1.0f;
    o.temperature = 2.0f;
    o.shards = way ? 5 : 1;
    TEST_OK(qe_trainer_create(fused, &o, &t));
    const qe_named_tensor_t in = {"x", b.inputs[0]};
    TEST_OK(qe_trainer_step(t, 1, &in, b.labels, &r));
    loss[way] = r.loss;
    qe_trainer_destroy(&t);
  }
  for (int way = 0; way < 2; way++) cr_assert_float_eq(loss[way], want, 1e-4 * want, "%g, expected %g", loss[way], want);
  qe__batch_free(&b);
  qe_model_destroy(&fused);
  qe_model_destroy(&m);
  qe_model_destroy(&teacher);
}
