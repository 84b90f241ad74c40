/* A plugin's observer calibrates, its kernels compute: the static flow from end to end with an engine from outside. */
#include "engine/live.h"

static void quiet(void) {
  qe_set_log_level(QE_LOG_ERROR);
}
TestSuite(flow, .init = quiet);

static uint32_t steps_on(const qe_session_t *s, const char *engine, const char *op) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < qe_session_step_count(s); i++) {
    qe_step_info_t info;
    cr_assert_eq(qe_session_step(s, i, &info), QE_OK);
    count += strcmp(info.engine, engine) == 0 && strcmp(info.op, op) == 0;
  }
  return count;
}

static qe_tensor_t *run_on(const qe_model_t *m, const char *engine, qe_tensor_t *x, uint32_t *lookups) {
  qe_session_t *s = NULL;
  qe_named_tensor_t in = {NULL, x}, out = {NULL, NULL};
  cr_assert_eq(live_open(m, engine, 2, &s), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_session_run(s, 1, &in, 1, &out), QE_OK, "%s", qe_last_error());
  *lookups = steps_on(s, engine, "Lookup");
  qe_session_destroy(&s);
  return out.tensor;
}

Test(flow, observer_and_kernel_of_a_plugin) {
  qe_model_t *m = table_model();
  qe_tensor_t *x = test_random(4, (int64_t[]){4, 3, 8, 8}, 1.0f, 21);
  const qe__engine *engine = live_load("GOOD", "live");
  qe_model_t *q = table_quantized(m, x, "live_range"), *same = table_quantized(m, x, "min_max");
  uint32_t lookups, others, plain;
  qe_tensor_t *y = run_on(q, "live", x, &lookups), *z = run_on(q, "reference", x, &others),
              *w = run_on(same, "reference", x, &plain);
  cr_assert_eq(lookups, 1, "%u steps on the plugin", lookups);
  cr_assert_eq(others, 1);
  cr_assert_eq(qe_tensor_bytes(y), qe_tensor_bytes(z));
  cr_assert_eq(memcmp(qe_tensor_const_data(y), qe_tensor_const_data(z), qe_tensor_bytes(z)), 0,
               "the plugin's kernel gives other bytes");
  /* Both observers keep the smallest and the largest value; one rounding of the scale may differ. */
  for (int64_t i = 0; i < qe_tensor_count(y); i++) {
    const float a = ((const float *)qe_tensor_const_data(y))[i], b = ((const float *)qe_tensor_const_data(w))[i];
    cr_assert(fabsf(a - b) < 0.02f, "element %d: %g and %g", (int)i, (double)a, (double)b);
  }
  qe_tensor_release(&y);
  qe_tensor_release(&z);
  qe_tensor_release(&w);
  qe_tensor_release(&x);
  qe_model_destroy(&q);
  qe_model_destroy(&same);
  qe_model_destroy(&m);
  cr_assert_eq(qe__engine_retire(engine), QE_OK);
  cr_assert_eq(qe__engine_unload(engine), QE_OK, "%s", qe_last_error());
}

Test(flow, statistics_of_a_plugins_observer_are_saved_and_merged) {
  char directory[PATH_SIZE], path[PATH_SIZE + 16];
  qe_model_t *m = table_model();
  qe_qconfig_t qconfig;
  qe_qconfig_mapping_t *mapping = NULL;
  qe_prepared_t *a = NULL, *b = NULL;
  live_load("GOOD", "live");
  cr_assert_eq(qe_default_qconfig("default", &qconfig), QE_OK);
  snprintf(qconfig.activation.observer, sizeof qconfig.activation.observer, "live_range");
  cr_assert_eq(qe_qconfig_mapping_create(&qconfig, &mapping), QE_OK);
  cr_assert_eq(qe_prepare(m, mapping, NULL, &a), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_prepare(m, mapping, NULL, &b), QE_OK, "%s", qe_last_error());
  for (uint64_t i = 0; i < 3; i++) {
    qe_named_tensor_t in = {NULL, test_random(4, (int64_t[]){1, 3, 8, 8}, 1.0f, 30 + i)};
    cr_assert_eq(qe_calibrate(i < 2 ? a : b, 1, &in), QE_OK, "%s", qe_last_error());
    qe_tensor_release(&in.tensor);
  }
  scratch_make(directory);
  snprintf(path, sizeof path, "%s/stats", directory);
  cr_assert_eq(qe_prepared_save_stats(a, path, 0), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_prepared_merge_stats(b, path), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_prepared_batches(b), 3);
  scratch_remove(directory);
  qe_prepared_destroy(&a);
  qe_prepared_destroy(&b);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&m);
}

Test(flow, a_refusal_of_the_observer_comes_with_its_words) {
  qe_model_t *m = table_model(), *q = NULL;
  qe_qconfig_t qconfig;
  qe_qconfig_mapping_t *mapping = NULL;
  qe_prepared_t *p = NULL;
  live_load("GOOD", "live");
  cr_assert_eq(qe_default_qconfig("default", &qconfig), QE_OK);
  snprintf(qconfig.weight.observer, sizeof qconfig.weight.observer, "live_range"); /* weights are per channel */
  cr_assert_eq(qe_qconfig_mapping_create(&qconfig, &mapping), QE_OK);
  cr_assert_eq(qe_prepare(m, mapping, NULL, &p), QE_OK, "%s", qe_last_error());
  qe_named_tensor_t in = {NULL, test_random(4, (int64_t[]){1, 3, 8, 8}, 1.0f, 30)};
  cr_assert_eq(qe_calibrate(p, 1, &in), QE_OK, "%s", qe_last_error());
  cr_assert_neq(qe_convert(p, &q, NULL), QE_OK);
  cr_assert(strstr(qe_last_error(), "engine 'live' says: live_range has one range for the whole tensor"), "%s",
            qe_last_error());
  qe_tensor_release(&in.tensor);
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&m);
}
