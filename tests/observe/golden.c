/*
 * Observers against torch 1.13 (golden group `observers`): running ranges after every batch, final parameters, refused
 * arguments, the histogram's counts and its range search.
 */
#include "support/golden.h"
#include "observe/histogram.h"
#include "observe/observe.h"

/* "quint8" and friends; float32 for what is not quantized. */
static qe_observer_config_t config_of(const json_t *params, const char *kind) {
  static const struct {
    const char *torch, *name;
  } kinds[] = {
      {"MinMaxObserver",                        "min_max"                           },
      {"MovingAverageMinMaxObserver",           "moving_average_min_max"            },
      {"PerChannelMinMaxObserver",              "per_channel_min_max"               },
      {"MovingAveragePerChannelMinMaxObserver", "moving_average_per_channel_min_max"},
      {"HistogramObserver",                     "histogram"                         },
      {"FixedQParamsObserver",                  "fixed_qparams"                     }
  };
  static const char *const schemes[] = {"per_tensor_affine", "per_channel_affine", "per_tensor_symmetric",
                                        "per_channel_symmetric"};
  qe_observer_config_t c;
  qe_observer_config_default(&c);
  c.observer[0] = '\0';
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (strcmp(kinds[i].torch, kind) == 0) snprintf(c.observer, sizeof c.observer, "%s", kinds[i].name);
  }
  cr_assert(c.observer[0] != '\0', "no observer for '%s'", kind);
  const json_t *dtype = json_object_get(params, "dtype");
  if (dtype) c.dtype = qe__dtype_from_name(json_string_value(dtype));
  for (int s = 0; s < 4; s++) {
    if (strcmp(golden_text(params, "qscheme"), schemes[s]) == 0) c.qscheme = (qe_qscheme_t)s;
  }
  c.reduce_range = json_is_true(json_object_get(params, "reduce_range"));
  if (json_is_integer(json_object_get(params, "quant_min"))) {
    c.has_range = 1;
    c.quant_min = (int32_t)golden_number(params, "quant_min");
    c.quant_max = (int32_t)golden_number(params, "quant_max");
  }
  if (json_object_get(params, "eps")) c.eps = (float)golden_number(params, "eps");
  if (json_object_get(params, "averaging_constant"))
    c.averaging_constant = (float)golden_number(params, "averaging_constant");
  if (json_object_get(params, "ch_axis")) c.ch_axis = (int32_t)golden_number(params, "ch_axis");
  if (json_object_get(params, "bins")) c.bins = (int32_t)golden_number(params, "bins");
  if (json_object_get(params, "upsample_rate")) c.upsample_rate = (int32_t)golden_number(params, "upsample_rate");
  if (json_object_get(params, "scale")) c.scale = (float)golden_number(params, "scale");
  if (json_object_get(params, "zero_point")) c.zero_point = (int32_t)golden_number(params, "zero_point");
  return c;
}

static void expect_floats(const char *name, const char *what, const float *got, const qe_tensor_t *want, int64_t n) {
  cr_assert_not_null(want, "%s: no %s", name, what);
  cr_assert_eq(qe_tensor_count(want), n, "%s: %s has %lld elements, not %lld", name, what, (long long)n,
               (long long)qe_tensor_count(want));
  const float *w = qe_tensor_const_data(want);
  for (int64_t i = 0; i < n; i++)
    cr_expect_eq(got[i], w[i], "%s: %s[%lld] is %.9g, torch has %.9g", name, what, (long long)i, (double)got[i],
                 (double)w[i]);
}

static void expect_qparams(const golden *g, const json_t *c, const qe__observer *o) {
  const char *name = golden_text(c, "name");
  qe__qparams q = {0};
  bool observed;
  cr_assert_eq(qe__observer_qparams(o, &q, &observed), QE_OK, "%s: %s", name, qe_last_error());
  qe_tensor_t *scale = golden_tensor(g, c, "expected", "scale"), *zero = golden_tensor(g, c, "expected", "zero_point");
  expect_floats(name, "scale", q.scales, scale, (int64_t)q.view.count);
  for (uint32_t i = 0; i < q.view.count; i++) {
    const int64_t want = qe__tensor_int_at(zero, (int64_t)i);
    cr_expect_eq(q.zero_points[i], want, "%s: zero point [%u] is %d, torch has %lld", name, i, q.zero_points[i],
                 (long long)want);
  }
  qe_tensor_release(&scale);
  qe_tensor_release(&zero);
  qe__qparams_clear(&q);
}

