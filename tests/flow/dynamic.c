/* The dynamic flow: what becomes of each kind of node, that it computes what docs/numerics.md says, what is refused. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/model.h"
#include "qengine.h"
#include "support/models.h"

#define W(...) test_weight(&pool, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

static uint32_t count_op(const qe_model_t *m, const char *op) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < m->graph->n_nodes; i++) n += strcmp(m->graph->nodes[i]->op->name, op) == 0;
  return n;
}

static const qe__node *node(const qe_model_t *m, const char *name) {
  for (uint32_t i = 0; i < m->graph->n_nodes; i++) {
    if (strcmp(m->graph->nodes[i]->name, name) == 0) return m->graph->nodes[i];
  }
  cr_assert_fail("no node '%s'", name);
  return NULL;
}

static const qe_report_row_t *row(const qe_report_t *r, const char *name) {
  for (uint32_t i = 0; i < qe_report_count(r); i++) {
    if (strcmp(qe_report_at(r, i)->node, name) == 0) return qe_report_at(r, i);
  }
  cr_assert_fail("no row '%s'", name);
  return NULL;
}

/* x [n,16] -> q, k, v (16 to 24, one input) -> q + k, relu(v) -> a product of two computed matrices, tail. */
static qe_model_t *attention_like(uint64_t seed) {
  qe_model_t *m = NULL;
  test_pool pool = {.seed = seed};
  cr_assert_eq(qe_model_create("attention", &m), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 2, (int64_t[]){-1, 16});
  const qe_value_t q = qe_linear(m, "q", x, W(24, 16), W(24)), k = qe_linear(m, "k", x, W(24, 16), NULL);
  const qe_value_t v = qe_relu(m, "relu", qe_linear(m, "v", x, W(24, 16), W(24)));
  const qe_value_t scores = qe_matmul(m, "scores", q, qe_transpose(m, "kt", k, 2, (int64_t[]){1, 0}));
  const qe_value_t y = qe_matmul(m, "mix", qe_softmax(m, "softmax", scores, -1), v);
  qe_output(m, "y", qe_linear(m, "tail", y, W(5, 24), W(5)));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  test_pool_free(&pool);
  return m;
}

Test(dynamic_flow, linear_layers_share_the_codes_of_their_input) {
  qe_model_t *m = attention_like(3), *q = NULL;
  qe_report_t *report = NULL;
  cr_assert_eq(qe_quantize_dynamic(m, NULL, &q, &report), QE_OK, "%s", qe_last_error());
  cr_expect_eq(count_op(q, "MatMulIntegerToFloat"), 4);
  cr_expect_eq(count_op(q, "DynamicQuantizeLinear"), 2, "q, k and v read one value");
  cr_expect_eq(count_op(q, "MatMul"), 2);
  cr_expect_eq(count_op(q, "Relu"), 0);
  cr_expect_eq(node(q, "v")->act.lo, 0.0f, "the activation went along");
  cr_expect_eq(row(report, "q")->quantized, 1);
  cr_expect_str_eq(row(report, "q")->activation_scheme, "uint8 dynamic");
  cr_expect(strstr(row(report, "q")->weight_scheme, "int8 per_channel"), "%s", row(report, "q")->weight_scheme);
  cr_expect_gt(row(report, "q")->weight_sqnr_db, 35.0);
  cr_expect(strstr(row(report, "v")->reason, "relu"), "%s", row(report, "v")->reason);
  cr_expect_eq(row(report, "scores")->quantized, 0);
  cr_expect_str_eq(row(report, "scores")->reason, "both operands are computed");
  cr_expect_eq(count_op(m, "MatMulIntegerToFloat"), 0, "the model is not touched");
  qe_tensor_t *x = test_random(2, (int64_t[]){7, 16}, 1.0f, 5), *y = test_run(m, x, 0), *z = test_run(q, x, 0);
  for (int64_t i = 0; i < qe_tensor_count(y); i++) {
    const float a = ((float *)qe_tensor_data(y))[i], b = ((float *)qe_tensor_data(z))[i];
    cr_expect_lt(fabsf(a - b), 0.05f, "%lld: %g, %g", (long long)i, (double)a, (double)b);
  }
  qe_tensor_release(&x);
  qe_tensor_release(&y);
  qe_tensor_release(&z);
  qe_report_destroy(&report);
  qe_model_destroy(&q);
  qe_model_destroy(&m);
}

