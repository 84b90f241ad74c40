/*
 * Our kernels against oneDNN's and ONNX Runtime's: one process, one thread on one processor, taking turns.
 *   peers [--level L] [--types int8|float] [--seconds S] [--json FILE] [--ort LIBRARY] [SHAPE...]
 *   peers --has L      exits with 0 when the processor has the level
 * SHAPE is gemm:M,N,K or conv:C,H,O,k,stride,groups; without one, the table of shapes.c.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conform/peak.h"
#include "contenders.h"
#include "level.h"
#include "ort.h"

enum { OURS, ONEDNN, ORT, CONTENDERS, PEAK_TRIES = 4 };

typedef struct settings {
  const char *level, *json, *ort;
  bool types[2]; /* int8, float */
  double seconds;
  bool has_ort, has_onednn;
  char folder[64];
} settings;

typedef struct totals {
  double log_ratio;
  int count, won;
} totals;

static int fail(const char *what) {
  fprintf(stderr, "peers: %s\n", what);
  return 1;
}

static void add_json(json_t *rows, const settings *s, const shape *sh, bool int8, const contender *c, double peak) {
  for (int i = 0; i < CONTENDERS; i++) {
    const double gmacs = c[i].ns > 0.0 ? (double)shape_macs(sh) / c[i].ns : 0.0;
    json_array_append_new(rows, json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:I, s:f, s:f, s:s, s:f, s:f}", "name",
                                          json_sprintf("%s/%s/%s/%s", shape_name(sh), int8 ? "int8" : "float", s->level, c[i].name),
                                          "shape", shape_name(sh), "types", int8 ? "int8" : "float", "level", s->level,
                                          "system", c[i].name, "kernel", c[i].detail, "macs", (json_int_t)shape_macs(sh),
                                          "real_time", c[i].ns, "cpu_time", c[i].ns, "time_unit", "ns",
                                          "gmacs_per_second", gmacs, "peak_share", gmacs / peak));
  }
}

static void print_row(const shape *sh, const contender *c, double peak, totals *t) {
  double gmacs[CONTENDERS];
  for (int i = 0; i < CONTENDERS; i++) gmacs[i] = c[i].ns > 0.0 ? (double)shape_macs(sh) / c[i].ns : NAN;
  const double best = fmax(gmacs[ONEDNN], gmacs[ORT]), ratio = gmacs[OURS] / best;
  printf("%-26s", shape_name(sh));
  for (int i = 0; i < CONTENDERS; i++) {
    if (isnan(gmacs[i])) printf(" %9s", "-");
    else printf(" %9.1f", gmacs[i]);
  }
  if (!isnan(ratio)) {
    printf("  %6.2f", ratio);
    t->log_ratio += log(ratio);
    t->count++;
    t->won += ratio >= 1.0;
  } else {
    printf("  %6s", "-");
  }
  printf("  %5.1f%%  %s\n", 100.0 * gmacs[OURS] / peak, c[OURS].detail);
  fflush(stdout);
}

static int compare(const settings *s, const shape *sh, bool int8, double peak, totals *t, json_t *rows) {
  contender c[CONTENDERS];
  qe_model_t *model = NULL;
  char path[128];
  memset(c, 0, sizeof c);
  c[ONEDNN].name = "oneDNN";
  c[ORT].name = "ONNX Runtime";
  snprintf(path, sizeof path, "%s/one_op.onnx", s->folder);
  if (one_op_model(sh, int8, path, &model) != QE_OK) return fail(qe_last_error());
  ours_open(model, &c[OURS]);
  if (s->has_onednn) onednn_open(sh, int8, &c[ONEDNN]);
  if (s->has_ort) ort_node_open(path, &c[ORT]);
  run_rounds(c, CONTENDERS, s->seconds);
  print_row(sh, c, peak, t);
  if (s->has_ort && int8 && c[ORT].ns > 0.0 && !strstr(c[ORT].detail, "QLinearConv") && !strstr(c[ORT].detail, "QGemm"))
    printf("  ONNX Runtime did not fuse this: %s\n", c[ORT].detail);
  if (rows) add_json(rows, s, sh, int8, c, peak);
  close_contenders(c, CONTENDERS);
  qe_model_destroy(&model);
  unlink(path);
  return 0;
}

