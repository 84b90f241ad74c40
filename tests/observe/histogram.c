/* The histogram: every value is counted, whatever the ranges do; and the quality of the ranges that its searches
 * choose. */
#include "observe/histogram.h"

#include <math.h>

#include "observe_util.h"

enum { N = 5000 };

static void open_with(qe__histogram *h, int32_t bins, int32_t upsample) {
  const qe_observer_args args = {.struct_size = sizeof args,
                                 .dtype = QE_UINT8,
                                 .quant_max = 255,
                                 .eps = 0x1p-23f,
                                 .bins = bins,
                                 .upsample_rate = upsample,
                                 .percentile = 0.9999f};
  memset(h, 0, sizeof *h);
  cr_assert_eq(qe__kind_histogram.init(NULL, h, &args), 0, "%s", qe_last_error());
}

static void close_histogram(qe__histogram *h) {
  qe__kind_histogram.fini(NULL, h);
}

static void count(qe__histogram *h, const float *x, int64_t n) {
  cr_assert_eq(qe__kind_histogram.observe(NULL, h, x, 1, &n), 0, "%s", qe_last_error());
}

static double mass(const qe__histogram *h) {
  double sum = 0.0;
  for (int32_t i = 0; i < h->args.bins; i++) {
    cr_assert_geq(h->counts[i], 0.0, "bin %d holds %g", i, h->counts[i]);
    sum += h->counts[i];
  }
  return sum;
}

static void expect_mass(const qe__histogram *h, double n, const char *what) {
  const double found = mass(h);
  cr_assert_lt(fabs(found - n), 1e-9 * n, "%s: %.17g of %.17g values are counted", what, found, n);
}

/* Where `share` of the counts lie below, linear inside bins. */
static double quantile(const qe__histogram *h, double share) {
  const double width = ((double)h->max - (double)h->min) / h->args.bins, want = share * mass(h);
  double sum = 0.0;
  for (int32_t i = 0; i < h->args.bins; i++) {
    if (sum + h->counts[i] >= want && h->counts[i] > 0.0)
      return (double)h->min + width * (i + (want - sum) / h->counts[i]);
    sum += h->counts[i];
  }
  return (double)h->max;
}

