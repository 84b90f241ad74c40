/* `train`: what it writes is what it says, the same bytes however it runs, and every wrong use is told. */
#include "spawn.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/models.h"

#define OK(call) cr_assert_eq(call, QE_OK, "%s", qe_last_error())
#define DIMS(...) (uint32_t)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (int64_t[]){ __VA_ARGS__ }
#define BASE "train float.onnx --data x.npy --labels labels.npy --batch 8 "
#define VALID "--validation-data x.npy --validation-labels labels.npy "

TestSuite(train, .init = scratch_enter, .fini = scratch_leave, .timeout = 240);

static void run_ok(const char *line) {
  result r = run_cli("%s", line);
  cr_assert_eq(r.code, 0, "%s: %s", line, r.err);
  result_free(&r);
}

static json_t *run_json(const char *line) {
  result r = run_cli("%s --json", line);
  expect_code(&r, 0);
  json_t *o = result_json(&r);
  result_free(&r);
  return o;
}

static double number(const json_t *o, const char *key) {
  const json_t *value = json_object_get(o, key);
  cr_assert(json_is_number(value), "'%s' is missing", key);
  return json_number_value(value);
}

static json_t *last_epoch(const json_t *o) {
  json_t *epochs = json_object_get(o, "epochs");
  cr_assert_gt(json_array_size(epochs), 0u);
  return json_array_get(epochs, json_array_size(epochs) - 1);
}

static char *read_file(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  cr_assert_not_null(f, "%s", path);
  char *data = calloc(1, 1 << 22);
  *size = fread(data, 1, (1 << 22) - 1, f);
  fclose(f);
  return data;
}

static void expect_same_file(const char *a, const char *b) {
  size_t m, n;
  char *x = read_file(a, &m), *y = read_file(b, &n);
  cr_assert(m == n && memcmp(x, y, m) == 0, "%s (%zu bytes) and %s (%zu) differ", a, m, b, n);
  free(x);
  free(y);
}

/* The last validation is what `eval` finds in the file that was written. */
static void expect_scores_of_file(const json_t *o, const char *file) {
  const json_t *validation = json_object_get(last_epoch(o), "validation");
  char line[200];
  snprintf(line, sizeof line, "eval %s --data x.npy --labels labels.npy", file);
  json_t *e = run_json(line);
  cr_assert_float_eq(number(validation, "top1"), number(e, "top1"), 1e-9, "%g, %s: %g", number(validation, "top1"), file, number(e, "top1"));
  cr_assert_float_eq(number(validation, "loss"), number(e, "loss"), 1e-5, "%g, %s: %g", number(validation, "loss"), file, number(e, "loss"));
  cr_assert_eq(number(validation, "count"), 40);
  json_decref(e);
}

Test(train, float_model) {
  json_t *o = run_json(BASE VALID "--epochs 12 --optimizer adam --lr 0.02 -o t.onnx");
  const json_t *epochs = json_object_get(o, "epochs"), *first = json_array_get(epochs, 0);
  cr_assert_eq(json_array_size(epochs), 12u);
  cr_assert_eq(number(o, "steps"), 60);
  cr_assert_lt(number(last_epoch(o), "loss"), 0.75 * number(first, "loss"));
  cr_assert_gt(number(first, "seconds"), 0.0);
  cr_assert_float_eq(number(first, "lr"), 0.02, 1e-7);
  cr_assert(json_is_false(json_object_get(o, "qat")));
  cr_assert(json_is_null(json_object_get(o, "float_out")));
  cr_assert_str_eq(json_string_value(json_object_get(o, "out")), "t.onnx");
  cr_assert_gt(number(o, "threads"), 0);
  cr_assert(json_is_string(json_object_get(o, "engine")));
  const double best = number(o, "best_epoch");
  for (size_t i = 0; i < 12; i++) {
    const json_t *e = json_array_get(epochs, i), *b = json_array_get(epochs, (size_t)best - 1);
    cr_assert_leq(number(json_object_get(e, "validation"), "top1"), number(json_object_get(b, "validation"), "top1"));
  }
  expect_scores_of_file(o, "t.onnx");
  json_decref(o);
}

