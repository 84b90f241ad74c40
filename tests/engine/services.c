/* What the host gives a plugin; loading from many threads; loading with no memory. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "base/memory.h"
#include "engine/host.h"
#include "engine/load.h"
#include "engine/places.h"

typedef struct fake_self { /* as in fake_plugin.c */
  uint64_t magic;
  char option[32];
  int64_t sum;
  int nested;
} fake_self;

static const qe__engine *load_good(void) {
  char path[PATH_SIZE];
  fake_path(path, "GOOD");
  cr_assert_eq(qe_engine_load(path), QE_OK, "%s", qe_last_error());
  return qe__engine_by_name("fake");
}

Test(services, create_gets_a_working_host) {
  setenv("QENGINE_OPTIONS", "other.colour=red;fake.colour=blue;fake.x=1;broken;=;fake.=", 1);
  const fake_self *self = load_good()->self;
  cr_assert_eq(self->magic, 0x66616b65);
  cr_assert_str_eq(self->option, "blue");
  cr_assert_eq(self->sum, 499500, "%ld", (long)self->sum);
  cr_assert_eq(self->nested, 16, "%d", self->nested);
}

Test(services, no_option_given) {
  unsetenv("QENGINE_OPTIONS");
  const fake_self *self = load_good()->self;
  cr_assert_str_eq(self->option, "");
}

static size_t logged;
static void keep(void *arg, qe_log_level_t level, const char *message) {
  (void)arg;
  (void)level;
  if (strlen(message) > logged) logged = strlen(message);
}

Test(services, a_megabyte_of_words_is_cut) {
  char path[PATH_SIZE];
  qe_set_log(keep, NULL);
  qe_set_log_level(QE_LOG_WARNING);
  fake_path(path, "CREATE_TALKS");
  cr_assert_eq(qe_engine_load(path), QE_ERROR_ENGINE);
  cr_assert(strlen(qe_last_error()) < 2048);
  cr_assert(logged > 100 && logged < 2048, "%zu", logged);
  cr_assert(strlen(qe__host_error()) == 1000, "%zu", strlen(qe__host_error()));
}

enum { THREADS = 64 };
static pthread_barrier_t barrier;
static void *load_in_thread(void *arg) {
  pthread_barrier_wait(&barrier);
  *(const qe__engine **)arg = load_good();
  return NULL;
}

Test(services, sixty_four_threads_load_one_file) {
  pthread_t threads[THREADS];
  const qe__engine *engines[THREADS] = {0};
  pthread_barrier_init(&barrier, NULL, THREADS);
  for (int i = 0; i < THREADS; i++) cr_assert_eq(pthread_create(&threads[i], NULL, load_in_thread, &engines[i]), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) cr_assert_eq(engines[i], engines[0]);
  cr_assert_eq(qe__engines_published()->count, 1);
}

Test(services, every_allocation_may_fail) {
  char path[PATH_SIZE];
  fake_path(path, "GOOD");
  long n = 0;
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  for (; n < 200; n++) {
    qe__fail_allocations_after(n);
    status = qe_engine_load(path);
    qe__fail_allocations_after(-1);
    if (status == QE_OK) break;
    cr_assert(status == QE_ERROR_OUT_OF_MEMORY || status == QE_ERROR_ENGINE, "allocation %ld: %s", n, qe_status_text(status));
  }
  cr_assert_eq(status, QE_OK, "never succeeded");
  cr_assert(n > 5, "only %ld allocations", n);
  cr_assert_eq(qe__engines_published()->count, 1);
}

Test(services, refusals_without_memory) {
  char path[PATH_SIZE];
  fake_path(path, "NO_RUN");
  for (long n = 0; n < 40; n++) {
    qe__fail_allocations_after(n);
    const qe_status_t status = qe_engine_load(path);
    qe__fail_allocations_after(-1);
    cr_assert(status == QE_ERROR_OUT_OF_MEMORY || status == QE_ERROR_ENGINE, "allocation %ld: %s", n, qe_status_text(status));
  }
  cr_assert_null(qe__engines_published());
}
