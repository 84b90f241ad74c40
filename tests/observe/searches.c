/* The searches for a clipping range, against what they promise. */
#include <math.h>

#include "observe/histogram.h"
#include "observe_util.h"

enum { N = 40000 };

static void open_with(qe__histogram *h, qe_histogram_method_t method, float percentile, const float *x, int64_t n) {
  const qe_observer_args args = {.struct_size = sizeof args,
                                 .dtype = QE_UINT8,
                                 .quant_max = 255,
                                 .eps = 0x1p-23f,
                                 .bins = 2048,
                                 .upsample_rate = 128,
                                 .percentile = percentile,
                                 .method = (uint32_t)method};
  memset(h, 0, sizeof *h);
  cr_assert_eq(qe__kind_histogram.init(NULL, h, &args), 0, "%s", qe_last_error());
  cr_assert_eq(qe__kind_histogram.observe(NULL, h, x, 1, &n), 0, "%s", qe_last_error());
}

static int ascending(const void *a, const void *b) {
  const float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

Test(searches, percentile_is_that_of_the_sorted_values) {
  rng r = rng_for("percentile_is_that_of_the_sorted_values", 21);
  const float shares[] = {0.5f, 0.9f, 0.99f, 0.999f, 0.9999f};
  for (int s = 0; s < SHAPES; s++) {
    for (size_t p = 0; p < sizeof shares / sizeof shares[0]; p++) {
      float *x = random_values(&r, (shape)s, N), lo, hi;
      qe__histogram h;
      open_with(&h, QE_HISTOGRAM_PERCENTILE, shares[p], x, N);
      qe__histogram_range(&h, &lo, &hi);
      qsort(x, N, sizeof *x, ascending);
      const double cut = (1.0 - (double)shares[p]) / 2.0 * N, bin = ((double)h.max - (double)h.min) / h.args.bins;
      /* The value below which `cut` values lie is between these two neighbours. */
      const float *a = &x[(int64_t)cut > 0 ? (int64_t)cut - 1 : 0], *b = &x[N - 1 - (int64_t)cut];
      cr_assert(lo >= a[0] - (float)bin && lo <= a[2] + (float)bin, "%s, %g: lowest %g, sorted %g", SHAPE_NAMES[s],
                (double)shares[p], (double)lo, (double)a[1]);
      cr_assert(hi >= b[-1] - (float)bin && hi <= x[N - (int64_t)cut < N ? N - (int64_t)cut : N - 1] + (float)bin,
                "%s, %g: highest %g, sorted %g", SHAPE_NAMES[s], (double)shares[p], (double)hi, (double)b[0]);
      qe__kind_histogram.fini(NULL, &h);
      free(x);
    }
  }
}

Test(searches, percentile_one_is_the_whole_range) {
  const float x[] = {-4.0f, 0.0f, 1.0f, 2.0f, 30.0f};
  qe__histogram h;
  float lo, hi;
  open_with(&h, QE_HISTOGRAM_PERCENTILE, 1.0f, x, 5);
  qe__histogram_range(&h, &lo, &hi);
  cr_assert(lo == -4.0f && hi == 30.0f, "%g..%g", (double)lo, (double)hi);
  qe__kind_histogram.fini(NULL, &h);
}

Test(searches, every_method_stays_inside_what_was_seen) {
  rng r = rng_for("every_method_stays_inside_what_was_seen", 22);
  for (int s = 0; s < SHAPES; s++) {
    for (int method = QE_HISTOGRAM_L2; method <= QE_HISTOGRAM_ENTROPY; method++) {
      float *x = random_values(&r, (shape)s, N), lo, hi;
      qe__histogram h;
      open_with(&h, (qe_histogram_method_t)method, 0.999f, x, N);
      qe__histogram_range(&h, &lo, &hi);
      const float bottom = h.min < 0 ? h.min : 0, top = h.max > 0 ? h.max : 0, slack = (top - bottom) * 0.01f;
      cr_assert(lo <= hi && lo >= bottom - slack && hi <= top + slack, "%s, method %d: %g..%g of %g..%g",
                SHAPE_NAMES[s], method, (double)lo, (double)hi, (double)h.min, (double)h.max);
      qe__kind_histogram.fini(NULL, &h);
      free(x);
    }
  }
}

Test(searches, one_value_is_its_own_range) {
  for (int method = QE_HISTOGRAM_L2; method <= QE_HISTOGRAM_ENTROPY; method++) {
    const float values[] = {0.0f, 3.0f, -7.5f};
    for (int v = 0; v < 3; v++) {
      const float x[] = {values[v], values[v], values[v]};
      qe__histogram h;
      float lo, hi;
      open_with(&h, (qe_histogram_method_t)method, 0.999f, x, 3);
      qe__histogram_range(&h, &lo, &hi);
      cr_assert(lo == values[v] && hi == values[v], "method %d: %g..%g", method, (double)lo, (double)hi);
      qe__kind_histogram.fini(NULL, &h);
    }
  }
}

Test(searches, entropy_gives_up_outliers_and_keeps_uniform_data) {
  rng r = rng_for("entropy_gives_up_outliers_and_keeps_uniform_data", 23);
  float *x = random_values(&r, GAUSSIAN, N), *u = random_values(&r, UNIFORM, N), lo, hi;
  qe__histogram h;
  x[1] = 100.0f; /* two of forty thousand, far away */
  x[2] = -90.0f;
  open_with(&h, QE_HISTOGRAM_ENTROPY, 1.0f, x, N);
  qe__histogram_range(&h, &lo, &hi);
  cr_assert(hi > 2.0f && hi < 50.0f && lo < -2.0f && lo > -50.0f, "%g..%g", (double)lo, (double)hi);
  qe__kind_histogram.fini(NULL, &h);
  open_with(&h, QE_HISTOGRAM_ENTROPY, 1.0f, u, N);
  qe__histogram_range(&h, &lo, &hi);
  cr_assert(hi > 0.9f * h.max && lo < 0.9f * h.min, "%g..%g of %g..%g", (double)lo, (double)hi, (double)h.min,
            (double)h.max);
  qe__kind_histogram.fini(NULL, &h);
  free(x);
  free(u);
}

/* ---- mse against the best of a fine grid ---- */

static double error_with(const qe_observer_args *a, float lo, float hi, const float *x, int64_t n) {
  float s;
  int32_t z;
  double sum = 0.0;
  cr_assert_eq(qe__observer_choose(a, lo, hi, &s, &z), 0, "%s", qe_last_error());
  for (int64_t i = 0; i < n; i++) {
    const int32_t code = qe__quantize_value(x[i], s, z, a->quant_min, a->quant_max);
    const double d = (double)x[i] - (double)((float)(code - z) * s);
    sum += d * d;
  }
  return sum / (double)n;
}

/* nine of ten values are exactly zero, the others on both sides; fed in batches that widen the range both ways */
static float *spiked(rng *r, int64_t n) {
  float *x = random_values(r, HEAVY_TAILED, n);
  for (int64_t i = 0; i < n; i++) {
    if (rng_below(r, 10) != 0) x[i] = 0.0f;
    if (x[i] < 0) x[i] *= 0.3f;
  }
  return x;
}

Test(searches, mse_is_near_the_best_there_is) {
  rng r = rng_for("mse_is_near_the_best_there_is", 24);
  for (int s = 0; s <= SHAPES; s++) {
    const int64_t n = 4000;
    float *x = s < SHAPES ? random_values(&r, (shape)s, n) : spiked(&r, n), lo, hi;
    const char *name = s < SHAPES ? SHAPE_NAMES[s] : "zeros and a few values";
    qe__histogram h;
    open_with(&h, QE_HISTOGRAM_MSE, 1.0f, x, n / 8);
    for (int64_t at = n / 8; at < n; at += n / 8) {
      cr_assert_eq(qe__kind_histogram.observe(NULL, &h, x + at, 1, &(int64_t){n / 8}), 0);
    }
    h.args.quant_max = 15; /* few levels, so that clipping pays */
    qe__histogram_range(&h, &lo, &hi);
    const double found = error_with(&h.args, lo, hi, x, n);
    const float bottom = h.min < 0 ? h.min : 0, top = h.max > 0 ? h.max : 0;
    double best = INFINITY;
    for (int i = 1; i <= 100; i++) {
      for (int j = 1; j <= 100; j++) {
        if ((bottom == 0 && i > 1) || (top == 0 && j > 1)) continue;
        const double e = error_with(&h.args, bottom * (float)i / 100.0f, top * (float)j / 100.0f, x, n);
        best = e < best ? e : best;
      }
    }
    fprintf(stderr, "%-22s error %.4e, best of a grid %.4e\n", name, found, best);
    cr_expect_leq(found, 1.05 * best, "%s: error %g, the best of a grid %g", name, found, best);
    qe__kind_histogram.fini(NULL, &h);
    free(x);
  }
}