Test(train, int8_model_and_the_float_one_behind_it) {
  json_t *o = run_json(BASE VALID "--qat --epochs 4 --lr 0.01 -o q.onnx --float-out f.onnx");
  expect_scores_of_file(o, "q.onnx");
  cr_assert_str_eq(json_string_value(json_object_get(o, "float_out")), "f.onnx");
  cr_assert_gt(number(o, "float_bytes"), 0);
  cr_assert_gt(number(o, "quantized_nodes"), 8);
  cr_assert_leq(number(o, "quantized_nodes"), number(o, "nodes"));
  cr_assert_eq(json_array_size(json_object_get(o, "warnings")), 0u);
  json_decref(o);
  result r = run_cli("info q.onnx");
  expect_text(r.out, "qengine.flow = qat");
  expect_text(r.out, "12 constants");
  result_free(&r);
  run_ok("quantize f.onnx -o again.onnx --calib x.npy -q"); /* a float model like any other */
}

Test(train, same_bytes_with_every_engine_and_number_of_threads) {
  static const char *const ways[] = { "--threads 1", "--threads 2", "--engine reference --threads 2", "--recompute" };
  static const char *const modes[] = { "", "--qat --learn-qparams" };
  for (int mode = 0; mode < 2; mode++) {
    for (int i = 0; i < 4; i++) {
      char line[400];
      snprintf(line, sizeof line, BASE "%s --epochs 2 --shards 2 --augment shift=1,flip %s -o m%d_%d.onnx -q", modes[mode], ways[i], mode, i);
      run_ok(line);
      char a[32], b[32];
      snprintf(a, sizeof a, "m%d_0.onnx", mode);
      snprintf(b, sizeof b, "m%d_%d.onnx", mode, i);
      expect_same_file(a, b);
    }
  }
}

Test(train, goes_on_after_an_interruption) {
  static const char line[] = BASE "--qat --epochs 60 --schedule cosine --checkpoint run.ckpt --resume -q -o %s";
  char text[300];
  snprintf(text, sizeof text, BASE "--qat --epochs 60 --schedule cosine -q -o whole.onnx");
  run_ok(text);
  snprintf(text, sizeof text, line, "q.onnx");
  result r = run_with(&(spawn_options){ .signal = SIGINT, .delay_ms = 60 }, "%s", text);
  expect_code(&r, 130);
  expect_text(r.err, "--resume");
  cr_assert(scratch_has("run.ckpt"));
  cr_assert_not(scratch_has("q.onnx"));
  result_free(&r);
  run_ok(text);
  expect_same_file("whole.onnx", "q.onnx");
  /* the checkpoint of a finished training: nothing is left to do */
  snprintf(text, sizeof text, line, "q2.onnx");
  run_ok(text);
  expect_same_file("whole.onnx", "q2.onnx");
  snprintf(text, sizeof text, BASE "--qat --epochs 60 --lr 0.5 --checkpoint run.ckpt --resume -q -o no.onnx");
  r = run_cli("%s", text); /* another training */
  expect_code(&r, 1);
  expect_text(r.err, "run.ckpt");
  cr_assert_not(scratch_has("no.onnx"));
  result_free(&r);
}

Test(train, page_and_metrics) {
  size_t size;
  run_ok(BASE VALID "--epochs 3 -o t.onnx --html t.html --metrics t.jsonl -q");
  char *page = read_file("t.html", &size);
  expect_text(page, "<svg");
  expect_text(page, "Top-1");
  expect_text(page, "t.onnx");
  cr_assert_null(strstr(page, "nan"), "%s", page);
  cr_assert_null(strstr(page, "http"), "the page needs something else");
  free(page);
  char *lines = read_file("t.jsonl", &size), *rest = NULL;
  int count = 0;
  for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), count++) {
    json_t *o = json_loads(line, 0, NULL);
    cr_assert(json_is_object(o), "%s", line);
    cr_assert_eq(json_integer_value(json_object_get(o, "schema_version")), 1, "%s", line);
    json_decref(o);
  }
  cr_assert_geq(count, 3);
  free(lines);
}

