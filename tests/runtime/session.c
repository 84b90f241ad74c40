/* Sessions on the reference engine: shapes, plans, inner values, taps, threads, errors. */
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/float_mode.h"
#include "qengine.h"
#include "support/models.h"

static qe_session_t *open_session(const qe_model_t *m, uint32_t threads) {
  qe_session_t *s = NULL;
  const qe_session_options_t o = {.struct_size = sizeof o, .engine = "reference", .threads = threads};
  cr_assert_eq(qe_session_create(m, &o, &s), QE_OK, "%s", qe_last_error());
  return s;
}

static qe_tensor_t *run_one(qe_session_t *s, qe_tensor_t *x, const char *output) {
  qe_named_tensor_t in = {NULL, x}, out = {output, NULL};
  cr_assert_eq(qe_session_run(s, 1, &in, 1, &out), QE_OK, "%s", qe_last_error());
  return out.tensor;
}

Test(session, float_cnn_runs_for_any_batch_and_reuses_plans) {
  qe_model_t *m = test_cnn(1);
  qe_session_t *s = open_session(m, 1);
  for (int round = 0; round < 2; round++) {
    for (int64_t batch = 1; batch <= 3; batch++) {
      qe_tensor_t *x = test_random(4, (int64_t[]){batch, 3, 8, 8}, 1.0f, 5), *y = run_one(s, x, NULL);
      cr_assert_eq(qe_tensor_dims(y)[0], batch);
      qe_tensor_release(&x);
      qe_tensor_release(&y);
    }
  }
  qe_session_stats_t stats = {.struct_size = sizeof stats};
  cr_assert_eq(qe_session_get_stats(s, &stats), QE_OK);
  cr_assert_eq(stats.plans, 3u, "three shapes make three plans, found %u", stats.plans);
  cr_assert_gt(stats.arena_bytes, 0u);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

Test(session, a_batch_gives_the_bytes_of_its_samples) {
  qe_model_t *m = test_cnn(2);
  qe_session_t *s = open_session(m, 1);
  qe_tensor_t *x = test_random(4, (int64_t[]){4, 3, 8, 8}, 1.0f, 6), *all = run_one(s, x, NULL);
  const size_t in_bytes = qe_tensor_bytes(x) / 4, out_bytes = qe_tensor_bytes(all) / 4;
  for (size_t i = 0; i < 4; i++) {
    qe_tensor_t *one = NULL;
    cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 4, (int64_t[]){1, 3, 8, 8}, (const char *)qe_tensor_const_data(x) + i * in_bytes, &one), QE_OK);
    qe_tensor_t *y = run_one(s, one, NULL);
    cr_assert_eq(memcmp(qe_tensor_const_data(y), (const char *)qe_tensor_const_data(all) + i * out_bytes, out_bytes), 0, "sample %zu differs", i);
    qe_tensor_release(&one);
    qe_tensor_release(&y);
  }
  qe_tensor_release(&x);
  qe_tensor_release(&all);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

Test(session, thread_counts_give_the_same_bytes) {
  qe_model_t *m = test_cnn(3);
  qe_tensor_t *x = test_random(4, (int64_t[]){5, 3, 8, 8}, 1.0f, 7), *first = NULL;
  for (uint32_t threads = 1; threads <= 4; threads++) {
    qe_session_t *s = open_session(m, threads);
    qe_tensor_t *y = run_one(s, x, NULL);
    if (!first) first = qe_tensor_retain(y);
    cr_assert_eq(memcmp(qe_tensor_const_data(y), qe_tensor_const_data(first), qe_tensor_bytes(y)), 0, "%u threads", threads);
    qe_tensor_release(&y);
    qe_session_destroy(&s);
  }
  qe_tensor_release(&first);
  qe_tensor_release(&x);
  qe_model_destroy(&m);
}

