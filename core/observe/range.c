/*
 * Ranges of batches, and their averages. Sixteen lanes, so that compilers vectorize; each lane keeps its own order of
 * comparisons, so that all compilers agree.
 */
#include <math.h>

#include "observe/kinds.h"

enum { LANES = 16 };

/* Returns how many values whole groups of lanes took. */
static int64_t range_in_lanes(const float *x, int64_t n, float *min, float *max, float *poison) {
  float lo[LANES], hi[LANES], bad[LANES];
  int64_t i = 0;
  for (int l = 0; l < LANES; l++) {
    lo[l] = *min;
    hi[l] = *max;
    bad[l] = 0.0f;
  }
  for (; i + LANES <= n; i += LANES) {
    for (int l = 0; l < LANES; l++) {
      const float v = x[i + l];
      lo[l] = v < lo[l] ? v : lo[l];
      hi[l] = v > hi[l] ? v : hi[l];
      bad[l] += v * 0.0f;
    }
  }
  for (int l = 0; l < LANES; l++) {
    *min = lo[l] < *min ? lo[l] : *min;
    *max = hi[l] > *max ? hi[l] : *max;
    *poison += bad[l];
  }
  return i;
}

bool qe__finite_range(const float *x, int64_t n, float *min, float *max) {
  float lo = *min, hi = *max, poison = 0.0f; /* NaN from the first NaN or infinity on */
  int64_t i = n >= LANES ? range_in_lanes(x, n, &lo, &hi, &poison) : 0;
  for (; i < n; i++) {
    lo = x[i] < lo ? x[i] : lo;
    hi = x[i] > hi ? x[i] : hi;
    poison += x[i] * 0.0f;
  }
  if (isnan(poison)) return false;
  *min = lo + 0.0f; /* -0 becomes +0, or the sign of a zero would depend on the order of the elements */
  *max = hi + 0.0f;
  return true;
}

float qe__weighted_mean(float old, float now, float weight) {
  const float mean = old + weight * (now - old); /* torch's form */
  return isfinite(mean) ? mean : (1.0f - weight) * old + weight * now;
}
