/*
 * Time of one training step: float, then quantization-aware, on random images.
 *   train_step [--batch N] [--threads N] [--steps N] [--preset NAME] [--engine NAME] [--profile] MODEL.onnx
 * One line per kind of training: its name, then the median and the smallest time of a step in ms, and the smallest CPU time
 * of all threads (bench/train reads them). --profile: also where a step's time goes, by kernel and by step.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "train/program.h"

enum { WARM_UP = 3, MOST_STEPS = 1000, MOST_SHOWN = 40 };

typedef struct settings {
  uint32_t batch, threads, steps;
  const char *preset, *engine, *model;
  bool profile;
} settings;

static void check(qe_status_t status) {
  if (status == QE_OK) return;
  fprintf(stderr, "train_step: %s\n", qe_last_error());
  exit(1);
}

static double now_ms(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Input 0 as the model declares it, for this batch; labels 0..9. */
static void make_batch(const qe_model_t *m, int64_t rows, qe__batch *b) {
  qe_value_info_t info;
  uint32_t state = 1;
  check(qe_model_input(m, 0, &info));
  info.dims[0] = rows;
  check(qe__batch_create(1, b));
  b->rows = rows;
  check(qe_tensor_create(QE_FLOAT32, (uint32_t)info.rank, info.dims, &b->inputs[0]));
  check(qe_tensor_create(QE_INT64, 1, &rows, &b->labels));
  float *data = qe_tensor_data(b->inputs[0]);
  for (int64_t i = 0; i < qe_tensor_count(b->inputs[0]); i++) {
    state = state * 1664525u + 1013904223u;
    data[i] = (float)(int8_t)(state >> 24) / 64.0f;
  }
  for (int64_t i = 0; i < rows; i++) ((int64_t *)qe_tensor_data(b->labels))[i] = i % 10;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* ---- where the time goes ---- */

typedef struct row {
  double ms;      /* of one run; first: sorted by it */
  qe_step_info_t step;
  uint32_t steps; /* that this row stands for */
} row;

static int by_time(const void *a, const void *b) { return -by_value(a, b); }

static void print_profile(const qe_session_t *s, double step_ms) {
  const uint32_t n = qe_session_step_count(s);
  row *steps = calloc(n + 1, sizeof *steps), *kernels = calloc(n + 1, sizeof *kernels);
  uint32_t n_kernels = 0;
  double all = 0.0;
  if (!steps || !kernels) exit(1);
  for (uint32_t i = 0; i < n; i++) {
    qe_step_info_t *info = &steps[i].step;
    check(qe_session_step(s, i, info));
    steps[i].ms = info->runs ? info->milliseconds / (double)info->runs : 0.0;
    all += steps[i].ms;
    uint32_t k = 0;
    while (k < n_kernels && (strcmp(kernels[k].step.op, info->op) != 0 || strcmp(kernels[k].step.kernel, info->kernel) != 0)) k++;
    if (k == n_kernels) kernels[n_kernels++].step = *info;
    kernels[k].ms += steps[i].ms;
    kernels[k].steps++;
  }
  qsort(steps, n, sizeof *steps, by_time);
  qsort(kernels, n_kernels, sizeof *kernels, by_time);
  printf("  a step takes %.2f ms: the session's %u steps %.2f, optimizer and the rest %.2f\n", step_ms, n, all, step_ms - all);
  printf("  %9s %6s %6s  %-24s %-12s %s\n", "ms", "share", "steps", "op", "engine", "kernel");
  for (uint32_t k = 0; k < n_kernels; k++) {
    const qe_step_info_t *info = &kernels[k].step;
    printf("  %9.3f %5.1f%% %6u  %-24s %-12s %s\n", kernels[k].ms, 100.0 * kernels[k].ms / all, kernels[k].steps, info->op, info->engine, info->kernel);
  }
  printf("  %9s %9s  %-24s %-32s %s\n", "ms", "GMAC/s", "op", "kernel", "node");
  for (uint32_t i = 0; i < n && i < MOST_SHOWN; i++) {
    const qe_step_info_t *info = &steps[i].step;
    printf("  %9.3f %9.2f  %-24s %-32s %s\n", steps[i].ms, steps[i].ms > 0.0 ? (double)info->macs * 1e-6 / steps[i].ms : 0.0, info->op, info->kernel, info->node);
  }
  free(steps);
  free(kernels);
}

/* ---- one kind of training ---- */

static void measure(const settings *s, const qe_model_t *m, bool qat) {
  qe_train_options_t o;
  qe_prepared_t *prepared = NULL;
  qe_trainer_t *t = NULL;
  qe__batch b;
  qe_train_metrics_t metrics;
  double ms[MOST_STEPS], cpu_ms[MOST_STEPS];
  qe_train_options_default(&o);
  o.batch = s->batch;
  o.threads = s->threads;
  o.engine = s->engine;
  o.lr = 0.01f;
  if (qat) {
    qe_qconfig_mapping_t *mapping = NULL;
    check(qe_qconfig_mapping_preset(s->preset, &mapping));
    check(qe_prepare_qat(m, mapping, NULL, &prepared));
    check(qe_trainer_create_qat(prepared, &o, &t));
    qe_qconfig_mapping_destroy(&mapping);
  } else {
    check(qe_trainer_create(m, &o, &t));
  }
  t->profile = s->profile;
  make_batch(m, s->batch, &b);
  for (uint32_t i = 0; i < WARM_UP; i++) check(qe__trainer_step(t, &b, &metrics));
  for (uint32_t i = 0; i < s->steps; i++) {
    const double start = now_ms(CLOCK_MONOTONIC), cpu_start = now_ms(CLOCK_PROCESS_CPUTIME_ID);
    check(qe__trainer_step(t, &b, &metrics));
    ms[i] = now_ms(CLOCK_MONOTONIC) - start;
    cpu_ms[i] = now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
  }
  qsort(ms, s->steps, sizeof ms[0], by_value);
  qsort(cpu_ms, s->steps, sizeof cpu_ms[0], by_value);
  printf("%s %.3f %.3f %.3f\n", qat ? "qat" : "float", ms[s->steps / 2], ms[0], cpu_ms[0]);
  if (s->profile) print_profile(t->programs[0]->session, ms[s->steps / 2]);
  fflush(stdout);
  qe_trainer_destroy(&t);
  qe_prepared_destroy(&prepared);
  qe__batch_free(&b);
}

static int usage(void) {
  fputs("train_step [--batch N] [--threads N] [--steps N] [--preset NAME] [--engine NAME] [--profile] MODEL.onnx\n", stderr);
  return 2;
}

int main(int argc, char **argv) {
  settings s = {.batch = 64, .threads = 2, .steps = 20, .preset = "fbgemm_qat"};
  qe_model_t *m = NULL;
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (strcmp(argv[i], "--profile") == 0) {
      s.profile = true;
      continue;
    }
    if (strncmp(argv[i], "--", 2) != 0) {
      s.model = argv[i];
      continue;
    }
    if (!value) return usage();
    if (strcmp(argv[i], "--batch") == 0) s.batch = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--threads") == 0) s.threads = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--steps") == 0) s.steps = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--preset") == 0) s.preset = value;
    else if (strcmp(argv[i], "--engine") == 0) s.engine = value;
    else return usage();
    i++;
  }
  if (!s.model || s.batch < 1 || s.steps < 1 || s.steps > MOST_STEPS) return usage();
  check(qe_model_load(s.model, &m));
  measure(&s, m, false);
  measure(&s, m, true);
  qe_model_destroy(&m);
  return 0;
}
