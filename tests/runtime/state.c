/* States of sessions: what is carried from run to run, where it begins, and what leaves it alone. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/state.h"
#include "qengine.h"
#include "support/models.h"

#define DIMS(...) (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}
#define OK(call) cr_assert_eq(call, QE_OK, "%s", qe_last_error())
#define W(...) test_weight(&pool, DIMS(__VA_ARGS__))

enum { TOKENS = 7, HIDDEN = 5 };

/* tokens [seq, batch] -> embedding -> two LSTM layers -> linear -> logits, no state in sight. */
static qe_model_t *language_model(uint64_t seed) {
  qe_model_t *m = NULL;
  test_pool pool = {.seed = seed};
  OK(qe_model_create("language", &m));
  qe_value_t x = qe_input(m, "tokens", QE_INT64, DIMS(-1, -1));
  x = qe_embedding(m, "embedding", x, W(TOKENS, 4));
  x = qe_lstm(m, "one", x, -1, -1, W(4 * HIDDEN, 4), W(4 * HIDDEN, HIDDEN), W(4 * HIDDEN), W(4 * HIDDEN), NULL, NULL);
  x = qe_lstm(m, "two", x, -1, -1, W(4 * HIDDEN, HIDDEN), W(4 * HIDDEN, HIDDEN), NULL, NULL, NULL, NULL);
  qe_output(m, "logits", qe_linear(m, "fc", x, W(TOKENS, HIDDEN), W(TOKENS)));
  OK(qe_model_finish(m));
  test_pool_free(&pool);
  return m;
}

static qe_session_t *open_session(const qe_model_t *m, const char *engine, uint32_t threads) {
  qe_session_t *s = NULL;
  const qe_session_options_t o = {.struct_size = sizeof o, .engine = engine, .threads = threads};
  OK(qe_session_create(m, &o, &s));
  return s;
}

/* The language model, its states exposed and bound. */
static qe_session_t *open_bound(qe_model_t *m, const char *engine, uint32_t threads) {
  static const char *const names[4] = {"one.h", "one.c", "two.h", "two.c"};
  uint32_t count;
  if (qe_model_input_count(m) == 1) {
    OK(qe_model_expose_state(m, &count));
    cr_assert_eq(count, 4u);
  }
  qe_session_t *s = open_session(m, engine, threads);
  for (int i = 0; i < 4; i++) {
    char next[16];
    snprintf(next, sizeof next, "%s_next", names[i]);
    OK(qe_session_bind_state(s, next, names[i]));
  }
  return s;
}

