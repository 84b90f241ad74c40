/*
 * Shrinks failing cases. Greedy: of the smaller neighbours of a failing case the first that fails too takes its place,
 * until none does. Neighbours run in a worker, so crashes and hangs shrink as well.
 */
#include <string.h>

#include "conform/run_internal.h"

enum { NEIGHBOURS = 48, MOST_STEPS = 64, MOST_KERNELS = 8 };

typedef struct search {
  bool found;
  qe__outcome failing;
  const qe__run_settings *s;
} search;

static qe_status_t on_case(void *arg, const qe__outcome *o) {
  search *x = arg;
  if (x->found || !qe_conform_verdict_is_bad((qe_conform_verdict_t)o->result.verdict)) return QE_OK;
  x->found = true;
  x->failing = *o;
  return QE_OK;
}

static qe_status_t on_tick(void *arg) {
  return qe__run_check_progress(((const search *)arg)->s, 0, 0, 0);
}

/* One step: the nearest smaller case that fails, if any. */
static qe_status_t step(const qe__run_settings *s, const qe_conform_kernel_t *kernel, const char *text, search *out) {
  static qe__case smaller[NEIGHBOURS];
  static char texts[NEIGHBOURS][QE__CASE_TEXT];
  const char *cases[NEIGHBOURS];
  qe__case c;
  out->found = false;
  out->s = s;
  QE_TRY(qe__case_parse(text, &c));
  const uint32_t n = qe__case_shrink(&c, NEIGHBOURS, smaller);
  for (uint32_t i = 0; i < n; i++) cases[i] = qe__case_print(&smaller[i], texts[i]);
  if (n == 0) return QE_OK;
  qe__engine_source source = {.engine = s->engine,
                              .against = s->o.against,
                              .kernel = kernel->name,
                              .n_cases = n,
                              .cases = cases,
                              .lenient = true,
                              .seed = s->o.seed};
  qe__conform_source functions;
  qe__engine_source_init(&source, &functions);
  qe__workers_options w = qe__run_workers_options(s, &functions);
  w.jobs = 1;
  w.stop_at_bad = true;
  w.isa_mask = kernel->isa_mask[0] ? kernel->isa_mask : NULL;
  w.on_case = on_case;
  w.on_tick = on_tick;
  w.arg = out;
  return qe__workers_run(&w);
}

static qe_status_t shrink(const qe__run_settings *s, qe_conform_report_t *r, qe_conform_case_t *c) {
  static search x;
  char text[QE__CASE_TEXT];
  strncpy(text, c->text, sizeof text - 1);
  text[sizeof text - 1] = '\0';
  for (int i = 0; i < MOST_STEPS; i++) {
    QE_TRY(step(s, &r->kernels[c->kernel], text, &x));
    if (!x.found || strcmp(text, x.failing.text) == 0) break;
    memcpy(text, x.failing.text, sizeof text);
    QE_TRY(qe__report_set(r, &c->minimal, text));
    QE_TRY(qe__report_set_detail(r, &c->minimal_detail, x.failing.result.detail));
  }
  if (c->minimal[0]) return QE_OK;
  c->minimal = c->text; /* it is as small as they get */
  c->minimal_detail = c->detail;
  return QE_OK;
}

qe_status_t qe__minimize(const qe__run_settings *s, qe_conform_report_t *r) {
  uint32_t kernels = 0;
  uint32_t last = UINT32_MAX;
  for (size_t i = 0; i < r->n_records && kernels < MOST_KERNELS; i++) {
    qe_conform_case_t *c = &r->records[i].c;
    const bool declined = strcmp(c->check, "unsupported") == 0;
    if (!qe_conform_verdict_is_bad(c->verdict) || declined || c->kernel == last) continue;
    last = c->kernel;
    kernels++;
    QE_TRY(shrink(s, r, c));
  }
  return QE_OK;
}