/* explain must leave no doubt about a product in float. */
Test(dynamic_flow, a_plan_says_why_a_product_is_float) {
  static const char json[] = "{\"preset\": \"dynamic\", \"names\": {\"q\": null}}";
  static const struct { const char *node, *note; } expected[] = {
      {"scores", "float: both operands are computed"}, {"q", "float: its weight is not quantized"}, {"k", ""}};
  qe_model_t *m = attention_like(3), *q = NULL;
  qe_qconfig_mapping_t *mapping = NULL;
  qe_session_t *s = NULL;
  qe_named_tensor_t x = {"x", test_random(2, (int64_t[]){7, 16}, 1.0f, 5)};
  cr_assert_eq(qe_qconfig_mapping_parse(json, strlen(json), &mapping), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_quantize_dynamic(m, mapping, &q, NULL), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_session_create(q, NULL, &s), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_session_plan(s, 1, &x), QE_OK, "%s", qe_last_error());
  size_t seen = 0;
  for (uint32_t i = 0; i < qe_session_step_count(s); i++) {
    qe_step_info_t step;
    cr_assert_eq(qe_session_step(s, i, &step), QE_OK);
    for (size_t k = 0; k < sizeof expected / sizeof expected[0]; k++) {
      if (strcmp(step.node, expected[k].node) != 0) continue;
      cr_expect_str_eq(step.note, expected[k].note, "%s", step.node);
      seen++;
    }
  }
  cr_expect_eq(seen, 3);
  qe_session_destroy(&s);
  qe_tensor_release(&x.tensor);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&q);
  qe_model_destroy(&m);
}

/* y = (float)sum (qx - zx)(qw - zw) * (sx * sw) + b, and a clamp; written out plainly. */
static void expect_formula(const char *preset, qe_dtype_t activation, qe_dtype_t weight, qe_qscheme_t scheme, uint64_t seed) {
  enum { M = 5, K = 19, N = 7 };
  test_pool pool = {.seed = seed};
  qe_model_t *m = NULL, *q = NULL;
  qe_qconfig_t config;
  qe_qconfig_mapping_t *mapping = NULL;
  qe_tensor_t *w = W(N, K), *b = W(N);
  cr_assert_eq(qe_model_create("one", &m), QE_OK);
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 2, (int64_t[]){-1, K});
  qe_output(m, "y", qe_clip(m, "clip", qe_linear(m, "fc", x, w, b), -0.75f, 0.5f));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_default_qconfig(preset, &config), QE_OK, "%s", qe_last_error());
  config.activation.dtype = activation;
  config.weight.dtype = weight;
  config.weight.qscheme = scheme;
  config.weight.has_range = 0;
  cr_assert_eq(qe_qconfig_mapping_create(&config, &mapping), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_quantize_dynamic(m, mapping, &q, NULL), QE_OK, "%s", qe_last_error());
  const qe__node *fc = node(q, "fc");
  cr_assert_str_eq(fc->op->name, "MatMulIntegerToFloat");
  const qe_tensor_t *wq = q->graph->values[fc->in[1]].data, *ws = q->graph->values[fc->in[3]].data;
  const qe_tensor_t *wz = fc->in[5] == QE__NO_VALUE ? NULL : q->graph->values[fc->in[5]].data;
  if (scheme == QE_PER_CHANNEL_SYMMETRIC || scheme == QE_PER_TENSOR_SYMMETRIC) cr_expect_null(wz);
  qe_tensor_t *input = test_random(2, (int64_t[]){M, K}, 2.0f, seed), *y = test_run(q, input, 0);
  const float *in = qe_tensor_const_data(input);
  float lo = 0.0f, hi = 0.0f;
  for (int i = 0; i < M * K; i++) {
    lo = fminf(lo, in[i]);
    hi = fmaxf(hi, in[i]);
  }
  const float span = hi - lo, largest = fmaxf(-lo, hi);
  const float sx = activation == QE_UINT8 ? span / 255.0f : largest / 127.0f;
  const int zx = activation == QE_UINT8 ? (int)nearbyintf(0.0f - lo / sx) : 0;
  for (int i = 0; i < M; i++) {
    for (int j = 0; j < N; j++) {
      int32_t acc = 0;
      for (int k = 0; k < K; k++) {
        int code = (int)nearbyintf(in[i * K + k] / sx) + zx;
        code = activation == QE_UINT8 ? (code < 0 ? 0 : code > 255 ? 255 : code) : (code < -128 ? -128 : code > 127 ? 127 : code);
        const int zw = wz ? (int)qe__tensor_int_at(wz, wz->count > 1 ? j : 0) : 0;
        acc += (code - zx) * ((int)qe__tensor_int_at(wq, j * K + k) - zw);
      }
      const float scale = sx * ((const float *)ws->data)[ws->count > 1 ? j : 0];
      float want = (float)acc * scale;
      want += ((const float *)qe_tensor_const_data(b))[j];
      want = want < -0.75f ? -0.75f : want > 0.5f ? 0.5f : want;
      const float got = ((const float *)qe_tensor_const_data(y))[i * N + j];
      cr_expect_eq(got, want, "%s %s %s, seed %llu, row %d column %d: %.9g, expected %.9g", preset, qe_dtype_name(activation),
                   qe_dtype_name(weight), (unsigned long long)seed, i, j, (double)got, (double)want);
    }
  }
  qe_tensor_release(&input);
  qe_tensor_release(&y);
  test_pool_free(&pool);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&q);
  qe_model_destroy(&m);
}

