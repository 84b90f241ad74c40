/* Quantized products whose int32 sums could overflow are refused when a session is made; no others are. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qengine.h"

TestSuite(accumulator, .timeout = 60);

static qe_value_t constant(qe_model_t *m, const char *name, qe_dtype_t dtype, uint32_t rank, const int64_t *dims,
                           const void *data) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_from_data(dtype, rank, dims, data, &t), QE_OK);
  const qe_value_t v = qe_constant(m, name, t);
  qe_tensor_release(&t);
  return v;
}

static qe_value_t parameters(qe_model_t *m, const char *op, const char *name, qe_value_t x, qe_dtype_t dtype, float scale,
                             int32_t zero) {
  char part[32];
  const int8_t code = (int8_t)zero;
  snprintf(part, sizeof part, "%s_scale", name);
  const qe_value_t s = constant(m, part, QE_FLOAT32, 0, NULL, &scale);
  snprintf(part, sizeof part, "%s_zero", name);
  const qe_value_t z = constant(m, part, dtype, 0, NULL, dtype == QE_INT32 ? (const void *)&zero : &code);
  return qe_op(m, op, name, 3, (const qe_value_t[]){x, s, z}, NULL);
}

/* Whether a session of the finished model is made; the error names its node 'deep'. Takes the model over. */
static qe_status_t session_of_model(qe_model_t *m) {
  qe_session_t *s = NULL;
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  const qe_session_options_t o = {.struct_size = sizeof o, .engine = "reference", .threads = 1};
  const qe_status_t status = qe_session_create(m, &o, &s);
  if (status != QE_OK) cr_assert(strstr(qe_last_error(), "'deep'"), "%s", qe_last_error());
  qe_session_destroy(&s);
  qe_model_destroy(&m);
  return status;
}

/* The same of what a reader makes of the model's file. */
static qe_status_t session_of_file(qe_model_t *built) {
  char path[] = "/tmp/accumulator.XXXXXX";
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_finish(built), QE_OK, "%s", qe_last_error());
  close(mkstemp(path));
  cr_assert_eq(qe_model_save(built, path, QE_FORMAT_QDQ, 1), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_model_load(path, &m), QE_OK, "%s", qe_last_error());
  unlink(path);
  qe_model_destroy(&built);
  return session_of_model(m);
}

/* y = x * w + bias over codes, K deep, every weight the same. */
static qe_status_t session_of(int64_t depth, int weight, int32_t bias, int zero) {
  int8_t *w = malloc((size_t)depth);
  qe_model_t *built = NULL;
  memset(w, weight, (size_t)depth);
  cr_assert_eq(qe_model_create("deep", &built), QE_OK);
  const qe_value_t x = parameters(built, "DequantizeLinear", "x_real",
                                  qe_input(built, "x", QE_UINT8, 2, (const int64_t[]){1, depth}), QE_UINT8, 1.0f, zero);
  const qe_value_t codes = constant(built, "w", QE_INT8, 2, (const int64_t[]){1, depth}, w);
  const qe_value_t real = parameters(built, "DequantizeLinear", "w_real", codes, QE_INT8, 1.0f, 0);
  const qe_value_t b = constant(built, "b", QE_INT32, 1, (const int64_t[]){1}, &bias);
  const qe_value_t b_real = parameters(built, "DequantizeLinear", "b_real", b, QE_INT32, 1.0f, 0);
  const qe_value_t y = qe_op(built, "Gemm", "deep", 3, (const qe_value_t[]){x, real, b_real}, "{\"transB\": 1}");
  qe_output(built, "y", parameters(built, "QuantizeLinear", "y_codes", y, QE_UINT8, 1e6f, 0));
  free(w);
  return session_of_file(built);
}

