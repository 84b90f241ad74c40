/* What the parts of a conformance run share: its settings, ready to use. */
#ifndef QE_CORE_CONFORM_RUN_INTERNAL_H
#define QE_CORE_CONFORM_RUN_INTERNAL_H

#include "conform/report_build.h"
#include "conform/run_source.h"

typedef struct qe__run_settings {
  const char *engine;
  qe_conform_options_t o; /* defaults filled in */
  double load_timeout;
} qe__run_settings;

/* Checks the options and fills in what they leave open. */
qe_status_t qe__run_settings_init(const char *engine, const qe_conform_options_t *options, qe__run_settings *out);
/* The options of a worker run over `source`; callbacks are the caller's. */
qe__workers_options qe__run_workers_options(const qe__run_settings *s, const qe__conform_source *source);
/* INTERRUPTED when the caller's progress function says so. */
qe_status_t qe__run_check_progress(const qe__run_settings *s, int64_t done, int64_t total, int64_t bad);

/* Looks for a smaller failing case of each failing kernel and writes it into the report. */
qe_status_t qe__minimize(const qe__run_settings *s, qe_conform_report_t *report);
/* Times the kernels that passed. */
qe_status_t qe__run_perf(const qe__run_settings *s, qe_conform_report_t *report);
/* Hex SHA-256 of a file, read as data. */
qe_status_t qe__file_digest(const char *path, char out[65]);

#endif
