/* What `qengine bench` prints: see bench.h. */
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "json.h"
#include "table.h"

static double per_second(double amount, double ms) {
  return ms > 0.0 ? amount / (ms * 1e-3) : NAN;
}

static double gmacs(int64_t macs, double ms) {
  return macs > 0 ? per_second((double)macs * 1e-9, ms) : NAN;
}

/* Of what the core could do in `ms`; NaN without multiply-adds. */
static double peak_share(const bench_settings *s, int64_t macs, int64_t int8_macs, double ms) {
  const double least = (double)int8_macs / s->peaks.int8 + (double)(macs - int8_macs) / s->peaks.float32;
  return macs > 0 && ms > 0.0 ? least * 1e-6 / ms : NAN;
}

static void cell_real(cli_table *t, const char *format, double value) {
  char text[32];
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#endif
  snprintf(text, sizeof text, format, value);
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
  cli_table_cell(t, "%s", isfinite(value) ? text : "-");
}

/* ---- peaks ---- */

void bench_measure_peaks(bench_peaks *out) {
  out->count = qe_peak_count();
  out->loops = cli_calloc(out->count, sizeof *out->loops);
  for (size_t i = 0; i < out->count; i++) {
    qe_peak_t *p = &out->loops[i];
    if (qe_peak_measure((uint32_t)i, p) != QE_OK) continue;
    double *best = p->dtype == QE_FLOAT32 ? &out->float32 : &out->int8;
    if (p->gmacs > *best) *best = p->gmacs;
  }
}

static void print_peaks(const bench_peaks *peaks) {
  cli_table *t = cli_table_new("loop|types|level|>GMAC/s");
  for (size_t i = 0; i < peaks->count; i++) {
    const qe_peak_t *p = &peaks->loops[i];
    cli_table_cell(t, "%s", p->loop);
    cli_table_cell(t, "%s", qe_dtype_name(p->dtype));
    cli_table_cell(t, "%s", p->isa[0] ? p->isa : "any");
    cell_real(t, "%.1f", p->gmacs);
  }
  cli_table_print(t);
  cli_table_free(t);
}

static json_t *peaks_json(const bench_peaks *peaks) {
  json_t *array = json_array();
  for (size_t i = 0; i < peaks->count; i++) {
    const qe_peak_t *p = &peaks->loops[i];
    json_t *peak = json_object();
    cli_json_set(peak, "loop", cli_json_text(p->loop));
    cli_json_set(peak, "dtype", cli_json_text(qe_dtype_name(p->dtype)));
    cli_json_set(peak, "isa", cli_json_text(p->isa));
    cli_json_set(peak, "gmacs_per_second", cli_json_real(p->gmacs));
    cli_json_append(array, peak);
  }
  return array;
}

/* ---- steps ---- */

static double total_ms(const bench_case *c) {
  double all = 0.0;
  for (uint32_t i = 0; i < c->n_steps; i++)
    if (isfinite(c->steps[i].ms)) all += c->steps[i].ms;
  return all;
}

static void print_steps(const bench_case *c, const bench_settings *settings) {
  const double all = total_ms(c);
  cli_table *t = cli_table_new("node|op|kernel|types|>ms|>share %|>GMAC/s|>% of peak|note");
  for (uint32_t i = 0; i < c->n_steps; i++) {
    const bench_step *s = &c->steps[i];
    if (s->ms <= 0.0 || !isfinite(s->ms)) continue; /* a view: nothing runs */
    cli_table_cell(t, "%s", s->node);
    cli_table_cell(t, "%s", s->op);
    cli_table_cell(t, "%s", s->kernel);
    cli_table_cell(t, "%s", s->types);
    cell_real(t, "%.4f", s->ms);
    cell_real(t, "%.1f", 100.0 * s->ms / all);
    cell_real(t, "%.1f", gmacs(s->macs, s->ms));
    cell_real(t, "%.1f", 100.0 * peak_share(settings, s->macs, s->quantized ? s->macs : 0, s->ms));
    cli_table_cell(t, "%s%s", s->fallback ? "fallback: " : "", s->fallback ? s->engine : "");
  }
  printf("\n%s\n", c->name);
  cli_table_print(t);
  cli_table_free(t);
}