Test(dynamic_flow, linear_layers_compute_the_formula) {
  for (uint64_t seed = 1; seed <= 4; seed++) {
    expect_formula("dynamic", QE_UINT8, QE_INT8, QE_PER_CHANNEL_SYMMETRIC, seed);
    expect_formula("dynamic", QE_INT8, QE_INT8, QE_PER_CHANNEL_SYMMETRIC, seed);
    expect_formula("dynamic", QE_UINT8, QE_UINT8, QE_PER_CHANNEL_AFFINE, seed);
    expect_formula("dynamic_per_tensor", QE_UINT8, QE_INT8, QE_PER_TENSOR_SYMMETRIC, seed);
    expect_formula("dynamic_per_tensor", QE_INT8, QE_INT8, QE_PER_TENSOR_AFFINE, seed);
  }
}

Test(dynamic_flow, a_weight_that_two_layers_read_is_kept_once) {
  qe_model_t *m = NULL, *q = NULL;
  test_pool pool = {.seed = 9};
  cr_assert_eq(qe_model_create("tied", &m), QE_OK);
  const qe_value_t w = qe_constant(m, "w", W(12, 12));
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 2, (int64_t[]){-1, 12});
  x = qe_op(m, "Gemm", "first", 2, (qe_value_t[]){x, w}, "{\"transB\": 1}");
  x = qe_op(m, "Gemm", "second", 2, (qe_value_t[]){x, w}, "{\"transB\": 1}");
  qe_output(m, "y", qe_op(m, "Gemm", "turned", 2, (qe_value_t[]){x, w}, NULL));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_quantize_dynamic(m, NULL, &q, NULL), QE_OK, "%s", qe_last_error());
  cr_expect_eq(node(q, "first")->in[1], node(q, "second")->in[1]);
  cr_expect_eq(node(q, "first")->in[3], node(q, "second")->in[3]);
  cr_expect_neq(node(q, "first")->in[1], node(q, "turned")->in[1], "its channels run along the other axis");
  cr_expect_eq(qe_model_parameter_bytes(q), 2 * (144 + 12 * 4), "float weights are gone");
  qe_model_destroy(&q);
  qe_model_destroy(&m);
  test_pool_free(&pool);
}

