/*
 * `qengine advise`: numbers that follow from the model alone are checked exactly; advice against what it says it stands
 * on, because how long things take depends on the machine.
 */
#include "spawn.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "support/models.h"

TestSuite(advise, .init = scratch_enter, .fini = scratch_leave, .timeout = 300);

#define MODELS QE_SOURCE_DIR "/../shared/models/"

static json_t *get(const json_t *object, const char *key) {
  json_t *value = json_object_get(object, key);
  cr_assert_not_null(value, "no key %s", key);
  return value;
}

static json_t *run_json(const char *line) {
  result r = run_cli("%s --json", line);
  expect_code(&r, 0);
  json_t *object = result_json(&r);
  result_free(&r);
  return object;
}

static const char *text(const json_t *object, const char *key) {
  const char *value = json_string_value(get(object, key));
  cr_assert_not_null(value, "%s is no text", key);
  return value;
}

static const json_t *named(const json_t *rows, const char *key, const char *name) {
  for (size_t i = 0; i < json_array_size(rows); i++)
    if (strcmp(text(json_array_get(rows, i), key), name) == 0) return json_array_get(rows, i);
  cr_assert_fail("no %s %s", key, name);
  return NULL;
}

/* Recommended is `wanted`, or, where the machine says that it is no faster, to stay with float. */
static void expect_advice(const json_t *o, const char *suits, const char *wanted) {
  const double gain = json_number_value(get(o, "gain"));
  cr_assert_str_eq(text(o, "suits"), suits);
  cr_assert_str_eq(text(o, "recommendation"), gain >= 1.05 ? wanted : "float", "gain %g", gain);
  cr_assert_gt(json_array_size(get(o, "reasons")), 1);
}

/* Shares of the layers add up, and with them what the flows cover. */
static void expect_consistent(const json_t *o) {
  const json_t *layers = get(o, "layers"), *flows = get(o, "flows");
  const char *const names[] = { "static", "dynamic" };
  double covered[2] = { 0.0 }, all = 0.0;
  for (size_t i = 0; i < json_array_size(layers); i++) {
    const json_t *l = json_array_get(layers, i);
    const double share = json_number_value(get(l, "float_share"));
    const double bytes = json_number_value(get(l, "weight_bytes")) + json_number_value(get(l, "activation_bytes"));
    const double macs = json_number_value(get(l, "macs")), intensity = json_number_value(get(l, "macs_per_byte"));
    cr_assert(fabs(intensity * bytes - macs) <= 1e-6 * macs, "%s: %g * %g is not %g", text(l, "node"), intensity, bytes,
              macs);
    all += share;
    for (int f = 0; f < 2; f++) {
      const bool is = json_is_true(get(get(l, "covered"), names[f]));
      covered[f] += is ? share : 0.0;
      cr_assert(is || json_is_null(get(get(l, "sqnr_db"), names[f])), "%s: sensitivity without a flow",
                text(l, "node"));
    }
  }
  cr_assert(fabs(all - 1.0) < 1e-6, "shares add up to %g", all);
  for (int f = 0; f < 2; f++) {
    const double coverage = json_number_value(get(named(flows, "flow", names[f]), "coverage"));
    cr_assert(fabs(coverage - covered[f]) < 1e-6, "%s: %g, layers say %g", names[f], coverage, covered[f]);
  }
}

static void save_lstm(const char *path) {
  enum { STEPS = 64, UNITS = 32 };
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_create("lstm", &m), QE_OK);
  qe_tensor_t *w = test_random(2, (int64_t[]){ 4 * UNITS, UNITS }, 0.3f, 1),
              *b = test_random(1, (int64_t[]){ 4 * UNITS }, 0.1f, 2);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 3, (int64_t[]){ STEPS, 1, UNITS });
  qe_output(m, "y", qe_lstm(m, "lstm", x, -1, -1, w, w, b, NULL, NULL, NULL));
  qe_tensor_release(&w);
  qe_tensor_release(&b);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_model_save(m, path, QE_FORMAT_QDQ, 0), QE_OK, "%s", qe_last_error());
  qe_model_destroy(&m);
}

