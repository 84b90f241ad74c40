/* What softmax and its losses have in common: a row's largest element m, and the 16-lane sum of exp(x - m). */
#ifndef QE_CPU_FLOAT_EXPONENTIALS_H
#define QE_CPU_FLOAT_EXPONENTIALS_H

#include <math.h>

#include "float/math.h"
#include "float/sums.h"

/* The largest of n elements; NaN is ignored. */
static inline float fbv_row_largest(const float *x, int64_t n) {
  const fb_f lowest = fbv_set1(-INFINITY);
  fb_f m[4] = {lowest, lowest, lowest, lowest};
  int64_t i = 0;
  for (; n - i >= 4 * FB_LANES; i += 4 * FB_LANES)
    for (int k = 0; k < 4; ++k) m[k] = fbv_max(fbv_load(x + i + k * FB_LANES), m[k]);
  for (; n - i >= FB_LANES; i += FB_LANES) m[0] = fbv_max(fbv_load(x + i), m[0]);
  if (i < n) m[1] = fbv_max(fbv_load_or(x + i, n - i, lowest), m[1]);
  return fbv_largest(fbv_max(fbv_max(m[0], m[1]), fbv_max(m[2], m[3])));
}

/* The sum of exp(x - m); y gets the terms unless it is NULL. */
static FBV_INLINE float fbv_exponentials(float *y, const float *x, int64_t n, float m) {
  const fb_f top = fbv_set1(m);
  float total = 0.0f;
  for (int64_t begin = 0; begin < n; begin += FB_SUM_CHUNK) {
    const int64_t end = n - begin < FB_SUM_CHUNK ? n : begin + FB_SUM_CHUNK;
    fbv_lanes s = fbv_lanes_zero();
    for (int64_t i = begin; i < end;)
      for (int k = 0; k < FBV_PARTS && i < end; ++k, i += FB_LANES) {
        const int64_t left = end - i;
        const fb_f e = fbv_exp((left < FB_LANES ? fbv_load_n(x + i, left) : fbv_load(x + i)) - top);
        if (left < FB_LANES) {
          s.part[k] += fbv_keep_n(e, left);
          if (y) fbv_store_n(y + i, e, left);
        } else {
          s.part[k] += e;
          if (y) fbv_store(y + i, e);
        }
      }
    const float sum = fbv_sum16(s.part);
    total = begin == 0 ? sum : total + sum;
  }
  return total;
}

#endif
