/* The registry and the choice of the engine change while other threads plan and run: nobody waits, nobody sees a
 * mixture. */
#include <pthread.h>
#include <stdatomic.h>

#include "engine/live.h"

enum { WORKERS = 4, OTHERS = 3, ROUNDS = 12 };

typedef struct job {
  const qe_model_t *model;
  qe_tensor_t *x, *want;
  atomic_bool *stop;
  atomic_int *live_plans, *reference_plans;
  char wrong[2000];
} job;

/* What a session runs on was decided when it was made; how the choice changes meanwhile does not reach it. */
static void *plan_and_run(void *arg) {
  job *j = arg;
  for (int round = 0; round < ROUNDS && !j->wrong[0]; round++) {
    qe_session_t *s = NULL;
    const qe_session_options_t o = {.struct_size = sizeof o, .threads = 1 + (uint32_t)round % 2};
    if (qe_session_create(j->model, &o, &s) != QE_OK) {
      snprintf(j->wrong, sizeof j->wrong, "%s", qe_last_error());
      break;
    }
    qe_session_stats_t stats = {.struct_size = sizeof stats};
    qe_session_get_stats(s, &stats);
    for (int run = 0; run < 3 && !j->wrong[0]; run++) {
      qe_named_tensor_t in = {NULL, j->x}, out = {NULL, NULL};
      if (qe_session_run(s, 1, &in, 1, &out) != QE_OK)
        snprintf(j->wrong, sizeof j->wrong, "%s", qe_last_error());
      else if (memcmp(qe_tensor_const_data(out.tensor), qe_tensor_const_data(j->want), qe_tensor_bytes(j->want)) != 0)
        snprintf(j->wrong, sizeof j->wrong, "other bytes");
      qe_tensor_release(&out.tensor);
    }
    uint32_t live = 0;
    for (uint32_t i = 0; i < qe_session_step_count(s) && !j->wrong[0]; i++) {
      qe_step_info_t info;
      if (qe_session_step(s, i, &info) == QE_OK && strncmp(info.engine, "live", 4) == 0) live++;
    }
    /* The reference comes first where it was chosen, and it has every kernel. */
    if (strcmp(stats.engine, "reference") == 0 && live > 0)
      snprintf(j->wrong, sizeof j->wrong, "%u steps on another engine than the chosen one", live);
    if (strcmp(stats.engine, "live") == 0 && live == 0)
      snprintf(j->wrong, sizeof j->wrong, "no step on the chosen engine");
    ++*(live > 0 ? j->live_plans : j->reference_plans);
    qe_session_destroy(&s);
  }
  return NULL;
}

static void *switch_engines(void *arg) {
  job *j = arg;
  for (int i = 0; !*j->stop; i++) {
    const char *name;
    if (qe_set_engine(i % 2 == 0 ? "live" : "reference") != QE_OK || qe_get_engine(&name) != QE_OK)
      snprintf(j->wrong, sizeof j->wrong, "%s", qe_last_error());
    usleep(300);
  }
  return NULL;
}

/* Good ones, bad ones, and one that leaves again. */
static void *load_engines(void *arg) {
  static const char *const files[] = {"SECOND", "newer_minor", "first_minor", "newer_major"};
  job *j = arg;
  for (int i = 0; !*j->stop; i++) {
    (void)live_try(files[i % 4]);
    if (i == 6) (void)qe_engine_retire("live_newer");
    qe_engine_list_t *list;
    if (qe_engine_list_create(&list) != QE_OK) snprintf(j->wrong, sizeof j->wrong, "%s", qe_last_error());
    qe_engine_list_destroy(&list);
    usleep(1000);
  }
  return NULL;
}

/* A snapshot, however long it is held: as many engines as before, by falling priority, then name. */
static void *read_snapshots(void *arg) {
  job *j = arg;
  while (!*j->stop) {
    const qe__engine_table *t = qe__engines_published();
    const uint32_t count = t->count;
    usleep(200);
    if (t->count != count) snprintf(j->wrong, sizeof j->wrong, "a snapshot of %u engines has %u", count, t->count);
    for (uint32_t i = 1; i < count && !j->wrong[0]; i++) {
      const qe__engine *a = t->engines[i - 1], *b = t->engines[i];
      const bool sorted = a->table.priority > b->table.priority ||
                          (a->table.priority == b->table.priority && strcmp(a->name, b->name) < 0);
      if (!sorted) snprintf(j->wrong, sizeof j->wrong, "'%s' comes before '%s'", a->name, b->name);
    }
  }
  return NULL;
}