Test(train, one_line_for_each_epoch_on_stderr_and_none_when_quiet) {
  result r = run_cli(BASE VALID "--qat --epochs 2 -o a.onnx");
  expect_code(&r, 0);
  expect_text(r.err, "epoch 1/2: loss");
  expect_text(r.err, "epoch 2/2: loss");
  expect_text(r.err, "validation in int8");
  expect_text(r.out, "a.onnx");
  result_free(&r);
  r = run_cli(BASE "--epochs 2 -o b.onnx -q");
  expect_code(&r, 0);
  cr_assert_str_empty(r.err, "%s", r.err);
  result_free(&r);
}

/* A graph with its weights missing. */
static void save_missing(const char *path) {
  qe_model_t *m = NULL;
  OK(qe_model_create("missing", &m));
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(-1, 3, 8, 8)), w = qe_input(m, "w", QE_FLOAT32, DIMS(4, 3, 3, 3)),
                   f = qe_input(m, "f", QE_FLOAT32, DIMS(5, 4));
  qe_value_t y = qe_relu(m, "relu", qe_op(m, "Conv", "conv", 2, (qe_value_t[]){ x, w }, NULL));
  y = qe_flatten(m, "flatten", qe_global_avg_pool(m, "gap", y), 1);
  qe_output(m, "y", qe_op(m, "Gemm", "fc", 2, (qe_value_t[]){ y, f }, "{\"transB\": 1}"));
  OK(qe_model_finish(m));
  OK(qe_model_save(m, path, QE_FORMAT_QDQ, 0));
  qe_model_destroy(&m);
}

Test(train, first_values) {
  save_missing("missing.onnx");
  result r = run_cli("train missing.onnx --data x.npy --labels labels.npy -o no.onnx");
  expect_code(&r, 1);
  expect_text(r.err, "'w'");
  result_free(&r);
  run_ok("train missing.onnx --initialize --data x.npy --labels labels.npy -o a.onnx -q");
  run_ok("train missing.onnx --from-scratch --data x.npy --labels labels.npy -o b.onnx -q");
  expect_same_file("a.onnx", "b.onnx");
  run_ok("train a.onnx --from-scratch --data x.npy --labels labels.npy -o c.onnx -q");
  expect_same_file("a.onnx", "c.onnx");
  run_ok("eval a.onnx --data x.npy --labels labels.npy -q");
}

enum { TOKENS = 7, TEXTS = 24, LENGTH = 6 };

/* tokens [seq,batch] -> embedding -> LSTM -> linear. */
static void save_language(const char *path) {
  qe_model_t *m = NULL;
  test_pool pool = { .seed = 9 };
  OK(qe_model_create("language", &m));
  qe_value_t x = qe_embedding(m, "embedding", qe_input(m, "tokens", QE_INT64, DIMS(-1, -1)), test_weight(&pool, DIMS(TOKENS, 4)));
  x = qe_lstm(m, "lstm", x, -1, -1, test_weight(&pool, DIMS(20, 4)), test_weight(&pool, DIMS(20, 5)), test_weight(&pool, DIMS(20)), NULL, NULL, NULL);
  qe_output(m, "logits", qe_linear(m, "fc", x, test_weight(&pool, DIMS(TOKENS, 5)), NULL));
  OK(qe_model_finish(m));
  OK(qe_model_save(m, path, QE_FORMAT_QDQ, 0));
  qe_model_destroy(&m);
  test_pool_free(&pool);
}

static void save_tokens(const char *path, int64_t shift) {
  qe_tensor_t *t = NULL;
  OK(qe_tensor_create(QE_INT32, DIMS(TEXTS, LENGTH), &t));
  for (int64_t i = 0; i < TEXTS * LENGTH; i++) ((int32_t *)qe_tensor_data(t))[i] = (int32_t)((i / LENGTH + i % LENGTH + shift) % TOKENS);
  OK(qe_tensor_save_npy(t, path, 0));
  qe_tensor_release(&t);
}

Test(train, language_model) {
  save_language("language.onnx");
  save_tokens("t.npy", 0);
  save_tokens("next.npy", 1);
  json_t *o = run_json("train language.onnx --data t.npy --labels next.npy --epochs 40 --batch 6 --optimizer adam --lr 0.05 --clip-norm 1 -o l.onnx");
  const json_t *first = json_array_get(json_object_get(o, "epochs"), 0);
  cr_assert_lt(number(last_epoch(o), "loss"), 0.3 * number(first, "loss"));
  cr_assert_gt(number(last_epoch(o), "top1"), 0.9);
  json_decref(o);
}

