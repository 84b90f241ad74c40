/* A source of cases without an engine: what a case does is written in its text, and the worker does it. */
#ifndef TEST_CONFORM_RUN_FAKE_H
#define TEST_CONFORM_RUN_FAKE_H

#include "conform/run_workers.h"
#include "qengine/conform.h"

enum { FAKE_KERNELS = 3, FAKE_MOST = 256 };

typedef struct fake {
  qe_status_t open_status;
  int open_signal;  /* raised while loading; 0: none */
  uint32_t n_cases; /* per kernel */
  /* per kernel and case: "pass", "fail", "mistrusted", "unsupported", "segv", "abort", "exit", "hang", "garbage",
   * "internal", "once:FILE" (crashes unless FILE exists, which it then makes), "after" (ends the process one second
   * later), "slow" (takes longer than that) */
  const char *cases[FAKE_KERNELS][FAKE_MOST];
} fake;

void fake_source(fake *f, qe__conform_source *out);

/* What a run told, by index; a case told twice keeps the last. */
typedef struct heard {
  qe__outcome outcomes[FAKE_KERNELS * FAKE_MOST];
  bool told[FAKE_KERNELS * FAKE_MOST];
  uint32_t n_told, n_kernels, n_ticks, stop_after_ticks;
  int64_t announced; /* sum of the kernels' cases */
  qe__hello hello;
} heard;

qe__workers_options fake_options(const qe__conform_source *source, heard *h);

#endif