Test(session, a_thread_that_flushes_denormals_gets_the_same_bytes) {
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_create("doubled", &m), QE_OK);
  const qe_value_t in = qe_input(m, "x", QE_FLOAT32, 2, (int64_t[]){1000, 500}); /* enough for both threads */
  qe_output(m, "y", qe_add(m, "sum", in, in));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_tensor_t *x = test_random(2, (int64_t[]){1000, 500}, 0x1p-130f, 8);
  for (uint32_t threads = 1; threads <= 2; threads++) {
    qe_session_t *plain = open_session(m, threads);
    qe_tensor_t *want = run_one(plain, x, NULL);
    const uint64_t before = qe__float_mode(), flush = before | QE__FLOAT_MODE_FLUSH;
    qe__float_mode_set(flush);
    qe_session_t *flushing = open_session(m, threads); /* its threads begin in the mode of this one */
    qe_tensor_t *y = run_one(flushing, x, NULL);
    const uint64_t after = qe__float_mode();
    qe__float_mode_set(before);
    cr_assert_eq(after, flush, "the caller's mode is 0x%llx, expected 0x%llx", (unsigned long long)after, (unsigned long long)flush);
    cr_assert_eq(memcmp(qe_tensor_const_data(want), qe_tensor_const_data(y), qe_tensor_bytes(y)), 0, "%u threads differ", threads);
    qe_tensor_release(&y);
    qe_tensor_release(&want);
    qe_session_destroy(&plain);
    qe_session_destroy(&flushing);
  }
  qe_tensor_release(&x);
  qe_model_destroy(&m);
}

static qe_status_t count_tap(void *arg, int32_t value, const qe_tensor_t *t) {
  int *count = arg;
  (void)value;
  cr_assert_gt(qe_tensor_count(t), 0);
  ++*count;
  return QE_OK;
}

