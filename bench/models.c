/*
 * Whole models, ours against ONNX Runtime: one process, one thread, taking turns; and, each in a process of its
 * own, the time from loading to the first result and the most memory.
 *   models [--level L] [--seconds S] [--json FILE] [--ort LIBRARY] [--qengine PROGRAM] [--ops] [MODEL...]
 * --ops prints the nodes that ONNX Runtime makes of the int8 file. MODEL: ARCH[:FLOW][@BATCH], with ARCH and FLOW
 * (static, dynamic) as `qengine bench` has them, or FLOAT.onnx,INT8.onnx. Default: `defaults` below.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "level.h"
#include "ort.h"
#include "rounds.h"
#include "qengine.h"

enum { OURS_INT8, OURS_FLOAT, ORT_INT8, ORT_FLOAT, CONTENDERS, MOST_PATH = 512 };
static const char *const names[CONTENDERS] = {"ours int8", "ours float", "ORT int8", "ORT float"};

static const char *const defaults[] = {"resnet50", "mobilenet_v2", "bert_base:dynamic", "lstm_650:dynamic",
                                       "lstm_650:dynamic@16", "lstm_1500:dynamic", "lstm_1500:dynamic@16"};

typedef struct settings {
  const char *level, *json, *ort, *qengine;
  double seconds;
  bool ops;
  char folder[64];
} settings;

typedef struct cold {
  double first_ms, peak_mib; /* until the first result is there; VmHWM */
} cold;

static int fail(const char *what) {
  fprintf(stderr, "models: %s\n", what);
  return 1;
}

/* ---- ours ---- */

typedef struct ours {
  qe_model_t *model;
  qe_session_t *session;
  qe_named_tensor_t in;
} ours;

static int run_ours(void *state) {
  ours *o = state;
  qe_named_tensor_t out = {NULL, NULL};
  const qe_status_t status = qe_session_run(o->session, 1, &o->in, 1, &out);
  qe_tensor_release(&out.tensor);
  return status == QE_OK ? 0 : -1;
}

static void close_ours(void *state) {
  ours *o = state;
  qe_session_destroy(&o->session);
  qe_tensor_release(&o->in.tensor);
  qe_model_destroy(&o->model);
  free(o);
}

/* As ort_open does: int64 stays zeros. */
static bool make_input(ours *o) {
  qe_value_info_t x;
  if (qe_model_input_count(o->model) != 1 || qe_model_input(o->model, 0, &x) != QE_OK || x.rank < 0) return false;
  for (int32_t i = 0; i < x.rank; i++)
    if (x.dims[i] < 0) x.dims[i] = 1;
  if (qe_tensor_create(x.dtype, (uint32_t)x.rank, x.dims, &o->in.tensor) != QE_OK) return false;
  float *data = qe_tensor_data(o->in.tensor);
  uint32_t state = 1;
  for (int64_t i = 0; x.dtype == QE_FLOAT32 && i < qe_tensor_count(o->in.tensor); i++) {
    state = state * 1664525u + 1013904223u;
    data[i] = (float)(int8_t)(state >> 24) / 64.0f;
  }
  return true;
}

static ours *open_ours(const char *path) {
  const qe_session_options_t options = {.struct_size = sizeof options, .threads = 1};
  ours *o = calloc(1, sizeof *o);
  if (o && qe_model_load(path, &o->model) == QE_OK && make_input(o) &&
      qe_session_create(o->model, &options, &o->session) == QE_OK)
    return o;
  fprintf(stderr, "models: %s: %s\n", path, qe_last_error());
  if (o) close_ours(o);
  return NULL;
}

/* ---- cold starts ---- */

static double peak_mib(void) {
  char line[256];
  long kib = 0;
  FILE *f = fopen("/proc/self/status", "r");
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "VmHWM: %ld kB", &kib) == 1) break;
  if (f) fclose(f);
  return (double)kib / 1024.0;
}

/* In a process of its own: loads, runs once, says what it took. */
static int cold_start(const char *who, const char *path) {
  const double start = now_ns();
  double first = 0.0;
  if (strcmp(who, "ours") == 0) {
    ours *o = open_ours(path);
    if (!o || run_ours(o) != 0) return 1;
    first = now_ns() - start;
  } else {
    ort_session *s = ort_load(NULL) ? ort_open(path, NULL) : NULL;
    if (!s || ort_run(s) != 0) return fail(ort_error());
    first = now_ns() - start;
  }
  printf("%.3f %.3f\n", first * 1e-6, peak_mib());
  return 0;
}

