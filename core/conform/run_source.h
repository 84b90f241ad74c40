/* The kernels of a real engine and the cases for them, as a worker sees them (worker.h). */
#ifndef QE_CORE_CONFORM_RUN_SOURCE_H
#define QE_CORE_CONFORM_RUN_SOURCE_H

#include "conform/worker.h"

typedef struct qe__engine_source {
  const char *engine;  /* name or path */
  const char *against; /* NULL: the reference */
  qe__suite suite;
  const char *op;     /* glob, or NULL */
  const char *names;  /* glob of kernel names, or NULL */
  const char *kernel; /* this kernel only, or NULL */
  uint32_t n_cases;   /* instead of the suite */
  const char *const *cases;
  bool lenient; /* cases that make no sense are left out (candidates of the minimizer) */
  uint64_t seed;
  uint32_t n_replays; /* inputs of the given cases that come from files */
  const struct qe_conform_replay *replays;
  /* set by open, in the worker */
  const qe__engine *loaded, *oracle;
} qe__engine_source;

/* `to` keeps the pointer. */
void qe__engine_source_init(qe__engine_source *from, qe__conform_source *to);
/* Is this the path of a plugin rather than the name of an engine? */
bool qe__engine_is_path(const char *engine);
/* Loads the engine and what it is compared with. In a worker only. */
qe_status_t qe__engine_source_load(qe__engine_source *s);

#endif