static qe_tensor_t *tokens(int64_t steps, int64_t batch, uint64_t seed) {
  qe_tensor_t *t = NULL;
  OK(qe_tensor_create(QE_INT64, DIMS(steps, batch), &t));
  for (int64_t i = 0; i < steps * batch; i++) ((int64_t *)qe_tensor_data(t))[i] = (int64_t)((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 33) % TOKENS;
  return t;
}

static qe_tensor_t *run_tokens(qe_session_t *s, qe_tensor_t *t) {
  qe_named_tensor_t in = {"tokens", t}, out = {"logits", NULL};
  OK(qe_session_run(s, 1, &in, 1, &out));
  return out.tensor;
}

/* Steps first..first+count of t as one run. */
static qe_tensor_t *run_cut(qe_session_t *s, const qe_tensor_t *t, int64_t first, int64_t count) {
  qe_tensor_t *cut = NULL;
  const int64_t batch = qe_tensor_dims(t)[1];
  OK(qe_tensor_from_data(QE_INT64, DIMS(count, batch), (const int64_t *)qe_tensor_const_data(t) + first * batch, &cut));
  qe_tensor_t *y = run_tokens(s, cut);
  qe_tensor_release(&cut);
  return y;
}

static void expect_same(const qe_tensor_t *a, const qe_tensor_t *b, const char *what) {
  cr_assert_eq(qe_tensor_bytes(a), qe_tensor_bytes(b), "%s", what);
  cr_assert_eq(memcmp(qe_tensor_const_data(a), qe_tensor_const_data(b), qe_tensor_bytes(a)), 0, "%s: other bytes", what);
}

static void expect_state(qe_session_t *s, const char *name, const qe_tensor_t *want, const char *what) {
  qe_tensor_t *now = NULL;
  OK(qe_session_get_state(s, name, &now));
  expect_same(now, want, what);
  qe_tensor_release(&now);
}

Test(state, any_cut_of_a_sequence_gives_the_bytes_of_the_whole) {
  const char *given = getenv("TEST_SEED");
  const uint64_t base = given ? strtoull(given, NULL, 10) : 1;
  for (uint64_t seed = base; seed < base + (given ? 1 : 12); seed++) {
    srand((unsigned)seed);
    const int64_t steps = 1 + rand() % 17, batch = 1 + rand() % 4;
    const char *engine = seed % 2 ? "reference" : NULL;
    qe_model_t *m = language_model(seed);
    qe_tensor_t *t = tokens(steps, batch, seed);
    qe_session_t *whole = open_session(m, "reference", 1);
    qe_tensor_t *y = run_tokens(whole, t);
    qe_session_t *s = open_bound(m, engine, 1 + (uint32_t)seed % 3);
    for (int64_t at = 0; at < steps;) {
      const int64_t left = steps - at, count = 1 + rand() % left;
      qe_tensor_t *piece = run_cut(s, t, at, count);
      const size_t from = (size_t)(at * batch * TOKENS) * sizeof(float);
      cr_assert_eq(memcmp(qe_tensor_const_data(piece), (const char *)qe_tensor_const_data(y) + from, qe_tensor_bytes(piece)), 0,
                   "steps %lld..%lld differ; TEST_SEED=%llu repeats it", (long long)at, (long long)(at + count), (unsigned long long)seed);
      qe_tensor_release(&piece);
      at += count;
    }
    qe_tensor_release(&y);
    qe_tensor_release(&t);
    qe_session_destroy(&whole);
    qe_session_destroy(&s);
    qe_model_destroy(&m);
  }
}

Test(state, a_saved_state_goes_on_where_it_was_and_a_reset_one_begins_anew) {
  static const char *const names[4] = {"one.h", "one.c", "two.h", "two.c"};
  qe_model_t *m = language_model(3);
  qe_session_t *s = open_bound(m, NULL, 1), *other = open_bound(m, "reference", 2);
  qe_tensor_t *t = tokens(6, 2, 3), *saved[4] = {0};
  qe_tensor_t *first = run_cut(s, t, 0, 3);
  for (int i = 0; i < 4; i++) OK(qe_session_get_state(s, names[i], &saved[i]));
  qe_tensor_t *second = run_cut(s, t, 3, 3);
  for (int i = 0; i < 4; i++) OK(qe_session_set_state(other, names[i], saved[i]));
  memset(qe_tensor_data(saved[0]), 0x7f, qe_tensor_bytes(saved[0])); /* copies: nobody else sees this */
  qe_tensor_t *again = run_cut(other, t, 3, 3);
  expect_same(again, second, "another session that got the state");
  qe_tensor_release(&again);
  OK(qe_session_reset_state(s));
  qe_tensor_t *none = NULL;
  cr_assert_eq(qe_session_get_state(s, "one.h", &none), QE_ERROR_STATE);
  again = run_cut(s, t, 0, 3);
  expect_same(again, first, "after a reset");
  qe_tensor_release(&again);
  qe_tensor_release(&first);
  qe_tensor_release(&second);
  qe_tensor_release(&t);
  for (int i = 0; i < 4; i++) qe_tensor_release(&saved[i]);
  qe_session_destroy(&s);
  qe_session_destroy(&other);
  qe_model_destroy(&m);
}

static qe_status_t stop_tap(void *arg, int32_t value, const qe_tensor_t *t) {
  (void)value;
  (void)t;
  return arg ? QE_OK : QE_ERROR_INTERRUPTED;
}

Test(state, a_run_that_fails_leaves_it_alone) {
  qe_model_t *m = language_model(4);
  qe_session_t *s = open_bound(m, "reference", 1);
  qe_tensor_t *t = tokens(4, 2, 4), *h = NULL, *y = run_cut(s, t, 0, 2), *bad = tokens(1, 2, 5), *wide = tokens(1, 3, 5);
  qe_tensor_release(&y);
  OK(qe_session_get_state(s, "two.h", &h));
  ((int64_t *)qe_tensor_data(bad))[1] = TOKENS; /* found by the kernel, after the plan was made */
  qe_named_tensor_t in = {"tokens", bad}, out = {NULL, NULL};
  cr_assert_eq(qe_session_run(s, 1, &in, 1, &out), QE_ERROR_NUMERIC);
  cr_assert_null(out.tensor);
  expect_state(s, "two.h", h, "a token that does not exist");
  in.tensor = wide; /* another batch than the state's */
  cr_assert_eq(qe_session_run(s, 1, &in, 1, &out), QE_ERROR_SHAPE);
  expect_state(s, "two.h", h, "another batch");
  in.tensor = t;
  int32_t value = 0;
  cr_assert_eq(qe_session_run_tapped(s, 1, &in, 1, &value, stop_tap, NULL), QE_ERROR_INTERRUPTED);
  expect_state(s, "two.h", h, "a tap that stops");
  OK(qe_session_plan(s, 1, &in));
  expect_state(s, "two.h", h, "planning");
  OK(qe_session_run_tapped(s, 1, &in, 1, &value, stop_tap, &value));
  qe_tensor_t *moved = NULL;
  OK(qe_session_get_state(s, "two.h", &moved));
  cr_assert_neq(memcmp(qe_tensor_const_data(moved), qe_tensor_const_data(h), qe_tensor_bytes(h)), 0, "a tapped run is a run");
  qe_tensor_release(&moved);
  qe_tensor_release(&h);
  qe_tensor_release(&t);
  qe_tensor_release(&bad);
  qe_tensor_release(&wide);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

Test(state, it_stays_when_any_allocation_fails) {
  qe_model_t *m = language_model(8);
  qe_session_t *s = open_bound(m, "reference", 1);
  qe_tensor_t *t = tokens(3, 2, 8), *h = NULL, *y = run_cut(s, t, 0, 1);
  qe_tensor_release(&y);
  OK(qe_session_get_state(s, "one.c", &h));
  qe_named_tensor_t in = {"tokens", t}, out = {NULL, NULL};
  for (long n = 0;; n++) { /* three steps: another shape, so planning is part of it */
    qe__fail_allocations_after(n);
    const qe_status_t status = qe_session_run(s, 1, &in, 1, &out);
    qe__fail_allocations_after(-1);
    if (status == QE_OK) {
      cr_assert_gt(n, 20, "planning takes more than that");
      break;
    }
    cr_assert_eq(status, QE_ERROR_OUT_OF_MEMORY, "allocation %ld: %s", n, qe_last_error());
    cr_assert_null(out.tensor);
    expect_state(s, "one.c", h, "an allocation that failed");
  }
  qe_tensor_release(&out.tensor);
  qe_tensor_release(&h);
  qe_tensor_release(&t);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

Test(state, two_tensors_take_turns) {
  qe_model_t *m = language_model(5);
  qe_session_t *s = open_bound(m, "reference", 1);
  qe_tensor_t *t = tokens(8, 2, 6);
  const qe__state *state = &qe__session_states(s)->items[0];
  const void *seen[2] = {NULL, NULL};
  for (int64_t i = 0; i < 8; i++) {
    qe_tensor_t *y = run_cut(s, t, i, 1);
    qe_tensor_release(&y);
    const void *now = qe_tensor_const_data(state->value);
    if (i >= 2) cr_assert_eq(now, seen[i % 2], "step %lld took new memory", (long long)i);
    seen[i % 2] = now;
  }
  cr_assert_neq(seen[0], seen[1]);
  qe_session_stats_t stats = {.struct_size = sizeof stats};
  OK(qe_session_get_stats(s, &stats));
  cr_assert_eq(stats.plans, 1u, "the first step and the later ones have one plan, found %u", stats.plans);
  qe_tensor_release(&t);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

Test(state, an_input_that_is_given_comes_before_the_state) {
  qe_model_t *m = language_model(6);
  qe_session_t *s = open_bound(m, "reference", 1);
  qe_tensor_t *t = tokens(3, 1, 7), *first = run_tokens(s, t), *zero = NULL;
  OK(qe_tensor_create(QE_FLOAT32, DIMS(1, 1, HIDDEN), &zero));
  qe_named_tensor_t in[5] = {{"tokens", t}, {"one.h", zero}, {"one.c", zero}, {"two.h", zero}, {"two.c", zero}}, out = {NULL, NULL};
  OK(qe_session_run(s, 5, in, 1, &out));
  expect_same(out.tensor, first, "zeros that were given");
  qe_tensor_release(&out.tensor);
  qe_tensor_release(&first);
  qe_tensor_release(&zero);
  qe_tensor_release(&t);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

/* x [n,2] joins what came before; the sum over it all is the answer. */
static qe_model_t *growing_model(void) {
  qe_model_t *m = NULL;
  OK(qe_model_create("growing", &m));
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(-1, 2)), past = qe_input(m, "past", QE_FLOAT32, DIMS(-1, 2));
  const qe_value_t present = qe_concat(m, "present", 2, (const qe_value_t[]){past, x}, 0);
  qe_output(m, "sum", qe_op(m, "ReduceSum", "sum", 1, &present, "{\"keepdims\": 0}"));
  qe_output(m, "present_out", present);
  OK(qe_model_finish(m));
  return m;
}

Test(state, shapes_may_grow) {
  qe_model_t *m = growing_model();
  qe_session_t *s = open_session(m, "reference", 1);
  qe_tensor_t *x = NULL, *empty = NULL;
  OK(qe_tensor_from_data(QE_FLOAT32, DIMS(1, 2), (const float[]){1.0f, 2.0f}, &x));
  OK(qe_tensor_create(QE_FLOAT32, DIMS(0, 2), &empty));
  OK(qe_session_bind_state(s, "present_out", "past"));
  qe_named_tensor_t in = {"x", x}, out[2] = {{"sum", NULL}, {"present_out", NULL}};
  cr_assert_eq(qe_session_run(s, 1, &in, 2, out), QE_ERROR_STATE, "nothing says how long the past is");
  cr_assert_not_null(strstr(qe_last_error(), "qe_session_set_state"), "%s", qe_last_error());
  OK(qe_session_set_state(s, "past", empty));
  for (int64_t i = 1; i <= 20; i++) {
    OK(qe_session_run(s, 1, &in, 2, out));
    cr_assert_eq(((const float *)qe_tensor_const_data(out[0].tensor))[0], 3.0f * (float)i);
    cr_assert_eq(qe_tensor_dims(out[1].tensor)[0], i);
    expect_state(s, "past", out[1].tensor, "what the caller sees of the state");
    memset(qe_tensor_data(out[1].tensor), 0, qe_tensor_bytes(out[1].tensor)); /* the caller's own: no harm done */
    qe_tensor_release(&out[0].tensor);
    qe_tensor_release(&out[1].tensor);
  }
  qe_tensor_release(&x);
  qe_tensor_release(&empty);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

static void expect_error(qe_status_t found, qe_status_t want, const char *part, const char *other) {
  cr_assert_eq(found, want, "found status %d: %s", (int)found, qe_last_error());
  cr_assert_not_null(strstr(qe_last_error(), part), "'%s' is not in: %s", part, qe_last_error());
  cr_assert_not_null(strstr(qe_last_error(), other), "'%s' is not in: %s", other, qe_last_error());
}

Test(state, what_cannot_be_is_an_error_that_names_both_sides) {
  qe_model_t *m = language_model(7);
  qe_session_t *s = open_bound(m, "reference", 1);
  expect_error(qe_session_bind_state(s, "one.h_next", "one.h"), QE_ERROR_EXISTS, "one.h", "one.h_next");
  expect_error(qe_session_bind_state(s, "one.h_nxt", "one.h"), QE_ERROR_NOT_FOUND, "one.h_nxt", "one.h_next");
  expect_error(qe_session_bind_state(s, "one.h_next", "one.hh"), QE_ERROR_NOT_FOUND, "one.hh", "one.h");
  expect_error(qe_session_bind_state(s, "one.h_next", "tokens"), QE_ERROR_DTYPE, "float32", "int64");
  qe_tensor_t *t = tokens(2, 1, 1), *flat = test_random(1, (int64_t[]){HIDDEN}, 1.0f, 1);
  expect_error(qe_session_set_state(s, "one.h", t), QE_ERROR_DTYPE, "int64", "float32");
  expect_error(qe_session_set_state(s, "one.h", flat), QE_ERROR_SHAPE, "[5]", "one.h");
  expect_error(qe_session_set_state(s, "tokens", t), QE_ERROR_STATE, "tokens", "qe_session_bind_state");
  qe_tensor_t *none = flat;
  expect_error(qe_session_get_state(s, "one.h", &none), QE_ERROR_STATE, "one.h", "zeros");
  cr_assert_null(none);
  qe_named_tensor_t out = {NULL, NULL};
  expect_error(qe_session_run(s, 0, NULL, 1, &out), QE_ERROR_STATE, "one.h", "batch");
  qe_tensor_release(&t);
  qe_tensor_release(&flat);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
  m = growing_model();
  s = open_session(m, "reference", 1);
  expect_error(qe_session_bind_state(s, "sum", "past"), QE_ERROR_SHAPE, "'sum' has 0", "'past'");
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

/* codes of h -> real, + x, -> codes of h_next, whose parameters may be others. */
static qe_model_t *counter_of_codes(float next_scale) {
  qe_model_t *m = NULL;
  const float scale = 0.5f;
  const uint8_t zero = 100;
  qe_tensor_t *t[3];
  OK(qe_tensor_from_data(QE_FLOAT32, 0, NULL, &scale, &t[0]));
  OK(qe_tensor_from_data(QE_FLOAT32, 0, NULL, &next_scale, &t[1]));
  OK(qe_tensor_from_data(QE_UINT8, 0, NULL, &zero, &t[2]));
  OK(qe_model_create("counter", &m));
  const qe_value_t s = qe_constant(m, "s", t[0]), next = qe_constant(m, "next", t[1]), z = qe_constant(m, "z", t[2]);
  const qe_value_t h = qe_input(m, "h", QE_UINT8, DIMS(1, 3)), x = qe_input(m, "x", QE_FLOAT32, DIMS(1, 3));
  const qe_value_t real = qe_op(m, "DequantizeLinear", "real", 3, (qe_value_t[]){h, s, z}, NULL);
  const qe_value_t sum = qe_add(m, "sum", real, x);
  qe_output(m, "h_next", qe_op(m, "QuantizeLinear", "codes", 3, (qe_value_t[]){sum, next, z}, NULL));
  OK(qe_model_finish(m));
  for (int i = 0; i < 3; i++) qe_tensor_release(&t[i]);
  return m;
}

Test(state, states_of_codes_begin_with_the_code_of_zero) {
  qe_model_t *m = counter_of_codes(0.5f);
  qe_session_t *s = open_session(m, "reference", 1);
  OK(qe_session_bind_state(s, "h_next", "h"));
  qe_tensor_t *x = test_filled(3, 1.0f, 1.0f), *row = NULL;
  OK(qe_tensor_from_data(QE_FLOAT32, DIMS(1, 3), qe_tensor_const_data(x), &row));
  for (int step = 1; step <= 3; step++) {
    qe_named_tensor_t in = {"x", row}, out = {"h_next", NULL};
    OK(qe_session_run(s, 1, &in, 1, &out));
    for (int i = 0; i < 3; i++)
      cr_expect_eq(((const uint8_t *)qe_tensor_const_data(out.tensor))[i], 100 + 2 * step * (i + 1), "step %d, element %d", step, i);
    qe_tensor_release(&out.tensor);
  }
  qe_tensor_release(&row);
  qe_tensor_release(&x);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

Test(state, codes_with_other_parameters_are_no_state) {
  qe_model_t *m = counter_of_codes(0.25f);
  qe_session_t *s = open_session(m, "reference", 1);
  cr_expect_eq(qe_session_bind_state(s, "h_next", "h"), QE_ERROR_UNSUPPORTED);
  cr_expect(strstr(qe_last_error(), "'h_next'") && strstr(qe_last_error(), "'h'"), "%s", qe_last_error());
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}
