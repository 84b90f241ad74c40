/* Status codes and the thread-local error message. Every public function returns one of these. */
#ifndef QE_CORE_STATUS_H
#define QE_CORE_STATUS_H

#include "qengine/base.h"

#if defined(__GNUC__)
#define QE__PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define QE__PRINTF(f, a)
#endif

/*
 * Records the message of this thread and returns `status`. Write it as one sentence a user can act on:
 * where (file, node, tensor), what was found, what was expected, and what to do next.
 */
qe_status_t qe__fail(qe_status_t status, const char *format, ...) QE__PRINTF(2, 3);

/* Puts "prefix: " before the current message (adds where it happened on the way up); returns `status`. */
qe_status_t qe__fail_in(qe_status_t status, const char *format, ...) QE__PRINTF(2, 3);

void qe__clear_error(void);

/* Returns from the calling function when expr is not QE_OK. */
#define QE_TRY(expr)                        \
  do {                                      \
    const qe_status_t qe_try_ = (expr);     \
    if (qe_try_ != QE_OK) return qe_try_;   \
  } while (0)

/* Same, but jumps to a cleanup label; needs `qe_status_t status` in scope. */
#define QE_TRY_GOTO(expr, label)            \
  do {                                      \
    status = (expr);                        \
    if (status != QE_OK) goto label;        \
  } while (0)

/* Checks an argument at the edge of the API. */
#define QE_CHECK_ARG(cond, what)                                                                   \
  do {                                                                                             \
    if (!(cond)) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%s: invalid argument: %s", __func__, what); \
  } while (0)

#endif
