/*
 * qengine/conform.h - is an engine right? Runs conformance cases against every kernel of an engine, in processes of
 * their own, and reports.
 *
 * The calling process never maps the code under test: workers are forked from it before anything is loaded, so a crash
 * or a hang is a result of one case and not the end of the run. Call these functions from a process without other
 * running threads (a fork copies only the caller's thread).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef QENGINE_CONFORM_H
#define QENGINE_CONFORM_H

#include "qengine/session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* name, text */
#define QE_CONFORM_VERDICT_LIST(X)                                                                       \
  X(PASS, "PASS") X(FAIL, "FAIL") X(MISTRUSTED, "MISTRUSTED") X(UNSUPPORTED, "UNSUPPORTED") X(CRASH, "CRASH") \
  X(TIMEOUT, "TIMEOUT") X(WAIVED, "WAIVED") X(REFUSED, "REFUSED")

typedef enum qe_conform_verdict {
#define X(name, text) QE_CONFORM_##name,
  QE_CONFORM_VERDICT_LIST(X)
#undef X
} qe_conform_verdict_t;

typedef enum qe_conform_suite {
  QE_CONFORM_SMOKE = 0,    /* a few cases of every op */
  QE_CONFORM_MUSTPASS = 1, /* the versioned list that no engine may fail or decline */
  QE_CONFORM_FULL = 2      /* all generators */
} qe_conform_suite_t;

/* An input of the given cases whose elements come from a file instead of the case's pattern. */
typedef struct qe_conform_replay {
  uint32_t input;              /* index of the input, as in the op's definition, from 0 */
  const char *path;            /* what qe_tensor_load reads: .npy, .npz, "file.npz:member" */
} qe_conform_replay_t;

typedef struct qe_conform_options {
  uint32_t struct_size;
  qe_conform_suite_t suite;
  const char *op;              /* only kernels whose op fits this glob; NULL: all */
  uint32_t n_cases;            /* instead of a suite: these cases */
  const char *const *cases;
  const char *against;         /* engine whose results are the expected ones; NULL: the reference */
  uint64_t seed;               /* of the data; the same seed, the same data, whatever else is chosen */
  uint32_t jobs;               /* worker processes; 0: one per CPU */
  double timeout;              /* seconds for one case; 0: 30 */
  int perf;                    /* 1: time the kernels that passed */
  int minimize;                /* 1: look for the smallest failing case of every failing kernel */
  const char *waivers;         /* JSON file of known failures; NULL: none */
  const char *isa_masks;       /* "avx2,all": the whole run once per value of QENGINE_CPU_MASK; NULL: as it is */
  /* Called now and then, may be NULL. Not 0: the run stops with INTERRUPTED. total is 0 while it is not known. */
  int (*progress)(void *arg, int64_t done, int64_t total, int64_t bad);
  void *progress_arg;
  /*
   * Inputs from files, read anew for each of `cases`, each input at most once. The file's dtype and element count have
   * to be the input's, and so has its shape when it has more than one dimension; else the run ends with DTYPE or SHAPE.
   * Errors: INVALID_ARGUMENT also without `cases`, and with minimize or perf.
   */
  uint32_t n_replays;
  const qe_conform_replay_t *replays;
  const char *kernel;          /* only kernels whose name fits this glob; NULL: all */
} qe_conform_options_t;

/* cases is the sum of the others, refused being part of passed. */
typedef struct qe_conform_counts {
  int64_t cases, passed, failed, unsupported, mistrusted, crashed, timeout, waived;
  int64_t not_run; /* left out after too many crashes or hangs of their kernel */
  int64_t refused; /* malformed cases that were refused as they have to be */
} qe_conform_counts_t;

/* Everything below belongs to the report. */
typedef struct qe_conform_kernel {
  const char *name, *op, *dtypes;
  const char *isa_mask;        /* "" without isa_masks */
  int claimed, observed;       /* 0 (E0) to 4 (E4); observed -1: nothing was judged, or none of them */
  qe_conform_counts_t counts;
} qe_conform_kernel_t;

typedef struct qe_conform_case {
  const char *text;            /* the case; reproduces it together with the seed */
  uint32_t kernel;             /* index */
  qe_conform_verdict_t verdict;
  int must;                    /* of the must-pass list */
  int level;                   /* as observed; -1: none */
  int64_t elements, wrong;
  double worst, seconds;
  int64_t macs;
  const char *check, *detail;  /* "" when nothing is wrong */
  const char *waiver;          /* reason of the waiver that covers it, or "" */
  const char *minimal, *minimal_detail; /* smallest failing case found, or "" */
} qe_conform_case_t;

typedef struct qe_conform_time {
  uint32_t kernel;
  const char *text;            /* the case */
  double min_ns, median_ns;
  int64_t macs, bytes;
  double reference_ratio;      /* reference's time / this one's; 0: unknown */
  double best_ratio;           /* best other engine's time / this one's; 0: there is none */
  const char *best_engine;     /* or "" */
  double peak_share;           /* of what this core multiplies and adds at most, measured; 0: no macs */
} qe_conform_time_t;

typedef struct qe_conform_info {
  const char *engine, *vendor, *version, *path;
  char sha256[65];             /* of the plugin's file; "" when it is part of the library */
  char must_pass_hash[65];
  uint32_t abi_major, abi_minor;
  const char *isa, *against, *suite, *filter; /* filter: "" when all of the suite ran */
  uint32_t cores;
  uint64_t seed;
  double seconds;
  int conforms;
  const char *why;             /* why not, one line; "" */
  qe_conform_counts_t totals;
  const char *replay;          /* arguments that repeat the replays, with a space before each; "" */
} qe_conform_info_t;

