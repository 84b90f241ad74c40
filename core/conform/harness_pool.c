/* Thread pools of the harness: made once per size, because a case takes less time than starting threads does. */
#include <pthread.h>

#include "conform/harness.h"

qe_status_t qe__harness_pool(uint32_t threads, qe__pool **out) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static qe__pool *pools[QE__MOST_THREADS + 1];
  const uint32_t n = threads > QE__MOST_THREADS ? QE__MOST_THREADS : threads;
  pthread_mutex_lock(&lock);
  const qe_status_t status = pools[n] ? QE_OK : qe__pool_create(n, &pools[n]);
  *out = pools[n];
  pthread_mutex_unlock(&lock);
  return status;
}
