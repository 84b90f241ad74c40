/* The state of the harness while a kernel runs on a case (harness.c), and the thread pools it keeps. */
#ifndef QE_CORE_CONFORM_HARNESS_H
#define QE_CORE_CONFORM_HARNESS_H

#include <stdarg.h>

#include "conform/case.h"
#include "registry/quant_rule.h"
#include "runtime/operand.h"
#include "runtime/pool.h"

enum { QE__MOST_THREADS = 16, QE__MOST_PIECES = 256 };

typedef struct qe__problem { /* a qe_problem and everything it points to */
  qe_problem problem;
  qe_op_params params;
  qe_operand in[QE__CASE_IN], out[QE__CASE_OUT];
  const qe_operand *in_list[QE__CASE_IN], *out_list[QE__CASE_OUT];
} qe__problem;

typedef struct qe__session {
  const qe__kernel *kernel;
  const qe__built *b;
  const qe__run_mode *mode;
  qe__problem p;
  qe_kernel_plan plan;
  qe__guard_region regions[QE__CASE_IN + QE__CASE_OUT + 1 + QE__MOST_THREADS];
  uint32_t n_regions;
  const void *in[QE__CASE_IN];
  void *out[QE__CASE_OUT];
  uint8_t *packed, *scratch[QE__MOST_THREADS];
  qe__pool *pool;
  int64_t pieces, *order; /* tiles are run in this many ranges, in this order */
  qe__watched bad[QE__MOST_THREADS];
  bool tiny[QE__MOST_THREADS]; /* as in qe__watched, of any call */
} qe__session;

/* A pool of so many threads (at most QE__MOST_THREADS), kept until the process ends. */
qe_status_t qe__harness_pool(uint32_t threads, qe__pool **out);

#endif
