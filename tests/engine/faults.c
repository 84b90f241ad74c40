/* Kernels that misbehave after they were loaded: the session fails with the reason, and the host goes on. */
#include <stdatomic.h>

#include "base/memory.h"
#include "engine/live.h"

static const struct {
  const char *name, *text;
} builds[] = {
#define LIVE_ROW(name, text) {#name, text},
#include "engine/live/live.def"
#undef LIVE_ROW
};

static atomic_size_t longest, lines;
static void keep(void *arg, qe_log_level_t level, const char *message) {
  (void)arg;
  if (level > QE_LOG_WARNING) return;
  lines++;
  if (strlen(message) > longest) longest = strlen(message);
}

static void expect_reference(const qe_model_t *m) {
  qe_session_t *s = NULL;
  cr_assert_eq(live_open(m, "reference", 1, &s), QE_OK, "%s", qe_last_error());
  cr_assert_eq(relu_run(s, RELU_COUNT), QE_OK, "%s", qe_last_error());
  qe_session_destroy(&s);
}

/* Each engine in turn, and the next of that name after it was retired. */
Test(faults, sessions_fail_with_the_reason) {
  qe_model_t *m = relu_model();
  qe_set_log(keep, NULL);
  size_t failed = 0;
  for (size_t i = 0; i < sizeof builds / sizeof builds[0]; i++) {
    if (strcmp(builds[i].name, "SECOND") == 0) continue;
    const qe__engine *engine = live_load(builds[i].name, "live");
    for (uint32_t threads = 1; threads <= 3; threads += 2) {
      qe_session_t *s = NULL;
      cr_assert_eq(live_open(m, "live", threads, &s), QE_OK, "%s", qe_last_error());
      const qe_status_t status = relu_run(s, RELU_COUNT);
      if (builds[i].text[0] == '\0') {
        cr_assert_eq(status, QE_OK, "%s: %s", builds[i].name, qe_last_error());
      } else {
        cr_assert(status == QE_ERROR_ENGINE || status == QE_ERROR_NUMERIC, "%s: %s", builds[i].name,
                  qe_status_text(status));
        cr_assert(strstr(qe_last_error(), builds[i].text), "%s: the message is\n  %s\nand lacks\n  %s", builds[i].name,
                  qe_last_error(), builds[i].text);
        cr_assert(strstr(qe_last_error(), "node 'relu'"), "%s: no node is named: %s", builds[i].name, qe_last_error());
        failed++;
      }
      /* The same session again: nothing half-made is left in it. */
      cr_assert_eq(relu_run(s, RELU_COUNT), status, "%s", builds[i].name);
      qe_session_destroy(&s);
    }
    cr_assert_eq(qe__engine_retire(engine), QE_OK, "%s", qe_last_error());
    expect_reference(m);
  }
  cr_assert_eq(failed, 2 * 10);
  cr_assert(lines > 0 && longest > 100 && longest < 2100, "%zu lines, the longest of %zu", (size_t)lines,
            (size_t)longest);
  qe_model_destroy(&m);
}

Test(faults, a_kernel_that_declines_is_passed_over_with_its_words) {
  qe_model_t *m = relu_model();
  const char *const declining[] = {"DECLINES", "SAYS_TWO"};
  for (size_t i = 0; i < 2; i++) {
    const qe__engine *engine = live_load(declining[i], "live");
    qe_session_t *s = NULL;
    cr_assert_eq(live_open(m, "live", 1, &s), QE_OK);
    cr_assert_eq(relu_run(s, RELU_COUNT), QE_OK, "%s", qe_last_error());
    cr_assert_str_neq(engine_of_step(s, 0), "live");
    qe_session_destroy(&s);
    cr_assert_eq(qe__engine_retire(engine), QE_OK);
  }
  qe_model_destroy(&m);
}

Test(faults, packed_and_scratch_memory_are_aligned_for_every_thread) {
  qe_model_t *m = relu_model();
  live_load("GOOD", "live");
  for (uint32_t threads = 1; threads <= 4; threads++) {
    qe_session_t *s = NULL;
    cr_assert_eq(live_open(m, "live", threads, &s), QE_OK);
    for (int64_t n = 0; n <= 300; n += 60)
      cr_assert_eq(relu_run(s, n), QE_OK, "%u threads, %d numbers: %s", threads, (int)n, qe_last_error());
    cr_assert_str_eq(engine_of_step(s, 0), "live");
    qe_session_destroy(&s);
  }
  qe_model_destroy(&m);
}

Test(faults, every_allocation_of_a_session_may_fail) {
  qe_model_t *m = relu_model();
  const qe__engine *engine = live_load("GOOD", "live");
  qe_tensor_t *x = test_random(1, (int64_t[]){RELU_COUNT}, 2.0f, 3);
  long n = 0;
  for (; n < 500; n++) {
    qe_session_t *s = NULL;
    qe_named_tensor_t in = {NULL, x}, out = {NULL, NULL};
    qe__fail_allocations_after(n);
    qe_status_t status = live_open(m, "live", 1, &s);
    if (status == QE_OK) status = qe_session_run(s, 1, &in, 1, &out);
    qe__fail_allocations_after(-1);
    qe_tensor_release(&out.tensor);
    qe_session_destroy(&s);
    if (status == QE_OK) break;
    cr_assert_eq(status, QE_ERROR_OUT_OF_MEMORY, "allocation %ld: %s", n, qe_last_error());
  }
  cr_assert(n > 10 && n < 500, "%ld allocations", n);
  /* No reference was lost on the way: it ends when it is retired. */
  cr_assert_eq(qe__engine_retire(engine), QE_OK);
  cr_assert_eq(qe__engine_unload(engine), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&x);
  qe_model_destroy(&m);
}
