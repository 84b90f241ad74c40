/* `run` and `eval` with --state and --steps: the same bytes for every cut, states that a later run goes on from. */
#include "spawn.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/models.h"

#define DIMS(...) (uint32_t)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (int64_t[]){ __VA_ARGS__ }
#define OK(call) cr_assert_eq(call, QE_OK, "%s", qe_last_error())

enum { TOKENS = 7, HIDDEN = 5, STEPS = 12, BATCH = 3 };

static void save(qe_tensor_t *t, const char *name) {
  OK(qe_tensor_save_npy(t, name, 0));
  qe_tensor_release(&t);
}

/* tokens [seq,batch] -> embedding -> LSTM -> linear; `states`: with h0, c0, hn, cn. */
static void save_model(const char *path, bool states) {
  qe_model_t *m = NULL;
  test_pool pool = { .seed = 9 };
#define W(...) test_weight(&pool, DIMS(__VA_ARGS__))
  OK(qe_model_create("language", &m));
  qe_value_t x = qe_input(m, "tokens", QE_INT64, DIMS(-1, -1)), h = -1, c = -1, hn, cn;
  if (states) {
    h = qe_input(m, "h0", QE_FLOAT32, DIMS(1, BATCH, HIDDEN));
    c = qe_input(m, "c0", QE_FLOAT32, DIMS(1, BATCH, HIDDEN));
  }
  x = qe_embedding(m, "embedding", x, W(TOKENS, 4));
  x = qe_lstm(m, "lstm", x, h, c, W(4 * HIDDEN, 4), W(4 * HIDDEN, HIDDEN), W(4 * HIDDEN), NULL, states ? &hn : NULL,
              states ? &cn : NULL);
  qe_output(m, "logits", qe_linear(m, "fc", x, W(TOKENS, HIDDEN), NULL));
  if (states) {
    qe_output(m, "hn", hn);
    qe_output(m, "cn", cn);
  }
  OK(qe_model_finish(m));
  OK(qe_model_save(m, path, QE_FORMAT_QDQ, 0));
  qe_model_destroy(&m);
  test_pool_free(&pool);
}

static qe_tensor_t *tokens(int64_t first, int64_t steps, int64_t shift) {
  qe_tensor_t *t = NULL;
  OK(qe_tensor_create(QE_INT64, DIMS(steps, BATCH), &t));
  for (int64_t i = 0; i < steps * BATCH; i++) {
    const int64_t at = first * BATCH + i + shift;
    ((int64_t *)qe_tensor_data(t))[i] = (at * at + 3 * (at / 5)) % TOKENS;
  }
  return t;
}

static void enter(void) {
  scratch_enter();
  qe_tensor_t *zero = NULL;
  save_model("plain.onnx", false);
  save_model("states.onnx", true);
  save(tokens(0, STEPS, 0), "t.npy");
  save(tokens(0, STEPS, BATCH), "next.npy");
  save(tokens(0, 7, 0), "begin.npy");
  save(tokens(7, STEPS - 7, 0), "rest.npy");
  OK(qe_tensor_create(QE_FLOAT32, DIMS(1, BATCH, HIDDEN), &zero));
  save(zero, "zero.npy");
}

TestSuite(steps, .init = enter, .fini = scratch_leave, .timeout = 60);

static void run_ok(const char *line) {
  result r = run_cli("%s", line);
  cr_assert_eq(r.code, 0, "%s: %s", line, r.err);
  result_free(&r);
}

static void expect_same(const char *a, const char *b) {
  qe_tensor_t *x = NULL, *y = NULL;
  OK(qe_tensor_load(a, NULL, &x));
  OK(qe_tensor_load(b, NULL, &y));
  cr_assert_eq(qe_tensor_bytes(x), qe_tensor_bytes(y), "%s and %s", a, b);
  cr_assert_eq(memcmp(qe_tensor_const_data(x), qe_tensor_const_data(y), qe_tensor_bytes(x)), 0, "%s and %s differ", a, b);
  qe_tensor_release(&x);
  qe_tensor_release(&y);
}

static void expect_failure(int code, const char *line, const char *part, const char *other) {
  result r = run_cli("%s", line);
  expect_code(&r, code);
  expect_text(r.err, part);
  expect_text(r.err, other);
  result_free(&r);
}