typedef struct qe_conform_report qe_conform_report_t;

/*
 * Runs. `engine` is a name or the path of a plugin (with a '/' or ending in ".so"). QE_OK also when the engine does not
 * conform: that is in the report. Errors: ENGINE (it, or the engine to compare with, could not be loaded), FORMAT and
 * INVALID_ARGUMENT (case, waivers, options), INTERRUPTED, IO, OUT_OF_MEMORY, INTERNAL. Free with
 * qe_conform_report_destroy.
 */
QE_API qe_status_t qe_conform_run(const char *engine, const qe_conform_options_t *options, qe_conform_report_t **out);
QE_API void qe_conform_report_destroy(qe_conform_report_t **report);

QE_API const qe_conform_info_t *qe_conform_report_info(const qe_conform_report_t *report);
QE_API uint32_t qe_conform_kernel_count(const qe_conform_report_t *report);
QE_API const qe_conform_kernel_t *qe_conform_kernel_at(const qe_conform_report_t *report, uint32_t index);
QE_API uint32_t qe_conform_case_count(const qe_conform_report_t *report);
QE_API const qe_conform_case_t *qe_conform_case_at(const qe_conform_report_t *report, uint32_t index);
QE_API uint32_t qe_conform_time_count(const qe_conform_report_t *report);
QE_API const qe_conform_time_t *qe_conform_time_at(const qe_conform_report_t *report, uint32_t index);
/* Waivers that expired or cover nothing that fails, one sentence each. */
QE_API uint32_t qe_conform_problem_count(const qe_conform_report_t *report);
QE_API const char *qe_conform_problem_at(const qe_conform_report_t *report, uint32_t index);
/* "PASS" ... */
QE_API const char *qe_conform_verdict_name(qe_conform_verdict_t verdict);
/* 1: a verdict that keeps an engine from conforming. */
QE_API int qe_conform_verdict_is_bad(qe_conform_verdict_t verdict);

/* The report as text; free with qe_string_free. JSON: one object, a summary. JSON Lines: a case a line, the summary last. */
QE_API qe_status_t qe_conform_json(const qe_conform_report_t *report, char **text);
QE_API qe_status_t qe_conform_json_lines(const qe_conform_report_t *report, char **text);
QE_API qe_status_t qe_conform_junit(const qe_conform_report_t *report, char **text);
QE_API qe_status_t qe_conform_html(const qe_conform_report_t *report, char **text);
/* Errors: STATE when the engine does not conform or only a part of the suite ran. */
QE_API qe_status_t qe_conform_certificate(const qe_conform_report_t *report, char **text);

/* Calls `each` for every case that a run would have, without running any. kernel: its name. */
typedef int (*qe_conform_list_fn)(void *arg, const char *kernel, const char *text, int must); /* not 0: stop */
QE_API qe_status_t qe_conform_list(const char *engine, const qe_conform_options_t *options, qe_conform_list_fn each,
                                   void *arg);

/*
 * Checks a certificate: its own integrity, the plugin's bytes, ABI and must-pass list, then runs the must-pass list with
 * the certificate's seed (suite, cases, op, seed of `options` are ignored). QE_OK with *valid 0: the reason is in
 * qe_last_error(), and what failed in *report (NULL when it did not come to a run). Errors: as
 * qe_conform_run; FORMAT for a file that is no certificate.
 */
QE_API qe_status_t qe_conform_verify(const char *certificate, const char *plugin, const qe_conform_options_t *options,
                                     int *valid, qe_conform_report_t **report);

/* ---- whole models ---- */

typedef struct qe_conform_value {
  const char *name, *node, *op; /* op, node: what computes it */
  const char *dtype;
  int64_t elements, wrong;      /* wrong: elements that differ in any bit */
  int64_t first;                /* index of the first that differs; -1 */
  char expected[32], got[32];   /* that element, as text */
  int is_output;
} qe_conform_value_t;

typedef struct qe_conform_model_report qe_conform_model_report_t;

/*
 * Runs a model on `engine` (name or path) and on `against` (NULL: the reference) in a process of its own and compares
 * every computed value byte for byte. Errors as in qe_conform_run; a crash or a time-out of the engine is in the report.
 */
QE_API qe_status_t qe_conform_model(const char *engine, const qe_model_t *model, uint32_t n_inputs,
                                    const qe_named_tensor_t *inputs, const qe_conform_options_t *options,
                                    qe_conform_model_report_t **out);
QE_API void qe_conform_model_report_destroy(qe_conform_model_report_t **report);
QE_API uint32_t qe_conform_value_count(const qe_conform_model_report_t *report);
/* In graph order. */
QE_API const qe_conform_value_t *qe_conform_value_at(const qe_conform_model_report_t *report, uint32_t index);
/* Index of the first value that differs, -1: none. */
QE_API int32_t qe_conform_first_difference(const qe_conform_model_report_t *report);
/* 1: ran, had steps on the engine, nothing differs. */
QE_API int qe_conform_model_conforms(const qe_conform_model_report_t *report);
/* Steps of the plan, and how many of them the engine under test computed. */
QE_API void qe_conform_model_steps(const qe_conform_model_report_t *report, uint32_t *steps, uint32_t *on_engine);
/* One line: why it does not conform; "". */
QE_API const char *qe_conform_model_why(const qe_conform_model_report_t *report);

#ifdef __cplusplus
}
#endif
#endif
