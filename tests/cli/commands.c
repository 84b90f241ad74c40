/* Each command on a small model: what it prints as JSON, and that the numbers agree with each other. */
#include "spawn.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "support/models.h"

TestSuite(commands, .init = scratch_enter, .fini = scratch_leave, .timeout = 120);

static json_t *run_json(int code, const char *line) {
  result r = run_cli("%s --json", line);
  expect_code(&r, code);
  json_t *object = result_json(&r);
  result_free(&r);
  return object;
}

static json_t *get(const json_t *object, const char *key) {
  json_t *value = json_object_get(object, key);
  cr_assert_not_null(value, "no key %s", key);
  return value;
}

static void expect_keys(const json_t *object, const char *keys) {
  char copy[512], *rest = copy;
  snprintf(copy, sizeof copy, "%s", keys);
  for (char *key; (key = strtok_r(rest, " ", &rest));) get(object, key);
}

Test(commands, info) {
  json_t *o = run_json(0, "info float.onnx");
  expect_keys(o, "inputs outputs ops nodes parameters parameter_bytes file_bytes quantized_tensors metadata hash");
  json_t *input = json_array_get(get(o, "inputs"), 0);
  cr_assert_str_eq(json_string_value(get(input, "name")), "x");
  cr_assert_str_eq(json_string_value(get(input, "dtype")), "float32");
  cr_assert_eq(json_array_size(get(input, "shape")), 4);
  cr_assert_eq(json_integer_value(json_array_get(get(input, "shape"), 1)), 3);
  cr_assert_eq(json_integer_value(get(get(o, "ops"), "Conv")), 5);
  cr_assert_eq(json_array_size(get(o, "quantized_tensors")), 0);
  cr_assert_eq(strlen(json_string_value(get(o, "hash"))), 64);
  json_decref(o);
}

Test(commands, info_of_a_quantized_model) {
  scratch_quantize();
  json_t *o = run_json(0, "info int8.onnx");
  json_t *tensors = get(o, "quantized_tensors");
  cr_assert_gt(json_array_size(tensors), 5);
  bool per_channel = false;
  for (size_t i = 0; i < json_array_size(tensors); i++) {
    json_t *t = json_array_get(tensors, i);
    expect_keys(t, "name dtype axis scale zero_point");
    const size_t n = json_array_size(get(t, "scale"));
    cr_assert_eq(n, json_array_size(get(t, "zero_point")));
    per_channel = per_channel || n > 1;
    cr_assert_eq(json_is_null(get(t, "axis")), n == 1 && json_is_null(get(t, "axis")));
  }
  cr_assert(per_channel, "weights are quantized per channel by default");
  json_t *metadata = get(o, "metadata");
  expect_keys(metadata, "qengine.qconfig qengine.version qengine.flow");
  json_t *mapping = json_loads(json_string_value(get(metadata, "qengine.qconfig")), 0, NULL);
  cr_assert_not_null(mapping, "the recorded qconfig is JSON");
  json_decref(mapping);
  json_decref(o);
  result r = run_cli("info int8.onnx -v");
  expect_code(&r, 0);
  expect_text(r.out, "zero point");
  result_free(&r);
}

static void check_quantize(const char *format) {
  char line[128];
  snprintf(line, sizeof line, "quantize float.onnx -o q.onnx --flow static --calib x.npy --batch 16 --format %s",
           format);
  json_t *o = run_json(0, line);
  expect_keys(o, "model output flow qconfig format layers bytes_before bytes_after ratio calibration engine warnings");
  cr_assert_str_eq(json_string_value(get(o, "format")), format);
  json_t *layers = get(o, "layers");
  size_t quantized = 0, weights = 0;
  for (size_t i = 0; i < json_array_size(layers); i++) {
    json_t *layer = json_array_get(layers, i);
    expect_keys(layer, "node op quantized reason weight_sqnr_db weight activation");
    quantized += json_is_true(get(layer, "quantized"));
    if (!json_is_real(get(layer, "weight_sqnr_db"))) continue;
    weights++;
    cr_assert_gt(json_real_value(get(layer, "weight_sqnr_db")), 20.0);
  }
  cr_assert_geq(quantized, 6);
  cr_assert_geq(weights, 6, "convolutions and the linear layer have weights, found %zu", weights);
  json_t *calibration = get(o, "calibration");
  cr_assert_eq(json_integer_value(get(calibration, "samples")), 40);
  cr_assert_eq(json_integer_value(get(calibration, "batches")), 3);
  json_decref(o);
  o = run_json(0, "info q.onnx");
  cr_assert_gt(json_array_size(get(o, "quantized_tensors")), 5);
  json_decref(o);
}

Test(commands, quantize_qdq) {
  check_quantize("qdq");
}

Test(commands, quantize_qoperator) {
  check_quantize("qoperator");
}

Test(commands, quantize_is_deterministic_and_stats_give_the_same_model) {
  const char *lines[] = { "quantize float.onnx -o a.onnx --calib x.npy --threads 1 -q",
                          "quantize float.onnx -o b.onnx --calib x.npy -q",
                          "calibrate float.onnx --calib x.npy -o s.stats -q",
                          "quantize float.onnx -o c.onnx --stats s.stats -q" };
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    result r = run_cli("%s", lines[i]);
    expect_code(&r, 0);
    result_free(&r);
  }
  char hash[3][65];
  const char *names[] = { "a.onnx", "b.onnx", "c.onnx" };
  for (int i = 0; i < 3; i++) {
    qe_model_t *m = NULL;
    cr_assert_eq(qe_model_load(names[i], &m), QE_OK, "%s", qe_last_error());
    qe_model_hash(m, hash[i]);
    qe_model_destroy(&m);
  }
  cr_assert_str_eq(hash[0], hash[1], "thread count changes the file");
  cr_assert_str_eq(hash[0], hash[2], "saved statistics change the file");
}