Test(accumulator, what_could_overflow_is_refused_and_nothing_else) {
  static const struct {
    int64_t depth;
    int weight;
    int32_t bias;
    int zero;
    qe_status_t status;
  } cases[] = {
      {1000, -128, 0, 0, QE_OK},              /* too shallow whatever the weights are */
      {33025, 127, 0, 0, QE_OK},              /* just so */
      {66000, 127, 0, 0, QE_OK},              /* the weights decide from here on */
      {70000, 1, 0, 0, QE_OK},
      {70000, 127, 0, 0, QE_ERROR_NUMERIC},
      {70000, -127, 0, 0, QE_ERROR_NUMERIC},
      {70000, 100, 0, 100, QE_OK},            /* |x - zero| is at most 155 */
      {1000, 1, INT32_MAX - 1000, 0, QE_ERROR_NUMERIC}, /* the bias counts, also in shallow layers */
      {1000, 1, INT32_MAX - 255000, 0, QE_OK},
      {1000, 1, -INT32_MAX, 0, QE_ERROR_NUMERIC},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    cr_expect_eq(session_of(cases[i].depth, cases[i].weight, cases[i].bias, cases[i].zero), cases[i].status, "case %zu", i);
}

/* The same for a product whose input is quantized as it arrives: any zero point may come. */
static qe_status_t dynamic_session_of(int64_t depth, int weight, int weight_zero) {
  int8_t *w = malloc((size_t)depth);
  const int8_t zero = (int8_t)weight_zero;
  const float scale = 1.0f;
  qe_model_t *m = NULL;
  memset(w, weight, (size_t)depth);
  cr_assert_eq(qe_model_create("deep", &m), QE_OK);
  qe_value_t in[6] = {qe_input(m, "x", QE_UINT8, 2, (const int64_t[]){1, depth}),
                      constant(m, "w", QE_INT8, 2, (const int64_t[]){depth, 1}, w),
                      qe_input(m, "x_scale", QE_FLOAT32, 0, NULL),
                      constant(m, "w_scale", QE_FLOAT32, 0, NULL, &scale),
                      qe_input(m, "x_zero", QE_UINT8, 0, NULL),
                      constant(m, "w_zero", QE_INT8, 0, NULL, &zero)};
  qe_output(m, "y", qe_op(m, "MatMulIntegerToFloat", "deep", 6, in, NULL));
  free(w);
  return session_of_model(m);
}

Test(accumulator, products_quantized_as_they_arrive_are_judged_by_the_whole_range) {
  cr_expect_eq(dynamic_session_of(33025, 127, 0), QE_OK);
  cr_expect_eq(dynamic_session_of(66000, 127, 0), QE_OK);
  cr_expect_eq(dynamic_session_of(67000, 127, 0), QE_ERROR_NUMERIC);
  cr_expect_eq(dynamic_session_of(67000, 127, 100), QE_OK);
  cr_expect_eq(dynamic_session_of(40000, -128, 127), QE_ERROR_NUMERIC);
}

/* A layer of one unit in both directions over so many inputs; weights and zero points of each direction. */
static qe_status_t recurrent_session_of(int64_t depth, const int8_t weight[2], const int8_t zero[2]) {
  qe_model_t *m = NULL;
  int8_t *w = malloc(2 * (size_t)depth);
  for (int d = 0; d < 2; d++) memset(w + d * depth, weight[d], (size_t)depth);
  const int8_t none[2] = {0};
  const float scale[2] = {1.0f, 1.0f};
  const int64_t two = 2;
  cr_assert_eq(qe_model_create("deep", &m), QE_OK);
  qe_value_t in[10] = {qe_input(m, "x", QE_FLOAT32, 3, (const int64_t[]){1, 1, depth}),
                       constant(m, "w", QE_INT8, 3, (const int64_t[]){2, depth, 1}, w),
                       constant(m, "r", QE_INT8, 3, (const int64_t[]){2, 1, 1}, none),
                       -1,
                       -1,
                       -1,
                       constant(m, "w_scale", QE_FLOAT32, 1, &two, scale),
                       constant(m, "w_zero", QE_INT8, 1, &two, zero),
                       constant(m, "r_scale", QE_FLOAT32, 1, &two, scale),
                       constant(m, "r_zero", QE_INT8, 1, &two, none)};
  qe_output(m, "y", qe_op(m, "DynamicQuantizeRNN", "deep", 10, in, "{\"direction\": \"bidirectional\"}"));
  free(w);
  return session_of_model(m);
}

Test(accumulator, each_direction_of_a_recurrent_layer_has_its_own_zero_points) {
  cr_expect_eq(recurrent_session_of(66000, (const int8_t[]){127, -127}, (const int8_t[]){0, 0}), QE_OK);
  cr_expect_eq(recurrent_session_of(67000, (const int8_t[]){127, 1}, (const int8_t[]){0, 0}), QE_ERROR_NUMERIC);
  cr_expect_eq(recurrent_session_of(67000, (const int8_t[]){1, 127}, (const int8_t[]){0, 0}), QE_ERROR_NUMERIC);
  cr_expect_eq(recurrent_session_of(67000, (const int8_t[]){127, 0}, (const int8_t[]){100, 0}), QE_OK);
  cr_expect_eq(recurrent_session_of(40000, (const int8_t[]){0, 127}, (const int8_t[]){0, -128}), QE_ERROR_NUMERIC);
  cr_expect_eq(recurrent_session_of(40000, (const int8_t[]){-128, 127}, (const int8_t[]){-128, 127}), QE_OK);
}

/* A layer of one unit on codes, which a file brings as DequantizeLinear, RNN, QuantizeLinear. */
static qe_status_t layer_on_codes(int64_t depth, int weight, int zero) {
  int8_t *w = malloc((size_t)depth), r = 1;
  qe_model_t *built = NULL;
  memset(w, weight, (size_t)depth);
  cr_assert_eq(qe_model_create("deep", &built), QE_OK);
  const qe_value_t x = qe_input(built, "x", QE_UINT8, 3, (const int64_t[]){1, 1, depth});
  const qe_value_t in[3] = {
      parameters(built, "DequantizeLinear", "x_real", x, QE_UINT8, 1.0f, zero),
      parameters(built, "DequantizeLinear", "w_real", constant(built, "w", QE_INT8, 3, (const int64_t[]){1, 1, depth}, w),
                 QE_INT8, 1.0f, 0),
      parameters(built, "DequantizeLinear", "r_real", constant(built, "r", QE_INT8, 3, (const int64_t[]){1, 1, 1}, &r),
                 QE_INT8, 1.0f, 0)};
  const qe_value_t y = qe_op(built, "RNN", "deep", 3, in, NULL);
  qe_output(built, "y", parameters(built, "QuantizeLinear", "y_codes", y, QE_UINT8, 0.01f, 100));
  free(w);
  return session_of_file(built);
}

Test(accumulator, recurrent_layers_on_codes_are_judged_by_the_range_of_their_input) {
  cr_expect_eq(layer_on_codes(66000, 127, 0), QE_OK);
  cr_expect_eq(layer_on_codes(67000, 127, 0), QE_ERROR_NUMERIC);
  cr_expect_eq(layer_on_codes(67000, 127, 128), QE_OK);
  cr_expect_eq(layer_on_codes(133000, -128, 128), QE_ERROR_NUMERIC);
}
