/* Models whose constants are at odds with quantization. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- one layer of every shape that the C API can say ---- */

typedef struct builder {
  qe_model_t *m;
  test_pool pool;
} builder;

#define DIMS(...) sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__}
#define WEIGHT(...) test_weight(&b->pool, DIMS(__VA_ARGS__))

static qe_value_t constant(builder *b, const char *name, qe_tensor_t *t) {
  return qe_constant(b->m, name, test_keep(&b->pool, t));
}

static qe_value_t conv1d(builder *b, qe_value_t x) {
  const qe_conv_options_t o = {.groups = 2, .dilation = {2}, .padding = {1}};
  return qe_conv1d(b->m, "op", x, WEIGHT(6, 2, 3), WEIGHT(6), &o);
}

static qe_value_t conv3d(builder *b, qe_value_t x) {
  const qe_conv_options_t o = {.stride = {1, 2, 2}, .padding = {1, 1, 0}};
  return qe_conv3d(b->m, "op", x, WEIGHT(5, 4, 2, 3, 3), WEIGHT(5), &o);
}

static qe_value_t conv_transpose(builder *b, qe_value_t x) {
  const qe_conv_options_t o = {.groups = 2, .stride = {2, 3}, .padding = {1, 1}, .output_padding = {1, 2}};
  return qe_conv_transpose(b->m, "op", x, WEIGHT(4, 3, 3, 3), WEIGHT(6), &o);
}

static qe_value_t gemm(builder *b, qe_value_t x) {
  const qe_value_t w = constant(b, "w", test_random(DIMS(5, 4), 0.4f, 1));
  const qe_value_t in[] = {x, w, constant(b, "c", test_random(DIMS(5), 0.4f, 2))};
  return qe_op(b->m, "Gemm", "op", 3, in, "{\"transB\": 1, \"alpha\": 0.5, \"beta\": 2.0}");
}

static qe_value_t matmul_of_activations(builder *b, qe_value_t x) {
  return qe_matmul(b->m, "op", x, qe_transpose(b->m, "turn", x, 4, (int64_t[]){0, 1, 3, 2}));
}

static qe_value_t matmul_of_stacked_weights(builder *b, qe_value_t x) {
  return qe_matmul(b->m, "op", x, constant(b, "w", test_random(DIMS(4, 6, 5), 0.4f, 1)));
}

static qe_value_t concat_of_ranges(builder *b, qe_value_t x) {
  const qe_value_t wide = qe_mul(b->m, "wide", x, constant(b, "four", test_filled(1, 4.0f, 0.0f)));
  return qe_concat(b->m, "op", 2, (qe_value_t[]){x, wide}, 1);
}

static qe_value_t broadcast(builder *b, qe_value_t x) {
  return qe_add(b->m, "op", x, qe_mul(b->m, "rows", x, constant(b, "row", test_random(DIMS(6), 1.0f, 3))));
}

static qe_value_t hard_swish(builder *b, qe_value_t x) { return qe_op(b->m, "HardSwish", "op", 1, &x, NULL); }

static qe_value_t mean(builder *b, qe_value_t x) {
  qe_tensor_t *axes = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_INT64, 1, (int64_t[]){2}, (int64_t[]){1, -1}, &axes), QE_OK);
  return qe_op(b->m, "ReduceMean", "op", 2, (qe_value_t[]){x, constant(b, "axes", axes)}, "{\"keepdims\": 0}");
}

static qe_value_t layer_norm(builder *b, qe_value_t x) {
  return qe_layer_norm(b->m, "op", x, WEIGHT(6), WEIGHT(6), 1e-5f);
}

