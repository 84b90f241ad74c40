/*
 * The parent's side of a conformance run: worker processes, each with its share of the cases, watched for answers. A
 * crash or a time-out is pinned to the case in flight, retried alone, and the work goes on in a new process.
 */
#ifndef QE_CORE_CONFORM_RUN_WORKERS_H
#define QE_CORE_CONFORM_RUN_WORKERS_H

#include "conform/worker.h"

/* One case that ended. Valid during the call. */
typedef struct qe__outcome {
  uint64_t index; /* place in the fixed order of all cases */
  uint32_t kernel;
  bool must;
  double seconds;
  char text[QE__CASE_TEXT];
  qe__case_result result;
} qe__outcome;

typedef struct qe__workers_options {
  const qe__conform_source *source;
  const char *isa_mask;                 /* NULL: as it is */
  uint32_t jobs;                        /* >= 1 */
  double timeout;                       /* seconds for one case */
  double load_timeout;                  /* seconds for loading and listing */
  bool list;                            /* cases are announced, not run */
  bool stop_at_bad;                     /* the first bad case ends everything; no retries */
  uint32_t most_crashes, most_timeouts; /* of one kernel, before its other cases are left out; 0: no limit */
  /* Any of these may be NULL; not QE_OK ends the run with that status. A case may be reported anew: the last one
   * counts. */
  qe_status_t (*on_hello)(void *arg, const qe__hello *hello);
  qe_status_t (*on_kernel)(void *arg, uint32_t kernel, const qe__kernel_facts *facts);
  qe_status_t (*on_case)(void *arg, const qe__outcome *outcome);
  qe_status_t (*on_tick)(void *arg);
  void *arg;
} qe__workers_options;

/* Errors: ENGINE (it could not be loaded), IO, OUT_OF_MEMORY, INTERNAL, those of the callbacks and of the source. */
qe_status_t qe__workers_run(const qe__workers_options *options);

#endif