Test(dynamic_flow, rules_choose_the_nodes) {
  static const char only_q[] = "{\"name_globs\": {\"q\": {\"preset\": \"dynamic\"}}}";
  static const char not_q[] = "{\"preset\": \"dynamic\", \"names\": {\"q\": null}}";
  static const char missing[] = "{\"preset\": \"dynamic\", \"names\": {\"qq\": null}}";
  static const char stat[] = "{\"preset\": \"fbgemm\"}";
  const struct { const char *json; uint32_t layers; } cases[] = {{only_q, 1}, {not_q, 3}, {stat, 4}};
  qe_model_t *m = attention_like(4), *q = NULL;
  qe_qconfig_mapping_t *mapping = NULL;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    cr_assert_eq(qe_qconfig_mapping_parse(cases[i].json, strlen(cases[i].json), &mapping), QE_OK, "%s", qe_last_error());
    cr_assert_eq(qe_quantize_dynamic(m, mapping, &q, NULL), QE_OK, "%s", qe_last_error());
    cr_expect_eq(count_op(q, "MatMulIntegerToFloat"), cases[i].layers, "%s", cases[i].json);
    qe_model_destroy(&q);
    qe_qconfig_mapping_destroy(&mapping);
  }
  cr_assert_eq(qe_qconfig_mapping_parse(missing, strlen(missing), &mapping), QE_OK, "%s", qe_last_error());
  cr_expect_eq(qe_quantize_dynamic(m, mapping, &q, NULL), QE_ERROR_NOT_FOUND);
  cr_expect(strstr(qe_last_error(), "'qq'"), "%s", qe_last_error());
  cr_expect_null(q);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&m);
}

Test(dynamic_flow, what_cannot_be_run_is_an_error) {
  qe_model_t *m = attention_like(4), *q = NULL;
  static const char wide[] = "{\"op_types\": {\"Linear\": {\"preset\": \"dynamic\", \"activation\": {\"observer\": \"dynamic\", \"dtype\": \"int16\"}}}}";
  static const char reduced[] = "{\"global\": {\"preset\": \"dynamic\", \"activation\": {\"observer\": \"dynamic\", \"reduce_range\": true}}}";
  qe_qconfig_mapping_t *mapping = NULL;
  cr_assert_eq(qe_qconfig_mapping_parse(wide, strlen(wide), &mapping), QE_OK, "%s", qe_last_error());
  cr_expect_eq(qe_quantize_dynamic(m, mapping, &q, NULL), QE_ERROR_UNSUPPORTED);
  cr_expect(strstr(qe_last_error(), "'q'") && strstr(qe_last_error(), "int16"), "%s", qe_last_error());
  qe_qconfig_mapping_destroy(&mapping);
  cr_expect_neq(qe_qconfig_mapping_parse(reduced, strlen(reduced), &mapping), QE_OK);
  cr_expect(strstr(qe_last_error(), "reduce_range"), "%s", qe_last_error());
  cr_expect_eq(qe_quantize_dynamic(NULL, NULL, &q, NULL), QE_ERROR_INVALID_ARGUMENT);
  qe_model_destroy(&m);
}

/* Convolutions by calibration, the classifier as it arrives. */
Test(dynamic_flow, a_model_may_be_static_and_dynamic) {
  static const char json[] = "{\"preset\": \"default\", \"op_types\": {\"Gemm\": {\"preset\": \"dynamic\"}}}";
  qe_model_t *m = test_cnn(23), *q = NULL;
  qe_qconfig_mapping_t *mapping = NULL;
  qe_prepared_t *p = NULL;
  qe_report_t *report = NULL;
  cr_assert_eq(qe_fuse(m), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_parse(json, strlen(json), &mapping), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_prepare(m, mapping, NULL, &p), QE_OK, "%s", qe_last_error());
  test_calibrate(p, 0, 4);
  cr_assert_eq(qe_convert(p, &q, &report), QE_OK, "%s", qe_last_error());
  cr_expect_eq(row(report, "fc")->quantized, 1);
  cr_expect_str_eq(row(report, "fc")->op, "Gemm");
  cr_expect_str_eq(row(report, "fc")->activation_scheme, "uint8 dynamic");
  cr_expect_eq(row(report, "conv1")->quantized, 1);
  cr_expect_str_eq(row(report, "conv1")->activation_scheme, "uint8 per_tensor");
  cr_expect_eq(count_op(q, "MatMulIntegerToFloat"), 1);
  qe_tensor_t *x = test_random(4, (int64_t[]){2, 3, 8, 8}, 1.0f, 77), *y = test_run(m, x, 0), *z = test_run(q, x, 0);
  for (int64_t i = 0; i < qe_tensor_count(y); i++)
    cr_expect_lt(fabsf(((float *)qe_tensor_data(y))[i] - ((float *)qe_tensor_data(z))[i]), 0.1f);
  qe_tensor_release(&x);
  qe_tensor_release(&y);
  qe_tensor_release(&z);
  qe_report_destroy(&report);
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&q);
  qe_model_destroy(&m);
}