Test(advise, an_lstm_is_held_up_by_its_weights) {
  save_lstm("lstm.onnx");
  json_t *o = run_json("advise lstm.onnx --threads 1 --min-time 0.1");
  expect_consistent(o);
  expect_advice(o, "dynamic", "dynamic");
  cr_assert_str_eq(text(o, "data"), "random");
  const json_t *l = named(get(o, "layers"), "op", "LSTM");
  cr_assert_eq(json_integer_value(get(l, "macs")), 64 * (2 * 128 * 32));
  /* W once, R at each of 64 steps, B [1, 256]; x and y */
  cr_assert_eq(json_integer_value(get(l, "weight_bytes")), 4 * (128 * 32 + 64 * 128 * 32 + 256));
  cr_assert_eq(json_integer_value(get(l, "activation_bytes")), 4 * (64 * 32 + 64 * 32));
  cr_assert_str_eq(text(l, "bound_by"), "weights");
  const double alone = json_number_value(get(get(l, "sqnr_db"), "dynamic"));
  cr_assert(alone > 25.0 && alone < 80.0, "%g dB", alone);
  json_decref(o);
}

Test(advise, convolutions_want_the_static_flow_and_the_qconfig_works) {
  json_t *o = run_json("advise float.onnx --calib x.npy --batch 8 --threads 1 --min-time 0.1 --write-qconfig q.json");
  expect_consistent(o);
  cr_assert_str_eq(text(o, "suits"), "static");
  cr_assert_str_eq(text(o, "data"), "files");
  cr_assert_eq(json_integer_value(get(o, "batch")), 8);
  json_t *written = json_load_file("q.json", 0, NULL);
  cr_assert(json_equal(written, get(o, "qconfig")), "the file and the report differ");
  json_decref(written);
  json_decref(o);
  result r = run_cli("quantize float.onnx -o q.onnx --calib x.npy --qconfig q.json");
  expect_code(&r, 0);
  result_free(&r);
  r = run_cli("advise float.onnx --write-qconfig q.json");
  expect_code(&r, 1);
  expect_text(r.err, "--force");
  result_free(&r);
}

/* Convolutions over [1, 1, 32, 64], whose columns are the steps of an LSTM. */
static void save_crnn(const char *path) {
  enum { STEPS = 64, ROWS = 32, CHANNELS = 16, LAST = 4, WIDTH = ROWS * LAST, UNITS = 32 };
  const qe_conv_options_t pad = { .padding = { 1, 1 } };
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_create("crnn", &m), QE_OK);
  qe_tensor_t *w[] = { test_random(4, (int64_t[]){ CHANNELS, 1, 3, 3 }, 0.5f, 1),
                       test_random(4, (int64_t[]){ 32, CHANNELS, 3, 3 }, 0.2f, 2),
                       test_random(4, (int64_t[]){ LAST, 32, 3, 3 }, 0.1f, 3),
                       test_random(2, (int64_t[]){ 4 * UNITS, WIDTH }, 0.1f, 4),
                       test_random(2, (int64_t[]){ 4 * UNITS, UNITS }, 0.3f, 5) };
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){ 1, 1, ROWS, STEPS });
  const char *const convs[] = { "c1", "c2", "c3" }, *const relus[] = { "r1", "r2", "r3" };
  for (int i = 0; i < 3; i++) x = qe_relu(m, relus[i], qe_conv2d(m, convs[i], x, w[i], NULL, &pad));
  x = qe_transpose(m, "turn", x, 4, (int64_t[]){ 3, 0, 1, 2 });
  x = qe_reshape(m, "columns", x, 3, (int64_t[]){ STEPS, 1, WIDTH });
  qe_output(m, "y", qe_lstm(m, "lstm", x, -1, -1, w[3], w[4], NULL, NULL, NULL, NULL));
  for (size_t i = 0; i < sizeof w / sizeof w[0]; i++) qe_tensor_release(&w[i]);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_model_save(m, path, QE_FORMAT_QDQ, 0), QE_OK, "%s", qe_last_error());
  qe_model_destroy(&m);
}