/* Running min and max out of the saved state: after batches (8 bytes), for channels also their number (8 bytes). */
static void expect_state(const golden *g, const json_t *c, const qe__observer *o, int batch, bool per_channel) {
  const char *name = golden_text(c, "name");
  char key[32];
  void *bytes;
  size_t size;
  cr_assert_eq(qe__observer_save(o, &bytes, &size), QE_OK, "%s", qe_last_error());
  snprintf(key, sizeof key, "min_val_%d", batch);
  qe_tensor_t *min = golden_tensor(g, c, "expected", key);
  snprintf(key, sizeof key, "max_val_%d", batch);
  qe_tensor_t *max = golden_tensor(g, c, "expected", key);
  cr_assert(min && max, "%s: no range after batch %d", name, batch);
  const int64_t n = qe_tensor_count(min);
  const size_t pairs = (size_t)n * 8;
  cr_assert_geq(size, pairs);
  qe__source in = {(const unsigned char *)bytes + size - pairs, pairs, false};
  cr_assert(per_channel || n == 1);
  for (int64_t i = 0; i < n; i++) {
    const float got_min = qe__source_f32(&in), got_max = qe__source_f32(&in);
    const float want_min = ((const float *)qe_tensor_const_data(min))[i],
                want_max = ((const float *)qe_tensor_const_data(max))[i];
    cr_expect_eq(got_min, want_min, "%s: min[%lld] after batch %d is %.9g, torch has %.9g", name, (long long)i, batch,
                 (double)got_min, (double)want_min);
    cr_expect_eq(got_max, want_max, "%s: max[%lld] after batch %d is %.9g, torch has %.9g", name, (long long)i, batch,
                 (double)got_max, (double)want_max);
  }
  qe_tensor_release(&min);
  qe_tensor_release(&max);
  qe__free(bytes);
}

static qe_tensor_t *batch_of(const golden *g, const json_t *c, int batch) {
  char key[32];
  snprintf(key, sizeof key, "batch%d", batch);
  return golden_tensor(g, c, "inputs", key);
}

Test(observe_golden, ranges_and_parameters) {
  golden g;
  int cases = 0, float_params = 0;
  golden_open(&g, "observers");
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i), *params = json_object_get(c, "params");
    const char *op = golden_text(c, "op"), *name = golden_text(c, "name");
    if (!strstr(op, "MinMaxObserver")) continue;
    if (strstr(golden_text(params, "qscheme"), "float_qparams")) { /* float zero points: no integer kernel uses them */
      float_params++;
      continue;
    }
    const qe_observer_config_t config = config_of(params, op);
    qe__observer *o;
    cr_assert_eq(qe__observer_create(&config, name, &o), QE_OK, "%s: %s", name, qe_last_error());
    qe_tensor_t *x;
    for (int b = 0; (x = batch_of(&g, c, b)) != NULL; b++) {
      cr_assert_eq(qe__observer_observe(o, x), QE_OK, "%s: %s", name, qe_last_error());
      qe_tensor_release(&x);
      expect_state(&g, c, o, b, strstr(op, "PerChannel") != NULL);
    }
    expect_qparams(&g, c, o);
    int32_t lo, hi;
    qe__observer_range(o, &lo, &hi);
    cr_expect_eq(lo, (int32_t)golden_number(json_object_get(c, "expected"), "quant_min"), "%s: quant_min %d", name, lo);
    cr_expect_eq(hi, (int32_t)golden_number(json_object_get(c, "expected"), "quant_max"), "%s: quant_max %d", name, hi);
    qe__observer_destroy(&o);
    cases++;
  }
  fprintf(stderr, "observers: %d cases bit for bit; %d with float zero points do not apply\n", cases, float_params);
  cr_expect_geq(cases, 200);
  golden_close(&g);
}