Test(commands, stats_merge_and_show) {
  const char *lines[] = { "calibrate float.onnx --calib x.npy --batch 10 --shard 1/2 -o a.stats",
                          "calibrate float.onnx --calib x.npy --batch 10 --shard 2/2 -o b.stats",
                          "stats merge a.stats b.stats -o c.stats", "stats show c.stats",
                          "quantize float.onnx -o q.onnx --stats c.stats" };
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    result r = run_cli("%s", lines[i]);
    expect_code(&r, 0);
    cr_assert_str_not_empty(r.out);
    result_free(&r);
  }
  json_t *o = run_json(0, "stats show c.stats");
  cr_assert(json_is_object(get(o, "stats")));
  json_decref(o);
}

Test(commands, run_gives_what_the_library_gives) {
  result r = run_cli("run float.onnx --input x=x.npy --output-dir new/ --json");
  expect_code(&r, 0);
  json_decref(result_json(&r));
  result_free(&r);
  qe_tensor_t *y = NULL;
  cr_assert_eq(qe_tensor_load("new/y.npy", NULL, &y), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_tensor_rank(y), 2);
  cr_assert_eq(qe_tensor_dims(y)[0], 40);
  cr_assert_eq(qe_tensor_dims(y)[1], 5);
  qe_tensor_release(&y);
}

Test(commands, eval) {
  json_t *o = run_json(0, "eval float.onnx --data x.npy --labels labels.npy --batch 16");
  expect_keys(o, "top1 loss count latency_ms engine threads batch arena_bytes packed_bytes max_rss_bytes");
  const double top1 = json_number_value(get(o, "top1"));
  cr_assert(top1 >= 0.0 && top1 <= 1.0, "%g is no fraction", top1);
  cr_assert_eq(json_integer_value(get(o, "count")), 40);
  cr_assert_gt(json_real_value(get(o, "loss")), 0.0);
  json_t *latency = get(o, "latency_ms");
  const double least = json_real_value(get(latency, "min")), median = json_real_value(get(latency, "median"));
  cr_assert(least > 0.0 && least <= median && median <= json_real_value(get(latency, "p90")));
  json_decref(o);
  o = run_json(0, "eval float.onnx --data images.npy --labels labels.npy --normalize 0.5,0.5 --samples 7");
  cr_assert_eq(json_integer_value(get(o, "count")), 7);
  json_decref(o);
}

Test(commands, compare) {
  scratch_quantize();
  json_t *o = run_json(0, "compare float.onnx int8.onnx --data x.npy --html report.html");
  expect_keys(o, "tensors outputs layers min_sqnr_db passed");
  json_t *tensors = get(o, "tensors");
  cr_assert_geq(json_array_size(tensors), 6, "names survive conversion");
  double last = -1e9;
  for (size_t i = 0; i < json_array_size(tensors); i++) {
    json_t *t = json_array_get(tensors, i);
    expect_keys(t, "name node op sqnr_db cosine max_error count");
    const double sqnr = json_number_value(get(t, "sqnr_db"));
    cr_assert_geq(sqnr, last, "worst first");
    last = sqnr;
  }
  cr_assert_eq(json_array_size(get(o, "outputs")), 1);
  const double output = json_number_value(get(json_array_get(get(o, "outputs"), 0), "sqnr_db"));
  cr_assert_gt(output, 15.0, "%g dB", output);
  json_decref(o);
  cr_assert(scratch_has("report.html"));
  o = run_json(3, "compare float.onnx int8.onnx --data x.npy --min-sqnr 200");
  cr_assert(json_is_false(get(o, "passed")));
  json_decref(o);
  o = run_json(0, "compare float.onnx float.onnx --data x.npy --min-sqnr 200");
  cr_assert(json_is_true(get(o, "passed")));
  json_decref(o);
}

Test(commands, explain) {
  scratch_quantize();
  json_t *o = run_json(0, "explain int8.onnx --batch 4");
  expect_keys(o, "engine nodes summary");
  json_t *nodes = get(o, "nodes");
  for (size_t i = 0; i < json_array_size(nodes); i++)
    expect_keys(json_array_get(nodes, i), "node op engine kernel dtypes quantized fallback note origin");
  cr_assert_gt(json_integer_value(get(get(o, "summary"), "quantized")), 5);
  cr_assert_eq(json_integer_value(get(get(o, "summary"), "steps")), (json_int_t)json_array_size(nodes));
  json_decref(o);
}

Test(commands, engines) {
  const char *lines[] = { "engines", "engines --probe" };
  for (int i = 0; i < 2; i++) {
    json_t *o = run_json(0, lines[i]);
    json_t *engines = get(o, "engines");
    bool reference = false;
    for (size_t k = 0; k < json_array_size(engines); k++) {
      json_t *e = json_array_get(engines, k);
      expect_keys(e, "name path usable reason selected isa kernels observers version vendor");
      reference =
          reference || (strcmp(json_string_value(get(e, "name")), "reference") == 0 && json_is_true(get(e, "usable")));
    }
    cr_assert(reference, "%s: the reference engine is always there", lines[i]);
    json_decref(o);
  }
}