static void race(const qe_model_t *m, qe_tensor_t *x) {
  atomic_bool stop = false;
  atomic_int live_plans = 0, reference_plans = 0;
  qe_session_t *s = NULL;
  qe_named_tensor_t in = {NULL, x}, want = {NULL, NULL};
  cr_assert_eq(live_open(m, "reference", 1, &s), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_session_run(s, 1, &in, 1, &want), QE_OK, "%s", qe_last_error());
  qe_session_destroy(&s);
  live_load("GOOD", "live");
  job jobs[WORKERS + OTHERS];
  pthread_t threads[WORKERS + OTHERS];
  for (int i = 0; i < WORKERS + OTHERS; i++) {
    jobs[i] = (job){.model = m,
                    .x = x,
                    .want = want.tensor,
                    .stop = &stop,
                    .live_plans = &live_plans,
                    .reference_plans = &reference_plans};
    void *(*const others[OTHERS])(void *) = {switch_engines, load_engines, read_snapshots};
    void *(*fn)(void *) = i < WORKERS ? plan_and_run : others[i - WORKERS];
    cr_assert_eq(pthread_create(&threads[i], NULL, fn, &jobs[i]), 0);
  }
  for (int i = 0; i < WORKERS + OTHERS; i++) {
    if (i == WORKERS) stop = true;
    pthread_join(threads[i], NULL);
  }
  for (int i = 0; i < WORKERS + OTHERS; i++) cr_assert_str_eq(jobs[i].wrong, "", "thread %d: %s", i, jobs[i].wrong);
  cr_assert_eq(live_plans + reference_plans, WORKERS * ROUNDS);
  fprintf(stderr, "%d sessions with steps on live engines, %d without\n", (int)live_plans, (int)reference_plans);
  qe_tensor_release(&want.tensor);
}

static void quiet(void) {
  qe_set_log_level(QE_LOG_ERROR);
}
TestSuite(swap, .init = quiet);

Test(swap, float_sessions) {
  qe_model_t *m = relu_model();
  qe_tensor_t *x = test_random(1, (int64_t[]){RELU_COUNT}, 1.0f, 12);
  race(m, x);
  qe_tensor_release(&x);
  qe_model_destroy(&m);
}

Test(swap, float_network) {
  qe_model_t *m = test_cnn(3);
  qe_tensor_t *x = test_random(4, (int64_t[]){2, 3, 8, 8}, 1.0f, 12);
  race(m, x);
  qe_tensor_release(&x);
  qe_model_destroy(&m);
}

Test(swap, quantized_sessions) {
  qe_tensor_t *x = test_random(4, (int64_t[]){2, 3, 8, 8}, 1.0f, 12);
  qe_model_t *m = table_model(), *q = table_quantized(m, x, NULL);
  race(q, x);
  qe_model_destroy(&m);
  qe_model_destroy(&q);
  qe_tensor_release(&x);
}

Test(swap, a_choice_affects_later_sessions_only) {
  qe_model_t *m = relu_model();
  qe_session_t *before = NULL, *after = NULL;
  cr_assert_eq(qe_set_engine("reference"), QE_OK, "%s", qe_last_error());
  cr_assert_eq(live_open(m, NULL, 1, &before), QE_OK);
  live_load("GOOD", "live");
  cr_assert_eq(qe_set_engine("live"), QE_OK);
  cr_assert_eq(live_open(m, NULL, 1, &after), QE_OK);
  for (int64_t n = 1; n < 5; n++) { /* new plans too */
    cr_assert_eq(relu_run(before, n), QE_OK);
    cr_assert_eq(relu_run(after, n), QE_OK);
    cr_assert_str_eq(engine_of_step(before, 0), "reference");
    cr_assert_str_eq(engine_of_step(after, 0), "live");
  }
  qe_session_destroy(&before);
  qe_session_destroy(&after);
  qe_model_destroy(&m);
}