Test(train, teacher) {
  run_ok(BASE "--epochs 12 --lr 0.05 -o teacher.onnx -q");
  run_ok(BASE "--qat --teacher teacher.onnx --distill 0.7 --temperature 2 -o student.onnx -q");
  run_ok(BASE "--qat -o alone.onnx -q");
  size_t m, n;
  char *x = read_file("student.onnx", &m), *y = read_file("alone.onnx", &n);
  cr_assert(m != n || memcmp(x, y, m) != 0, "the teacher changes nothing");
  free(x);
  free(y);
}

static void save_pictures(const char *path, bool even, bool symmetric) {
  qe_tensor_t *t = NULL;
  OK(qe_tensor_create(QE_FLOAT32, DIMS(40, 3, 8, 8), &t));
  float *x = qe_tensor_data(t);
  for (int i = 0; i < 40 * 3 * 64; i++) {
    const int column = symmetric && i % 8 > 3 ? 7 - i % 8 : i % 8;
    x[i] = (float)(i / 64 * 37 % 17) * 0.1f + (even ? 0.0f : (float)((column * 5 + i / 8 % 8 * 3) % 11) * 0.1f);
  }
  OK(qe_tensor_save_npy(t, path, 0));
  qe_tensor_release(&t);
}

static bool augmenting_changes(const char *pictures, const char *how) {
  char line[300];
  size_t m, n;
  snprintf(line, sizeof line, "train float.onnx --data %s --labels labels.npy --batch 8 -q --force", pictures);
  result r = run_cli("%s -o plain.onnx", line);
  expect_code(&r, 0);
  result_free(&r);
  r = run_cli("%s -o augmented.onnx --augment %s", line, how);
  expect_code(&r, 0);
  result_free(&r);
  char *a = read_file("plain.onnx", &m), *b = read_file("augmented.onnx", &n);
  const bool same = m == n && memcmp(a, b, m) == 0;
  free(a);
  free(b);
  return !same;
}

/* Moved pictures repeat their edge, so that those of one colour stay as they are; turning needs a left and a right. */
Test(train, augmentation) {
  save_pictures("even.npy", true, false);
  save_pictures("symmetric.npy", false, true);
  save_pictures("any.npy", false, false);
  cr_expect_not(augmenting_changes("even.npy", "shift=3,flip"));
  cr_expect_not(augmenting_changes("symmetric.npy", "flip"));
  cr_expect(augmenting_changes("symmetric.npy", "shift=1"));
  cr_expect(augmenting_changes("any.npy", "flip"));
}

Test(train, a_qconfig_that_training_cannot_see_is_told) {
  result r = run_cli(BASE "--qat --qconfig weight_only_int8 -o w.onnx");
  expect_code(&r, 0);
  expect_text(r.err, "no activation");
  result_free(&r);
}

