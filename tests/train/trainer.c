/* Steps of the trainer: it learns, gives the same bytes whoever computes, and says what is wrong. */
#include <criterion/criterion.h>

#include "train/train_case.h"



Test(trainer, float_learns) {
  qe_model_t *m = test_cnn(1);
  const qe_train_options_t o = test_options();
  qe_trainer_t *t = NULL;
  TEST_OK(qe_trainer_create(m, &o, &t));
  const qe_train_metrics_t first = test_steps(t, 0, 1, 16), last = test_steps(t, 1, 60, 16);
  cr_assert_lt(last.loss, 0.5 * first.loss, "%g then %g", first.loss, last.loss);
  cr_assert_eq(last.step, 60u);
  qe_trainer_destroy(&t);
  qe_model_destroy(&m);
}

/* Float and QAT, one and two threads, both engines: one state. */
Test(trainer, same_bytes_everywhere) {
  qe_model_t *m = test_cnn(2);
  for (int qat = 0; qat < 2; qat++) {
    uint64_t want = 0;
    for (int way = 0; way < 3; way++) {
      qe_train_options_t o = test_options();
      o.threads = way == 1 ? 2 : 1;
      o.engine = way == 2 ? "reference" : NULL;
      qe_prepared_t *p = qat ? test_prepare_qat(m, "default_qat") : NULL;
      qe_trainer_t *t = NULL;
      TEST_OK(qat ? qe_trainer_create_qat(p, &o, &t) : qe_trainer_create(m, &o, &t));
      t->total_steps = 10;
      (void)test_steps(t, 0, 10, 12);
      const uint64_t h = test_state_hash(t);
      if (way == 0) want = h;
      cr_expect_eq(h, want, "qat %d, way %d", qat, way);
      qe_trainer_destroy(&t);
      qe_prepared_destroy(&p);
    }
  }
  qe_model_destroy(&m);
}

/* The frozen fake-quantized form and the converted model: codes may differ where sums round, no further. */
Test(trainer, converts_what_it_trained) {
  static const char *const presets[] = {"default_qat", "qnnpack_qat", "fbgemm_qat"};
  for (size_t k = 0; k < 3; k++) {
    qe_model_t *m = test_cnn(3), *fake = NULL, *int8 = NULL;
    qe_train_options_t o = test_options();
    qe_prepared_t *p = test_prepare_qat(m, presets[k]);
    qe_trainer_t *t = NULL;
    TEST_OK(qe_trainer_create_qat(p, &o, &t));
    t->total_steps = 40;
    const qe_train_metrics_t first = test_steps(t, 0, 1, 16), last = test_steps(t, 1, 40, 16);
    cr_expect_lt(last.loss, 0.85 * first.loss, "%s: %g then %g", presets[k], first.loss, last.loss);
    TEST_OK(qe_trainer_fake_quantized(t, &fake));
    TEST_OK(qe_convert(p, &int8, NULL));
    qe__batch b = test_batch(64, 1000);
    qe_tensor_t *x = b.inputs[0], *y = test_run(fake, x, 0), *z = test_run(int8, x, 0), *unfused = test_run(int8, x, 1);
    const float *fy = qe_tensor_const_data(y), *fz = qe_tensor_const_data(z), *fu = qe_tensor_const_data(unfused);
    double signal = 0.0, noise = 0.0, unfused_noise = 0.0;
    for (int64_t i = 0; i < qe_tensor_count(y); i++) {
      signal += (double)fy[i] * (double)fy[i];
      noise += ((double)fy[i] - (double)fz[i]) * ((double)fy[i] - (double)fz[i]);
      unfused_noise += ((double)fy[i] - (double)fu[i]) * ((double)fy[i] - (double)fu[i]);
    }
    cr_expect_lt(noise, 1e-3 * signal, "%s: noise %g of %g (unfused: %g)", presets[k], noise, signal, unfused_noise);
    qe_tensor_release(&y);
    qe_tensor_release(&z);
    qe_tensor_release(&unfused);
    qe__batch_free(&b);
    qe_model_destroy(&fake);
    qe_model_destroy(&int8);
    qe_trainer_destroy(&t);
    qe_prepared_destroy(&p);
    qe_model_destroy(&m);
  }
}

Test(trainer, exact_batch_norm_and_learned_parameters) {
  for (int way = 0; way < 2; way++) {
    qe_model_t *m = test_cnn(4), *int8 = NULL;
    qe_train_options_t o = test_options();
    o.bn_exact = way == 0;
    o.learn_qparams = way == 1;
    qe_prepared_t *p = test_prepare_qat(m, "default_qat");
    qe_trainer_t *t = NULL;
    TEST_OK(qe_trainer_create_qat(p, &o, &t));
    t->total_steps = 40;
    const qe_train_metrics_t first = test_steps(t, 0, 1, 16), last = test_steps(t, 1, 40, 16);
    cr_expect_lt(last.loss, 0.85 * first.loss, "way %d: %g then %g", way, first.loss, last.loss);
    TEST_OK(qe_convert(p, &int8, NULL));
    qe_model_destroy(&int8);
    qe_trainer_destroy(&t);
    qe_prepared_destroy(&p);
    qe_model_destroy(&m);
  }
}

