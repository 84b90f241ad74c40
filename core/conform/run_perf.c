/*
 * Times beside correctness: each kernel that passed everything is timed on its largest passing case, together with the
 * reference's and every other engine's best kernel for the same case. One worker per kernel.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/memory.h"
#include "conform/case.h"
#include "conform/peak.h"
#include "conform/run_internal.h"
#include "conform/worker_process.h"
#include "engine/load.h"

enum { MOST_ENGINES = 32, TICK_MS = 100 };
#define SECONDS_EACH 0.1

typedef struct job {
  qe__engine_source source;
  const char *kernel, *text;
} job;

static void send_error(int fd, qe_status_t status) {
  static qe__message m;
  qe__message_start(&m, QE__MSG_ERROR);
  qe__message_put(&m, (uint64_t)status);
  qe__message_put_text(&m, qe_last_error());
  qe__message_send(fd, &m);
}

static const qe__kernel *find_kernel(const qe__engine *e, const char *name) {
  for (uint32_t i = 0; i < e->n_kernels; i++)
    if (strcmp(e->kernels[i].row.name, name) == 0) return &e->kernels[i];
  return NULL;
}

/* The best time of an engine for this case; 0 when none of its kernels takes it. */
static double best_of(const qe__engine *e, const qe__case *c, const qe_kernel_key *key) {
  double best = 0.0;
  for (uint32_t i = 0; i < e->n_kernels; i++) {
    qe__case_perf perf;
    if (!qe__key_fits(&e->kernels[i].row.key, key)) continue;
    if (qe__conform_perf(&e->kernels[i], c, SECONDS_EACH, &perf) != QE_OK || perf.min_ns <= 0.0) continue;
    if (best <= 0.0 || perf.min_ns < best) best = perf.min_ns;
  }
  return best;
}

static qe_status_t measure(job *j, qe__message *m) {
  qe__case c;
  qe__case_perf own;
  qe_kernel_key key;
  QE_TRY(qe__engine_source_load(&j->source));
  const qe__kernel *kernel = find_kernel(j->source.loaded, j->kernel);
  if (kernel == NULL) return qe__fail(QE_ERROR_NOT_FOUND, "kernel %s is gone", j->kernel);
  QE_TRY(qe__case_parse(j->text, &c));
  QE_TRY(qe__conform_perf(kernel, &c, SECONDS_EACH, &own));
  qe__built built;
  memset(&built, 0, sizeof built);
  const qe_status_t status = qe__case_describe(&c, j->source.seed, &built);
  if (status == QE_OK) qe__built_key(&built, &key);
  qe__built_free(&built);
  QE_TRY(status);
  double reference = 0.0, best = 0.0;
  const char *best_engine = "";
  const qe__engine *engines[MOST_ENGINES];
  const uint32_t n = qe__engine_order(NULL, MOST_ENGINES, engines);
  for (uint32_t i = 0; i < n; i++) {
    if (engines[i] == j->source.loaded) continue;
    const double ns = best_of(engines[i], &c, &key);
    if (ns <= 0.0) continue;
    if (strcmp(engines[i]->name, "reference") == 0) reference = ns;
    if (best > 0.0 && ns >= best) continue;
    best = ns;
    best_engine = engines[i]->name;
  }
  qe__message_start(m, QE__MSG_TIME);
  qe__message_put_real(m, own.min_ns);
  qe__message_put_real(m, own.median_ns);
  qe__message_put(m, (uint64_t)own.macs);
  qe__message_put(m, (uint64_t)own.bytes);
  qe__message_put_real(m, own.min_ns > 0.0 ? reference / own.min_ns : 0.0);
  qe__message_put_real(m, own.min_ns > 0.0 ? best / own.min_ns : 0.0);
  qe__message_put_text(m, best_engine);
  qe__message_put(m, kernel->row.isa_required);
  return QE_OK;
}

static void child_main(void *arg, int fd) {
  static qe__message m;
  const qe_status_t status = measure(arg, &m);
  if (status == QE_OK)
    qe__message_send(fd, &m);
  else
    send_error(fd, status);
}

/* Each peak is measured once. */
typedef struct peak_cache {
  uint32_t count;
  struct {
    bool integer;
    uint64_t isa;
    double gmacs;
  } at[16];
} peak_cache;