/* The same, added up by kernel, in order of appearance. */
/* Steps of one row: the shares count against one peak, and engines may call kernels the same. */
static bool same_kernel(const bench_step *a, const bench_step *b) {
  return a->quantized == b->quantized && strcmp(a->kernel, b->kernel) == 0 && strcmp(a->op, b->op) == 0 &&
         strcmp(a->engine, b->engine) == 0;
}

static void print_kernels(const bench_case *c, const bench_settings *settings) {
  const double all = total_ms(c);
  cli_table *t = cli_table_new("op|kernel|engine|quantized|>steps|>ms|>share %|>GMAC/s|>% of peak");
  for (uint32_t i = 0; i < c->n_steps; i++) {
    const bench_step *s = &c->steps[i];
    bool seen = false;
    for (uint32_t k = 0; k < i && !seen; k++) seen = same_kernel(&c->steps[k], s);
    if (seen || strcmp(s->kernel, "-") == 0) continue;
    double ms = 0.0;
    int64_t macs = 0, steps = 0;
    for (uint32_t k = i; k < c->n_steps; k++) {
      const bench_step *o = &c->steps[k];
      if (!same_kernel(o, s) || !isfinite(o->ms)) continue;
      ms += o->ms;
      macs += o->macs;
      steps++;
    }
    cli_table_cell(t, "%s", s->op);
    cli_table_cell(t, "%s", s->kernel);
    cli_table_cell(t, "%s", s->engine);
    cli_table_cell(t, "%s", s->quantized ? "yes" : "no");
    cli_table_cell(t, "%lld", (long long)steps);
    cell_real(t, "%.4f", ms);
    cell_real(t, "%.1f", 100.0 * ms / all);
    cell_real(t, "%.1f", gmacs(macs, ms));
    cell_real(t, "%.1f", 100.0 * peak_share(settings, macs, s->quantized ? macs : 0, ms));
  }
  putchar('\n');
  cli_table_print(t);
  cli_table_free(t);
}

/* In percent; several threads have that many cores. */
static double case_share(const bench_case *c, const bench_settings *s) {
  const double threads = c->stats.threads > 1 ? (double)c->stats.threads : 1.0;
  return 100.0 * peak_share(s, c->macs, c->int8_macs, c->wall.min) / threads;
}

static void print_text(const bench_case *cases, size_t count, const bench_settings *s) {
  cli_table *t = cli_table_new("model|engine|>batch|>min ms|>median|>p90|>samples/s|>GMAC/s|>% of peak|>speed|>runs");
  for (size_t i = 0; i < count; i++) {
    const bench_case *c = &cases[i];
    cli_table_cell(t, "%s", c->name);
    cli_table_cell(t, "%s", c->stats.engine ? c->stats.engine : "none");
    cli_table_cell(t, "%lld", (long long)c->batch);
    cell_real(t, "%.3f", c->wall.min);
    cell_real(t, "%.3f", c->wall.median);
    cell_real(t, "%.3f", c->wall.p90);
    cell_real(t, "%.1f", per_second((double)c->batch, c->wall.min));
    cell_real(t, "%.1f", gmacs(c->macs, c->wall.min));
    cell_real(t, "%.1f", case_share(c, s));
    cell_real(t, "%.2fx", cases[0].wall.min / c->wall.min);
    cli_table_cell(t, "%zu", c->runs);
  }
  cli_table_print(t);
  cli_table_free(t);
  printf("\n%u threads; speed: against the first row, by the smallest times; peak of a core: %.1f GMAC/s int8, %.1f "
         "float32\n",
         cases[0].stats.threads, s->peaks.int8, s->peaks.float32);
  for (size_t i = 0; i < count && s->profile; i++) {
    print_steps(&cases[i], s);
    print_kernels(&cases[i], s);
  }
}

/* ---- JSON ---- */