Test(observe_golden, fixed_unfed_refused) {
  golden g;
  int fixed = 0, unfed = 0, refused = 0;
  golden_open(&g, "observers");
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i), *params = json_object_get(c, "params");
    const char *op = golden_text(c, "op"), *name = golden_text(c, "name");
    qe__observer *o = NULL;
    if (strcmp(op, "FixedQParamsObserver") == 0 || strcmp(op, "unfed_observer") == 0) {
      const bool is_fixed = strcmp(op, "unfed_observer") != 0;
      const qe_observer_config_t config = config_of(params, is_fixed ? op : golden_text(params, "class"));
      cr_assert_eq(qe__observer_create(&config, name, &o), QE_OK, "%s: %s", name, qe_last_error());
      expect_qparams(&g, c, o);
      *(is_fixed ? &fixed : &unfed) += 1;
    } else if (strcmp(op, "constructor_error") == 0) {
      const qe_observer_config_t config = config_of(params, golden_text(params, "observer"));
      cr_expect_eq(qe__observer_create(&config, name, &o), QE_ERROR_INVALID_ARGUMENT, "%s was accepted", name);
      cr_expect(strstr(qe_last_error(), "reduce_range"), "%s: %s", name, qe_last_error());
      refused++;
    }
    qe__observer_destroy(&o);
  }
  fprintf(stderr, "observers: %d fixed, %d never fed, %d refused\n", fixed, unfed, refused);
  cr_expect(fixed > 0 && unfed > 0 && refused > 0);
  golden_close(&g);
}

/* ---- histogram ---- */

/* A histogram as torch had it after its last batch. */
static void torch_histogram(const golden *g, const json_t *c, int batches, qe__histogram *h, qe_tensor_t **counts) {
  char key[32];
  snprintf(key, sizeof key, "histogram_%d", batches - 1);
  *counts = golden_tensor(g, c, "expected", key);
  snprintf(key, sizeof key, "min_val_%d", batches - 1);
  qe_tensor_t *min = golden_tensor(g, c, "expected", key);
  snprintf(key, sizeof key, "max_val_%d", batches - 1);
  qe_tensor_t *max = golden_tensor(g, c, "expected", key);
  cr_assert(*counts && min && max);
  h->min = *(const float *)qe_tensor_const_data(min);
  h->max = *(const float *)qe_tensor_const_data(max);
  h->batches = (uint64_t)batches;
  for (int64_t i = 0; i < qe_tensor_count(*counts); i++)
    h->counts[i] = (double)((const float *)qe_tensor_const_data(*counts))[i];
  qe_tensor_release(&min);
  qe_tensor_release(&max);
}

static int batch_count(const json_t *c) {
  return (int)json_object_size(json_object_get(c, "inputs"));
}

static qe_observer_args args_of(const qe_observer_config_t *c, const json_t *expected) {
  return (qe_observer_args){.struct_size = sizeof(qe_observer_args),
                            .dtype = (uint8_t)c->dtype,
                            .symmetric = c->qscheme == QE_PER_TENSOR_SYMMETRIC,
                            .quant_min = (int32_t)golden_number(expected, "quant_min"),
                            .quant_max = (int32_t)golden_number(expected, "quant_max"),
                            .bins = c->bins,
                            .eps = c->eps,
                            .upsample_rate = c->upsample_rate,
                            .method = QE_HISTOGRAM_L2};
}