static cold measure_cold(const settings *s, bool us, const char *path) {
  cold best = {0};
  for (int i = 0; i < 3; i++) {
    cold c = {0};
    char command[3 * MOST_PATH];
    snprintf(command, sizeof command, "exec /proc/%ld/exe --level %s --cold %s '%s'", (long)getpid(), s->level,
             us ? "ours" : "ort", path);
    FILE *f = popen(command, "r");
    const bool good = f && fscanf(f, "%lf %lf", &c.first_ms, &c.peak_mib) == 2;
    if (f) pclose(f);
    if (good && (best.first_ms <= 0.0 || c.first_ms < best.first_ms)) best = c;
  }
  return best;
}

/* ---- the comparison ---- */

/* "lstm_650:dynamic@16" -> "lstm_650", "dynamic" (default: static), 16 (default: 1). */
static bool parse_model(const char *text, char arch[64], char flow[16], long *batch) {
  const size_t name = strcspn(text, ":@"), rest = name + (text[name] == ':');
  const size_t length = text[name] == ':' ? strcspn(text + rest, "@") : 0;
  const char *at = text + rest + length;
  snprintf(arch, 64, "%.*s", (int)name, text);
  snprintf(flow, 16, "%.*s", length ? (int)length : 6, length ? text + rest : "static");
  *batch = *at == '@' ? strtol(at + 1, NULL, 10) : 1;
  return name > 0 && name < 64 && length < 16 && *batch > 0 && *batch < 65536;
}

static bool make_files(const settings *s, const char *model, char *float_path, char *int8_path) {
  const char *comma = strchr(model, ',');
  char arch[64], flow[16];
  long batch;
  if (comma) {
    snprintf(float_path, MOST_PATH, "%.*s", (int)(comma - model), model);
    snprintf(int8_path, MOST_PATH, "%s", comma + 1);
    return true;
  }
  if (!parse_model(model, arch, flow, &batch)) return false;
  for (int int8 = 0; int8 < 2; int8++) {
    char command[2 * MOST_PATH], *path = int8 ? int8_path : float_path;
    snprintf(path, MOST_PATH, "%s/%s_%s_%ld.onnx", s->folder, arch, int8 ? flow : "float", batch);
    snprintf(command, sizeof command, "'%s' bench -q --arch %s --batch %ld --flow %s --repeat 0 --force --save %s",
             s->qengine, arch, batch, int8 ? flow : "float", path);
    if (access(path, R_OK) != 0 && system(command) != 0) return false;
  }
  return true;
}

static void ratio(const char *what, const contender *a, const contender *b) {
  if (a->ns > 0.0 && b->ns > 0.0) printf("  %-34s %6.2fx\n", what, b->ns / a->ns);
}

static void print_result(const contender *c, const cold *starts) {
  printf("  %-12s %10s %22s %14s\n", "", "ms", "load to first result", "peak memory");
  for (int i = 0; i < CONTENDERS; i++) {
    if (c[i].ns <= 0.0) continue;
    printf("  %-12s %10.3f %19.0f ms %10.1f MiB\n", names[i], c[i].ns * 1e-6, starts[i].first_ms, starts[i].peak_mib);
  }
  const contender *best_float =
      c[ORT_FLOAT].ns > 0.0 && (c[OURS_FLOAT].ns <= 0.0 || c[ORT_FLOAT].ns < c[OURS_FLOAT].ns) ? &c[ORT_FLOAT] : &c[OURS_FLOAT];
  ratio("our int8 against ORT's int8", &c[OURS_INT8], &c[ORT_INT8]);
  ratio("our int8 against the best float", &c[OURS_INT8], best_float);
  ratio("our int8 against our float", &c[OURS_INT8], &c[OURS_FLOAT]);
  ratio("our float against ORT's float", &c[OURS_FLOAT], &c[ORT_FLOAT]);
  ratio("ORT's int8 against the best float", &c[ORT_INT8], best_float);
}

