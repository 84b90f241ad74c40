/*
 * Sums in the order that docs/numerics.md fixes: lane i takes the terms i, i + 16, ... of a chunk of 65,536; a tree adds
 * the lanes; the chunks are added in order.
 */
#ifndef QE_CPU_FLOAT_SUMS_H
#define QE_CPU_FLOAT_SUMS_H

#include "fb.h"
#include "float/vec.h"

#define FBV_SUM_ROWS  (FB_LANES == 16 ? 4 : 1) /* most rows that are summed at once: of short vectors one fills the registers */

typedef struct fbv_lanes {
  fb_f part[FBV_PARTS];
} fbv_lanes;

static FBV_INLINE fbv_lanes fbv_lanes_zero(void) {
  fbv_lanes s;
  for (int k = 0; k < FBV_PARTS; ++k) s.part[k] = fbv_set1(0.0f);
  return s;
}

typedef enum fbv_term { FBV_SUM, FBV_SQUARES, FBV_CENTERED, FBV_SHIFTED } fbv_term;

static FBV_INLINE fb_f fbv_term_of(fbv_term term, fb_f v, fb_f mean) {
  if (term == FBV_SUM) return v;
  fb_f d = v;
  if (term != FBV_SQUARES) d = v - mean;
  if (term == FBV_SHIFTED) return d;
  return d * d;
}

/*
 * Sums of x, x * x, (x - mean) * (x - mean), or x - mean over n dense elements of each of `rows` rows; empty ones are +0. Several
 * rows at once keep the adders busy, as each lane is a chain of additions.
 */
static FBV_INLINE void fbv_sums(fbv_term term, const int rows, const float *x, int64_t row_step, int64_t n,
                                const float *mean, float *sum) {
  for (int r = 0; r < rows; ++r) sum[r] = 0.0f;
  for (int64_t begin = 0; begin < n; begin += FB_SUM_CHUNK) {
    const int64_t count = n - begin < FB_SUM_CHUNK ? n - begin : FB_SUM_CHUNK;
    const float *p = x + begin;
    fbv_lanes s[FBV_SUM_ROWS];
    fb_f m[FBV_SUM_ROWS];
    for (int r = 0; r < rows; ++r) {
      s[r] = fbv_lanes_zero();
      m[r] = fbv_set1(mean[r]);
    }
    int64_t i = 0;
    for (; count - i >= 16; i += 16)
      for (int r = 0; r < rows; ++r)
        for (int k = 0; k < FBV_PARTS; ++k)
          s[r].part[k] += fbv_term_of(term, fbv_load(p + r * row_step + i + k * FB_LANES), m[r]);
    for (int k = 0; k < FBV_PARTS && i < count; ++k, i += FB_LANES)
      for (int r = 0; r < rows; ++r) {
        const float *q = p + r * row_step + i;
        if (count - i >= FB_LANES)
          s[r].part[k] += fbv_term_of(term, fbv_load(q), m[r]);
        else
          s[r].part[k] += fbv_keep_n(fbv_term_of(term, fbv_load_n(q, count - i), m[r]), count - i);
      }
    for (int r = 0; r < rows; ++r) {
      const float part = fbv_sum16(s[r].part);
      sum[r] = begin == 0 ? part : sum[r] + part;
    }
  }
}

static FBV_INLINE float fbv_sum(fbv_term term, const float *x, int64_t n, float mean) {
  float sum;
  fbv_sums(term, 1, x, 0, n, &mean, &sum);
  return sum;
}

#endif