/* What the static flow alone gives is asked for and half a dB more: the layer that costs most changes its flow. */
Test(advise, one_layer_of_a_static_model_becomes_dynamic) {
  save_crnn("crnn.onnx");
  json_t *o = run_json("advise crnn.onnx --min-time 0.2 --threads 1");
  expect_advice(o, "static", "static");
  char line[128];
  const double sqnr = json_number_value(get(named(get(o, "flows"), "flow", "static"), "output_sqnr_db"));
  json_decref(o);
  snprintf(line, sizeof line, "advise crnn.onnx --min-time 0.2 --threads 1 --min-sqnr %.3f --write-qconfig q.json",
           sqnr + 0.5);
  o = run_json(line);
  expect_advice(o, "static", "mixed");
  cr_assert_geq(json_number_value(get(o, "output_sqnr_db")), sqnr + 0.5);
  if (strcmp(text(o, "recommendation"), "mixed") == 0) {
    const json_t *rules = get(get(o, "qconfig"), "names"), *layers = get(o, "layers");
    size_t sensitive = 0;
    for (size_t i = 0; i < json_array_size(layers); i++) {
      const json_t *l = json_array_get(layers, i);
      if (!json_is_true(get(l, "sensitive"))) continue;
      sensitive++;
      cr_assert_not_null(json_object_get(rules, text(l, "node")), "no rule for %s", text(l, "node"));
      const bool keeps = strcmp(text(l, "choice"), "float") == 0;
      cr_assert_eq(keeps, json_is_null(json_object_get(rules, text(l, "node"))), "%s", text(l, "node"));
    }
    cr_assert_geq(sensitive, 1);
  }
  json_decref(o);
}

/* What does not depend on time is the same in every run. */
static json_t *timeless(json_t *o) {
  json_t *rows = json_array(), *layers = get(o, "layers"), *flows = get(o, "flows");
  for (size_t i = 0; i < json_array_size(layers); i++) {
    json_t *l = json_array_get(layers, i);
    const char *const keys[] = { "node", "macs", "weight_bytes", "activation_bytes", "bound_by", "covered", "sqnr_db" };
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) json_array_append(rows, get(l, keys[k]));
  }
  for (size_t i = 0; i < json_array_size(flows); i++)
    json_array_append(rows, get(json_array_get(flows, i), "output_sqnr_db"));
  json_decref(o);
  return rows;
}

Test(advise, what_is_no_time_repeats) {
  json_t *a = timeless(run_json("advise float.onnx --min-time 0.001 --threads 1"));
  json_t *b = timeless(run_json("advise float.onnx --min-time 0.002"));
  cr_assert_gt(json_array_size(a), 20);
  cr_assert(json_equal(a, b));
  json_decref(a);
  a = timeless(run_json("advise float.onnx --min-time 0.001 --engine reference"));
  cr_assert(json_equal(a, b), "the engine changes what is no time");
  json_decref(a);
  json_decref(b);
  a = timeless(run_json("advise float.onnx --min-time 0.001 --seed 2"));
  b = timeless(run_json("advise float.onnx --min-time 0.001"));
  cr_assert_not(json_equal(a, b), "other random data, the same dB");
  json_decref(a);
  json_decref(b);
}

