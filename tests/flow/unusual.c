/* Models whose constants are at odds with quantization. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "qengine.h"
#include "support/models.h"

enum { CHANNELS = 4 };


/* x [2,3,6,6] -> conv (bias as given) -> the op, unless NULL -> y */
static qe_model_t *conv_then(const char *op, uint32_t n_extra, qe_tensor_t *const *extra, const float *bias) {
  qe_model_t *m = NULL;
  test_pool pool = {.seed = 5};
  cr_assert_eq(qe_model_create("unusual", &m), QE_OK);
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){-1, 3, 6, 6});
  qe_tensor_t *b = NULL;
  if (bias) cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 1, (int64_t[]){CHANNELS}, bias, &b), QE_OK);
  qe_value_t in[4] = {qe_conv2d(m, "conv", x, test_weight(&pool, 4, (int64_t[]){CHANNELS, 3, 3, 3}), b, NULL)};
  for (uint32_t i = 0; i < n_extra; i++) in[i + 1] = qe_constant(m, i == 0 ? "first" : "second", extra[i]);
  qe_output(m, "y", op ? qe_op(m, op, "op", n_extra + 1, in, NULL) : in[0]);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&b);
  test_pool_free(&pool);
  return m;
}

static qe_status_t quantize(const qe_model_t *m, qe_model_t **out, qe_report_t **report) {
  qe_qconfig_mapping_t *mapping = NULL;
  qe_prepared_t *p = NULL;
  qe_named_tensor_t in = {"x", test_random(4, (int64_t[]){2, 3, 6, 6}, 1.0f, 9)};
  cr_assert_eq(qe_qconfig_mapping_preset("default", &mapping), QE_OK);
  cr_assert_eq(qe_prepare(m, mapping, NULL, &p), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_calibrate(p, 1, &in), QE_OK, "%s", qe_last_error());
  const qe_status_t status = qe_convert(p, out, report);
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  qe_tensor_release(&in.tensor);
  return status;
}

static qe_tensor_t *scalar(float v) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 0, NULL, &v, &t), QE_OK);
  return t;
}

/* Consumes its arguments. Largest difference between float and int8 output, and whether "op" was quantized. */
static float largest_error(qe_model_t *m, int *quantized) {
  qe_model_t *q = NULL;
  qe_report_t *report = NULL;
  cr_assert_eq(quantize(m, &q, &report), QE_OK, "%s", qe_last_error());
  for (uint32_t i = 0; i < qe_report_count(report); i++) {
    if (strcmp(qe_report_at(report, i)->node, "op") == 0) *quantized = qe_report_at(report, i)->quantized;
  }
  qe_tensor_t *x = test_random(4, (int64_t[]){2, 3, 6, 6}, 1.0f, 9), *y = test_run(m, x, 0), *z = test_run(q, x, 0);
  const float *a = qe_tensor_const_data(y), *b = qe_tensor_const_data(z);
  float worst = 0;
  for (int64_t i = 0; i < qe_tensor_count(y); i++) worst = fmaxf(worst, fabsf(a[i] - b[i]));
  qe_tensor_release(&x);
  qe_tensor_release(&y);
  qe_tensor_release(&z);
  qe_report_destroy(&report);
  qe_model_destroy(&q);
  qe_model_destroy(&m);
  return worst;
}

Test(unusual, padding_that_codes_cannot_reach_stays_float) {
  qe_tensor_t *pads = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_INT64, 1, (int64_t[]){8}, (int64_t[]){0, 0, 1, 2, 0, 0, 2, 1}, &pads), QE_OK);
  for (int zero = 0; zero < 2; zero++) {
    qe_tensor_t *extra[] = {pads, scalar(zero ? 0.0f : -1000.0f)};
    int quantized = -1;
    const float worst = largest_error(conv_then("Pad", 2, extra, NULL), &quantized);
    cr_assert_eq(quantized, zero, "quantized %d, expected %d", quantized, zero);
    cr_assert_lt(worst, 0.1f, "differs by %g", (double)worst);
    qe_tensor_release(&extra[1]);
  }
  qe_tensor_release(&pads);
}

Test(unusual, clipping_to_numbers_that_codes_cannot_reach_stays_float) {
  static const float bounds[][2] = {{50.0f, 60.0f}, {-60.0f, -50.0f}, {-0.5f, 0.5f}};
  for (int i = 0; i < 3; i++) {
    const float low = bounds[i][0], high = bounds[i][1];
    qe_tensor_t *extra[] = {scalar(low), scalar(high)};
    int quantized = -1;
    const float worst = largest_error(conv_then("Clip", 2, extra, NULL), &quantized);
    cr_assert_eq(quantized, i == 2, "clip to %g..%g: quantized %d", (double)low, (double)high, quantized);
    cr_assert_lt(worst, 0.1f, "clip to %g..%g: differs by %g", (double)low, (double)high, (double)worst);
    qe_tensor_release(&extra[0]);
    qe_tensor_release(&extra[1]);
  }
}

Test(unusual, a_bias_without_an_integer_form_is_refused_by_node) {
  const float bias[CHANNELS] = {0.0f, 1.0f, 3e38f, 0.0f};
  qe_model_t *m = conv_then(NULL, 0, NULL, bias), *q = NULL;
  cr_assert_eq(quantize(m, &q, NULL), QE_ERROR_NUMERIC, "%s", qe_last_error());
  cr_assert_null(q);
  cr_assert(strstr(qe_last_error(), "'conv'") && strstr(qe_last_error(), "element 2"), "%s", qe_last_error());
  qe_model_destroy(&m);
}

Test(unusual, codes_that_cannot_be_run_are_refused_before_calibration) {
  qe_model_t *m = conv_then(NULL, 0, NULL, NULL);
  for (int weight = 0; weight < 2; weight++) {
    qe_qconfig_t config;
    qe_qconfig_mapping_t *mapping = NULL;
    qe_prepared_t *p = NULL;
    cr_assert_eq(qe_default_qconfig("default", &config), QE_OK);
    qe_observer_config_t *o = weight ? &config.weight : &config.activation;
    o->dtype = QE_INT4;
    o->has_range = 0;
    cr_assert_eq(qe_qconfig_mapping_create(&config, &mapping), QE_OK, "%s", qe_last_error());
    cr_assert_eq(qe_prepare(m, mapping, NULL, &p), QE_ERROR_UNSUPPORTED, "%s", qe_last_error());
    cr_assert(strstr(qe_last_error(), "'conv'") && strstr(qe_last_error(), "int4"), "%s", qe_last_error());
    qe_qconfig_mapping_destroy(&mapping);
  }
  qe_model_destroy(&m);
}
