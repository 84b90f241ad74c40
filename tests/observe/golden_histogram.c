/*
 * torch's HistogramObserver (1.13) on recorded batches.
 *
 * torch counts a batch between limits truncated to integers and drops the rest; qengine counts every value between the
 * true limits. Everything else is the same, and is checked: each step starts from torch's recorded state, and what is left
 * after the batch's own counts are taken off (torch's by its rule, ours by ours) must agree, as must the new range. The
 * search for the range starts from torch's last histogram and must agree on every bit.
 */
#include "base/memory.h"
#include "golden_util.h"
#include "observe/histogram.h"

typedef struct tally {
  unsigned steps, same_limits, truncated, restarts;
  double worst; /* difference of a bin over what float32 rounding allows */
} tally;

static float expected_at(const golden *g, const json_t *c, const char *stem, int k) {
  char name[32];
  snprintf(name, sizeof name, "%s_%d", stem, k);
  return golden_scalar(g, c, name);
}

static qe_tensor_t *recorded_counts(const golden *g, const json_t *c, int k) {
  char name[32];
  snprintf(name, sizeof name, "histogram_%d", k);
  return golden_tensor(g, c, "expected", name);
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
  qe_tensor_t *counts = recorded_counts(g, c, k);
  cr_assert_eq(counts->count, h->args.bins);
  for (int32_t i = 0; i < h->args.bins; i++) h->counts[i] = (double)((const float *)counts->data)[i];
  h->min = expected_at(g, c, "min_val", k);
  h->max = expected_at(g, c, "max_val", k);
  h->batches = (uint64_t)k + 1;
  qe_tensor_release(&counts);
}

/* One step from torch's state after batch k - 1 (k 0: from nothing). */
static void check_step(const golden *g, const json_t *c, qe__histogram *h, int k, const qe_tensor_t *x, tally *t) {
  const char *name = golden_text(c, "name");
  const int32_t bins = h->args.bins;
  const float min = expected_at(g, c, "min_val", k), max = expected_at(g, c, "max_val", k);
  double *theirs_new = calloc((size_t)bins, sizeof *theirs_new), *ours_new = calloc((size_t)bins, sizeof *ours_new), total = 0.0;
  qe_tensor_t *theirs = recorded_counts(g, c, k);
  memset(h->counts, 0, (size_t)bins * sizeof *h->counts);
  h->batches = 0;
  if (k > 0 && expected_at(g, c, "min_val", k - 1) == expected_at(g, c, "max_val", k - 1)) {
    t->restarts++; /* torch forgets a range of one value; ours keeps it, so start afresh as torch does */
  } else if (k > 0) {
    load_recorded(h, g, c, k - 1);
  }
  cr_assert_eq(qe__kind_histogram.observe(NULL, h, x->data, x->rank, x->dims), 0, "%s: %s", name, qe_last_error());
  cr_assert_eq(h->min, min, "%s, batch %d: min %a, torch %a", name, k, (double)h->min, (double)min);
  cr_assert_eq(h->max, max, "%s, batch %d: max %a, torch %a", name, k, (double)h->max, (double)max);
  histc(theirs_new, bins, (float)(int)min, (float)(int)max, x);
  if (max > min) histc(ours_new, bins, min, max, x);
  else ours_new[0] = (double)x->count; /* one value: one bin */
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

static void open_histogram(const json_t *c, qe__histogram *h, qe__observer **o) {
  qe_observer_config_t config;
  qe_observer_args args = {.struct_size = sizeof args};
  cr_assert(golden_config("HistogramObserver", json_object_get(c, "params"), &config));
  cr_assert_eq(qe__observer_arguments(&config, "x", &args), QE_OK, "%s", qe_last_error());
  memset(h, 0, sizeof *h);
  cr_assert_eq(qe__kind_histogram.init(NULL, h, &args), 0);
  *o = new_observer(&config);
}

#define EACH_CASE(g, c)                                                                                       \
  for (size_t i_ = 0; i_ < golden_count(&g); i_++)                                                           \
    for (const json_t *c = golden_case(&g, i_); c && strcmp(golden_text(c, "op"), "HistogramObserver") == 0; c = NULL)

Test(golden_histogram, search_from_torchs_histogram_is_exact) {
  golden g;
  unsigned cases = 0;
  golden_open(&g, "observers");
  EACH_CASE(g, c) {
    const char *name = golden_text(c, "name");
    const json_t *inputs = json_object_get(c, "inputs"), *expected = json_object_get(c, "expected");
    const float want_lo = golden_scalar(&g, c, "new_min"), want_hi = golden_scalar(&g, c, "new_max");
    qe__histogram h;
    qe__observer *o;
    float lo, hi, scale = 0;
    uint32_t count = 0;
    int32_t zero = 0, qmin, qmax;
    open_histogram(c, &h, &o);
    load_recorded(&h, &g, c, (int)json_object_size(inputs) - 1);
    qe__histogram_range(&h, &lo, &hi);
    cr_assert_eq(lo, want_lo, "%s: lowest %a, torch %a", name, (double)lo, (double)want_lo);
    cr_assert_eq(hi, want_hi, "%s: highest %a, torch %a", name, (double)hi, (double)want_hi);
    cr_assert_eq(qe__kind_histogram.qparams(NULL, &h, 1, &scale, &zero, &count), 0);
    cr_assert_eq(scale, golden_scalar(&g, c, "scale"), "%s: scale %a", name, (double)scale);
    qe_tensor_t *z = golden_tensor(&g, c, "expected", "zero_point");
    cr_assert_eq(zero, qe__tensor_int_at(z, 0), "%s: zero point %d", name, zero);
    qe__observer_range(o, &qmin, &qmax);
    cr_assert_eq(qmin, (int32_t)golden_number(expected, "quant_min"), "%s: quant_min %d", name, qmin);
    cr_assert_eq(qmax, (int32_t)golden_number(expected, "quant_max"), "%s: quant_max %d", name, qmax);
    qe_tensor_release(&z);
    qe__kind_histogram.fini(NULL, &h);
    qe__observer_destroy(&o);
    cases++;
  }
  fprintf(stderr, "histogram search: %u cases, every range bit for bit\n", cases);
  cr_assert_eq(cases, 43);
  golden_close(&g);
}

Test(golden_histogram, every_step_agrees_but_for_truncated_limits) {
  golden g;
  tally t = {0};
  golden_open(&g, "observers");
  EACH_CASE(g, c) {
    qe__histogram h;
    qe__observer *o;
    qe_tensor_t *x;
    open_histogram(c, &h, &o);
    for (int k = 0; (x = golden_batch(&g, c, k)) != NULL; k++) {
      check_step(&g, c, &h, k, x, &t);
      qe_tensor_release(&x);
    }
    qe__kind_histogram.fini(NULL, &h);
    qe__observer_destroy(&o);
  }
  fprintf(stderr, "histogram steps: %u; counts equal in %u; %u differ by torch's truncated limits only; %u start over after one "
          "value; largest difference %.2f of the allowed rounding\n", t.steps, t.same_limits, t.truncated, t.restarts, t.worst);
  cr_assert_eq(t.steps, 102);
  cr_assert_gt(t.same_limits, 0);
  golden_close(&g);
}
