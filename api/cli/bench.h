/* `qengine bench`: what is timed, and what came out. */
#ifndef QE_CLI_BENCH_H
#define QE_CLI_BENCH_H

#include "arch.h"
#include "command.h"
#include "measure.h"

/* Smallest time of one step over the runs that timed steps. */
typedef struct bench_step {
  char *node, *op, *engine, *kernel, *types;
  double ms;
  int64_t macs;
  bool quantized, fallback;
} bench_step;

/* One model on one engine. */
typedef struct bench_case {
  char *name;            /* "resnet50/static": what the row is called */
  const char *model;     /* file or architecture */
  const char *flow;      /* "float", "static", "dynamic"; NULL: a file as it is, whose flow nobody told */
  char *engine;          /* NULL: the default */
  const qe_model_t *graph; /* the caller's */
  qe_named_tensor_t *inputs;
  int64_t batch;         /* samples in `inputs` */
  qe_session_t *session;
  qe_session_stats_t stats;
  double load_ms, plan_ms, first_ms; /* reading or making the model; session and plan; the first run */
  double *ms, *cpu_ms;   /* of each run */
  size_t runs, capacity;
  double spent;          /* seconds, all runs */
  cli_spread wall, cpu;
  int64_t macs, int8_macs; /* of one run; of its quantized steps */
  bench_step *steps;     /* with bench_settings.profile */
  uint32_t n_steps;
} bench_case;

/* What one core can do at most, by loops in registers. */
typedef struct bench_peaks {
  qe_peak_t *loops;
  size_t count;
  double int8, float32;  /* the fastest of each */
} bench_peaks;
/* Takes 20 ms for each loop. */
void bench_measure_peaks(bench_peaks *out);

typedef struct bench_settings {
  int64_t repeat;        /* -1: by time */
  double min_time;       /* seconds for each case */
  bool profile;
  bench_peaks peaks;
} bench_settings;

/* Flows of bench_wanted.flows, as bits 1 << FLOW. */
enum { BENCH_FLOAT, BENCH_STATIC, BENCH_DYNAMIC };
enum { BENCH_MOST_CASES = 64 };

/* What the command line asks for. */
typedef struct bench_wanted {
  const arch *arch;      /* NULL: files */
  arch_options options;  /* batch 0: not given */
  unsigned flows;        /* 0: files as they are */
  const char *qconfig, *save, *engines;
  bool force, untimed;   /* untimed: only for `save` */
} bench_wanted;

/* Rows in the order of the report, and the models that they run. */
typedef struct bench_rows {
  qe_model_t **models;
  size_t n_models;
  bench_case cases[BENCH_MOST_CASES];
  size_t n_cases;
} bench_rows;

/* One row for each flow and engine. CLI_OK or an exit code, message printed. */
int bench_add_arch(const bench_wanted *w, bench_rows *rows);
int bench_add_file(const bench_wanted *w, bench_rows *rows, const char *path);
void bench_rows_close(bench_rows *rows);

/* Makes the session, plans, runs once. CLI_OK or an exit code, message printed; so do the functions below. */
int bench_open(bench_case *c);
/* Times all cases, taking turns, so that a busy machine disturbs all alike. */
int bench_time(bench_case *cases, size_t count, const bench_settings *s);
/* Runs again with the steps timed. */
int bench_profile(bench_case *c, const bench_settings *s);
void bench_close(bench_case *c);

/* Tables, or one JSON object in google-benchmark's shape. Without cases: the peaks. */
void bench_report(const bench_case *cases, size_t count, const bench_settings *s);

#endif
