/* BatchNormTrain and BatchNormGrad: the contract's bits, and slopes of a double forward pass. */
#include "check.h"

typedef struct norm {
  int64_t n, channels, plane;
  double *x, *scale, *bias, *multiplier, *dy; /* multiplier NULL: none */
} norm;

/* sum of dy * y: what dy is the gradient of. */
static double forward(void *arg) {
  const norm *b = arg;
  double loss = 0.0;
  for (int64_t c = 0; c < b->channels; ++c) {
    const double m = b->multiplier ? b->multiplier[c] : 1.0, count = (double)(b->n * b->plane);
    double mean = 0.0, variance = 0.0;
    for (int pass = 0; pass < 3; ++pass)
      for (int64_t i = 0; i < b->n * b->plane; ++i) {
        const int64_t at = (i / b->plane * b->channels + c) * b->plane + i % b->plane;
        const double u = b->x[at] * m, d = u - mean / count;
        if (pass == 0)
          mean += u;
        else if (pass == 1)
          variance += d * d;
        else
          loss += b->dy[at] * (d / sqrt(variance / count + 1e-3) * b->scale[c] + b->bias[c]);
      }
  }
  return loss;
}

typedef struct data {
  int64_t n, channels, plane, total;
  float *x, *y, *dy, *dx, *scale, *bias, *mean, *variance, *multiplier, *dscale, *db, *dmultiplier;
  bool multiplied;
} data;

static data data_new(int64_t n, int64_t channels, int64_t plane, bool multiplied, uint64_t seed) {
  data d = {.n = n, .channels = channels, .plane = plane, .total = n * channels * plane, .multiplied = multiplied};
  d.x = ft_random(&seed, d.total, -1.0f, 2.0f);
  d.dy = ft_random(&seed, d.total, -1.0f, 1.0f);
  d.y = ft_floats(d.total);
  d.dx = ft_floats(d.total);
  d.scale = ft_random(&seed, channels, 0.5f, 2.0f);
  d.bias = ft_random(&seed, channels, -1.0f, 1.0f);
  d.multiplier = ft_random(&seed, channels, 0.5f, 1.5f);
  d.mean = ft_floats(channels);
  d.variance = ft_floats(channels);
  d.dscale = ft_floats(channels);
  d.db = ft_floats(channels);
  d.dmultiplier = ft_floats(channels);
  return d;
}

static void run_forward(const data *d, float hi) {
  kh_case c = kh_new("BatchNormTrain");
  kh_in(&c, KH_F32(d->x, d->n, d->channels, d->plane));
  kh_in(&c, KH_F32(d->scale, d->channels));
  kh_in(&c, KH_F32(d->bias, d->channels));
  kh_in(&c, d->multiplied ? KH_F32(d->multiplier, d->channels) : KH_NONE);
  kh_out(&c, KH_F32(d->y, d->n, d->channels, d->plane));
  kh_out(&c, KH_F32(d->mean, d->channels));
  kh_out(&c, KH_F32(d->variance, d->channels));
  c.params.epsilon = 1e-3f;
  c.act_hi = hi;
  kh_run(&c);
}

static void run_gradient(const data *d, bool only_dx) {
  kh_case c = kh_new("BatchNormGrad");
  kh_in(&c, KH_F32(d->dy, d->n, d->channels, d->plane));
  kh_in(&c, KH_F32(d->x, d->n, d->channels, d->plane));
  kh_in(&c, KH_F32(d->scale, d->channels));
  kh_in(&c, KH_F32(d->mean, d->channels));
  kh_in(&c, KH_F32(d->variance, d->channels));
  kh_in(&c, d->multiplied ? KH_F32(d->multiplier, d->channels) : KH_NONE);
  kh_out(&c, KH_F32(d->dx, d->n, d->channels, d->plane));
  if (!only_dx) {
    kh_out(&c, KH_F32(d->dscale, d->channels));
    kh_out(&c, KH_F32(d->db, d->channels));
    if (d->multiplied)
      kh_out(&c, KH_F32(d->dmultiplier, d->channels));
  }
  c.params.epsilon = 1e-3f;
  kh_run(&c);
}

static void check_bits(const data *d, float hi) {
  const int64_t count = d->n * d->plane;
  float *u = ft_floats(count), *t = ft_floats(count), *h = ft_floats(count);
  for (int64_t c = 0; c < d->channels; ++c) {
#define AT(i) (((i) / d->plane * d->channels + c) * d->plane + (i) % d->plane)
    for (int64_t i = 0; i < count; ++i)
      u[i] = d->multiplied ? d->x[AT(i)] * d->multiplier[c] : d->x[AT(i)];
    const float mean = naive_sum(u, count) / (float)count;
    for (int64_t i = 0; i < count; ++i)
      t[i] = (u[i] - mean) * (u[i] - mean);
    const float variance = naive_sum(t, count) / (float)count, f = d->scale[c] / sqrtf(variance + 1e-3f);
    kh_same_f32(&mean, d->mean + c, 1, "mean");
    kh_same_f32(&variance, d->variance + c, 1, "variance");
    for (int64_t i = 0; i < count; ++i) {
      const float y = naive_act((u[i] - mean) * f + d->bias[c], -INFINITY, hi);
      kh_same_f32(&y, d->y + AT(i), 1, "y");
    }
    const float r = 1.0f / sqrtf(variance + 1e-3f);
    for (int64_t i = 0; i < count; ++i)
      t[i] = d->dy[AT(i)];
    const float db = naive_sum(t, count);
    for (int64_t i = 0; i < count; ++i) {
      h[i] = (u[i] - mean) * r;
      t[i] = d->dy[AT(i)] * h[i];
    }
    const float dscale = naive_sum(t, count);
    kh_same_f32(&db, d->db + c, 1, "dB");
    kh_same_f32(&dscale, d->dscale + c, 1, "dscale");
    for (int64_t i = 0; i < count; ++i) {
      const float a = db / (float)count, b = dscale / (float)count;
      const float du = (d->scale[c] * r) * ((d->dy[AT(i)] - a) - h[i] * b);
      const float dx = d->multiplied ? du * d->multiplier[c] : du;
      t[i] = du * d->x[AT(i)];
      kh_same_f32(&dx, d->dx + AT(i), 1, "dx");
    }
    const float dmultiplier = naive_sum(t, count);
    if (d->multiplied)
      kh_same_f32(&dmultiplier, d->dmultiplier + c, 1, "dmultiplier");
#undef AT
  }
}