Test(steps, every_cut_gives_the_bytes_of_the_whole) {
  run_ok("run plain.onnx --input t.npy --output-dir whole");
  run_ok("run plain.onnx --input t.npy --state auto --steps 0 --output-dir one");
  run_ok("run plain.onnx --input t.npy --state auto --steps 0 --step-size 5 --threads 2 --output-dir five");
  run_ok("run states.onnx --input t.npy --state hn=h0 cn=c0 --steps 0 --step-size 7 --output-dir seven");
  run_ok("run states.onnx --input tokens=t.npy h0=zero.npy c0=zero.npy --output-dir given");
  run_ok("run states.onnx --state auto --input t.npy --output-dir uncut");
  expect_same("whole/logits.npy", "one/logits.npy");
  expect_same("whole/logits.npy", "five/logits.npy");
  expect_same("whole/logits.npy", "seven/logits.npy");
  expect_same("given/hn.npy", "seven/hn.npy");
  expect_same("given/cn.npy", "one/lstm.c_next.npy");
  expect_same("given/logits.npy", "uncut/logits.npy");
}

Test(steps, a_later_run_goes_on_from_what_was_written) {
  run_ok("run states.onnx --input t.npy --state auto --output-dir whole");
  run_ok("run states.onnx --input begin.npy --state auto --steps 0 --output-dir a");
  run_ok("run states.onnx --input rest.npy h0=a/hn.npy c0=a/cn.npy --state auto --steps 0 --step-size 2 --output-dir b");
  expect_same("whole/hn.npy", "b/hn.npy");
  qe_tensor_t *all = NULL, *rest = NULL;
  OK(qe_tensor_load("whole/logits.npy", NULL, &all));
  OK(qe_tensor_load("b/logits.npy", NULL, &rest));
  const char *tail = (const char *)qe_tensor_const_data(all) + qe_tensor_bytes(all) - qe_tensor_bytes(rest);
  cr_assert_eq(qe_tensor_dims(rest)[0], STEPS - 7);
  cr_assert_eq(memcmp(tail, qe_tensor_const_data(rest), qe_tensor_bytes(rest)), 0);
  qe_tensor_release(&all);
  qe_tensor_release(&rest);
}

Test(steps, exposed_states_survive_a_file_and_the_dynamic_flow) {
  qe_model_t *m = NULL;
  uint32_t count;
  OK(qe_model_load("plain.onnx", &m));
  OK(qe_model_expose_state(m, &count));
  cr_assert_eq(count, 2u);
  OK(qe_model_save(m, "exposed.onnx", QE_FORMAT_QDQ, 0));
  qe_model_destroy(&m);
  run_ok("run plain.onnx --input t.npy --output-dir whole");
  run_ok("run exposed.onnx --input t.npy --state auto --steps 0 --step-size 5 --output-dir file");
  expect_same("whole/logits.npy", "file/logits.npy");
  /* Steps of one position choose the same parameters in either engine, and whether states are exposed before or after. */
  run_ok("quantize plain.onnx -o late.onnx --flow dynamic");
  run_ok("quantize exposed.onnx -o early.onnx --flow dynamic");
  run_ok("run late.onnx --input t.npy --state auto --steps 0 --output-dir late");
  run_ok("run early.onnx --input t.npy --state auto --steps 0 --engine reference --output-dir early");
  expect_same("late/logits.npy", "early/logits.npy");
  expect_same("late/lstm.c_next.npy", "early/lstm.c_next.npy");
}

