/* The range of many floats, 0 included. */
#ifndef QE_CPU_CODES_RANGE_H
#define QE_CPU_CODES_RANGE_H

#include "float/vec.h"

/*
 * Widens *lowest <= 0 and *highest >= 0 by n dense elements. NaN takes no part: (new < old ? new : old) leaves the old.
 */
static inline void fbv_range(const float *x, int64_t n, float *lowest, float *highest) {
  fb_f lo[4], hi[4];
  for (int k = 0; k < 4; ++k) lo[k] = hi[k] = fbv_set1(0.0f);
  int64_t i = 0;
  for (; n - i >= 4 * FB_LANES; i += 4 * FB_LANES)
    for (int k = 0; k < 4; ++k) {
      const fb_f v = fbv_load(x + i + k * FB_LANES);
      lo[k] = fbv_min(v, lo[k]);
      hi[k] = fbv_max(v, hi[k]);
    }
  for (; i < n; i += FB_LANES) {
    const fb_f v = n - i < FB_LANES ? fbv_load_n(x + i, n - i) : fbv_load(x + i);
    lo[0] = fbv_min(v, lo[0]);
    hi[0] = fbv_max(v, hi[0]);
  }
  for (int k = 1; k < 4; ++k) {
    lo[0] = fbv_min(lo[k], lo[0]);
    hi[0] = fbv_max(hi[k], hi[0]);
  }
  float l[FB_LANES], h[FB_LANES];
  fbv_store(l, lo[0]);
  fbv_store(h, hi[0]);
  for (int k = 1; k < FB_LANES; ++k) {
    l[0] = l[k] < l[0] ? l[k] : l[0];
    h[0] = h[k] > h[0] ? h[k] : h[0];
  }
  *lowest = l[0] < *lowest ? l[0] : *lowest;
  *highest = h[0] > *highest ? h[0] : *highest;
}

#endif
