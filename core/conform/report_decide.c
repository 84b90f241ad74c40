/* Counting the cases of a conformance run, and the verdict on the engine; the accessors of the finished report. */
#include <stdio.h>
#include <string.h>

#include "conform/report_build.h"

static void count(qe_conform_counts_t *n, qe_conform_verdict_t verdict) {
  n->cases++;
  switch (verdict) {
    case QE_CONFORM_PASS: n->passed++; break;
    case QE_CONFORM_FAIL: n->failed++; break;
    case QE_CONFORM_MISTRUSTED: n->mistrusted++; break;
    case QE_CONFORM_UNSUPPORTED: n->unsupported++; break;
    case QE_CONFORM_CRASH: n->crashed++; break;
    case QE_CONFORM_TIMEOUT: n->timeout++; break;
    case QE_CONFORM_WAIVED: n->waived++; break;
    case QE_CONFORM_REFUSED:
      n->passed++;
      n->refused++;
      break;
  }
}

/* The observed level of a kernel is that of its worst case; anything that is wrong makes it none. */
static void observe(qe_conform_kernel_t *k, const qe_conform_case_t *c, bool *spoiled) {
  switch (c->verdict) {
    case QE_CONFORM_PASS:
      if (c->level > k->observed) k->observed = c->level;
      break;
    case QE_CONFORM_FAIL:
    case QE_CONFORM_CRASH:
    case QE_CONFORM_TIMEOUT:
    case QE_CONFORM_WAIVED: *spoiled = true; break;
    case QE_CONFORM_MISTRUSTED:
    case QE_CONFORM_UNSUPPORTED:
    case QE_CONFORM_REFUSED: break;
  }
}

qe_status_t qe__report_decide(qe_conform_report_t *r) {
  qe_conform_counts_t *t = &r->info.totals;
  memset(t, 0, sizeof *t);
  for (size_t k = 0; k < r->n_kernels; k++) {
    memset(&r->kernels[k].counts, 0, sizeof r->kernels[k].counts);
    r->kernels[k].observed = -1;
  }
  for (size_t i = 0; i < r->n_records; i++) {
    qe_conform_kernel_t *k = &r->kernels[r->records[i].c.kernel];
    bool spoiled = k->observed == -2;
    count(t, r->records[i].c.verdict);
    count(&k->counts, r->records[i].c.verdict);
    if (!spoiled) observe(k, &r->records[i].c, &spoiled);
    if (spoiled) k->observed = -2;
  }
  for (size_t k = 0; k < r->n_kernels; k++) {
    if (r->kernels[k].observed == -2) r->kernels[k].observed = -1;
    qe_conform_counts_t *n = &r->kernels[k].counts;
    n->not_run = r->expected[k] - n->cases;
    n->cases += n->not_run;
    t->not_run += n->not_run;
    t->cases += n->not_run;
  }
  char why[300] = "";
  const int64_t bad = t->failed + t->crashed + t->timeout;
  if (bad > 0 && t->not_run > 0)
    snprintf(why, sizeof why, "%lld of %lld cases fail, %lld were not run", (long long)bad, (long long)t->cases,
             (long long)t->not_run);
  else if (bad > 0)
    snprintf(why, sizeof why, "%lld of %lld cases fail", (long long)bad, (long long)t->cases);
  else if (t->cases == 0)
    snprintf(why, sizeof why, "nothing was tested: no case fits the engine's kernels and the filters");
  else if (t->not_run > 0)
    snprintf(why, sizeof why, "%lld cases were not run", (long long)t->not_run);
  else if (t->passed + t->waived == 0)
    snprintf(why, sizeof why, "no case passed: %lld unsupported, %lld mistrusted", (long long)t->unsupported,
             (long long)t->mistrusted);
  else if (r->n_problems > 0)
    snprintf(why, sizeof why, "the waivers need attention: %.200s", r->problems[0]);
  r->info.conforms = why[0] == '\0';
  return qe__report_set(r, &r->info.why, why);
}

const char *qe__level_text(int level) {
  static const char *const names[] = {"E0", "E1", "E2", "E3", "E4"};
  return level >= 0 && level <= 4 ? names[level] : "-";
}

const char *qe_conform_verdict_name(qe_conform_verdict_t verdict) {
  switch (verdict) {
#define X(name, text)                                                                                                  \
  case QE_CONFORM_##name: return text;
    QE_CONFORM_VERDICT_LIST(X)
#undef X
  }
  return "?";
}

int qe_conform_verdict_is_bad(qe_conform_verdict_t v) {
  return v == QE_CONFORM_FAIL || v == QE_CONFORM_CRASH || v == QE_CONFORM_TIMEOUT;
}

const qe_conform_info_t *qe_conform_report_info(const qe_conform_report_t *r) {
  return r != NULL ? &r->info : NULL;
}
uint32_t qe_conform_kernel_count(const qe_conform_report_t *r) {
  return r != NULL ? (uint32_t)r->n_kernels : 0;
}
uint32_t qe_conform_case_count(const qe_conform_report_t *r) {
  return r != NULL ? (uint32_t)r->n_records : 0;
}
uint32_t qe_conform_time_count(const qe_conform_report_t *r) {
  return r != NULL ? (uint32_t)r->n_times : 0;
}
uint32_t qe_conform_problem_count(const qe_conform_report_t *r) {
  return r != NULL ? (uint32_t)r->n_problems : 0;
}

const qe_conform_kernel_t *qe_conform_kernel_at(const qe_conform_report_t *r, uint32_t index) {
  return index < qe_conform_kernel_count(r) ? &r->kernels[index] : NULL;
}

const qe_conform_case_t *qe_conform_case_at(const qe_conform_report_t *r, uint32_t index) {
  return index < qe_conform_case_count(r) ? &r->records[index].c : NULL;
}

const qe_conform_time_t *qe_conform_time_at(const qe_conform_report_t *r, uint32_t index) {
  return index < qe_conform_time_count(r) ? &r->times[index] : NULL;
}

const char *qe_conform_problem_at(const qe_conform_report_t *r, uint32_t index) {
  return index < qe_conform_problem_count(r) ? r->problems[index] : NULL;
}