Test(train, wrong_lines) {
  static const wrong_line lines[] = {
    { BASE, 2, "-o OUT is missing" },
    { "train float.onnx --labels labels.npy -o t.onnx", 2, "--data FILE is missing" },
    { "train float.onnx --data x.npy -o t.onnx", 2, "--labels FILE is missing" },
    { "train --data x.npy --labels labels.npy -o t.onnx", 2, "MODEL is missing" },
    { BASE "-o t.onnx --validation-data x.npy", 2, "--validation-labels FILE" },
    { BASE "-o t.onnx --validation-labels x.npy", 2, "--validation-data FILE" },
    { BASE "-o t.onnx --patience 3", 2, "--validation-data" },
    { BASE "-o t.onnx --resume", 2, "--checkpoint FILE" },
    { BASE "-o t.onnx --checkpoint-steps 3", 2, "--checkpoint FILE" },
    { BASE "-o t.onnx --freeze-bn 0.5", 2, "--qat" },
    { BASE "-o t.onnx --freeze-bn -1 --qat", 2, "--freeze-bn" },
    { BASE "-o t.onnx --qconfig default", 2, "--qat" },
    { BASE "-o t.onnx --float-out f.onnx", 2, "--qat" },
    { BASE "-o t.onnx --distill 0.2", 2, "--teacher MODEL" },
    { BASE "-o t.onnx --optimizer adma", 2, "did you mean 'adam'" },
    { BASE "-o t.onnx --optimizer adam --nesterov", 2, "--nesterov" },
    { BASE "-o t.onnx --schedule cosin", 2, "did you mean 'cosine'" },
    { BASE "-o t.onnx --lr 0", 2, "--lr" },
    { BASE "-o t.onnx --lr nan", 2, "--lr" },
    { BASE "-o t.onnx --momentum 1", 2, "--momentum" },
    { BASE "-o t.onnx --epochs 0", 2, "--epochs" },
    { BASE "-o t.onnx --label-smoothing 1", 2, "--label-smoothing" },
    { BASE "-o t.onnx --augment turn", 2, "'turn' is neither" },
    { BASE "-o t.onnx --augment shift=x", 2, "--augment shift" },
    { BASE "-o t.onnx --shards 9", 2, "--shards 9" },
    { BASE "-o t.onnx --loss mse --label-smoothing 0.1", 2, "cross_entropy" },
    { BASE "-o t.onnx --html t.onnx", 2, "same file" },
    { BASE "-o t.onnx --qat --qconfig fbgem", 2, "did you mean 'fbgemm'" },
    { BASE "-o t.onnx --lern-qparams", 2, "did you mean '--learn-qparams'" },
    { BASE "-o float.onnx", 1, "--force" },
    { BASE "-o nowhere/t.onnx", 1, "nowhere" },
    { BASE "-o t.onnx --samples 41", 1, "only 40 samples" },
    { BASE "-o t.onnx --loss mse", 1, "float32" },
    { BASE "-o t.onnx --teacher nosuch.onnx", 1, "nosuch.onnx" },
    { BASE "-o t.onnx --qat --qconfig nosuch.json", 1, "nosuch.json" },
    { "train nosuch.onnx --data x.npy --labels labels.npy -o t.onnx", 1, "nosuch.onnx" },
    { "train float.onnx --data images.npy --labels labels.npy -o t.onnx", 1, "--normalize" },
    { "train float.onnx --data x.npy --labels x.npy -o t.onnx", 1, "integers are wanted" },
    { BASE "-o t.onnx --validation-data x.npy --validation-labels nosuch.npy", 1, "nosuch.npy" },
    { BASE "-o t.onnx --engine nosuch", 5, "nosuch" },
  };
  expect_wrong(sizeof lines / sizeof lines[0], lines);
  cr_assert_not(scratch_has("t.onnx"));
}

Test(train, labels_out_of_range_and_too_few) {
  qe_tensor_t *t = NULL;
  OK(qe_tensor_create(QE_INT64, DIMS(40), &t));
  ((int64_t *)qe_tensor_data(t))[33] = 5;
  OK(qe_tensor_save_npy(t, "high.npy", 0));
  qe_tensor_release(&t);
  OK(qe_tensor_create(QE_UINT8, DIMS(39), &t));
  OK(qe_tensor_save_npy(t, "few.npy", 0));
  qe_tensor_release(&t);
  const wrong_line lines[] = {
    { "train float.onnx --data x.npy --labels high.npy -o t.onnx -q", 1, "label 5" },
    { "train float.onnx --data x.npy --labels few.npy -o t.onnx -q", 1, "39 labels for 40 samples" },
  };
  expect_wrong(2, lines);
  cr_assert_not(scratch_has("t.onnx"));
  run_ok("train float.onnx --data x.npy --labels high.npy --ignore-index 5 -o t.onnx -q");
}

Test(train, a_full_disk_leaves_nothing_half_written) {
  result r = run_with(&(spawn_options){ .file_limit = 2000 }, BASE "-o t.onnx -q");
  expect_code(&r, 1);
  expect_text(r.err, "t.onnx");
  cr_assert_not(scratch_has("t.onnx"));
  cr_assert_eq(scratch_count(), 4);
  result_free(&r);
}
