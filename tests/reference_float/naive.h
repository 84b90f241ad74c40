/* The contract's orders of operations once more, as plainly as possible and on purpose unlike the kernels. */
#ifndef QE_TESTS_REFERENCE_NAIVE_H
#define QE_TESTS_REFERENCE_NAIVE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* A fused multiply-add reduction: terms are sorted into chunks by their index. */
typedef struct naive_dot {
  float chunk[64];
} naive_dot;

static inline void naive_add(naive_dot *d, int64_t k, float x, float w) {
  d->chunk[k / 4096] = fmaf(x, w, d->chunk[k / 4096]);
}
static inline float naive_total(const naive_dot *d, int64_t length) {
  float total = d->chunk[0];
  for (int64_t i = 4096; i < length; i += 4096)
    total += d->chunk[i / 4096];
  return total;
}

static inline float naive_tree(const float *lane, int n) {
  if (n == 1)
    return lane[0];
  float half[8];
  for (int i = 0; i < n / 2; ++i)
    half[i] = lane[i] + lane[i + n / 2];
  return naive_tree(half, n / 2);
}

/* 16 lanes, tree, chunks of 65,536. */
static inline float naive_sum(const float *terms, int64_t n) {
  float total = 0.0f;
  for (int64_t c = 0; c < n; c += 65536) {
    float lane[16];
    memset(lane, 0, sizeof lane);
    for (int l = 0; l < 16; ++l)
      for (int64_t i = c + l; i < n && i < c + 65536; i += 16)
        lane[l] += terms[i];
    total = c ? total + naive_tree(lane, 16) : naive_tree(lane, 16);
  }
  return total;
}

static inline float naive_act(float y, float lo, float hi) {
  if (y < lo)
    return lo;
  return y > hi ? hi : y;
}

#endif