/* ---- weights alone ---- */

/* tokens [n] -> embedding 50 x 32 -> fc 32 to 40 -> fc of the table itself, 50 scores. */
static qe_model_t *language_model(uint64_t seed) {
  qe_model_t *m = NULL;
  test_pool pool = {.seed = seed};
  cr_assert_eq(qe_model_create("language", &m), QE_OK);
  const qe_value_t table = qe_constant(m, "table", W(50, 32)), tokens = qe_input(m, "tokens", QE_INT64, 1, (int64_t[]){-1});
  qe_value_t x = qe_op(m, "Gather", "embedding", 2, (qe_value_t[]){table, tokens}, NULL);
  x = qe_linear(m, "fc", x, W(32, 32), W(32));
  qe_output(m, "y", qe_op(m, "Gemm", "head", 2, (qe_value_t[]){x, table}, "{\"transB\": 1}"));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  test_pool_free(&pool);
  return m;
}

static qe_model_t *by_json(const qe_model_t *m, const char *json) {
  qe_qconfig_mapping_t *mapping = NULL;
  qe_model_t *q = NULL;
  cr_assert_eq(qe_qconfig_mapping_parse(json, strlen(json), &mapping), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_quantize_dynamic(m, mapping, &q, NULL), QE_OK, "%s", qe_last_error());
  qe_qconfig_mapping_destroy(&mapping);
  return q;
}

static double worst_difference(const qe_model_t *m, const qe_model_t *q) {
  qe_tensor_t *tokens = NULL;
  const int64_t n = 12, ids[] = {0, 49, 7, 7, 3, 21, 48, 1, 2, 30, 31, 11};
  cr_assert_eq(qe_tensor_from_data(QE_INT64, 1, &n, ids, &tokens), QE_OK);
  qe_tensor_t *y = test_run(m, tokens, 0), *z = test_run(q, tokens, 0);
  double worst = 0.0;
  for (int64_t i = 0; i < qe_tensor_count(y); i++)
    worst = fmax(worst, fabs((double)((float *)qe_tensor_data(y))[i] - (double)((float *)qe_tensor_data(z))[i]));
  qe_tensor_release(&tokens);
  qe_tensor_release(&y);
  qe_tensor_release(&z);
  return worst;
}

Test(weight_only, every_preset_comes_close) {
  static const struct {
    const char *json, *op;
    uint32_t nodes;
    double bound;
  } cases[] = {
      {"{\"preset\": \"embedding\"}", "Embedding", 1, 0.02}, /* the head still reads the float table */
      {"{\"preset\": \"embedding_4bit\"}", "Embedding", 1, 0.2},
      {"{\"preset\": \"weight_only_int8\"}", "MatMulNBits", 2, 0.02},
      {"{\"preset\": \"weight_only_int4\"}", "MatMulNBits", 2, 0.5},
      {"{\"preset\": \"float16\"}", "Cast", 2, 0.002},
  };
  qe_model_t *m = language_model(5);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qe_model_t *q = by_json(m, cases[i].json);
    cr_expect_eq(count_op(q, cases[i].op), cases[i].nodes, "%s: %u", cases[i].json, count_op(q, cases[i].op));
    const double worst = worst_difference(m, q);
    cr_expect_lt(worst, cases[i].bound, "%s: %g", cases[i].json, worst);
    cr_expect_gt(worst, 0.0, "%s changes nothing", cases[i].json);
    qe_model_destroy(&q);
  }
  qe_model_destroy(&m);
}

Test(weight_only, an_embedding_shares_the_codes_of_the_layer_that_reads_its_table) {
  static const char json[] =
      "{\"preset\": \"dynamic\", \"op_types\": {\"Gather\": {\"preset\": \"dynamic\", \"activation\": null}}}";
  qe_model_t *m = language_model(6), *q = by_json(m, json);
  cr_expect_str_eq(node(q, "embedding")->op->name, "Embedding");
  cr_expect_eq(node(q, "embedding")->in[0], node(q, "head")->in[1]);
  cr_expect_eq(node(q, "embedding")->in[2], node(q, "head")->in[3]);
  cr_expect_lt(worst_difference(m, q), 0.05);
  qe_model_destroy(&q);
  qe_model_destroy(&m);
}