Test(trainer, wrong_labels_and_numbers_change_nothing) {
  qe_model_t *m = test_cnn(5);
  const qe_train_options_t o = test_options();
  qe_trainer_t *t = NULL;
  qe_train_metrics_t metrics;
  TEST_OK(qe_trainer_create(m, &o, &t));
  (void)test_steps(t, 0, 2, 8);
  const uint64_t before = test_state_hash(t);
  qe__batch b = test_batch(8, 9);
  ((int64_t *)qe_tensor_data(b.labels))[3] = 5;
  cr_assert_eq(qe__trainer_step(t, &b, &metrics), QE_ERROR_INVALID_ARGUMENT);
  cr_expect(strstr(qe_last_error(), "label 5 (row 3 of the batch)") != NULL, "%s", qe_last_error());
  ((int64_t *)qe_tensor_data(b.labels))[3] = 0;
  ((float *)qe_tensor_data(b.inputs[0]))[7] = INFINITY;
  cr_assert_eq(qe__trainer_step(t, &b, &metrics), QE_ERROR_NUMERIC);
  cr_expect(strstr(qe_last_error(), "step 2") != NULL && strstr(qe_last_error(), "'x'") != NULL, "%s", qe_last_error());
  cr_expect_eq(test_state_hash(t), before);
  qe__batch_free(&b);
  qe_trainer_destroy(&t);
  qe_model_destroy(&m);
}

/* One shard or four: sums of other parts, so close but not the same; four with one or two threads: the same. */
Test(trainer, shards) {
  qe_model_t *m = test_cnn(6);
  double loss[2];
  for (int way = 0; way < 2; way++) {
    qe_train_options_t o = test_options();
    qe_prepared_t *p = test_prepare_qat(m, "default_qat");
    qe_trainer_t *t = NULL;
    o.shards = way ? 4 : 1;
    o.freeze_bn_at = 0.0f;
    TEST_OK(qe_trainer_create_qat(p, &o, &t));
    loss[way] = test_steps(t, 0, 5, 13).loss;
    qe_trainer_destroy(&t);
    qe_prepared_destroy(&p);
  }
  cr_expect_float_eq(loss[0], loss[1], 0.05 * loss[0], "%g, %g", loss[0], loss[1]);
  qe_model_destroy(&m);
}

/* Multiples of step, as many as fit. */
static qe_tensor_t *grid(uint32_t rank, const int64_t *dims, float step, int64_t most, uint64_t seed) {
  qe_tensor_t *t = test_random(rank, dims, (float)most, seed);
  float *x = qe_tensor_data(t);
  for (int64_t i = 0; i < qe_tensor_count(t); i++) x[i] = truncf(x[i]) * step;
  return t;
}

/* Powers of two as scales, numbers on their grids: no sum rounds, so the fake-quantized form and int8 are one. */
Test(trainer, exact_numbers_convert_exactly) {
  static const char json[] =
      "{\"global\": {\"activation\": {\"observer\": \"fixed_qparams\", \"dtype\": \"uint8\", \"scale\": 0.0625, \"zero_point\": 128},"
      " \"weight\": {\"observer\": \"fixed_qparams\", \"dtype\": \"int8\", \"qscheme\": \"per_tensor_symmetric\", \"scale\": 0.125, \"zero_point\": 0}}}";
  for (uint64_t seed = 1; seed <= 8; seed++) {
    qe_model_t *m = NULL, *fake = NULL, *int8 = NULL;
    qe_qconfig_mapping_t *mapping = NULL;
    qe_prepared_t *p = NULL;
    qe_trainer_t *t = NULL;
    const qe_train_options_t o = test_options();
    qe_tensor_t *w = grid(4, (int64_t[]){5, 3, 3, 3}, 0.125f, 6, seed), *bias = grid(1, (int64_t[]){5}, 0.0078125f, 200, seed + 50);
    qe_tensor_t *fc = grid(2, (int64_t[]){4, 5}, 0.125f, 9, seed + 70);
    TEST_OK(qe_model_create("exact", &m));
    qe_value_t v = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){-1, 3, 8, 8});
    v = qe_relu(m, "relu", qe_conv2d(m, "conv", v, w, bias, &(qe_conv_options_t){.padding = {1, 1}}));
    v = qe_max_pool2d(m, "pool", v, &(qe_pool_options_t){.kernel = {8, 8}});
    qe_output(m, "y", qe_linear(m, "fc", qe_flatten(m, "flat", v, 1), fc, NULL));
    TEST_OK(qe_model_finish(m));
    TEST_OK(qe_qconfig_mapping_parse(json, sizeof json - 1, &mapping));
    TEST_OK(qe_prepare_qat(m, mapping, NULL, &p));
    TEST_OK(qe_trainer_create_qat(p, &o, &t));
    TEST_OK(qe_trainer_fake_quantized(t, &fake));
    TEST_OK(qe_convert(p, &int8, NULL));
    qe_tensor_t *x = grid(4, (int64_t[]){7, 3, 8, 8}, 0.0625f, 60, seed + 90), *y = test_run(fake, x, 0), *z = test_run(int8, x, 0);
    cr_expect_arr_eq(qe_tensor_const_data(y), qe_tensor_const_data(z), qe_tensor_bytes(y), "seed %d", (int)seed);
    qe_tensor_t *owned[] = {w, bias, fc, x, y, z};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) qe_tensor_release(&owned[i]);
    qe_trainer_destroy(&t);
    qe_prepared_destroy(&p);
    qe_qconfig_mapping_destroy(&mapping);
    qe_model_destroy(&fake);
    qe_model_destroy(&int8);
    qe_model_destroy(&m);
  }
}
