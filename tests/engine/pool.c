/* The pool covers its range exactly once, numbers its threads and returns one error, the same for any thread count. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "runtime/pool.h"

typedef struct cover {
  atomic_int *hits;
  uint32_t threads;
  atomic_int busy[64];
  atomic_int faults;
} cover;

static int mark(void *arg, uint32_t thread, int64_t begin, int64_t end) {
  cover *c = arg;
  if (thread >= c->threads || begin >= end) atomic_fetch_add(&c->faults, 1);
  else if (atomic_fetch_add(&c->busy[thread], 1) != 0) atomic_fetch_add(&c->faults, 1); /* scratch is per thread number */
  for (int64_t i = begin; i < end; i++) atomic_fetch_add(&c->hits[i], 1);
  if (thread < c->threads) atomic_fetch_sub(&c->busy[thread], 1);
  return 0;
}

Test(pool, covers_the_range_once) {
  static const uint32_t counts[] = {1, 2, 3, 7};
  static const int64_t sizes[] = {0, 1, 2, 3, 5, 8, 13, 64, 100, 1000, 4097};
  for (size_t t = 0; t < sizeof counts / sizeof counts[0]; t++) {
    qe__pool *pool;
    cr_assert_eq(qe__pool_create(counts[t], &pool), QE_OK, "%s", qe_last_error());
    cr_assert_eq(qe__pool_threads(pool), counts[t]);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
      for (int round = 0; round < 20; round++) {
        cover c = {.hits = calloc((size_t)sizes[s] + 1, sizeof(atomic_int)), .threads = counts[t]};
        cr_assert(c.hits);
        cr_assert_eq(qe__pool_run(pool, sizes[s], mark, &c), 0);
        for (int64_t i = 0; i < sizes[s]; i++) {
          cr_assert_eq(atomic_load(&c.hits[i]), 1, "%u threads, n %ld: element %ld was run %d times", counts[t], (long)sizes[s], (long)i,
                       atomic_load(&c.hits[i]));
        }
        cr_assert_eq(atomic_load(&c.hits[sizes[s]]), 0);
        cr_assert_eq(atomic_load(&c.faults), 0, "%u threads, n %ld: %d bad calls", counts[t], (long)sizes[s], atomic_load(&c.faults));
        free(c.hits);
      }
    }
    qe__pool_destroy(&pool);
    cr_assert_null(pool);
  }
}

/* Fails with the element's own number wherever it is divisible. */
static int fail_at_37(void *arg, uint32_t thread, int64_t begin, int64_t end) {
  (void)arg;
  (void)thread;
  for (int64_t i = begin; i < end; i++) {
    if (i > 0 && i % 37 == 0) return (int)-i;
  }
  return 0;
}

Test(pool, the_first_error_in_the_range_is_returned) {
  for (uint32_t threads = 1; threads <= 4; threads++) {
    qe__pool *pool;
    cr_assert_eq(qe__pool_create(threads, &pool), QE_OK);
    for (int round = 0; round < 200; round++) {
      const int result = qe__pool_run(pool, 1000, fail_at_37, NULL);
      cr_assert_eq(result, -37, "%u threads: %d", threads, result);
    }
    cr_assert_eq(qe__pool_run(pool, 37, fail_at_37, NULL), 0);
    qe__pool_destroy(&pool);
  }
}

/* Denormal numbers are part of results. */
static int denormal(void *arg, uint32_t thread, int64_t begin, int64_t end) {
  (void)thread;
  for (int64_t i = begin; i < end; i++) {
    volatile float x = 0x1p-140f;
    ((float *)arg)[i] = x * 0.5f;
  }
  return 0;
}

Test(pool, denormals_stay) {
  qe__pool *pool;
  float out[64];
  cr_assert_eq(qe__pool_create(3, &pool), QE_OK);
  memset(out, 0, sizeof out);
  cr_assert_eq(qe__pool_run(pool, 64, denormal, out), 0);
  for (int i = 0; i < 64; i++) cr_assert_eq(out[i], 0x1p-141f, "element %d is %a", i, (double)out[i]);
  qe__pool_destroy(&pool);
}

static uint32_t count_of(uint32_t asked) {
  qe__pool *pool;
  cr_assert_eq(qe__pool_create(asked, &pool), QE_OK, "%s", qe_last_error());
  const uint32_t count = qe__pool_threads(pool);
  qe__pool_destroy(&pool);
  return count;
}

Test(pool, thread_count_order) {
  unsetenv("QENGINE_THREADS");
  cr_assert_eq(count_of(0), qe__cpu()->cores);
  setenv("QENGINE_THREADS", "3", 1);
  cr_assert_eq(count_of(0), 3);
  qe_set_threads(2);
  cr_assert_eq(count_of(0), 2);
  cr_assert_eq(count_of(5), 5);
  qe_set_threads(0);
  cr_assert_eq(count_of(0), 3);
  setenv("QENGINE_THREADS", "0", 1);
  cr_assert_eq(count_of(0), qe__cpu()->cores);
}

Test(pool, a_bad_thread_count_is_an_error) {
  static const char *const bad[] = {"two", "-1", "3x", " 3", "99999999999999999999", "1025"};
  qe__pool *pool;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    setenv("QENGINE_THREADS", bad[i], 1);
    cr_assert_eq(qe__pool_create(0, &pool), QE_ERROR_INVALID_ARGUMENT, "'%s' was taken", bad[i]);
    cr_assert(strstr(qe_last_error(), bad[i]), "%s", qe_last_error());
    cr_assert_null(pool);
  }
  cr_assert_eq(qe__pool_create(2000, &pool), QE_ERROR_INVALID_ARGUMENT);
  qe__pool_destroy(&pool);
  qe__pool_destroy(NULL);
}
