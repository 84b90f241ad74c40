/* Threads: one pthreadpool per session; tiles of a step are handed out in order of index. */
#ifndef QE_CORE_POOL_H
#define QE_CORE_POOL_H

#include "base/status.h"

typedef struct qe__pool qe__pool;

/* threads 0: qe_set_threads > QENGINE_THREADS > cores that this process may use. */
qe_status_t qe__pool_create(uint32_t threads, qe__pool **out);
void qe__pool_destroy(qe__pool **pool);
uint32_t qe__pool_threads(const qe__pool *pool);
/*
 * Calls fn(arg, thread, begin, end) over disjoint ranges that cover [0, n), on at most all threads; returns when all
 * are done; the first non-zero result of fn is returned. With one thread or n <= 1 it runs on the caller.
 */
int qe__pool_run(qe__pool *pool, int64_t n, int (*fn)(void *arg, uint32_t thread, int64_t begin, int64_t end), void *arg);

#endif
