/*
 * Sums of outer products: sum[r][c] = fma(a_k[r], b_k[c], sum[r][c]) for positions k in order, where a_k and b_k are rows of
 * neighbouring floats. So the reduction runs over positions of tensors whose channels lie side by side, and nothing
 * has to be packed: gradients of weights, products with a transposed left side. Part of a core (core.h).
 */
#ifndef QE_CPU_F32_OUTER_H
#define QE_CPU_F32_OUTER_H

#include <string.h>

#include "fb.h"

/* Positions side by side: rows a + i * a_step and b + i * b_step, i < n. */
typedef struct fb_f32_run {
  const float *a, *b;
  int64_t n;
} fb_f32_run;

typedef struct fb_f32_outer {
  int rows;  /* 1 .. the core's rows: elements [a_at, a_at + rows) of a's rows */
  int64_t n; /* elements [b_at, b_at + n) of b's rows */
  int64_t a_at, b_at, a_step, b_step;
  const fb_f32_run *runs;
  int64_t count;
  float *sums; /* rows of whole vectors, sum_step apart, read and written */
  int64_t sum_step;
} fb_f32_outer;

/* The n sums of a chunk are added to the totals, unless it is the first, and begin again with 0. */
static inline void fb_f32_end_chunk(int64_t chunk, float *sums, float *totals, int64_t n) {
  for (int64_t i = 0; i < n; ++i) totals[i] = chunk == 0 ? sums[i] : totals[i] + sums[i];
  memset(sums, 0, sizeof(float) * (size_t)n);
}

#endif
