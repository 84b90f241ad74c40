/* `qengine bench` on small models: the JSON it prints, what it saves, wrong command lines. */
#include "spawn.h"

#include <criterion/criterion.h>
#include <string.h>

#include "support/models.h"

TestSuite(bench, .init = scratch_enter, .fini = scratch_leave, .timeout = 120);

static const json_t *get(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
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

/* A row: google-benchmark's keys, and times that fit together. */
static void expect_row(const json_t *row, int runs) {
  cr_assert_eq(json_integer_value(get(row, "iterations")), runs);
  const double smallest = json_number_value(get(row, "real_time")), median = json_number_value(get(row, "median"));
  cr_assert_gt(smallest, 0.0);
  cr_assert_leq(smallest, median);
  cr_assert_leq(median, json_number_value(get(row, "p90")));
  cr_assert_str_eq(json_string_value(get(row, "time_unit")), "ms");
  const double rate = json_number_value(get(row, "items_per_second"));
  const double expected = (double)json_integer_value(get(row, "batch")) / (smallest * 1e-3);
  cr_assert(rate > 0.99 * expected && rate < 1.01 * expected, "%g samples a second, %g expected", rate, expected);
  cr_assert_gt(json_integer_value(get(row, "macs")), 0);
  const char *const keys[] = { "name", "run_name", "run_type", "cpu_time", "engine", "threads", "peak_share", "load_ms", "plan_ms", "first_run_ms" };
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) get(row, keys[i]);
}

Test(bench, times_files_side_by_side_and_their_steps) {
  scratch_quantize();
  json_t *o = run_json("bench float.onnx int8.onnx --engines reference,reference --batch 3 --repeat 4 --profile");
  const json_t *rows = get(o, "benchmarks");
  get(get(o, "context"), "date");
  cr_assert_eq(json_array_size(rows), 4);
  for (size_t i = 0; i < 4; i++) {
    const json_t *row = json_array_get(rows, i), *steps = get(row, "steps");
    expect_row(row, 4);
    cr_assert_str_eq(json_string_value(get(row, "engine")), "reference");
    cr_assert_gt(json_array_size(steps), 5);
    cr_assert_gt(json_number_value(get(json_array_get(steps, 0), "ms")), 0.0);
  }
  json_decref(o);
}

/* y = x W, four samples at a time and no other number. */
static void save_batch_of_four(const char *path) {
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_create("fixed", &m), QE_OK);
  qe_tensor_t *weight = test_random(2, (int64_t[]){ 5, 3 }, 1.0f, 1);
  qe_output(m, "y", qe_linear(m, "linear", qe_input(m, "x", QE_FLOAT32, 2, (int64_t[]){ 4, 3 }), weight, NULL));
  qe_tensor_release(&weight);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_model_save(m, path, QE_FORMAT_QDQ, 0), QE_OK, "%s", qe_last_error());
  qe_model_destroy(&m);
}

Test(bench, a_fixed_batch_counts_for_its_rows_only) {
  static const int64_t batches[] = { 1, 4 };
  save_batch_of_four("four.onnx");
  json_t *o = run_json("bench float.onnx four.onnx --repeat 1");
  for (size_t i = 0; i < 2; i++) {
    const json_t *row = json_array_get(get(o, "benchmarks"), i);
    cr_assert_eq(json_integer_value(get(row, "batch")), batches[i]);
    expect_row(row, 1);
  }
  json_decref(o);
  o = run_json("bench four.onnx --repeat 1 --batch 4");
  json_decref(o);
  result r = run_cli("bench float.onnx four.onnx --repeat 1 --batch 3");
  expect_code(&r, 1);
  expect_text(r.err, "four.onnx have a fixed batch of 4");
  cr_assert_str_eq(r.out, "");
  result_free(&r);
}

Test(bench, the_table_of_kernels_tells_what_is_quantized) {
  scratch_quantize();
  result r = run_cli("bench int8.onnx --engine reference --repeat 1 --profile");
  expect_code(&r, 0);
  expect_text(r.out, "quantized");
  expect_text(r.out, "yes");
  expect_text(r.out, "batch");
  result_free(&r);
}

Test(bench, builds_an_architecture_and_saves_it) {
  json_t *o = run_json("bench --arch lstm --hidden 8 --length 2 --batch 2 --repeat 1 --save lstm.onnx");
  const json_t *rows = get(o, "benchmarks");
  cr_assert_eq(json_array_size(rows), 2);
  expect_row(json_array_get(rows, 0), 1);
  cr_assert_str_eq(json_string_value(get(json_array_get(rows, 1), "name")), "lstm/static");
  cr_assert_gt(json_integer_value(get(json_array_get(rows, 1), "quantized_steps")), 0);
  json_decref(o);
  o = run_json("bench lstm.onnx --min-time 0.001 --batch 2");
  json_decref(o);
  result again = run_cli("bench --arch lstm --hidden 8 --length 2 --repeat 0 --save lstm.onnx");
  expect_code(&again, 1);
  expect_text(again.err, "--force");
  result_free(&again);
}

static const json_t *named(const json_t *rows, const char *name) {
  for (size_t i = 0; i < json_array_size(rows); i++)
    if (strcmp(json_string_value(get(json_array_get(rows, i), "name")), name) == 0) return json_array_get(rows, i);
  cr_assert_fail("no row %s", name);
  return NULL;
}

