/* Retiring: no new plans, those that exist run on, destroy comes with the last reference, the code stays. */
#include <pthread.h>
#include <stdatomic.h>

#include "engine/live.h"

static atomic_int ended;
static void count_ends(void *arg, qe_log_level_t level, const char *message) {
  (void)arg;
  (void)level;
  if (strstr(message, "'live': ends")) ended++;
}

static void setup(void) {
  ended = 0;
  qe_set_log(count_ends, NULL);
  qe_set_log_level(QE_LOG_INFO);
}
TestSuite(retire, .init = setup);

Test(retire, an_unused_engine_ends_at_once) {
  const qe__engine *engine = live_load("GOOD", "live");
  const qe__engine_table *before = qe__engines_published();
  const uint32_t count = before->count;
  cr_assert_eq(qe_engine_retire("live"), QE_OK, "%s", qe_last_error());
  cr_assert_eq(ended, 1);
  cr_assert_null(qe__engine_by_name("live"));
  cr_assert_eq(qe__engines_published()->count, count - 1);
  cr_assert_eq(before->count, count, "the snapshot that was read before changed");
  cr_assert_not(qe__engine_acquire(engine));
  cr_assert_eq(qe_engine_retire("live"), QE_ERROR_NOT_FOUND);
  cr_assert_eq(qe__engine_retire(engine), QE_ERROR_STATE);
  cr_assert_eq(qe_engine_retire(NULL), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(ended, 1);
}

Test(retire, plans_run_on_and_no_new_ones_are_made) {
  qe_model_t *m = relu_model();
  qe_session_t *s = NULL;
  const qe__engine *engine = live_load("GOOD", "live");
  cr_assert_eq(live_open(m, "live", 1, &s), QE_OK);
  cr_assert_eq(relu_run(s, 10), QE_OK);
  cr_assert_eq(qe__engine_retire(engine), QE_OK);
  cr_assert_eq(ended, 0, "destroyed under a session");
  cr_assert_eq(relu_run(s, 10), QE_OK, "%s", qe_last_error());
  cr_assert_eq(relu_run(s, 11), QE_ERROR_ENGINE, "a new plan was made");
  cr_assert(strstr(qe_last_error(), "engine 'live' was retired; make a new session with another one"), "%s",
            qe_last_error());
  cr_assert_eq(relu_run(s, 10), QE_OK);
  qe_session_t *other = NULL;
  cr_assert_eq(live_open(m, "live", 1, &other), QE_ERROR_ENGINE);
  cr_assert(strstr(qe_last_error(), "engine 'live' can't be used: publish: it was retired"), "%s", qe_last_error());
  cr_assert_eq(qe__engine_unload(engine), QE_ERROR_STATE);
  cr_assert(strstr(qe_last_error(), "it is still used (2 references)"), "%s", qe_last_error());
  qe_session_destroy(&s);
  cr_assert_eq(ended, 1);
  qe_model_destroy(&m);
}

/* As a fallback it holds a reference through the plan alone. */
Test(retire, a_plan_holds_what_it_runs_on_and_nothing_else) {
  qe_model_t *m = relu_model();
  qe_session_t *s = NULL;
  const qe__engine *live = live_load("GOOD", "live"), *second = live_load("SECOND", "live_second");
  cr_assert_eq(live_open(m, "live_second", 1, &s), QE_OK);
  cr_assert_eq(relu_run(s, 10), QE_OK);
  cr_assert_str_eq(engine_of_step(s, 0), "live_second");
  cr_assert_eq(qe__engine_retire(live), QE_OK);
  cr_assert_eq(ended, 1, "a plan that does not use it keeps it");
  cr_assert_eq(qe__engine_retire(second), QE_OK);
  cr_assert_eq(relu_run(s, 10), QE_OK);
  qe_session_destroy(&s);
  cr_assert_eq(qe__engine_unload(second), QE_OK, "%s", qe_last_error());
  qe_model_destroy(&m);
}

Test(retire, the_chosen_engine_is_missed) {
  const char *name;
  live_load("GOOD", "live");
  cr_assert_eq(qe_set_engine("live"), QE_OK);
  cr_assert_eq(qe_engine_retire("live"), QE_OK);
  cr_assert_eq(qe_get_engine(&name), QE_ERROR_ENGINE);
  cr_assert(strstr(qe_last_error(), "engine 'live', which qe_set_engine chose, was retired; choose another one"), "%s",
            qe_last_error());
  cr_assert_eq(qe_set_engine(NULL), QE_OK);
  cr_assert_eq(qe_get_engine(&name), QE_OK, "%s", qe_last_error());
  cr_assert_str_neq(name, "live");
}

Test(retire, the_file_is_not_started_again_until_it_was_unmapped) {
  const qe__engine *engine = live_load("GOOD", "live");
  cr_assert_eq(qe__engine_retire(engine), QE_OK);
  cr_assert_eq(live_try("GOOD"), QE_ERROR_ENGINE);
  cr_assert(strstr(qe_last_error(), "was retired in this process and can't be started again"), "%s", qe_last_error());
  /* Another file with an engine of that name is welcome. */
  cr_assert_neq(live_load("TALKS", "live"), engine);
  cr_assert_eq(qe_engine_retire("live"), QE_OK);
  cr_assert_eq(qe__engine_unload(engine), QE_OK, "%s", qe_last_error());
  cr_assert_eq(live_try("GOOD"), QE_OK, "%s", qe_last_error());
}

Test(retire, an_observer_holds_its_engine) {
  const qe__engine *owner, *engine = live_load("GOOD", "live");
  const qe_observer *o = qe__engine_observer("live_range", NULL, &owner);
  cr_assert(o != NULL && owner == engine);
  cr_assert_eq(qe__engine_retire(engine), QE_OK);
  cr_assert_eq(ended, 0);
  const qe__engine *none;
  cr_assert_null(qe__engine_observer("live_range", engine, &none));
  cr_assert_null(none);
  qe__engine_release(owner);
  cr_assert_eq(ended, 1);
  qe__engine_release(NULL);
}

/* ---- while it runs ---- */

typedef struct runner {
  const qe_model_t *model;
  atomic_bool *stop, wrong;
  atomic_int *started;
  int64_t runs, refused;
} runner;

static void *run_until_retired(void *arg) {
  runner *r = arg;
  qe_session_t *s = NULL;
  r->wrong = live_open(r->model, "live", 2, &s) != QE_OK;
  ++*r->started;
  for (int64_t i = 0; !r->wrong && !*r->stop; i++) {
    const int64_t n = 1 + i % 40; /* more shapes than plans are kept, so plans come and go */
    qe_named_tensor_t in = {NULL, test_random(1, &n, 2.0f, 3)}, out = {NULL, NULL};
    const qe_status_t status = qe_session_run(s, 1, &in, 1, &out);
    if (status == QE_OK)
      r->runs++;
    else if (status == QE_ERROR_ENGINE && strstr(qe_last_error(), "was retired"))
      r->refused++;
    else
      r->wrong = true;
    qe_tensor_release(&in.tensor);
    qe_tensor_release(&out.tensor);
  }
  qe_session_destroy(&s);
  return NULL;
}

Test(retire, while_sessions_run) {
  enum { THREADS = 4 };
  qe_model_t *m = relu_model();
  atomic_bool stop = false;
  atomic_int started = 0;
  runner runners[THREADS];
  pthread_t threads[THREADS];
  const qe__engine *engine = live_load("GOOD", "live");
  for (int i = 0; i < THREADS; i++) {
    runners[i] = (runner){.model = m, .stop = &stop, .started = &started};
    cr_assert_eq(pthread_create(&threads[i], NULL, run_until_retired, &runners[i]), 0);
  }
  while (started < THREADS) usleep(1000);
  usleep(50000);
  cr_assert_eq(qe__engine_retire(engine), QE_OK);
  cr_assert_eq(ended, 0, "destroyed under running sessions");
  usleep(50000);
  stop = true;
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    cr_assert(!runners[i].wrong && runners[i].runs > 0, "thread %d: %lld runs, %lld refused", i,
              (long long)runners[i].runs, (long long)runners[i].refused);
  }
  cr_assert_eq(ended, 1, "ended %d times", ended);
  cr_assert_eq(qe__engine_unload(engine), QE_OK, "%s", qe_last_error());
  qe_model_destroy(&m);
}
