/*
 * torch's HistogramObserver (1.13) on recorded batches, step by step.
 *
 * torch counts a batch between limits truncated to integers and drops the rest; qengine counts every value between the
 * true limits. Everything else is the same, and is checked: each step starts from torch's recorded state, and what is
 * left after the batch's own counts are taken off (torch's by its rule, ours by ours) must agree, as must the new
 * range.
 */
#include "base/memory.h"
#include "observe/histogram.h"
#include "support/golden.h"

typedef struct tally {
  unsigned steps, same_limits, truncated, restarts;
  double worst; /* difference of a bin over what float32 rounding allows */
} tally;

static qe_tensor_t *recorded(const golden *g, const json_t *c, const char *section, const char *stem, int k) {
  char name[32];
  snprintf(name, sizeof name, "%s%d", stem, k);
  return golden_tensor(g, c, section, name);
}

static float limit(const golden *g, const json_t *c, const char *stem, int k) {
  qe_tensor_t *t = recorded(g, c, "expected", stem, k);
  cr_assert(t != NULL && t->count == 1, "%s: no %s%d", golden_text(c, "name"), stem, k);
  const float v = ((const float *)t->data)[0];
  qe_tensor_release(&t);
  return v;
}

/* torch.histc in float32; equal limits: the range of the data. */
static void histc(double *counts, int32_t bins, float lo, float hi, const qe_tensor_t *x) {
  const float *v = x->data;
  if (lo == hi) {
    lo = hi = v[0];
    for (int64_t i = 0; i < x->count; i++) {
      lo = v[i] < lo ? v[i] : lo;
      hi = v[i] > hi ? v[i] : hi;
    }
    if (lo == hi) {
      lo -= 1;
      hi += 1;
    }
  }
  for (int64_t i = 0; i < x->count; i++) {
    if (!(v[i] >= lo && v[i] <= hi)) continue;
    const int32_t at = (int32_t)((v[i] - lo) * (float)bins / (hi - lo));
    counts[at >= bins ? bins - 1 : at] += 1.0;
  }
}

static void load_recorded(qe__histogram *h, const golden *g, const json_t *c, int k) {
  qe_tensor_t *counts = recorded(g, c, "expected", "histogram_", k);
  cr_assert_eq(counts->count, h->args.bins);
  for (int32_t i = 0; i < h->args.bins; i++) h->counts[i] = (double)((const float *)counts->data)[i];
  h->min = limit(g, c, "min_val_", k);
  h->max = limit(g, c, "max_val_", k);
  h->batches = (uint64_t)k + 1;
  qe_tensor_release(&counts);
}

/* One step from torch's state after batch k - 1 (k 0: from nothing). */
static void check_step(const golden *g, const json_t *c, qe__histogram *h, int k, const qe_tensor_t *x, tally *t) {
  const char *name = golden_text(c, "name");
  const int32_t bins = h->args.bins;
  const float min = limit(g, c, "min_val_", k), max = limit(g, c, "max_val_", k);
  double *theirs_new = calloc((size_t)bins, sizeof *theirs_new), *ours_new = calloc((size_t)bins, sizeof *ours_new),
         total = 0.0;
  qe_tensor_t *theirs = recorded(g, c, "expected", "histogram_", k);
  memset(h->counts, 0, (size_t)bins * sizeof *h->counts);
  h->batches = 0;
  if (k > 0 && limit(g, c, "min_val_", k - 1) == limit(g, c, "max_val_", k - 1)) {
    t->restarts++; /* torch forgets a range of one value; ours keeps it, so start afresh as torch does */
  } else if (k > 0) {
    load_recorded(h, g, c, k - 1);
  }
  cr_assert_eq(qe__kind_histogram.observe(NULL, h, x->data, x->rank, x->dims), 0, "%s: %s", name, qe_last_error());
  cr_assert_eq(h->min, min, "%s, batch %d: min %a, torch %a", name, k, (double)h->min, (double)min);
  cr_assert_eq(h->max, max, "%s, batch %d: max %a, torch %a", name, k, (double)h->max, (double)max);
  histc(theirs_new, bins, (float)(int)min, (float)(int)max, x);
  if (max > min)
    histc(ours_new, bins, min, max, x);
  else
    ours_new[0] = (double)x->count; /* one value: one bin */
  const bool same = memcmp(theirs_new, ours_new, (size_t)bins * sizeof *ours_new) == 0;
  t->same_limits += same;
  t->truncated += !same;
  for (int32_t i = 0; i < bins; i++) total += h->counts[i];
  /* torch keeps counts, and running sums of upsample_rate times the counts, in float32. */
  const double allowed = total * 0x1p-23;
  for (int32_t i = 0; i < bins; i++) {
    const double a = h->counts[i] - ours_new[i], b = (double)((const float *)theirs->data)[i] - theirs_new[i];
    if (fabs(a - b) > t->worst * allowed) t->worst = fabs(a - b) / allowed;
    cr_assert_leq(fabs(a - b), allowed, "%s, batch %d, bin %d: %.9g kept from before, torch %.9g", name, k, i, a, b);
  }
  t->steps++;
  free(theirs_new);
  free(ours_new);
  qe_tensor_release(&theirs);
}

/* The observer of a case, with torch's arguments; all cases are per tensor, with the default eps. */
static void open_histogram(const json_t *c, qe__histogram *h) {
  const json_t *params = json_object_get(c, "params");
  const qe_observer_args args = {.struct_size = sizeof args,
                                 .dtype = (uint8_t)qe__dtype_from_name(golden_text(params, "dtype")),
                                 .quant_max = 127,
                                 .bins = (int32_t)golden_number(params, "bins"),
                                 .upsample_rate = (int32_t)golden_number(params, "upsample_rate")};
  memset(h, 0, sizeof *h);
  cr_assert_eq(qe__kind_histogram.init(NULL, h, &args), 0);
}

Test(observe_golden, every_step_agrees_but_for_truncated_limits) {
  golden g;
  tally t = {0};
  golden_open(&g, "observers");
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i);
    qe__histogram h;
    qe_tensor_t *x;
    if (strcmp(golden_text(c, "op"), "HistogramObserver") != 0) continue;
    open_histogram(c, &h);
    for (int k = 0; (x = recorded(&g, c, "inputs", "batch", k)) != NULL; k++) {
      check_step(&g, c, &h, k, x, &t);
      qe_tensor_release(&x);
    }
    qe__kind_histogram.fini(NULL, &h);
  }
  fprintf(
      stderr,
      "histogram steps: %u; counts equal in %u; %u differ by torch's truncated limits only; %u start over after one "
      "value; largest difference %.2f of the allowed rounding\n",
      t.steps, t.same_limits, t.truncated, t.restarts, t.worst);
  cr_assert_eq(t.steps, 102);
  cr_assert_gt(t.same_limits, 0);
  golden_close(&g);
}