/* Running sums of all that came before, from a past that grows. */
Test(steps, a_past_that_grows) {
  static const int64_t axis = 0;
  qe_model_t *m = NULL;
  qe_tensor_t *axes = NULL, *t = NULL;
  OK(qe_model_create("growing", &m));
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(-1, 2)),
                   past = qe_input(m, "past_key_values.0.key", QE_FLOAT32, DIMS(-1, 2)),
                   present = qe_concat(m, "concat", 2, (const qe_value_t[]){ past, x }, 0);
  OK(qe_tensor_from_data(QE_INT64, 1, (const int64_t[]){ 1 }, &axis, &axes));
  qe_output(m, "sum", qe_op(m, "ReduceSum", "sum", 2, (const qe_value_t[]){ present, qe_constant(m, "axes", axes) }, NULL));
  qe_output(m, "present.0.key", present);
  OK(qe_model_finish(m));
  OK(qe_model_save(m, "growing.onnx", QE_FORMAT_QDQ, 0));
  qe_model_destroy(&m);
  qe_tensor_release(&axes);
  OK(qe_tensor_from_data(QE_FLOAT32, DIMS(4, 2), (const float[]){ 1, 2, 4, 8, 16, 32, 64, 128 }, &t));
  save(t, "numbers.npy");
  OK(qe_tensor_create(QE_FLOAT32, DIMS(0, 2), &t));
  save(t, "empty.npy");
  expect_failure(1, "run growing.onnx --input numbers.npy --state auto --steps 0 --output-dir o", "past_key_values.0.key",
                 "qe_session_set_state");
  run_ok("run growing.onnx --input numbers.npy past_key_values.0.key=empty.npy --state auto --steps 0 --output-dir grown");
  OK(qe_tensor_load("grown/sum.npy", NULL, &t));
  const float want[8] = { 1, 2, 5, 10, 21, 42, 85, 170 };
  cr_assert_eq(qe_tensor_bytes(t), sizeof want);
  cr_assert_eq(memcmp(qe_tensor_const_data(t), want, sizeof want), 0);
  qe_tensor_release(&t);
  expect_same("grown/present.0.key.npy", "numbers.npy");
}

static double number(const json_t *o, const char *key) {
  const json_t *value = json_object_get(o, key);
  cr_assert(json_is_number(value), "'%s' is missing", key);
  return json_number_value(value);
}

Test(steps, eval_scores_every_cut_alike_and_says_bits) {
  static const char *const cuts[] = { "", "--steps 0", "--steps 0 --step-size 5" };
  double loss = 0.0;
  for (int i = 0; i < 3; i++) {
    result r = run_cli("eval states.onnx --data t.npy --labels next.npy --state auto %s --json", cuts[i]);
    expect_code(&r, 0);
    json_t *o = result_json(&r);
    cr_assert_eq(number(o, "count"), STEPS * BATCH);
    cr_assert_float_eq(number(o, "bits") * 0.69314718056, number(o, "loss"), 1e-7);
    if (i == 0) loss = number(o, "loss");
    cr_assert_float_eq(number(o, "loss"), loss, 1e-8, "cut '%s'", cuts[i]);
    cr_assert_eq(number(o, "steps"), i == 0 ? 1 : i == 1 ? 12 : 3);
    const json_t *states = json_object_get(o, "states");
    cr_assert_eq(json_array_size(states), 2u);
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(states, 0), "output")), "hn");
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(states, 0), "input")), "h0");
    json_decref(o);
    result_free(&r);
  }
  result r = run_cli("eval float.onnx --data x.npy --labels labels.npy --json"); /* images have no tokens */
  expect_code(&r, 0);
  json_t *o = result_json(&r);
  cr_assert_null(json_object_get(o, "bits"));
  json_decref(o);
  result_free(&r);
}

Test(steps, mistakes) {
  expect_failure(2, "run plain.onnx --input t.npy --steps 0 --output-dir o", "--state", "--steps");
  expect_failure(2, "run plain.onnx --input t.npy --state auto --step-size 2 --output-dir o", "--step-size", "--steps");
  expect_failure(2, "run plain.onnx --input t.npy --state hn --output-dir o", "'hn'", "OUTPUT=INPUT");
  expect_failure(2, "eval plain.onnx --data t.npy --labels next.npy --state auto --batch 2", "--batch", "--state");
  expect_failure(1, "run states.onnx --input t.npy --state hn=h1 --output-dir o", "h1", "'h0'");
  expect_failure(1, "run states.onnx --input t.npy --state hn=h0 --steps 0 --output-dir o", "'c0'", "no state");
  expect_failure(1, "run states.onnx --input t.npy --state auto --steps 2 --output-dir o", "--steps 2", "[12,3]");
  expect_failure(1, "run states.onnx --input t.npy h0=t.npy --state auto --output-dir o", "int64", "float32");
  expect_failure(1, "run states.onnx --input t.npy t.npy --state auto --output-dir o", "NAME=FILE", "t.npy");
  expect_failure(1, "run states.onnx --state auto --steps 0 --output-dir o", "'tokens'", "--input tokens=FILE");
  expect_failure(1, "run float.onnx --input x.npy --state auto --output-dir o", "--state auto", "OUTPUT=INPUT");
  expect_failure(1, "eval states.onnx --data t.npy --labels begin.npy --state auto --steps 0", "[7,3]", "12 positions");
  cr_assert_not(scratch_has("o"));
}
