/* A conformance run from the options to the report: workers, bookkeeping, waivers, minimizing, timing. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "conform/replay.h"
#include "conform/run_internal.h"
#include "conform/waivers.h"
#include "conform/worker_process.h"
#include "engine/load.h"

enum { MOST_JOBS = 256, MOST_MASKS = 16, MOST_CRASHES = 12, MOST_TIMEOUTS = 2 };
#define DEFAULT_TIMEOUT    30.0
#define LEAST_LOAD_TIMEOUT 10.0
#define LARGEST_PLUGIN     ((uint64_t)1 << 32)

qe_status_t qe__run_settings_init(const char *engine, const qe_conform_options_t *options, qe__run_settings *out) {
  memset(out, 0, sizeof *out);
  QE_CHECK_ARG(engine != NULL && engine[0] != '\0', "engine is NULL or empty");
  if (options != NULL) {
    QE_CHECK_ARG(options->struct_size >= sizeof options->struct_size, "options->struct_size is not set");
    const size_t known = options->struct_size < sizeof out->o ? options->struct_size : sizeof out->o;
    memcpy(&out->o, options, known);
  }
  QE_CHECK_ARG(out->o.suite >= QE_CONFORM_SMOKE && out->o.suite <= QE_CONFORM_FULL, "options->suite is none of them");
  QE_CHECK_ARG(out->o.n_cases == 0 || out->o.cases != NULL, "options->cases is NULL");
  QE_CHECK_ARG(out->o.timeout >= 0.0 && out->o.timeout < 1e6, "options->timeout is negative or not a time");
  QE_TRY(qe__replay_check(&out->o));
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  if (out->o.jobs == 0) out->o.jobs = cpus > 0 ? (uint32_t)cpus : 1;
  if (out->o.jobs > MOST_JOBS) out->o.jobs = MOST_JOBS;
  if (out->o.timeout <= 0.0) out->o.timeout = DEFAULT_TIMEOUT;
  out->engine = engine;
  out->load_timeout = out->o.timeout > LEAST_LOAD_TIMEOUT ? out->o.timeout : LEAST_LOAD_TIMEOUT;
  return QE_OK;
}

qe__workers_options qe__run_workers_options(const qe__run_settings *s, const qe__conform_source *source) {
  return (qe__workers_options){.source = source,
                               .jobs = s->o.jobs,
                               .timeout = s->o.timeout,
                               .load_timeout = s->load_timeout,
                               .most_crashes = MOST_CRASHES,
                               .most_timeouts = MOST_TIMEOUTS};
}

qe_status_t qe__run_check_progress(const qe__run_settings *s, int64_t done, int64_t total, int64_t bad) {
  if (s->o.progress == NULL || s->o.progress(s->o.progress_arg, done, total, bad) == 0) return QE_OK;
  return qe__fail(QE_ERROR_INTERRUPTED, "interrupted; there is no report");
}

qe_status_t qe__file_digest(const char *path, char out[65]) {
  void *data;
  size_t size;
  uint8_t hash[32];
  out[0] = '\0';
  QE_TRY(qe__read_file(path, LARGEST_PLUGIN, &data, &size));
  qe__sha256(data, size, hash);
  qe__sha256_text(hash, out);
  qe__free_aligned(data);
  return QE_OK;
}

/* ---- one pass over the cases, under one ISA mask ---- */

typedef struct pass {
  const qe__run_settings *s;
  qe_conform_report_t *report;
  const char *mask;
  uint32_t number;
  size_t first_kernel;
  int64_t done, bad, total; /* of all passes so far */
} pass;

static qe_status_t on_hello(void *arg, const qe__hello *hello) {
  const pass *p = arg;
  return p->number == 0 ? qe__report_hello(p->report, hello) : QE_OK;
}

static qe_status_t on_kernel(void *arg, uint32_t kernel, const qe__kernel_facts *facts) {
  pass *p = arg;
  (void)kernel;
  p->total += facts->cases;
  return qe__report_kernel(p->report, facts, p->mask);
}

static qe_status_t on_case(void *arg, const qe__outcome *o) {
  pass *p = arg;
  p->done++;
  p->bad += qe_conform_verdict_is_bad((qe_conform_verdict_t)o->result.verdict);
  return qe__report_case(p->report, p->number, p->first_kernel, o);
}

