/*
 * Gradients against central differences of a forward pass in double precision, and random data that many tests need.
 */
#ifndef QE_TESTS_REFERENCE_TRAIN_CHECK_H
#define QE_TESTS_REFERENCE_TRAIN_CHECK_H

#include "reference_float/naive.h"
#include "support/kernel_host.h"

/* Zeroed memory that lives until the test's process ends; a list of it keeps leak checkers content. */
static inline void *ft_memory(size_t bytes) {
  typedef struct block {
    struct block *before;
    double data[];
  } block;
  static block *last;
  block *b = calloc(1, sizeof *b + bytes);
  cr_assert(b);
  b->before = last;
  last = b;
  return b->data;
}
static inline float *ft_floats(int64_t n) { return ft_memory((size_t)n * sizeof(float)); }
static inline double *ft_doubles(int64_t n) { return ft_memory((size_t)n * sizeof(double)); }
static inline float *ft_random(uint64_t *seed, int64_t n, float lo, float hi) {
  float *p = ft_floats(n);
  kh_fill_f32(seed, p, n, lo, hi);
  return p;
}
static inline double *ft_widen(const float *x, int64_t n) {
  double *p = ft_doubles(n);
  for (int64_t i = 0; i < n; ++i)
    p[i] = (double)x[i];
  return p;
}

/* A scalar that depends on variables somewhere in arg. */
typedef double (*ft_forward)(void *arg);

/*
 * d forward / d x[i], for up to 40 of the n variables, is got[i]: error at most `tolerance` times 1 + |got|. Finite
 * differences of a double forward pass are good to about 1e-8; `tolerance` is what the float kernel may lose.
 */
static inline void ft_check_gradient(ft_forward forward, void *arg, double *x, const float *got, int64_t n,
                                     double tolerance, const char *what, uint64_t seed) {
  const double h = 1e-5;
  for (int64_t i = 0; i < n; i += n > 40 ? 1 + n / 40 : 1) {
    const double at = x[i];
    x[i] = at + h;
    const double above = forward(arg);
    x[i] = at - h;
    const double below = forward(arg);
    x[i] = at;
    const double slope = (above - below) / (2.0 * h);
    cr_assert(fabs(slope - (double)got[i]) <= tolerance * (1.0 + fabs(slope)),
              "%s: element %ld: slope %.9g, gradient %.9g (seed %llu)", what, (long)i, slope, (double)got[i],
              (unsigned long long)seed);
  }
}

#endif