static void check(int64_t n, int64_t channels, int64_t plane, bool multiplied, uint64_t seed) {
  const data d = data_new(n, channels, plane, multiplied, seed);
  const float hi = seed % 2 ? 1.0f : INFINITY;
  run_forward(&d, hi);
  run_gradient(&d, false);
  check_bits(&d, hi);
}

Test(reference_batch_norm_train, bits) {
  check(2, 3, 35, false, 1);
  check(3, 33, 7, true, 2); /* one channel more than a tile has */
  check(5, 70, 1, false, 3);
  check(1, 1, 1, true, 4);
  check(2, 64, 17, true, 5);
  check(0, 3, 4, false, 6);
  check(4, 0, 4, true, 7);
}

Test(reference_batch_norm_train, chunks_of_65536) {
  check(2, 2, 35000, true, 8);
  check(1, 1, 65536, false, 9);
}

Test(reference_batch_norm_train, random_shapes) {
  for (uint64_t seed = 100; seed < 130; ++seed) {
    uint64_t s = seed;
    const int64_t n = kh_int(&s, 1, 4), channels = kh_int(&s, 1, 40), plane = kh_int(&s, 1, 40);
    check(n, channels, plane, seed % 3 == 0, seed);
  }
}

/* Every channel apart on a plane of its own rank: channels are the last dimension of a matrix. */
Test(reference_batch_norm_train, matrix) {
  const data d = data_new(37, 41, 1, true, 20);
  kh_case c = kh_new("BatchNormTrain");
  kh_in(&c, KH_F32(d.x, 37, 41));
  kh_in(&c, KH_F32(d.scale, 41));
  kh_in(&c, KH_F32(d.bias, 41));
  kh_in(&c, KH_F32(d.multiplier, 41));
  kh_out(&c, KH_F32(d.y, 37, 41));
  kh_out(&c, KH_F32(d.mean, 41));
  kh_out(&c, KH_F32(d.variance, 41));
  c.params.epsilon = 1e-3f;
  kh_run(&c);
  run_gradient(&d, false);
  check_bits(&d, INFINITY);
}

Test(reference_batch_norm_train, slopes) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    uint64_t s = seed;
    const int64_t n = kh_int(&s, 1, 4), channels = kh_int(&s, 1, 5), plane = kh_int(&s, 2, 12);
    const data d = data_new(n, channels, plane, seed % 2, seed);
    run_forward(&d, INFINITY);
    run_gradient(&d, false);
    norm b = {n, channels, plane, ft_widen(d.x, d.total), ft_widen(d.scale, channels), ft_widen(d.bias, channels),
              d.multiplied ? ft_widen(d.multiplier, channels) : NULL, ft_widen(d.dy, d.total)};
    ft_check_gradient(forward, &b, b.x, d.dx, d.total, 2e-5, "dx", seed);
    ft_check_gradient(forward, &b, b.scale, d.dscale, channels, 2e-5, "dscale", seed);
    ft_check_gradient(forward, &b, b.bias, d.db, channels, 2e-5, "dB", seed);
    if (d.multiplied)
      ft_check_gradient(forward, &b, b.multiplier, d.dmultiplier, channels, 2e-5, "dmultiplier", seed);
  }
}

Test(reference_batch_norm_train, only_dx) {
  const data d = data_new(2, 35, 9, true, 40);
  run_forward(&d, INFINITY);
  run_gradient(&d, false);
  float *all = ft_floats(d.total);
  memcpy(all, d.dx, sizeof(float) * (size_t)d.total);
  run_gradient(&d, true);
  kh_same_f32(all, d.dx, d.total, "dx alone");
}

Test(reference_batch_norm_train, misfits_are_refused) {
  data d = data_new(2, 4, 3, false, 1);
  kh_case c = kh_new("BatchNormTrain");
  kh_in(&c, KH_F32(d.x, 2, 4, 3));
  kh_in(&c, KH_F32(d.scale, 3));
  kh_in(&c, KH_F32(d.bias, 4));
  kh_in(&c, KH_NONE);
  kh_out(&c, KH_F32(d.y, 2, 4, 3));
  kh_out(&c, KH_F32(d.mean, 4));
  kh_out(&c, KH_F32(d.variance, 4));
  kh_refused(&c, "input 1");
}
