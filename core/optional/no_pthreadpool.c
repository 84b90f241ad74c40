/* Stands in for runtime/pool.c without pthreadpool (QE_PTHREADPOOL=OFF): everything runs on the caller's thread. */
#include "base/float_mode.h"
#include "base/memory.h"
#include "qengine/engine.h"
#include "runtime/pool.h"

struct qe__pool {
  char nothing;
};

void qe_set_threads(uint32_t threads) { (void)threads; }

qe_status_t qe__pool_create(uint32_t threads, qe__pool **out) {
  *out = NULL;
  if (threads > 1) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "%u threads were asked for; this build of qengine has one (CMake option QE_PTHREADPOOL)", threads);
  }
  *out = qe__calloc(1, sizeof **out);
  return *out != NULL ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
}

void qe__pool_destroy(qe__pool **pool) {
  if (pool == NULL) return;
  qe__free(*pool);
  *pool = NULL;
}

uint32_t qe__pool_threads(const qe__pool *pool) {
  (void)pool;
  return 1;
}

int qe__pool_run(qe__pool *pool, int64_t n, int (*fn)(void *arg, uint32_t thread, int64_t begin, int64_t end), void *arg) {
  (void)pool;
  const uint64_t mode = qe__float_mode_default();
  const int result = n > 0 ? fn(arg, 0, 0, n) : 0;
  qe__float_mode_back(mode);
  return result;
}
