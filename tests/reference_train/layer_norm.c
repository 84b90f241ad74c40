/* LayerNormGrad: the contract's bits, and slopes of a double forward pass. */
#include "check.h"

typedef struct norm {
  int64_t rows, length;
  double *x, *scale, *bias, *dy;
} norm;

static double forward(void *arg) {
  const norm *b = arg;
  double loss = 0.0;
  for (int64_t r = 0; r < b->rows; ++r) {
    const double *x = b->x + r * b->length, n = (double)b->length;
    double mean = 0.0, variance = 0.0;
    for (int64_t i = 0; i < b->length; ++i)
      mean += x[i] / n;
    for (int64_t i = 0; i < b->length; ++i)
      variance += (x[i] - mean) * (x[i] - mean) / n;
    for (int64_t i = 0; i < b->length; ++i)
      loss += b->dy[r * b->length + i] * ((x[i] - mean) / sqrt(variance + 1e-3) * b->scale[i] + b->bias[i]);
  }
  return loss;
}

typedef struct data {
  int64_t rows, a, b, length;
  float *x, *dy, *dx, *scale, *dscale, *db;
} data;

static data data_new(int64_t rows, int64_t a, int64_t b, uint64_t seed) {
  data d = {.rows = rows, .a = a, .b = b, .length = a * b};
  d.x = ft_random(&seed, rows * d.length, -1.0f, 2.0f);
  d.dy = ft_random(&seed, rows * d.length, -1.0f, 1.0f);
  d.dx = ft_floats(rows * d.length);
  d.scale = ft_random(&seed, d.length, -1.0f, 1.0f);
  d.dscale = ft_floats(d.length);
  d.db = ft_floats(d.length);
  return d;
}

/* outputs: bit 0 dscale, bit 1 dB */
static void run(const data *d, int outputs) {
  kh_case c = kh_new("LayerNormGrad");
  kh_in(&c, KH_F32(d->dy, d->rows, d->a, d->b));
  kh_in(&c, KH_F32(d->x, d->rows, d->a, d->b));
  kh_in(&c, KH_F32(d->scale, d->a, d->b));
  kh_out(&c, KH_F32(d->dx, d->rows, d->a, d->b));
  if (outputs)
    kh_out(&c, outputs & 1 ? KH_F32(d->dscale, d->a, d->b) : KH_NONE);
  if (outputs & 2)
    kh_out(&c, KH_F32(d->db, d->a, d->b));
  c.params.axis = 1;
  c.params.epsilon = 1e-3f;
  kh_run(&c);
}

static void check_bits(const data *d, int outputs) {
  const int64_t n = d->length;
  float *t = ft_floats(n + d->rows), *g = ft_floats(n), *h = ft_floats(n * d->rows);
  for (int64_t r = 0; r < d->rows; ++r) {
    const float *x = d->x + r * n, *dy = d->dy + r * n, mean = naive_sum(x, n) / (float)n;
    for (int64_t i = 0; i < n; ++i)
      t[i] = (x[i] - mean) * (x[i] - mean);
    const float inv = 1.0f / sqrtf(naive_sum(t, n) / (float)n + 1e-3f);
    for (int64_t i = 0; i < n; ++i) {
      h[r * n + i] = (x[i] - mean) * inv;
      g[i] = dy[i] * d->scale[i];
      t[i] = g[i] * h[r * n + i];
    }
    const float a = naive_sum(g, n) / (float)n, b = naive_sum(t, n) / (float)n;
    for (int64_t i = 0; i < n; ++i)
      t[i] = inv * ((g[i] - a) - h[r * n + i] * b);
    kh_same_f32(t, d->dx + r * n, n, "dx");
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t r = 0; r < d->rows; ++r)
      t[r] = d->dy[r * n + i];
    const float db = naive_sum(t, d->rows);
    for (int64_t r = 0; r < d->rows; ++r)
      t[r] = d->dy[r * n + i] * h[r * n + i];
    const float dscale = naive_sum(t, d->rows);
    if (outputs & 1)
      kh_same_f32(&dscale, d->dscale + i, 1, "dscale");
    if (outputs & 2)
      kh_same_f32(&db, d->db + i, 1, "dB");
  }
}

static void check(int64_t rows, int64_t a, int64_t b, int outputs, uint64_t seed) {
  const data d = data_new(rows, a, b, seed);
  run(&d, outputs);
  check_bits(&d, outputs);
}

Test(reference_layer_norm_grad, bits) {
  check(7, 1, 33, 3, 1);
  check(3, 4, 9, 1, 2);
  check(3, 4, 9, 2, 3);
  check(5, 2, 5, 0, 4);
  check(1, 1, 1, 3, 5);
  check(0, 3, 4, 3, 6);
  check(4, 0, 3, 3, 7);
  check(20, 3, 400, 3, 8); /* columns of more than two tiles */
  check(66000, 1, 2, 3, 9);
}

Test(reference_layer_norm_grad, random_shapes) {
  for (uint64_t seed = 100; seed < 120; ++seed) {
    uint64_t s = seed;
    const int64_t rows = kh_int(&s, 1, 30), a = kh_int(&s, 1, 4), b = kh_int(&s, 1, 60);
    check(rows, a, b, 3, seed);
  }
}

Test(reference_layer_norm_grad, slopes) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    uint64_t s = seed;
    const int64_t rows = kh_int(&s, 1, 4), length = kh_int(&s, 2, 12);
    const data d = data_new(rows, 1, length, seed);
    run(&d, 3);
    norm b = {rows, length, ft_widen(d.x, rows * length), ft_widen(d.scale, length), ft_doubles(length),
              ft_widen(d.dy, rows * length)};
    ft_check_gradient(forward, &b, b.x, d.dx, rows * length, 2e-5, "dx", seed);
    ft_check_gradient(forward, &b, b.scale, d.dscale, length, 2e-5, "dscale", seed);
    ft_check_gradient(forward, &b, b.bias, d.db, length, 2e-5, "dB", seed);
  }
}