/* The walk, started from torch's own histogram, ends where torch's does, and gives its parameters. */
Test(observe_golden, histogram_search) {
  golden g;
  int cases = 0;
  golden_open(&g, "observers");
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i);
    const char *name = golden_text(c, "name");
    if (strcmp(golden_text(c, "op"), "HistogramObserver") != 0) continue;
    const qe_observer_config_t config = config_of(json_object_get(c, "params"), "HistogramObserver");
    const qe_observer_args args = args_of(&config, json_object_get(c, "expected"));
    qe__histogram h = {0};
    qe_tensor_t *counts, *new_min = golden_tensor(&g, c, "expected", "new_min"),
                         *new_max = golden_tensor(&g, c, "expected", "new_max");
    qe_tensor_t *scale = golden_tensor(&g, c, "expected", "scale"),
                *zero = golden_tensor(&g, c, "expected", "zero_point");
    cr_assert_eq(qe__kind_histogram.init(NULL, &h, &args), 0);
    torch_histogram(&g, c, batch_count(c), &h, &counts);
    float lo, hi, s;
    int32_t z;
    uint32_t n;
    qe__histogram_range(&h, &lo, &hi);
    if (new_min) {
      expect_floats(name, "new_min", &lo, new_min, 1);
      expect_floats(name, "new_max", &hi, new_max, 1);
    }
    cr_assert_eq(qe__kind_histogram.qparams(NULL, &h, 1, &s, &z, &n), 0, "%s: %s", name, qe_last_error());
    expect_floats(name, "scale", &s, scale, 1);
    cr_expect_eq(z, qe__tensor_int_at(zero, 0), "%s: zero point %d, torch has %lld", name, z,
                 (long long)qe__tensor_int_at(zero, 0));
    qe__kind_histogram.fini(NULL, &h);
    qe_tensor_release(&counts);
    qe_tensor_release(&new_min);
    qe_tensor_release(&new_max);
    qe_tensor_release(&scale);
    qe_tensor_release(&zero);
    cases++;
  }
  fprintf(stderr, "histogram: %d range searches end where torch's do\n", cases);
  cr_expect_gt(cases, 30);
  golden_close(&g);
}

/*
 * Counts after every batch. torch counts between limits truncated to integers and drops what is outside, so the counts
 * can agree only while all limits so far are integers (then truncation changes nothing) and min < max.
 */
Test(observe_golden, histogram_counts) {
  golden g;
  int same = 0, truncated = 0, constant = 0, cases = 0;
  golden_open(&g, "observers");
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i);
    const char *name = golden_text(c, "name");
    if (strcmp(golden_text(c, "op"), "HistogramObserver") != 0) continue;
    const qe_observer_config_t config = config_of(json_object_get(c, "params"), "HistogramObserver");
    const qe_observer_args args = args_of(&config, json_object_get(c, "expected"));
    qe__histogram h = {0}, t = {0};
    bool comparable = true;
    cr_assert_eq(qe__kind_histogram.init(NULL, &h, &args), 0);
    cr_assert_eq(qe__kind_histogram.init(NULL, &t, &args), 0);
    for (int b = 0; b < batch_count(c) && comparable; b++) {
      qe_tensor_t *x = batch_of(&g, c, b), *counts;
      cr_assert_eq(qe__kind_histogram.observe(NULL, &h, qe_tensor_const_data(x), x->rank, x->dims), 0);
      torch_histogram(&g, c, b + 1, &t, &counts);
      if (t.min == t.max) {
        constant++; /* torch starts over at the next batch */
        comparable = false;
      } else if (t.min != truncf(t.min) || t.max != truncf(t.max)) {
        truncated++;
        comparable = false;
      } else {
        cr_expect_eq(h.min, t.min, "%s: min after batch %d is %.9g, torch has %.9g", name, b, (double)h.min,
                     (double)t.min);
        cr_expect_eq(h.max, t.max, "%s: max after batch %d is %.9g, torch has %.9g", name, b, (double)h.max,
                     (double)t.max);
        double worst = 0.0;
        for (int32_t k = 0; k < args.bins; k++) {
          const double d = fabs(h.counts[k] - t.counts[k]);
          worst = d > worst ? d : worst;
        }
        cr_expect_leq(worst, 1e-3, "%s: after batch %d a bin differs by %g", name, b,
                      worst); /* torch keeps them in float32 */
        same++;
      }
      qe_tensor_release(&x);
      qe_tensor_release(&counts);
    }
    qe__kind_histogram.fini(NULL, &h);
    qe__kind_histogram.fini(NULL, &t);
    cases++;
  }
  fprintf(stderr,
          "histogram counts of %d cases: %d batches agree; cases left at a batch that torch truncates: %d, that is "
          "constant: %d\n",
          cases, same, truncated, constant);
  cr_expect_gt(same, 3);
  golden_close(&g);
}