Test(weight_only, blocks_may_be_chosen_and_wrong_ones_are_refused) {
  static const char good[] = "{\"names\": {\"fc\": {\"activation\": null, \"weight\": {\"observer\": "
                             "\"per_channel_min_max\", \"dtype\": \"int4\", \"qscheme\": \"per_channel_affine\", \"block_size\": 16}}}}";
  static const char bad[] = "{\"names\": {\"fc\": {\"activation\": null, \"weight\": {\"observer\": "
                            "\"per_channel_min_max\", \"dtype\": \"int4\", \"qscheme\": \"per_channel_affine\", \"block_size\": 24}}}}";
  qe_model_t *m = language_model(7), *q = by_json(m, good);
  cr_expect_eq(qe__node_int(node(q, "fc"), "block_size", 0), 16);
  cr_expect_lt(worst_difference(m, q), 0.3);
  qe_model_destroy(&q);
  qe_qconfig_mapping_t *mapping = NULL;
  cr_assert_eq(qe_qconfig_mapping_parse(bad, strlen(bad), &mapping), QE_OK, "%s", qe_last_error());
  cr_expect_eq(qe_quantize_dynamic(m, mapping, &q, NULL), QE_ERROR_UNSUPPORTED);
  cr_expect(strstr(qe_last_error(), "'fc'") && strstr(qe_last_error(), "24"), "%s", qe_last_error());
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&m);
}

/* ---- recurrent layers ---- */

Test(dynamic_flow, recurrent_layers_come_close_to_float) {
  enum { T = 9, B = 3, I = 16, H = 20 };
  qe_model_t *m = NULL, *q = NULL;
  qe_report_t *report = NULL;
  test_pool pool = {.seed = 12};
  cr_assert_eq(qe_model_create("recurrent", &m), QE_OK);
  qe_value_t hn, cn, x = qe_input(m, "x", QE_FLOAT32, 3, (int64_t[]){T, -1, I});
  x = qe_lstm(m, "lstm", x, -1, -1, W(4 * H, I), W(4 * H, H), W(4 * H), W(4 * H), &hn, &cn);
  const qe_value_t gru[3] = {x, qe_constant(m, "gru_w", W(2, 3 * H, H)), qe_constant(m, "gru_r", W(2, 3 * H, H))};
  x = qe_op(m, "GRU", "gru", 3, gru, "{\"direction\": \"bidirectional\", \"hidden_size\": 20}");
  x = qe_reshape(m, "join", x, 3, (int64_t[]){T, -1, 2 * H}); /* mixes directions and rows, which is fine here */
  const qe_value_t rnn[3] = {x, qe_constant(m, "rnn_w", W(1, H, 2 * H)), qe_constant(m, "rnn_r", W(1, H, H))};
  qe_output(m, "y", qe_op(m, "RNN", "rnn", 3, rnn, "{\"hidden_size\": 20}"));
  qe_output(m, "cn", cn);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_quantize_dynamic(m, NULL, &q, &report), QE_OK, "%s", qe_last_error());
  static const char *const names[][2] = {{"gru", "DynamicQuantizeGRU"}, {"rnn", "DynamicQuantizeRNN"}};
  for (size_t i = 0; i < 2; i++) {
    cr_expect_str_eq(node(q, names[i][0])->op->name, names[i][1]);
    cr_expect_eq(row(report, names[i][0])->quantized, 1);
  }
  cr_expect_eq(count_op(q, "DynamicQuantizeLSTM"), 1);
  qe_tensor_t *input = test_random(3, (int64_t[]){T, B, I}, 1.0f, 8), *y = test_run(m, input, 0), *z = test_run(q, input, 0);
  for (int64_t i = 0; i < qe_tensor_count(y); i++) {
    const float a = ((float *)qe_tensor_data(y))[i], b = ((float *)qe_tensor_data(z))[i];
    cr_expect_lt(fabsf(a - b), 0.05f, "%lld: %g, %g", (long long)i, (double)a, (double)b);
  }
  qe_tensor_release(&input);
  qe_tensor_release(&y);
  qe_tensor_release(&z);
  qe_report_destroy(&report);
  qe_model_destroy(&q);
  qe_model_destroy(&m);
  test_pool_free(&pool);
}