static json_t *context(const bench_settings *s) {
  json_t *object = json_object();
  char host[256] = "", date[64] = "";
  const time_t now = time(NULL);
  struct tm parts;
  if (gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  if (localtime_r(&now, &parts)) strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S%z", &parts);
  cli_json_set(object, "date", cli_json_text(date));
  cli_json_set(object, "host_name", cli_json_text(host));
  cli_json_set(object, "executable", cli_json_text("qengine"));
  cli_json_set(object, "num_cpus", cli_json_int(sysconf(_SC_NPROCESSORS_ONLN)));
  cli_json_set(object, "library_version", cli_json_text(qe_version()));
  cli_json_set(object, "peaks", peaks_json(&s->peaks));
  return object;
}

static json_t *steps_json(const bench_case *c) {
  json_t *array = json_array();
  for (uint32_t i = 0; i < c->n_steps; i++) {
    const bench_step *s = &c->steps[i];
    json_t *step = json_object();
    cli_json_set(step, "node", cli_json_text(s->node));
    cli_json_set(step, "op", cli_json_text(s->op));
    cli_json_set(step, "engine", cli_json_text(s->engine));
    cli_json_set(step, "kernel", cli_json_text(s->kernel));
    cli_json_set(step, "dtypes", cli_json_text(s->types));
    cli_json_set(step, "quantized", json_boolean(s->quantized));
    cli_json_set(step, "fallback", json_boolean(s->fallback));
    cli_json_set(step, "ms", cli_json_real(s->ms));
    cli_json_set(step, "macs", cli_json_int(s->macs));
    cli_json_append(array, step);
  }
  return array;
}

static json_t *case_json(const bench_case *c, const bench_settings *s) {
  json_t *o = json_object();
  cli_json_set(o, "name", cli_json_text(c->name));
  cli_json_set(o, "run_name", cli_json_text(c->name));
  cli_json_set(o, "run_type", cli_json_text("iteration"));
  cli_json_set(o, "iterations", cli_json_int((int64_t)c->runs));
  cli_json_set(o, "real_time", cli_json_real(c->wall.min));
  cli_json_set(o, "cpu_time", cli_json_real(c->cpu.min));
  cli_json_set(o, "time_unit", cli_json_text("ms"));
  cli_json_set(o, "items_per_second", cli_json_real(per_second((double)c->batch, c->wall.min)));
  cli_json_set(o, "median", cli_json_real(c->wall.median));
  cli_json_set(o, "p90", cli_json_real(c->wall.p90));
  cli_json_set(o, "model", cli_json_text(c->model));
  cli_json_set(o, "flow", cli_json_text(c->flow));
  cli_json_set(o, "engine", cli_json_text(c->stats.engine));
  cli_json_set(o, "threads", cli_json_int(c->stats.threads));
  cli_json_set(o, "batch", cli_json_int(c->batch));
  cli_json_set(o, "macs", cli_json_int(c->macs));
  cli_json_set(o, "gmacs_per_second", cli_json_real(gmacs(c->macs, c->wall.min)));
  cli_json_set(o, "peak_share", cli_json_real(0.01 * case_share(c, s)));
  cli_json_set(o, "load_ms", cli_json_real(c->load_ms));
  cli_json_set(o, "plan_ms", cli_json_real(c->plan_ms));
  cli_json_set(o, "first_run_ms", cli_json_real(c->first_ms));
  cli_json_set(o, "quantized_steps", cli_json_int(c->stats.quantized_steps));
  cli_json_set(o, "fallback_steps", cli_json_int(c->stats.fallback_steps));
  cli_json_set(o, "arena_bytes", cli_json_int((int64_t)c->stats.arena_bytes));
  cli_json_set(o, "packed_bytes", cli_json_int((int64_t)c->stats.packed_bytes));
  if (s->profile) cli_json_set(o, "steps", steps_json(c));
  return o;
}

void bench_report(const bench_case *cases, size_t count, const bench_settings *s) {
  if (!cli.json) {
    if (count) print_text(cases, count, s);
    else print_peaks(&s->peaks);
    return;
  }
  struct rusage usage;
  json_t *object = cli_json_begin(), *array = json_array();
  for (size_t i = 0; i < count; i++) cli_json_append(array, case_json(&cases[i], s));
  cli_json_set(object, "context", context(s));
  cli_json_set(object, "benchmarks", array);
  if (getrusage(RUSAGE_SELF, &usage) == 0)
    cli_json_set(object, "max_rss_bytes", cli_json_int((int64_t)usage.ru_maxrss * 1024));
  cli_json_set(object, "warnings", cli_json_warnings());
  cli_json_print(object);
}