static const struct {
  const char *name;
  qe_value_t (*build)(builder *b, qe_value_t x);
  uint32_t rank; /* of x */
  int64_t dims[5];
} layers[] = {
  {"conv1d, groups, dilation", conv1d, 3, {3, 4, 9}},
  {"conv3d", conv3d, 5, {2, 4, 3, 6, 6}},
  {"conv_transpose, groups, output_padding", conv_transpose, 4, {2, 4, 5, 5}},
  {"Gemm, alpha, beta", gemm, 2, {7, 4}},
  {"MatMul of activations", matmul_of_activations, 4, {2, 3, 5, 6}},
  {"MatMul, a weight per channel", matmul_of_stacked_weights, 4, {2, 4, 5, 6}},
  {"Concat of ranges", concat_of_ranges, 4, {2, 3, 5, 6}},
  {"Add, Mul, broadcast", broadcast, 4, {2, 3, 5, 6}},
  {"HardSwish", hard_swish, 4, {2, 3, 5, 6}},
  {"ReduceMean", mean, 4, {2, 3, 5, 6}},
  {"LayerNormalization", layer_norm, 4, {2, 3, 5, 6}},
};

static qe_tensor_t *run_file(const char *path, qe_tensor_t *x) {
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_load(path, &m), QE_OK, "%s", qe_last_error());
  qe_tensor_t *y = test_run(m, x, 0);
  qe_model_destroy(&m);
  return y;
}

static double decibels(const qe_tensor_t *exact, const qe_tensor_t *got) {
  const float *a = qe_tensor_const_data(exact), *c = qe_tensor_const_data(got);
  double signal = 0, noise = 0;
  for (int64_t i = 0; i < qe_tensor_count(exact); i++) {
    signal += (double)a[i] * (double)a[i];
    noise += ((double)a[i] - (double)c[i]) * ((double)a[i] - (double)c[i]);
  }
  return noise > 0 ? 10 * log10(signal / noise) : 200;
}

Test(unusual, every_layer_is_close_and_the_same_in_both_formats) {
  char path[] = "/tmp/qe_unusual_XXXXXX";
  close(mkstemp(path));
  for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
    builder b = {.pool.seed = 60 + i};
    qe_model_t *q = NULL;
    qe_qconfig_mapping_t *mapping = NULL;
    qe_prepared_t *p = NULL;
    cr_assert_eq(qe_model_create("layer", &b.m), QE_OK);
    qe_output(b.m, "y", layers[i].build(&b, qe_input(b.m, "x", QE_FLOAT32, layers[i].rank, layers[i].dims)));
    cr_assert_eq(qe_model_finish(b.m), QE_OK, "%s: %s", layers[i].name, qe_last_error());
    qe_named_tensor_t in = {"x", test_random(layers[i].rank, layers[i].dims, 2.0f, 70 + i)};
    qe_tensor_t *exact = test_run(b.m, in.tensor, 0);
    cr_assert_eq(qe_fuse(b.m), QE_OK, "%s: %s", layers[i].name, qe_last_error());
    cr_assert_eq(qe_qconfig_mapping_preset("default", &mapping), QE_OK);
    cr_assert_eq(qe_prepare(b.m, mapping, NULL, &p), QE_OK, "%s: %s", layers[i].name, qe_last_error());
    cr_assert_eq(qe_calibrate(p, 1, &in), QE_OK, "%s: %s", layers[i].name, qe_last_error());
    cr_assert_eq(qe_convert(p, &q, NULL), QE_OK, "%s: %s", layers[i].name, qe_last_error());
    qe_tensor_t *y = test_run(q, in.tensor, 0);
    cr_assert_gt(decibels(exact, y), 25.0, "%s: %.1f dB", layers[i].name, decibels(exact, y));
    for (int format = 0; format < 2; format++) {
      cr_assert_eq(qe_model_save(q, path, (qe_format_t)format, 1), QE_OK, "%s: %s", layers[i].name, qe_last_error());
      qe_tensor_t *z = run_file(path, in.tensor);
      cr_assert_eq(qe_tensor_bytes(y), qe_tensor_bytes(z));
      cr_assert_eq(memcmp(qe_tensor_const_data(y), qe_tensor_const_data(z), qe_tensor_bytes(y)), 0,
                   "%s: format %d gives other numbers than the model it was written from", layers[i].name, format);
      qe_tensor_release(&z);
    }
    qe_tensor_release(&y);
    qe_tensor_release(&exact);
    qe_tensor_release(&in.tensor);
    qe_prepared_destroy(&p);
    qe_qconfig_mapping_destroy(&mapping);
    qe_model_destroy(&q);
    qe_model_destroy(&b.m);
    test_pool_free(&b.pool);
  }
  unlink(path);
}
