/* Sessions on the plugins of live/: loading them, a model that is one Relu, what it gives. */
#ifndef QE_TESTS_ENGINE_LIVE_H
#define QE_TESTS_ENGINE_LIVE_H

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "engine/load.h"
#include "engine/places.h"
#include "qengine.h"
#include "support/models.h"

enum { RELU_COUNT = 100 };

/* Loads a row of live.def, or another file of live/: "GOOD" -> ".../good.so". */
static inline qe_status_t live_try(const char *build) {
  char path[PATH_SIZE];
  const int length = snprintf(path, sizeof path, "%s/%s.so", QE_LIVE, build);
  for (char *p = path + strlen(QE_LIVE); p < path + length; p++) *p = (char)tolower((unsigned char)*p);
  return qe_engine_load(path);
}

static inline const qe__engine *live_load(const char *build, const char *name) {
  cr_assert_eq(live_try(build), QE_OK, "%s", qe_last_error());
  const qe__engine *engine = qe__engine_by_name(name);
  cr_assert_not_null(engine, "%s is not called '%s'", build, name);
  return engine;
}

static inline qe_model_t *relu_model(void) {
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_create("relu", &m), QE_OK);
  qe_output(m, "y", qe_relu(m, "relu", qe_input(m, "x", QE_FLOAT32, 1, (int64_t[]){-1})));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  return m;
}

static inline qe_status_t live_open(const qe_model_t *m, const char *engine, uint32_t threads, qe_session_t **s) {
  const qe_session_options_t o = {.struct_size = sizeof o, .engine = engine, .threads = threads};
  return qe_session_create(m, &o, s);
}

/* Runs a session of relu_model on `count` numbers and checks the result. */
static inline qe_status_t relu_run(qe_session_t *s, int64_t count) {
  qe_named_tensor_t in = {NULL, test_random(1, &count, 2.0f, 3)}, out = {NULL, NULL};
  const qe_status_t status = qe_session_run(s, 1, &in, 1, &out);
  for (int64_t i = 0; status == QE_OK && i < count; i++) {
    const float x = ((const float *)qe_tensor_const_data(in.tensor))[i],
                y = ((const float *)qe_tensor_const_data(out.tensor))[i];
    cr_assert(y == (x > 0.0f ? x : 0.0f), "Relu(%g) = %g", (double)x, (double)y);
  }
  qe_tensor_release(&in.tensor);
  qe_tensor_release(&out.tensor);
  return status;
}

/* x -> convolution -> sigmoid -> y; quantized, the sigmoid is a table, which the live engine looks up in. */
static inline qe_model_t *table_model(void) {
  qe_model_t *m = NULL;
  test_pool pool = {.seed = 5};
  cr_assert_eq(qe_model_create("table", &m), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){-1, 3, 8, 8});
  const qe_value_t v = qe_conv2d(m, "conv", x, test_weight(&pool, 4, (int64_t[]){6, 3, 3, 3}), NULL, NULL);
  qe_output(m, "y", qe_op(m, "Sigmoid", "sigmoid", 1, &v, NULL));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  test_pool_free(&pool);
  return m;
}

/* Calibrated on x by the default qconfig; observer: another one for activations, or NULL. */
static inline qe_model_t *table_quantized(const qe_model_t *m, qe_tensor_t *x, const char *observer) {
  qe_model_t *q = NULL;
  qe_prepared_t *p = NULL;
  qe_qconfig_mapping_t *mapping = NULL;
  qe_qconfig_t qconfig;
  cr_assert_eq(qe_default_qconfig("default", &qconfig), QE_OK);
  if (observer) snprintf(qconfig.activation.observer, sizeof qconfig.activation.observer, "%s", observer);
  cr_assert_eq(qe_qconfig_mapping_create(&qconfig, &mapping), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_prepare(m, mapping, NULL, &p), QE_OK, "%s", qe_last_error());
  qe_named_tensor_t in = {NULL, x};
  cr_assert_eq(qe_calibrate(p, 1, &in), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_convert(p, &q, NULL), QE_OK, "%s", qe_last_error());
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  return q;
}

/* The engine that step `index` of the last plan runs on. */
static inline const char *engine_of_step(const qe_session_t *s, uint32_t index) {
  qe_step_info_t info;
  cr_assert_eq(qe_session_step(s, index, &info), QE_OK, "%s", qe_last_error());
  return info.engine;
}

#endif