static int table(const settings *s, const shape *list, int count, bool int8, json_t *rows) {
  totals t = {0};
  double peak = 0.0;
  for (int i = 0; i < PEAK_TRIES; i++) peak = fmax(peak, qe__peak_gmacs(int8, 0));
  printf("\n%s, %s: GMAC/s; peak of the core %.1f\n", s->level, int8 ? "u8 x s8 per channel -> u8" : "float32", peak);
  printf("%-26s %9s %9s %9s  %6s  %6s  %s\n", "", "ours", "oneDNN", "ORT", "ratio", "peak", "our kernel");
  for (int i = 0; i < count; i++) {
    const int code = compare(s, &list[i], int8, peak, &t, rows);
    if (code) return code;
  }
  if (t.count)
    printf("%-26s %9s %9s %9s  %6.2f  geometric mean; ahead in %d of %d\n", "ours / the better peer", "", "", "",
           exp(t.log_ratio / t.count), t.won, t.count);
  return 0;
}

/* oneDNN's threads are OpenMP's, whose number is read before main. */
static void one_thread(char **argv) {
  const char *have = getenv("OMP_NUM_THREADS");
  if (have && strcmp(have, "1") == 0) return;
  setenv("OMP_NUM_THREADS", "1", 1);
  execv("/proc/self/exe", argv);
}

static int usage(void) {
  fputs("usage: peers [--level LEVEL] [--types int8|float] [--seconds S] [--json FILE] [--ort LIBRARY] [SHAPE...]\n"
        "LEVEL: avx2, avxvnni, avx512bw, avx512vnni, amx_int8 (default: all the machine has)\n"
        "SHAPE: gemm:M,N,K or conv:C,H,O,k,stride,groups\n",
        stderr);
  return 2;
}

int main(int argc, char **argv) {
  settings s = {.types = {true, true}, .seconds = 0.15, .folder = "/tmp/peers.XXXXXX"};
  shape given[64];
  int n_given = 0, code = 0;
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(argv[i], "--level") == 0 && ++i) s.level = value;
    else if (strcmp(argv[i], "--has") == 0) return level_exists(value) ? 0 : 1;
    else if (strcmp(argv[i], "--types") == 0 && ++i) s.types[strcmp(value, "int8") == 0] = false;
    else if (strcmp(argv[i], "--seconds") == 0 && ++i) s.seconds = atof(value);
    else if (strcmp(argv[i], "--json") == 0 && ++i) s.json = value;
    else if (strcmp(argv[i], "--ort") == 0 && ++i) s.ort = value;
    else if (n_given == 64 || !shape_parse(argv[i], &given[n_given++])) return usage();
  }
  one_thread(argv);
  pin();
  setenv("QUANTIZED_ENGINE", "fbgemm_x86", 0);
  if (!s.level) s.level = level_best();
  if (!s.level || !level_exists(s.level)) return fail("the processor does not have this level");
  if (!level_cap(s.level)) return fail("SIGILL cannot be caught");
  s.has_onednn = onednn_cap(s.level);
  s.has_ort = ort_load(s.ort);
  if (s.has_ort && !level_holds(s.level)) return fail("this ONNX Runtime cannot be held to the level: give a copy made by bench/hold");
  if (!s.has_onednn) fail("no oneDNN");
  if (!s.has_ort) fail(ort_error());
  else printf("ONNX Runtime %s\n", ort_version());
  if (!mkdtemp(s.folder)) return fail("no temporary folder");
  json_t *rows = s.json ? json_array() : NULL;
  const shape *list = n_given ? given : shapes;
  if (s.types[0]) code = table(&s, list, n_given ? n_given : n_shapes, true, rows);
  if (s.types[1] && !code) code = table(&s, list, n_given ? n_given : n_shapes, false, rows);
  if (rows) {
    char date[32];
    const time_t now = time(NULL);
    struct tm parts;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    json_t *all = json_pack("{s:{s:s, s:s, s:s, s:i}, s:o}", "context", "date", date, "executable", "peers", "level",
                            s.level, "num_cpus", (int)sysconf(_SC_NPROCESSORS_ONLN), "benchmarks", rows);
    if (json_dump_file(all, s.json, JSON_INDENT(1)) != 0) code = fail("the JSON file cannot be written");
    json_decref(all);
  }
  rmdir(s.folder);
  return code;
}
