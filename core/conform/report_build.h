/* The report of a conformance run while it is put together, and what its writers share. */
#ifndef QE_CORE_CONFORM_REPORT_BUILD_H
#define QE_CORE_CONFORM_REPORT_BUILD_H

#include <stdbool.h>
#include <stdio.h>

#include "conform/run_workers.h"
#include "qengine/conform.h"

typedef struct qe__record {
  qe_conform_case_t c;
  uint32_t pass; /* of the ISA masks */
  uint64_t index;
  size_t sequence; /* of a case reported twice the later report counts */
} qe__record;

struct qe_conform_report {
  qe_conform_info_t info;
  qe_conform_kernel_t *kernels;
  int64_t *expected; /* cases of each kernel */
  qe__record *records;
  qe_conform_time_t *times;
  const char **problems;
  size_t n_kernels, n_records, n_times, n_problems;
  size_t kernel_capacity, expected_capacity, record_capacity, time_capacity, problem_capacity;
  void *texts; /* all strings above live here */
};

/* A copy that lives as long as the report; valid UTF-8 without control characters but newlines. NULL: out of memory. */
const char *qe__report_text(qe_conform_report_t *r, const char *text);
qe_status_t qe__report_set(qe_conform_report_t *r, const char **field, const char *text);
/* The judge knows the case, not the run: its line to paste gets the seed and the engine compared with. */
qe_status_t qe__report_set_detail(qe_conform_report_t *r, const char **field, const char *detail);

qe_status_t qe__report_hello(qe_conform_report_t *r, const qe__hello *hello);
qe_status_t qe__report_kernel(qe_conform_report_t *r, const qe__kernel_facts *facts, const char *isa_mask);
/* `first_kernel`: where the kernels of this pass begin. */
qe_status_t qe__report_case(qe_conform_report_t *r, uint32_t pass, size_t first_kernel, const qe__outcome *o);
qe_status_t qe__report_problem(qe_conform_report_t *r, const char *format, ...) QE__PRINTF(2, 3);
/* Puts the cases in order, drops superseded ones, and turns must-pass cases that no kernel supports into failures. */
qe_status_t qe__report_settle(qe_conform_report_t *r);
/* Counts everything and decides. After the waivers. */
qe_status_t qe__report_decide(qe_conform_report_t *r);
/* Does any observed level fall behind? -1 and E0..E4 as text: "-", "E0". */
const char *qe__level_text(int level);

/* ---- writers ---- */

/* Text with &, <, >, " escaped for HTML and XML. */
void qe__put_escaped(FILE *f, const char *text);
/* Ends a memory stream; *text is qe_string_free's. */
qe_status_t qe__finish_text(FILE *f, char **buffer, char **text);

#endif
