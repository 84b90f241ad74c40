/*
 * Threads of a session. The range is cut into more pieces than there are threads, so that a slow thread is helped; which
 * thread computes a piece never shows in a result. Denormals are left alone: they are part of the answer.
 */
#include "runtime/pool.h"

#include <errno.h>
#include <pthreadpool.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/float_mode.h"
#include "base/memory.h"
#include "engine/engine.h"
#include "qengine/engine.h"

#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif

#ifdef TSAN
/* pthreadpool is not built with ThreadSanitizer, which therefore does not see that it hands work over in order. */
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define ACQUIRE(p) __tsan_acquire(p)
#define RELEASE(p) __tsan_release(p)
#else
#define ACQUIRE(p) ((void)(p))
#define RELEASE(p) ((void)(p))
#endif

enum { THREADS_MAX = 1024, PIECES_PER_THREAD = 4 };

struct qe__pool {
  pthreadpool_t threads; /* NULL: the caller alone */
  uint32_t count;
  uint32_t flags; /* of pthreadpool */
};

static _Atomic uint32_t default_threads;

void qe_set_threads(uint32_t threads) { atomic_store(&default_threads, threads); }

static qe_status_t choose_count(uint32_t asked, uint32_t *count) {
  *count = asked != 0 ? asked : atomic_load(&default_threads);
  const char *text = getenv("QENGINE_THREADS");
  if (*count == 0 && text != NULL && text[0] != '\0') {
    char *end;
    errno = 0;
    const unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value > THREADS_MAX) {
      return qe__fail(QE_ERROR_INVALID_ARGUMENT, "QENGINE_THREADS is '%s', expected a number from 1 to %d (0: all cores)", text, THREADS_MAX);
    }
    *count = (uint32_t)value;
  }
  if (*count == 0) *count = qe__cpu()->cores < THREADS_MAX ? qe__cpu()->cores : THREADS_MAX;
  if (*count > THREADS_MAX) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%u threads were asked for, expected at most %d", *count, THREADS_MAX);
  return QE_OK;
}

qe_status_t qe__pool_create(uint32_t threads, qe__pool **out) {
  uint32_t count;
  *out = NULL;
  QE_TRY(choose_count(threads, &count));
  qe__pool *pool = qe__calloc(1, sizeof *pool);
  if (pool == NULL) return QE_ERROR_OUT_OF_MEMORY;
  pool->count = count;
  /* Waiting threads spin, which is quick while each has a core and very slow once they take it from one another. */
  if (count > qe__cpu()->cores) pool->flags = PTHREADPOOL_FLAG_YIELD_WORKERS;
  if (count > 1) {
    pool->threads = pthreadpool_create(count);
    if (pool->threads == NULL) {
      qe__free(pool);
      return qe__fail(QE_ERROR_OUT_OF_MEMORY, "a pool of %u threads could not be made; ask for fewer threads", count);
    }
  }
  *out = pool;
  return QE_OK;
}

void qe__pool_destroy(qe__pool **pool) {
  if (pool == NULL || *pool == NULL) return;
  if ((*pool)->threads != NULL) pthreadpool_destroy((*pool)->threads);
  qe__free(*pool);
  *pool = NULL;
}

uint32_t qe__pool_threads(const qe__pool *pool) { return pool->count; }

typedef struct job {
  int (*fn)(void *arg, uint32_t thread, int64_t begin, int64_t end);
  void *arg;
  int64_t n, piece;
  _Atomic int64_t next; /* first element not handed out yet */
  /* Number of the lowest piece that failed, and its result below: the same error whatever the number of threads. */
  _Atomic uint64_t failed;
} job;

#define NONE_FAILED UINT64_MAX

static void record_failure(job *j, int64_t begin, int result) {
  const uint64_t mine = (uint64_t)(begin / j->piece) << 32 | (uint32_t)result;
  uint64_t before = atomic_load(&j->failed);
  while (mine < before && !atomic_compare_exchange_weak(&j->failed, &before, mine)) {
  }
}

/* One task per thread; each takes pieces until none are left or one has failed. */
static void run_task(void *context, size_t thread) {
  job *j = context;
  const uint64_t mode = qe__float_mode_default();
  ACQUIRE(j);
  while (atomic_load(&j->failed) == NONE_FAILED) {
    const int64_t begin = atomic_fetch_add(&j->next, j->piece);
    if (begin >= j->n) break;
    const int64_t end = j->n - begin > j->piece ? begin + j->piece : j->n;
    const int result = j->fn(j->arg, (uint32_t)thread, begin, end);
    if (result != 0) record_failure(j, begin, result);
  }
  RELEASE(j);
  qe__float_mode_back(mode);
}

int qe__pool_run(qe__pool *pool, int64_t n, int (*fn)(void *arg, uint32_t thread, int64_t begin, int64_t end), void *arg) {
  if (n <= 0) return 0;
  if (pool->threads == NULL || n == 1) {
    const uint64_t mode = qe__float_mode_default();
    const int result = fn(arg, 0, 0, n);
    qe__float_mode_back(mode);
    return result;
  }
  const int64_t wanted = (int64_t)pool->count * PIECES_PER_THREAD;
  job j = {.fn = fn, .arg = arg, .n = n, .piece = n > wanted ? n / wanted : 1, .failed = NONE_FAILED};
  const size_t tasks = (int64_t)pool->count < n ? pool->count : (size_t)n;
  RELEASE(&j);
  pthreadpool_parallelize_1d(pool->threads, run_task, &j, tasks, pool->flags);
  ACQUIRE(&j);
  const uint64_t failed = atomic_load(&j.failed);
  return failed == NONE_FAILED ? 0 : (int)(uint32_t)failed;
}