/* Two layers: steps x batch x (input weights and recurrent weights). */
Test(bench, flows_of_recurrent_layers_stand_side_by_side) {
  json_t *o = run_json("bench --arch lstm_650 --hidden 16 --length 3 --batch 2 --repeat 2 --flow dynamic,static --profile");
  const json_t *rows = get(o, "benchmarks");
  cr_assert_eq(json_array_size(rows), 3);
  const char *const names[] = { "lstm_650/float", "lstm_650/static", "lstm_650/dynamic" };
  for (size_t i = 0; i < 3; i++) {
    const json_t *row = json_array_get(rows, i);
    cr_assert_str_eq(json_string_value(get(row, "name")), names[i]);
    expect_row(row, 2);
    cr_assert_eq(json_integer_value(get(row, "macs")), 3 * 2 * 2 * (8 * 16 * 16));
  }
  const json_t *step = json_array_get(get(named(rows, "lstm_650/dynamic"), "steps"), 0);
  cr_assert_str_eq(json_string_value(get(step, "op")), "DynamicQuantizeLSTM");
  cr_assert(json_is_true(get(step, "quantized")));
  json_decref(o);
}

Test(bench, a_file_in_flows) {
  json_t *o = run_json("bench float.onnx --repeat 1 --flow static,dynamic");
  const json_t *rows = get(o, "benchmarks");
  cr_assert_eq(json_array_size(rows), 3);
  cr_assert_gt(json_integer_value(get(named(rows, "float.onnx/static"), "quantized_steps")), 0);
  cr_assert_eq(json_integer_value(get(named(rows, "float.onnx/float"), "quantized_steps")), 0);
  const json_t *macs = get(named(rows, "float.onnx/float"), "macs");
  cr_assert(json_equal(macs, get(named(rows, "float.onnx/dynamic"), "macs")));
  json_decref(o);
}

Test(bench, the_same_seed_gives_the_same_file) {
  result r = run_cli("bench --arch lstm --hidden 8 --length 2 --flow float --repeat 0 --seed 7 --save a.onnx");
  expect_code(&r, 0);
  cr_assert_str_eq(r.out, "");
  result_free(&r);
  r = run_cli("bench --arch lstm --hidden 8 --length 2 --flow float --repeat 0 --seed 7 --save b.onnx");
  result_free(&r);
  json_t *a = run_json("info a.onnx"), *b = run_json("info b.onnx");
  cr_assert_str_eq(json_string_value(get(a, "hash")), json_string_value(get(b, "hash")));
  json_decref(a);
  json_decref(b);
}

Test(bench, peak_says_what_a_core_can_do) {
  json_t *o = run_json("bench --peak");
  const json_t *peaks = get(get(o, "context"), "peaks");
  cr_assert_eq(json_array_size(get(o, "benchmarks")), 0);
  cr_assert_geq(json_array_size(peaks), 2);
  for (size_t i = 0; i < json_array_size(peaks); i++)
    cr_assert_gt(json_number_value(get(json_array_get(peaks, i), "gmacs_per_second")), 0.0);
  json_decref(o);
}

Test(bench, help_names_the_architectures) {
  result r = run_cli("bench --help");
  expect_code(&r, 0);
  for (const char *const *name = (const char *const[]){ "resnet50:", "mobilenet_v2:", "lstm:", NULL }; *name; name++)
    expect_text(r.out, *name);
  result_free(&r);
}

Test(bench, wrong_command_lines_say_what_is_wrong) {
  static const wrong_line wrong[] = {
    { "bench", 2, "MODEL or --arch NAME is missing" },
    { "bench float.onnx --peak", 2, "--peak" },
    { "bench float.onnx --arch lstm", 2, "not both" },
    { "bench --arch resnet5", 2, "did you mean 'resnet50'" },
    { "bench --arch lstm --flow dynamik", 2, "did you mean 'dynamic'" },
    { "bench --peak --flow float", 2, "--flow goes with models" },
    { "bench --arch lstm --flow static,dynamic --save x.onnx", 2, "--save goes with one flow" },
    { "bench --arch lstm --flow static,dynamic --qconfig default", 2, "--qconfig goes with one quantized flow" },
    { "bench float.onnx --save x.onnx", 2, "--save goes with --arch" },
    { "bench float.onnx --qconfig default", 2, "--qconfig goes with one quantized flow" },
    { "bench float.onnx --length 2", 2, "--length goes with" },
    { "bench float.onnx --hidden 8", 2, "--hidden goes with" },
    { "bench --peak --length 2", 2, "--length goes with" },
    { "bench --arch resnet18 --length 2", 2, "--length goes with" },
    { "bench --arch mobilenet_v2 --hidden 8", 2, "--hidden goes with" },
    { "bench --arch bert_base --hidden 8", 2, "--hidden goes with" },
    { "bench --arch lstm --flow float --qconfig default", 2, "--qconfig goes with one quantized flow" },
    { "bench --arch lstm --force", 2, "--force goes with --save" },
    { "bench float.onnx --force", 2, "--force goes with --save" },
    { "bench --arch lstm --repeat 0", 2, "--save" },
    { "bench float.onnx --min-time 0", 2, "above 0" },
    { "bench nowhere.onnx", 1, "nowhere.onnx" },
    { "bench float.onnx --engines nosuch", 5, "nosuch" },
  };
  expect_wrong(sizeof wrong / sizeof wrong[0], wrong);
}