static int ascending(const void *a, const void *b) {
  const float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static void scale_values(float *x, int64_t n, double by) {
  for (int64_t i = 0; i < n; i++) x[i] = (float)((double)x[i] * by);
}

Test(histogram, one_batch_is_counted_exactly) {
  rng r = rng_for("one_batch_is_counted_exactly", 11);
  const int32_t bins[] = {2, 3, 100, 256, 2048};
  for (int round = 0; round < 30; round++) {
    qe__histogram h;
    float *x = random_values(&r, (shape)(round % SHAPES), N);
    open_with(&h, bins[round % 5], 128);
    count(&h, x, N);
    double *want = calloc((size_t)h.args.bins, sizeof *want);
    for (int64_t i = 0; i < N; i++) {
      const int32_t at = (int32_t)((x[i] - h.min) * (float)h.args.bins / (h.max - h.min));
      want[at >= h.args.bins ? h.args.bins - 1 : at] += 1.0;
    }
    for (int32_t i = 0; i < h.args.bins; i++)
      cr_assert_eq(h.counts[i], want[i], "bin %d: %g, not %g", i, h.counts[i], want[i]);
    free(want);
    free(x);
    close_histogram(&h);
  }
}

Test(histogram, no_value_is_lost_when_ranges_grow_and_shrink) {
  rng r = rng_for("no_value_is_lost_when_ranges_grow_and_shrink", 12);
  const int32_t bins[] = {2, 3, 100, 256, 1000, 2048}, upsample[] = {1, 3, 16, 128, 1 << 20};
  for (int round = 0; round < 200; round++) {
    qe__histogram h;
    double fed = 0.0;
    open_with(&h, bins[round % 6], upsample[round % 5]);
    for (int batch = 0; batch < 8; batch++) {
      const int64_t n = 1 + rng_below(&r, 500);
      float *x = random_values(&r, (shape)rng_below(&r, SHAPES), n);
      /* Growth by 2^0..2^3, sometimes by 2^60, in both directions. */
      scale_values(x, n,
                   ldexp(1.0, (int)rng_below(&r, 4) + (rng_below(&r, 4) == 0 ? (int)rng_below(&r, 120) - 60 : 0)));
      count(&h, x, n);
      fed += (double)n;
      expect_mass(&h, fed, "after a batch");
      for (int64_t i = 0; i < n; i++)
        cr_assert(x[i] >= h.min && x[i] <= h.max, "%g outside %g..%g", (double)x[i], (double)h.min, (double)h.max);
      free(x);
    }
    close_histogram(&h);
  }
}

Test(histogram, extreme_ranges_lose_nothing) {
  static const float series[][6] = {
      {1.0f,        1.0f,        2.0f,        1e30f,   -1e30f,  3.4e38f      },
      {1e-45f,      2e-45f,      -1e-45f,     1.0f,    0.0f,    -3.4e38f     },
      {-3.4e38f,    3.4e38f,     0.0f,        1e-45f,  1.0f,    -1.0f        },
      {0.0f,        0.0f,        0.0f,        0.0f,    5.0f,    5.0f         },
      {1e-38f,      1.1e-38f,    3e38f,       3.1e38f, 3.2e38f, 3.4028234e38f},
      {16777216.0f, 16777218.0f, 16777220.0f, 0.0f,    -1e-30f, 1.0f         },
  };
  for (size_t s = 0; s < sizeof series / sizeof series[0]; s++) {
    for (int32_t step = 1; step <= 3; step++) {
      qe__histogram h;
      open_with(&h, 2048, 128);
      for (int i = 0; i < 6; i += step) {
        count(&h, &series[s][i], step);
        expect_mass(&h, (double)(i + step), "extreme");
        cr_assert(isfinite(h.min) && isfinite(h.max), "series %zu: %g..%g", s, (double)h.min, (double)h.max);
      }
      close_histogram(&h);
    }
  }
}

Test(histogram, batches_inside_the_range_do_not_move_it) {
  rng r = rng_for("batches_inside_the_range_do_not_move_it", 13);
  const int32_t bins[] = {3, 100, 1000, 2048}, upsample[] = {1, 7, 128};
  for (int round = 0; round < 24; round++) {
    qe__histogram h;
    float *x = random_values(&r, GAUSSIAN, N);
    open_with(&h, bins[round % 4], upsample[round % 3]);
    count(&h, x, N);
    const float min = h.min, max = h.max;
    for (int i = 0; i < 5; i++) count(&h, x + i * 100, 100);
    cr_assert(h.min == min && h.max == max, "%d bins, %d cells each: %a..%a became %a..%a", h.args.bins,
              h.args.upsample_rate, (double)min, (double)max, (double)h.min, (double)h.max);
    free(x);
    close_histogram(&h);
  }
}

Test(histogram, growing_keeps_quantiles_within_the_bins) {
  rng r = rng_for("growing_keeps_quantiles_within_the_bins", 14);
  for (int round = 0; round < 20; round++) {
    const int64_t n = 4 * N;
    float *x = random_values(&r, (shape)(round % 3), n);
    qe__histogram h;
    open_with(&h, 2048, 128);
    for (int i = 0; i < 4; i++) {
      scale_values(x + i * N, N, 1.0 + 0.5 * i);
      count(&h, x + i * N, N);
    }
    qsort(x, (size_t)n, sizeof *x, ascending);
    const double width = ((double)h.max - (double)h.min) / h.args.bins;
    for (double share = 0.05; share < 1.0; share += 0.05) {
      const double exact = (double)x[(int64_t)(share * (double)(n - 1))], found = quantile(&h, share);
      /* Two bins: old bins blur by one, and the sample has gaps. */
      cr_assert_lt(fabs(found - exact), 2.5 * width, "%s, %.2f: %g, exactly %g (a bin is %g wide)",
                   SHAPE_NAMES[round % 3], share, found, exact, width);
    }
    free(x);
    close_histogram(&h);
  }
}

Test(histogram, merging_equal_ranges_is_observing_both) {
  rng r = rng_for("merging_equal_ranges_is_observing_both", 15);
  for (int round = 0; round < 20; round++) {
    qe__histogram a, b, both;
    float *x = random_values(&r, UNIFORM, N), *y = random_values(&r, UNIFORM, N);
    x[0] = y[1] = -3.0f; /* the same range in both */
    x[9] = y[2] = 5.0f;
    open_with(&a, 1000, 128);
    open_with(&b, 1000, 128);
    open_with(&both, 1000, 128);
    count(&a, x, N);
    count(&b, y, N);
    count(&both, x, N);
    count(&both, y, N);
    cr_assert_eq(qe__kind_histogram.merge(NULL, &a, &b), 0);
    cr_assert(a.min == both.min && a.max == both.max && a.zeros == both.zeros && a.batches == both.batches);
    for (int32_t i = 0; i < 1000; i++)
      cr_assert_eq(a.counts[i], both.counts[i], "bin %d: %g and %g", i, a.counts[i], both.counts[i]);
    free(x);
    free(y);
    close_histogram(&a);
    close_histogram(&b);
    close_histogram(&both);
  }
}

Test(histogram, merging_other_ranges_keeps_mass_and_quantiles) {
  rng r = rng_for("merging_other_ranges_keeps_mass_and_quantiles", 16);
  for (int round = 0; round < 60; round++) {
    qe__histogram a, b;
    float *x = random_values(&r, (shape)rng_below(&r, SHAPES), 2 * N);
    scale_values(x, N, ldexp(1.0 + rng_uniform(&r), (int)rng_below(&r, 3)));
    open_with(&a, 2048, 128);
    open_with(&b, 2048, 128);
    count(&a, x, N);
    count(&b, x + N, N);
    cr_assert_eq(qe__kind_histogram.merge(NULL, &a, &b), 0);
    expect_mass(&a, 2.0 * N, "merged");
    qsort(x, 2 * N, sizeof *x, ascending);
    cr_assert(a.min == x[0] && a.max == x[2 * N - 1], "%a..%a", (double)a.min, (double)a.max);
    const double width = ((double)a.max - (double)a.min) / a.args.bins;
    for (double share = 0.1; share < 0.95; share += 0.1) {
      const int64_t at = (int64_t)(share * (2 * N - 1));
      const double found = quantile(&a, share), gap = (double)(x[at + 1] - x[at]);
      cr_assert_lt(fabs(found - (double)x[at]), 2.0 * width + gap, "round %d, %.1f: %g, exactly %g (a bin is %g wide)",
                   round, share, found, (double)x[at], width);
    }
    free(x);
    close_histogram(&a);
    close_histogram(&b);
  }
}

Test(histogram, memory_is_the_bins_however_much_passes) {
  qe_observer_config_t c = config_of("histogram");
  c.bins = 256;
  qe__observer *o = new_observer(&c);
  float *x = malloc(1000000 * sizeof *x);
  cr_assert_not_null(x);
  for (int64_t i = 0; i < 1000000; i++) x[i] = (float)(i % 1009);
  feed(o, x, 10);
  const saved small = save_of(o);
  for (int i = 0; i < 5; i++) feed(o, x, 1000000);
  const saved large = save_of(o);
  cr_assert_eq(small.size, large.size, "%zu bytes after 10 values, %zu after five million", small.size, large.size);
  cr_assert_lt(large.size, 256 * 8 + 100, "%zu", large.size);
  qe__free(small.data);
  qe__free(large.data);
  free(x);
  qe__observer_destroy(&o);
}

/* ---- the searches ---- */

/* The mean squared error of quantizing x with the parameters that the observer chose. */
static double true_error(const qe__observer *o, const float *x, int64_t n) {
  qe__qparams q = {0};
  bool observed;
  int32_t lo, hi;
  double sum = 0.0;
  cr_assert_eq(qe__observer_qparams(o, &q, &observed), QE_OK, "%s", qe_last_error());
  qe__observer_range(o, &lo, &hi);
  for (int64_t i = 0; i < n; i++) {
    const int32_t code = qe__quantize_value(x[i], q.scales[0], q.zero_points[0], lo, hi);
    const double d = (double)x[i] - (double)((float)(code - q.zero_points[0]) * q.scales[0]);
    sum += d * d;
  }
  qe__qparams_clear(&q);
  return sum / (double)n;
}

static double error_of(const char *kind, qe_histogram_method_t method, const qe_observer_config_t *as, const float *x,
                       int64_t n) {
  qe_observer_config_t c = config_of(kind);
  c.dtype = as->dtype;
  c.qscheme = as->qscheme;
  c.reduce_range = as->reduce_range;
  c.method = method;
  qe__observer *o = new_observer(&c);
  for (int i = 0; i < 4; i++) feed(o, x + i * (n / 4), n / 4); /* in batches, so that ranges grow */
  const double e = true_error(o, x, n);
  qe__observer_destroy(&o);
  return e;
}

Test(histogram, mse_beats_min_max_and_l2) {
  rng r = rng_for("mse_beats_min_max_and_l2", 17);
  const qe_observer_config_t ways[] = {
      {.dtype = QE_UINT8, .qscheme = QE_PER_TENSOR_AFFINE},
      {.dtype = QE_UINT8, .qscheme = QE_PER_TENSOR_AFFINE, .reduce_range = 1},
      {.dtype = QE_INT8,                 .qscheme = QE_PER_TENSOR_SYMMETRIC                                },
      {.dtype = QE_UINT4,                 .qscheme = QE_PER_TENSOR_AFFINE},
  };
  for (int s = 0; s < SHAPES; s++) {
    float *x = random_values(&r, (shape)s, 40000);
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
      const double mse = error_of("histogram", QE_HISTOGRAM_MSE, &ways[w], x, 40000);
      const double l2 = error_of("histogram", QE_HISTOGRAM_L2, &ways[w], x, 40000);
      const double range = error_of("min_max", QE_HISTOGRAM_L2, &ways[w], x, 40000);
      fprintf(stderr, "%-17s %s%s %s: mse %.3e  l2 %.3e  min_max %.3e\n", SHAPE_NAMES[s], qe_dtype_name(ways[w].dtype),
              ways[w].reduce_range ? "/2" : "", ways[w].qscheme == QE_PER_TENSOR_SYMMETRIC ? "symmetric" : "affine",
              mse, l2, range);
      /* One percent: the search sees bins, not values. */
      cr_expect_leq(mse, 1.01 * range, "%s: mse %g, min_max %g", SHAPE_NAMES[s], mse, range);
      cr_expect_leq(mse, 1.01 * l2, "%s: mse %g, l2 %g", SHAPE_NAMES[s], mse, l2);
    }
    free(x);
  }
}