static qe_status_t on_tick(void *arg) {
  const pass *p = arg;
  return qe__run_check_progress(p->s, p->done, p->total, p->bad);
}

static void fill_source(const qe__run_settings *s, qe__engine_source *out) {
  *out = (qe__engine_source){.engine = s->engine,
                             .against = s->o.against,
                             .suite = (qe__suite)s->o.suite,
                             .op = s->o.op,
                             .names = s->o.kernel,
                             .n_cases = s->o.n_cases,
                             .cases = s->o.cases,
                             .seed = s->o.seed,
                             .n_replays = s->o.n_replays,
                             .replays = s->o.replays};
}

static qe_status_t run_pass(pass *p) {
  qe__engine_source source;
  qe__conform_source functions;
  fill_source(p->s, &source);
  qe__engine_source_init(&source, &functions);
  p->first_kernel = p->report->n_kernels;
  qe__workers_options w = qe__run_workers_options(p->s, &functions);
  w.isa_mask = p->mask;
  w.on_hello = on_hello;
  w.on_kernel = on_kernel;
  w.on_case = on_case;
  w.on_tick = on_tick;
  w.arg = p;
  return qe__workers_run(&w);
}

/* "avx2,none": the values, of which none may be empty. */
static qe_status_t split_masks(qe_conform_report_t *r, const char *text, const char *masks[MOST_MASKS],
                               uint32_t *count) {
  *count = 0;
  for (const char *at = text;; at++) {
    char mask[256];
    const size_t length = strcspn(at, ",");
    if (length == 0 || length >= sizeof mask || *count == MOST_MASKS)
      return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                      "isa masks '%.80s': expected up to %d values of QENGINE_CPU_MASK with commas between", text,
                      MOST_MASKS);
    memcpy(mask, at, length);
    mask[length] = '\0';
    for (char *c = mask; *c != '\0'; c++)
      if (*c == '+') *c = ','; /* within one mask */
    QE_TRY(qe__report_set(r, &masks[(*count)++], mask));
    at += length;
    if (*at == '\0') return QE_OK;
  }
}

static qe_status_t run_passes(const qe__run_settings *s, qe_conform_report_t *r) {
  pass p = {.s = s, .report = r};
  const char *masks[MOST_MASKS];
  uint32_t n;
  if (s->o.isa_masks == NULL) return run_pass(&p);
  QE_TRY(split_masks(r, s->o.isa_masks, masks, &n));
  for (; p.number < n; p.number++) {
    p.mask = masks[p.number];
    QE_TRY(run_pass(&p));
  }
  return QE_OK;
}

/* ---- the whole ---- */

static qe_status_t describe(const qe__run_settings *s, qe_conform_report_t *r) {
  static const char *const suites[] = {"smoke", "mustpass", "full"};
  qe_conform_info_t *i = &r->info;
  char filter[300] = "";
  i->seed = s->o.seed;
  i->engine = i->vendor = i->version = i->path = i->isa = i->why = "";
  qe__mustpass_hash(i->must_pass_hash);
  if (s->o.n_cases > 0 && s->o.n_replays > 0)
    snprintf(filter, sizeof filter, "%u given cases, %u inputs from files", s->o.n_cases, s->o.n_replays);
  else if (s->o.n_cases > 0)
    snprintf(filter, sizeof filter, "%u given cases", s->o.n_cases);
  else if (s->o.op != NULL || s->o.kernel != NULL)
    snprintf(filter, sizeof filter, "%s%.120s%s%s%.120s", s->o.op != NULL ? "op " : "", s->o.op != NULL ? s->o.op : "",
             s->o.op != NULL && s->o.kernel != NULL ? ", " : "", s->o.kernel != NULL ? "kernel " : "",
             s->o.kernel != NULL ? s->o.kernel : "");
  char *replay = qe__replay_text(s->o.n_replays, s->o.replays);
  const qe_status_t status = replay != NULL ? qe__report_set(r, &i->replay, replay) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(replay);
  QE_TRY(status);
  QE_TRY(qe__report_set(r, &i->filter, filter));
  QE_TRY(qe__report_set(r, &i->against, s->o.against != NULL ? s->o.against : "reference"));
  return qe__report_set(r, &i->suite, s->o.n_cases > 0 ? "cases" : suites[s->o.suite]);
}