Test(advise, fewer_layers_alone) {
  json_t *o = run_json("advise float.onnx --min-time 0.001 --layers 2");
  const json_t *layers = get(o, "layers");
  size_t measured = 0;
  for (size_t i = 0; i < json_array_size(layers); i++)
    measured += json_is_real(get(get(json_array_get(layers, i), "sqnr_db"), "static"));
  cr_assert_eq(measured, 2);
  cr_assert_eq(json_integer_value(get(o, "layers_alone")), 2);
  json_decref(o);
}

Test(advise, quality_out_of_reach_calls_for_training) {
  json_t *o = run_json("advise float.onnx --calib x.npy --threads 1 --min-time 0.1 --min-sqnr 250");
  expect_advice(o, "static", "qat");
  json_decref(o);
}

Test(advise, trained_models) {
  if (access(MODELS "char_lstm.onnx", R_OK) != 0) cr_skip_test("no sample models");
  json_t *o = run_json("advise " MODELS "char_lstm.onnx --min-time 0.1 --threads 1");
  expect_consistent(o);
  expect_advice(o, "dynamic", "dynamic");
  json_decref(o);
  o = run_json("advise " MODELS "digits_resnet.onnx --calib " MODELS
               "digits_resnet_input.npy --min-time 0.1 --threads 1");
  expect_consistent(o);
  expect_advice(o, "static", "static");
  json_decref(o);
}

/* An additive mask of -10000 takes the whole range of codes; the Adds that it meets are found and kept float. */
Test(advise, a_mask_is_kept_out_of_the_static_flow) {
  if (access(MODELS "tiny_transformer.onnx", R_OK) != 0) cr_skip_test("no sample models");
  json_t *o = run_json("advise " MODELS "tiny_transformer.onnx --calib " MODELS
                       "tiny_transformer_tokens.npy --min-time 0.1 --threads 1 --write-qconfig q.json");
  const json_t *add = named(get(o, "layers"), "node", "/blocks.0/attn/Add");
  cr_assert_lt(json_number_value(get(get(add, "sqnr_db"), "static")), 10.0);
  if (strcmp(text(o, "recommendation"), "mixed") == 0) {
    cr_assert(json_is_true(get(add, "sensitive")));
    cr_assert_str_eq(text(add, "choice"), "float");
    cr_assert_geq(json_number_value(get(o, "output_sqnr_db")), 20.0);
    cr_assert_not_null(json_object_get(get(get(o, "qconfig"), "names"), "/blocks.0/attn/Add"));
  }
  json_decref(o);
}

Test(advise, text_says_what_and_why) {
  result r = run_cli("advise float.onnx --min-time 0.001");
  expect_code(&r, 0);
  for (const char *const *part =
           (const char *const[]){ "MAC/byte", "conv1", "advice:", "random numbers", "covers %", NULL };
       *part; part++)
    expect_text(r.out, *part);
  result_free(&r);
}

Test(advise, wrong_command_lines_say_what_is_wrong) {
  static const wrong_line wrong[] = {
    { "advise", 2, "MODEL" },
    { "advise float.onnx --min-time 0", 2, "above 0" },
    { "advise float.onnx --samples 3", 2, "--samples goes with --calib" },
    { "advise float.onnx --normalize 0,1", 2, "--normalize goes with --calib" },
    { "advise float.onnx --shape x=1,3,8,8 --calib x.npy", 2, "--shape goes without --calib" },
    { "advise float.onnx --force", 2, "--force goes with --write-qconfig" },
    { "advise int8.onnx", 1, "quantized already" },
    { "advise dynamic.onnx", 1, "quantized already" },
    { "advise nowhere.onnx", 1, "nowhere.onnx" },
    { "advise float.onnx --calib nowhere.npy", 1, "nowhere.npy" },
    { "advise float.onnx --shape z=1", 1, "no such input" },
  };
  scratch_quantize();
  result made = run_cli("quantize float.onnx -o dynamic.onnx --flow dynamic");
  expect_code(&made, 0);
  result_free(&made);
  expect_wrong(sizeof wrong / sizeof wrong[0], wrong);
}
