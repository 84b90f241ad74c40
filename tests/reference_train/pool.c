/* MaxPoolGrad and AveragePoolGrad: the contract's bits for any geometry, and slopes of the pools in double precision. */
#include "check.h"

typedef struct pool {
  int64_t n, c, in[2], kernel[2], stride[2], dilation[2], pad[2], pad_end[2], out[2];
  bool include_pad, average;
} pool;

static int64_t x_count(const pool *p) { return p->n * p->c * p->in[0] * p->in[1]; }
static int64_t y_count(const pool *p) { return p->n * p->c * p->out[0] * p->out[1]; }

static bool finish(pool *p, bool ceil_mode) {
  for (int d = 0; d < 2; ++d) {
    const int64_t room = p->in[d] + p->pad[d] + p->pad_end[d] - p->dilation[d] * (p->kernel[d] - 1) - 1;
    if (room < 0)
      return false;
    p->out[d] = (room + (ceil_mode ? p->stride[d] - 1 : 0)) / p->stride[d] + 1;
  }
  return true;
}

static pool random_pool(uint64_t *s, bool average) {
  pool p;
  bool fits = false;
  while (!fits) {
    p = (pool){.n = kh_int(s, 1, 2), .c = kh_int(s, 1, 40), .include_pad = kh_int(s, 0, 1), .average = average};
    for (int d = 0; d < 2; ++d) {
      p.in[d] = kh_int(s, 1, 9);
      p.kernel[d] = kh_int(s, 1, 4);
      p.stride[d] = kh_int(s, 1, 3);
      p.dilation[d] = kh_int(s, 1, 2);
      p.pad[d] = kh_int(s, 0, 2);
      p.pad_end[d] = kh_int(s, 0, 2);
    }
    fits = finish(&p, kh_int(s, 0, 1));
  }
  return p;
}

static void run(const pool *p, const float *dy, const float *x, float *dx) {
  kh_case c = kh_new(p->average ? "AveragePoolGrad" : "MaxPoolGrad");
  kh_in(&c, KH_F32((uintptr_t)dy, p->n, p->c, p->out[0], p->out[1]));
  if (!p->average)
    kh_in(&c, KH_F32((uintptr_t)x, p->n, p->c, p->in[0], p->in[1]));
  kh_out(&c, KH_F32(dx, p->n, p->c, p->in[0], p->in[1]));
  c.params.spatial = 2;
  c.params.count_include_pad = p->include_pad;
  for (int d = 0; d < 2; ++d) {
    c.params.kernel[d] = p->kernel[d];
    c.params.stride[d] = p->stride[d];
    c.params.dilation[d] = p->dilation[d];
    c.params.pad_begin[d] = p->pad[d];
    c.params.pad_end[d] = p->pad_end[d];
  }
  kh_run(&c);
}

/* Elements of x's plane in the window of output position `at`, in order; returns how many, *padded: with padding. */
static int64_t window(const pool *p, int64_t at, int64_t elements[64], int64_t *padded) {
  const int64_t y[2] = {at / p->out[1], at % p->out[1]};
  int64_t n = 0;
  cr_assert_leq(p->kernel[0] * p->kernel[1], 64);
  *padded = 0;
  for (int64_t i = 0; i < p->kernel[0]; ++i)
    for (int64_t j = 0; j < p->kernel[1]; ++j) {
      const int64_t tap[2] = {i, j};
      int64_t x[2];
      bool inside = true, counted = true;
      for (int d = 0; d < 2; ++d) {
        x[d] = y[d] * p->stride[d] - p->pad[d] + tap[d] * p->dilation[d];
        inside = inside && x[d] >= 0 && x[d] < p->in[d];
        counted = counted && x[d] < p->in[d] + p->pad_end[d];
      }
      *padded += counted;
      if (inside)
        elements[n++] = x[0] * p->in[1] + x[1];
    }
  return n;
}

