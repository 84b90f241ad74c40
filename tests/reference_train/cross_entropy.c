/* SoftmaxCrossEntropy and its gradient: the contract's bits, a double computation, and slopes of it. */
#include "check.h"

typedef struct loss {
  int64_t rows, classes, ignored;
  double smoothing, *x;
  const int64_t *labels;
} loss;

static double forward(void *arg) {
  const loss *l = arg;
  double total = 0.0;
  for (int64_t r = 0; r < l->rows; ++r) {
    const double *x = l->x + r * l->classes;
    double sum = 0.0, most = -INFINITY;
    if (l->labels[r] == l->ignored)
      continue;
    for (int64_t i = 0; i < l->classes; ++i)
      most = fmax(most, x[i]);
    for (int64_t i = 0; i < l->classes; ++i)
      sum += exp(x[i] - most);
    for (int64_t i = 0; i < l->classes; ++i) {
      const double target = (i == l->labels[r] ? 1.0 - l->smoothing : 0.0) + l->smoothing / (double)l->classes;
      total -= target * (x[i] - most - log(sum));
    }
  }
  return total;
}

typedef struct data {
  int64_t rows, classes, ignored, *labels;
  float smoothing, *x, *dx, loss, dloss;
} data;

static data data_new(int64_t rows, int64_t classes, float smoothing, bool ignores, uint64_t seed) {
  data d = {.rows = rows, .classes = classes, .smoothing = smoothing, .ignored = ignores ? -1 : -100, .dloss = 0.37f};
  d.x = ft_random(&seed, rows * classes, -5.0f, 5.0f);
  d.dx = ft_floats(rows * classes);
  d.labels = ft_memory((size_t)rows * sizeof *d.labels);
  for (int64_t r = 0; r < rows; ++r)
    d.labels[r] = ignores && kh_int(&seed, 0, 3) == 0 ? -1 : kh_int(&seed, 0, classes - 1);
  return d;
}

static int run(data *d, bool gradient, bool may_fail) {
  kh_case c = kh_new(gradient ? "SoftmaxCrossEntropyGrad" : "SoftmaxCrossEntropy");
  if (gradient)
    kh_in(&c, KH_SCALAR(QE_DT_F32, &d->dloss));
  kh_in(&c, KH_F32(d->x, d->rows, d->classes));
  kh_in(&c, KH(QE_DT_I64, d->labels, d->rows));
  kh_out(&c, gradient ? KH_F32(d->dx, d->rows, d->classes) : KH_SCALAR(QE_DT_F32, &d->loss));
  c.params.alpha = d->smoothing;
  c.params.mode = d->ignored == -1;
  c.params.starts[0] = d->ignored;
  c.may_fail = may_fail;
  return kh_run(&c);
}

static void check_bits(const data *d) {
  const int64_t n = d->classes;
  float *e = ft_floats(n), *s = ft_floats(n), *rows = ft_floats(d->rows), *want = ft_floats(n);
  const float a = d->smoothing, share = a > 0.0f ? a / (float)n : 0.0f;
  for (int64_t r = 0; r < d->rows; ++r) {
    const float *x = d->x + r * n;
    const bool ignored = d->labels[r] == d->ignored;
    float m = x[0];
    for (int64_t i = 1; i < n; ++i)
      m = fmaxf(m, x[i]);
    for (int64_t i = 0; i < n; ++i) {
      s[i] = x[i] - m;
      e[i] = kh_activation("Exp", s[i]); /* the engine's own, so that the rest is compared exactly */
    }
    const float sum = naive_sum(e, n), lse = kh_activation("Log", sum);
    for (int64_t i = 0; i < n; ++i) {
      const float own = a > 0.0f ? (1.0f - a) + share : 1.0f;
      want[i] = ignored ? 0.0f : d->dloss * (e[i] / sum - (i == d->labels[r] ? own : share));
    }
    kh_same_f32(want, d->dx + r * n, n, "SoftmaxCrossEntropyGrad");
    if (ignored)
      continue;
    const float v = lse - s[d->labels[r]];
    rows[r] = a > 0.0f ? (1.0f - a) * v + a * (lse - naive_sum(s, n) / (float)n) : v;
  }
  const float total = naive_sum(rows, d->rows);
  kh_same_f32(&total, &d->loss, 1, "SoftmaxCrossEntropy");
}