static qe_status_t check_cases(const qe__run_settings *s) {
  for (uint32_t i = 0; i < s->o.n_cases; i++) {
    qe__case c;
    QE_TRY(qe__case_parse(s->o.cases[i], &c));
  }
  return QE_OK;
}

static qe_status_t run_all(const qe__run_settings *s, const qe__waivers *waivers, qe_conform_report_t *r) {
  const double began = qe__seconds();
  QE_TRY(describe(s, r));
  QE_TRY(run_passes(s, r));
  if (strcmp(r->info.path, QE__BUILT_IN) != 0) QE_TRY(qe__file_digest(r->info.path, r->info.sha256));
  QE_TRY(qe__report_settle(r));
  if (waivers != NULL) QE_TRY(qe__waivers_apply(waivers, qe__today(), r->info.filter[0] == '\0', r));
  QE_TRY(qe__report_decide(r));
  if (s->o.minimize) QE_TRY(qe__minimize(s, r));
  if (s->o.perf) QE_TRY(qe__run_perf(s, r));
  r->info.seconds = qe__seconds() - began;
  return QE_OK;
}

qe_status_t qe_conform_run(const char *engine, const qe_conform_options_t *options, qe_conform_report_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  qe__run_settings s;
  qe__waivers *waivers = NULL;
  QE_TRY(qe__run_settings_init(engine, options, &s));
  QE_TRY(check_cases(&s));
  if (s.o.waivers != NULL) QE_TRY(qe__waivers_load(s.o.waivers, &waivers));
  qe_conform_report_t *r = qe__calloc(1, sizeof *r);
  const qe_status_t status = r != NULL ? run_all(&s, waivers, r) : QE_ERROR_OUT_OF_MEMORY;
  if (status != QE_OK) qe_conform_report_destroy(&r);
  qe__waivers_free(&waivers);
  *out = r;
  return status;
}

/* ---- only the list ---- */

typedef struct listing {
  const qe__run_settings *s;
  qe_conform_list_fn each;
  void *arg;
  char (*names)[96];
  size_t count, capacity;
  bool stopped;
} listing;

static qe_status_t list_kernel(void *arg, uint32_t kernel, const qe__kernel_facts *facts) {
  listing *l = arg;
  (void)kernel;
  QE_TRY(qe__grow((void **)&l->names, &l->capacity, l->count, sizeof *l->names));
  memcpy(l->names[l->count++], facts->name, sizeof facts->name);
  return QE_OK;
}

static qe_status_t list_case(void *arg, const qe__outcome *o) {
  listing *l = arg;
  if (o->kernel >= l->count) return qe__fail(QE_ERROR_INTERNAL, "a case of a kernel that was not announced");
  l->stopped = l->stopped || l->each(l->arg, l->names[o->kernel], o->text, o->must) != 0;
  return l->stopped ? QE_ERROR_INTERRUPTED : QE_OK;
}

static qe_status_t list_tick(void *arg) {
  return qe__run_check_progress(((const listing *)arg)->s, 0, 0, 0);
}

qe_status_t qe_conform_list(const char *engine, const qe_conform_options_t *options, qe_conform_list_fn each,
                            void *arg) {
  qe__run_settings s;
  qe__engine_source source;
  qe__conform_source functions;
  QE_CHECK_ARG(each != NULL, "each is NULL");
  QE_TRY(qe__run_settings_init(engine, options, &s));
  QE_TRY(check_cases(&s));
  fill_source(&s, &source);
  qe__engine_source_init(&source, &functions);
  listing l = {.s = &s, .each = each, .arg = arg};
  qe__workers_options w = qe__run_workers_options(&s, &functions);
  w.jobs = 1; /* in order */
  w.list = true;
  w.on_kernel = list_kernel;
  w.on_case = list_case;
  w.on_tick = list_tick;
  w.arg = &l;
  const qe_status_t status = qe__workers_run(&w);
  qe__free(l.names);
  return l.stopped ? QE_OK : status;
}