static void check(const pool *p, uint64_t seed) {
  const int64_t plane = p->in[0] * p->in[1], positions = p->out[0] * p->out[1];
  uint64_t state = seed;
  float *x = ft_random(&state, x_count(p), -1.0f, 1.0f), *dy = ft_random(&state, y_count(p), -1.0f, 1.0f);
  float *dx = ft_floats(x_count(p)), *want = ft_floats(x_count(p));
  for (int64_t i = 0; i < x_count(p) && seed % 2; ++i)
    x[i] = floorf(x[i] * 2.0f); /* equal elements: the first one is the maximum */
  for (int64_t i = 0; i < x_count(p) && seed % 5 == 0; i += 7)
    x[i] = NAN;
  run(p, dy, x, dx);
  for (int64_t i = 0; i < p->n * p->c; ++i)
    for (int64_t at = 0; at < positions; ++at) {
      int64_t elements[64], padded;
      const int64_t n = window(p, at, elements, &padded);
      float *to = want + i * plane;
      const float d = dy[i * positions + at];
      int64_t best = 0;
      for (int64_t k = 1; k < n; ++k) {
        const float v = x[i * plane + elements[k]], m = x[i * plane + elements[best]];
        best = v > m || isnan(v) ? k : best;
      }
      for (int64_t k = 0; k < n; ++k)
        if (p->average)
          to[elements[k]] = to[elements[k]] + d / (float)(p->include_pad ? padded : n);
        else if (k == best)
          to[elements[k]] = to[elements[k]] + d;
    }
  char what[64];
  snprintf(what, sizeof what, "%s, seed %llu", p->average ? "AveragePoolGrad" : "MaxPoolGrad", (unsigned long long)seed);
  kh_same_f32(want, dx, x_count(p), what);
}

Test(reference_pool_grad, random_windows) {
  for (uint64_t seed = 1; seed <= 160; ++seed) {
    uint64_t s = seed;
    const pool p = random_pool(&s, seed % 4 < 2);
    check(&p, seed);
  }
}

Test(reference_pool_grad, edges) {
  for (int average = 0; average < 2; ++average) {
    pool whole = {2, 33, {7, 5}, {7, 5}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, {1, 1}, false, average};
    check(&whole, 2);
    pool none = {0, 3, {4, 4}, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, {2, 2}, false, average};
    check(&none, 3);
    pool no_channels = {2, 0, {4, 4}, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, {2, 2}, false, average};
    check(&no_channels, 4);
    pool gaps = {1, 2, {9, 9}, {1, 2}, {3, 4}, {1, 1}, {0, 0}, {0, 0}, {3, 2}, false, average}; /* some get nothing */
    check(&gaps, 6);
  }
}

typedef struct forward_data {
  const pool *p;
  double *x, *dy;
} forward_data;

static double forward(void *arg) {
  const forward_data *f = arg;
  const pool *p = f->p;
  const int64_t plane = p->in[0] * p->in[1], positions = p->out[0] * p->out[1];
  double loss = 0.0;
  for (int64_t i = 0; i < y_count(p); ++i) {
    int64_t elements[64], padded;
    const int64_t n = window(p, i % positions, elements, &padded);
    double sum = 0.0, most = -INFINITY;
    for (int64_t k = 0; k < n; ++k) {
      sum += f->x[i / positions * plane + elements[k]];
      most = fmax(most, f->x[i / positions * plane + elements[k]]);
    }
    if (n)
      loss += f->dy[i] * (p->average ? sum / (double)(p->include_pad ? padded : n) : most);
  }
  return loss;
}

Test(reference_pool_grad, slopes) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    uint64_t s = seed;
    const pool p = random_pool(&s, seed % 2);
    float *x = ft_floats(x_count(&p)), *dy = ft_random(&s, y_count(&p), -1.0f, 1.0f), *dx = ft_floats(x_count(&p));
    for (int64_t i = 0; i < x_count(&p); ++i) /* no two within a step of each other */
      x[i] = (float)(i * 7919 % x_count(&p)) * 0.01f + kh_float(&s, 0.0f, 0.005f);
    for (int64_t i = x_count(&p) - 1; i > 0; --i) {
      const int64_t j = kh_int(&s, 0, i);
      const float t = x[i];
      x[i] = x[j];
      x[j] = t;
    }
    run(&p, dy, x, dx);
    forward_data f = {&p, ft_widen(x, x_count(&p)), ft_widen(dy, y_count(&p))};
    ft_check_gradient(forward, &f, f.x, dx, x_count(&p), 1e-5, p.average ? "AveragePoolGrad" : "MaxPoolGrad", seed);
  }
}