Test(session, every_value_can_be_fetched_and_tapped) {
  qe_model_t *m = test_cnn(4);
  qe_session_t *s = open_session(m, 1);
  qe_tensor_t *x = test_random(4, (int64_t[]){1, 3, 8, 8}, 1.0f, 8);
  int32_t values[64];
  uint32_t n = 0;
  for (uint32_t v = 0; v < qe_model_value_count(m) && n < 64; v++) {
    qe_value_info_t info;
    cr_assert_eq(qe_model_value(m, v, &info), QE_OK);
    if (info.constant) continue;
    qe_tensor_t *y = run_one(s, x, info.name);
    qe_tensor_release(&y);
    values[n++] = (int32_t)v;
  }
  int taps = 0;
  qe_named_tensor_t in = {NULL, x};
  cr_assert_eq(qe_session_run_tapped(s, 1, &in, n, values, count_tap, &taps), QE_OK, "%s", qe_last_error());
  cr_assert_eq((uint32_t)taps, n);
  qe_tensor_release(&x);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

static void expect_error(qe_session_t *s, const char *name, qe_tensor_t *x, qe_status_t status, const char *part) {
  qe_named_tensor_t in = {name, x}, out = {NULL, NULL};
  const qe_status_t got = qe_session_run(s, 1, &in, 1, &out);
  cr_assert_eq(got, status, "expected %s, got %s: %s", qe_status_text(status), qe_status_text(got), qe_last_error());
  cr_assert(strstr(qe_last_error(), part), "'%s' is not in: %s", part, qe_last_error());
  cr_assert_null(out.tensor);
}

Test(session, wrong_inputs_are_named) {
  qe_model_t *m = test_cnn(5);
  qe_session_t *s = open_session(m, 1);
  qe_tensor_t *x = test_random(4, (int64_t[]){1, 3, 8, 8}, 1.0f, 9), *shape = test_random(4, (int64_t[]){1, 4, 8, 8}, 1.0f, 9), *dtype = NULL;
  cr_assert_eq(qe_tensor_create(QE_UINT8, 4, (int64_t[]){1, 3, 8, 8}, &dtype), QE_OK);
  expect_error(s, "y", x, QE_ERROR_NOT_FOUND, "no input named 'y'");
  expect_error(s, NULL, shape, QE_ERROR_SHAPE, "[1,4,8,8]");
  expect_error(s, NULL, dtype, QE_ERROR_DTYPE, "uint8");
  qe_named_tensor_t in = {NULL, x}, out = {"nothing", NULL};
  cr_assert_eq(qe_session_run(s, 1, &in, 1, &out), QE_ERROR_NOT_FOUND);
  cr_assert_eq(qe_session_run(s, 0, NULL, 0, NULL), QE_ERROR_INVALID_ARGUMENT);
  cr_assert(strstr(qe_last_error(), "'x'"), "%s", qe_last_error());
  qe_tensor_release(&x);
  qe_tensor_release(&shape);
  qe_tensor_release(&dtype);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

Test(session, an_empty_batch_gives_an_empty_output) {
  qe_model_t *m = test_cnn(6);
  qe_session_t *s = open_session(m, 2);
  qe_tensor_t *x = NULL;
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 4, (int64_t[]){0, 3, 8, 8}, &x), QE_OK);
  qe_tensor_t *y = run_one(s, x, NULL);
  cr_assert_eq(qe_tensor_count(y), 0);
  qe_tensor_release(&x);
  qe_tensor_release(&y);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

/* Their product has more than 64 bits, which no kernel may trip over: each output is one product. */
Test(session, strides_may_be_huge) {
  qe_model_t *m = NULL;
  qe_tensor_t *w = test_random(5, (int64_t[]){1, 1, 1, 1, 1}, 1.0f, 3), *x = test_random(5, (int64_t[]){1, 1, 1, 1, 1}, 1.0f, 4);
  cr_assert_eq(qe_model_create("huge", &m), QE_OK);
  const qe_value_t in = qe_input(m, "x", QE_FLOAT32, 5, (int64_t[]){1, 1, 1, 1, 1});
  qe_output(m, "y", qe_conv_transpose(m, "up", in, w, NULL, &(qe_conv_options_t){.stride = {1 << 22, 1 << 22, 1 << 22}}));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_tensor_t *y = test_run(m, x, 0);
  cr_assert_eq(qe_tensor_count(y), 1);
  cr_assert_eq(*(const float *)qe_tensor_const_data(y), *(const float *)qe_tensor_const_data(x) * *(const float *)qe_tensor_const_data(w));
  qe_tensor_release(&y);
  qe_tensor_release(&x);
  qe_tensor_release(&w);
  qe_model_destroy(&m);
}

Test(session, more_shapes_than_plans_are_kept) {
  qe_model_t *m = test_cnn(7);
  qe_session_t *s = open_session(m, 1);
  for (int64_t batch = 1; batch <= 40; batch++) {
    qe_tensor_t *x = test_random(4, (int64_t[]){batch, 3, 8, 8}, 1.0f, 10), *y = run_one(s, x, NULL);
    cr_assert_eq(qe_tensor_dims(y)[0], batch);
    qe_tensor_release(&x);
    qe_tensor_release(&y);
  }
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

typedef struct worker {
  const qe_model_t *model;
  qe_tensor_t *x, *want;
  int wrong;
} worker;

static void *run_many(void *arg) {
  worker *w = arg;
  qe_session_t *s = NULL;
  const qe_session_options_t o = {.struct_size = sizeof o, .threads = 1};
  w->wrong = qe_session_create(w->model, &o, &s) != QE_OK;
  for (int i = 0; i < 5 && !w->wrong; i++) {
    qe_named_tensor_t in = {NULL, w->x}, out = {NULL, NULL};
    w->wrong = qe_session_run(s, 1, &in, 1, &out) != QE_OK || memcmp(qe_tensor_const_data(out.tensor), qe_tensor_const_data(w->want), qe_tensor_bytes(w->want)) != 0;
    qe_tensor_release(&out.tensor);
  }
  qe_session_destroy(&s);
  return NULL;
}

Test(session, sessions_over_one_model_run_at_the_same_time) {
  qe_model_t *m = test_cnn(8);
  qe_session_t *s = open_session(m, 1);
  qe_tensor_t *x = test_random(4, (int64_t[]){2, 3, 8, 8}, 1.0f, 11), *want = run_one(s, x, NULL);
  worker workers[4];
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) {
    workers[i] = (worker){m, x, want, 0};
    cr_assert_eq(pthread_create(&threads[i], NULL, run_many, &workers[i]), 0);
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    cr_assert_eq(workers[i].wrong, 0, "thread %d", i);
  }
  qe_tensor_release(&x);
  qe_tensor_release(&want);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

Test(session, texts_of_steps_stay_while_the_plan_is_the_latest) {
  qe_model_t *m = test_cnn(9);
  qe_session_t *s = open_session(m, 1);
  qe_tensor_t *x = test_random(4, (int64_t[]){1, 3, 8, 8}, 1.0f, 8), *y = run_one(s, x, NULL);
  qe_step_info_t info[64];
  char copy[64][64];
  const uint32_t n = qe_session_step_count(s);
  cr_assert(n > 4 && n < 64, "%u steps", n);
  for (uint32_t i = 0; i < n; i++) {
    cr_assert_eq(qe_session_step(s, i, &info[i]), QE_OK, "%s", qe_last_error());
    snprintf(copy[i], sizeof copy[i], "%s", info[i].dtypes);
  }
  for (uint32_t i = 0; i < n; i++) cr_assert_str_eq(info[i].dtypes, copy[i], "step %u", i);
  qe_session_stats_t stats = {0};
  cr_assert_eq(qe_session_get_stats(s, &stats), QE_ERROR_INVALID_ARGUMENT);
  qe_tensor_release(&x);
  qe_tensor_release(&y);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}