static double peak_of(peak_cache *p, bool integer, uint64_t isa) {
  uint32_t i = 0;
  while (i < p->count && (p->at[i].integer != integer || p->at[i].isa != isa)) i++;
  if (i < p->count) return p->at[i].gmacs;
  if (i == sizeof p->at / sizeof p->at[0]) return qe__peak_gmacs(integer, isa);
  p->at[i].integer = integer;
  p->at[i].isa = isa;
  p->at[i].gmacs = qe__peak_gmacs(integer, isa);
  p->count++;
  return p->at[i].gmacs;
}

static qe_status_t take_time(qe_conform_report_t *r, uint32_t kernel, const char *text, qe__message *m, peak_cache *peaks) {
  char engine[64];
  if (m->type != QE__MSG_TIME) return QE_OK; /* a kernel that can't be timed has no row */
  QE_TRY(qe__grow((void **)&r->times, &r->time_capacity, r->n_times, sizeof *r->times));
  qe_conform_time_t *t = &r->times[r->n_times];
  memset(t, 0, sizeof *t);
  t->kernel = kernel;
  t->text = text;
  t->min_ns = qe__message_take_real(m);
  t->median_ns = qe__message_take_real(m);
  t->macs = (int64_t)qe__message_take(m);
  t->bytes = (int64_t)qe__message_take(m);
  t->reference_ratio = qe__message_take_real(m);
  t->best_ratio = qe__message_take_real(m);
  qe__message_take_text(m, engine, sizeof engine);
  QE_TRY(qe__report_set(r, &t->best_engine, engine));
  const uint64_t isa = qe__message_take(m);
  const char *types = strchr(t->text, ':'); /* "Gemm:u8s8u8/...": the first input's type says what is multiplied */
  if (m->bad) return QE_OK;
  if (t->macs > 0 && t->min_ns > 0.0)
    t->peak_share = (double)t->macs / t->min_ns / peak_of(peaks, types == NULL || types[1] != 'f', isa);
  r->n_times++;
  return QE_OK;
}

static qe_status_t time_kernel(const qe__run_settings *s, qe_conform_report_t *r, uint32_t kernel, const char *text,
                               peak_cache *peaks) {
  const qe_conform_kernel_t *k = &r->kernels[kernel];
  job j = {
      .source = {.engine = s->engine, .against = s->o.against, .seed = s->o.seed},
        .kernel = k->name, .text = text
  };
  qe__process *p = qe__calloc(1, sizeof *p);
  qe__message *m = qe__calloc(1, sizeof *m);
  qe_status_t status = p != NULL && m != NULL
                           ? qe__process_start(p, child_main, &j, k->isa_mask[0] ? k->isa_mask : NULL)
                           : QE_ERROR_OUT_OF_MEMORY;
  const double deadline = qe__seconds() + s->load_timeout + s->o.timeout;
  int got = 0;
  bool open = true;
  while (status == QE_OK && open && got == 0 && qe__seconds() < deadline) {
    struct pollfd fd = {p->fd, POLLIN, 0};
    status = qe__run_check_progress(s, 0, 0, 0);
    if (status != QE_OK || poll(&fd, 1, TICK_MS) <= 0) continue;
    const long bytes = qe__inbox_read(&p->inbox, p->fd);
    open = bytes > 0 || (bytes < 0 && (errno == EAGAIN || errno == EINTR));
    got = qe__inbox_next(&p->inbox, m);
  }
  qe__ending ignored;
  if (p != NULL && p->pid != 0) qe__process_end(p, got <= 0, &ignored);
  if (status == QE_OK && got > 0) status = take_time(r, kernel, text, m, peaks);
  qe__free(p);
  qe__free(m);
  return status;
}

qe_status_t qe__run_perf(const qe__run_settings *s, qe_conform_report_t *r) {
  size_t at = 0;
  peak_cache peaks = {0};
  for (uint32_t k = 0; k < r->n_kernels; k++) {
    const qe_conform_case_t *largest = NULL;
    const qe_conform_counts_t *n = &r->kernels[k].counts;
    for (; at < r->n_records && r->records[at].c.kernel == k; at++) {
      const qe_conform_case_t *c = &r->records[at].c;
      if (c->verdict != QE_CONFORM_PASS) continue;
      if (largest == NULL || c->macs > largest->macs || (c->macs == largest->macs && c->elements > largest->elements))
        largest = c;
    }
    if (largest != NULL && n->failed + n->crashed + n->timeout + n->waived == 0)
      QE_TRY(time_kernel(s, r, k, largest->text, &peaks));
  }
  return QE_OK;
}