static void check(int64_t rows, int64_t classes, float smoothing, bool ignores, uint64_t seed) {
  data d = data_new(rows, classes, smoothing, ignores, seed);
  run(&d, false, false);
  run(&d, true, false);
  check_bits(&d);
  loss l = {rows, classes, d.ignored, (double)smoothing, ft_widen(d.x, rows * classes), d.labels};
  const double want = forward(&l);
  kh_close_f32(&want, &d.loss, 1, 1e-5, "the loss in double");
  for (int64_t i = 0; i < rows * classes; ++i)
    d.dx[i] /= d.dloss;
  ft_check_gradient(forward, &l, l.x, d.dx, rows * classes, 1e-5, "dlogits", seed);
}

Test(reference_cross_entropy, bits_and_slopes) {
  check(7, 10, 0.0f, false, 1);
  check(40, 3, 0.0f, true, 2);
  check(5, 33, 0.1f, false, 3);
  check(20, 17, 0.25f, true, 4);
  check(3, 1, 0.0f, false, 5);
  check(0, 4, 0.1f, true, 6);
  check(1, 5000, 0.1f, false, 7);
  for (uint64_t seed = 100; seed < 120; ++seed) {
    uint64_t s = seed;
    const int64_t rows = kh_int(&s, 1, 40), classes = kh_int(&s, 1, 60);
    check(rows, classes, seed % 3 ? 0.0f : 0.3f, seed % 2, seed);
  }
}

Test(reference_cross_entropy, many_rows) {
  data d = data_new(66000, 2, 0.0f, true, 1);
  run(&d, false, false);
  run(&d, true, false);
  check_bits(&d);
}

Test(reference_cross_entropy, every_row_ignored) {
  data d = data_new(3, 4, 0.1f, true, 1);
  for (int i = 0; i < 3; ++i)
    d.labels[i] = -1;
  d.x[5] = NAN; /* nobody looks */
  d.x[9] = INFINITY;
  run(&d, false, false);
  run(&d, true, false);
  const float zeros[12] = {0};
  kh_same_f32(zeros, d.dx, 12, "dlogits");
  kh_same_f32(zeros, &d.loss, 1, "loss");
}

Test(reference_cross_entropy, a_label_out_of_range_fails) {
  const int64_t bad[] = {4, -1, INT64_MAX, INT64_MIN};
  for (int i = 0; i < 4; ++i) {
    data d = data_new(3, 4, 0.0f, false, 1);
    d.labels[1] = bad[i];
    cr_assert_neq(run(&d, false, true), 0);
    cr_assert_neq(run(&d, true, true), 0);
  }
}

Test(reference_cross_entropy, special_logits) {
  data d = data_new(3, 3, 0.0f, false, 1);
  const float x[9] = {INFINITY, 1.0f, 2.0f, NAN, 1.0f, 2.0f, -INFINITY, 0.0f, 0.0f};
  memcpy(d.x, x, sizeof x);
  d.labels[0] = d.labels[1] = 0;
  d.labels[2] = 1;
  run(&d, false, false);
  run(&d, true, false);
  cr_assert(isnan(d.loss));
  for (int i = 3; i < 6; ++i)
    cr_assert(isnan(d.dx[i]));
  const float last[3] = {0.0f, d.dloss * (0.5f - 1.0f), d.dloss * 0.5f};
  kh_same_f32(last, d.dx + 6, 3, "a class that is impossible");
}