static int compare(const settings *s, const char *arch, bool has_ort, json_t *rows) {
  contender c[CONTENDERS];
  cold starts[CONTENDERS] = {{0}};
  char path[2][MOST_PATH];
  memset(c, 0, sizeof c);
  if (!make_files(s, arch, path[1], path[0])) return fail("the model could not be made");
  for (int i = 0; i < CONTENDERS; i++) {
    const char *file = path[i % 2];
    const bool us = i < ORT_INT8;
    if (!us && !has_ort) continue;
    c[i].name = names[i];
    c[i].call = us ? run_ours : ort_run;
    c[i].close = us ? close_ours : ort_close;
    c[i].state = us ? (void *)open_ours(file) : (void *)ort_open(file, NULL);
    if (!c[i].state) return us ? 1 : fail(ort_error());
    starts[i] = measure_cold(s, us, file);
  }
  run_rounds(c, CONTENDERS, s->seconds);
  printf("\n%s, %s\n", arch, s->level);
  print_result(c, starts);
  if (s->ops && has_ort) ort_print_ops(path[OURS_INT8]);
  fflush(stdout);
  for (int i = 0; rows && i < CONTENDERS; i++)
    json_array_append_new(rows, json_pack("{s:o, s:s, s:s, s:s, s:f, s:f, s:s, s:f, s:f}", "name",
                                          json_sprintf("%s/%s/%s", arch, s->level, names[i]), "model", arch, "system",
                                          names[i], "level", s->level, "real_time", c[i].ns * 1e-6, "cpu_time",
                                          c[i].ns * 1e-6, "time_unit", "ms", "first_result_ms", starts[i].first_ms,
                                          "peak_mib", starts[i].peak_mib));
  close_contenders(c, CONTENDERS);
  return 0;
}

static const char *beside(const char *program, const char *relative, char *path) {
  const char *slash = strrchr(program, '/');
  snprintf(path, MOST_PATH, "%.*s/%s", slash ? (int)(slash - program) : 1, slash ? program : ".", relative);
  return path;
}

int main(int argc, char **argv) {
  char program[MOST_PATH];
  settings s = {.seconds = 2.0, .folder = "/tmp/models.XXXXXX"};
  const char *models[16], *who = NULL;
  int n = 0, code = 0;
  s.qengine = beside(argv[0], "../api/qengine", program);
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(argv[i], "--level") == 0 && ++i) s.level = value;
    else if (strcmp(argv[i], "--seconds") == 0 && ++i) s.seconds = atof(value);
    else if (strcmp(argv[i], "--json") == 0 && ++i) s.json = value;
    else if (strcmp(argv[i], "--ort") == 0 && ++i) s.ort = value;
    else if (strcmp(argv[i], "--qengine") == 0 && ++i) s.qengine = value;
    else if (strcmp(argv[i], "--ops") == 0) s.ops = true;
    else if (strcmp(argv[i], "--cold") == 0 && ++i) who = value;
    else if (n < 16 && argv[i][0] != '-') models[n++] = argv[i];
    else return fail("usage: models [--level L] [--seconds S] [--json FILE] [--ort LIBRARY] [--qengine PROGRAM] [--ops] "
                     "[MODEL...]");
  }
  for (size_t i = 0; !who && n == 0 && i < sizeof defaults / sizeof defaults[0]; i++) models[i] = defaults[i];
  const int count = n ? n : (int)(sizeof defaults / sizeof defaults[0]);
  pin();
  setenv("QUANTIZED_ENGINE", "fbgemm_x86", 0);
  if (!s.level) s.level = level_best();
  if (!s.level || !level_exists(s.level)) return fail("the processor does not have this level");
  if (!level_cap(s.level)) return fail("SIGILL cannot be caught");
  if (who) return cold_start(who, n ? models[0] : "");
  if (s.ort) setenv("ORT_LIBRARY", s.ort, 1);
  const bool has_ort = ort_load(NULL);
  if (!has_ort) fail(ort_error());
  if (has_ort && !level_holds(s.level)) return fail("this ONNX Runtime cannot be held to the level: give a copy made by bench/hold");
  if (!mkdtemp(s.folder)) return fail("no temporary folder");
  json_t *rows = json_array();
  for (int i = 0; i < count && !code; i++) code = compare(&s, models[i], has_ort, rows);
  json_t *all = json_pack("{s:{s:s, s:s}, s:o}", "context", "executable", "models", "level", s.level, "benchmarks", rows);
  if (s.json && json_dump_file(all, s.json, JSON_INDENT(1)) != 0) code = fail("the JSON file cannot be written");
  json_decref(all);
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", s.folder);
  return system(command) == 0 ? code : 1;
}
