/*
 * rne(x / s) for one s and many x, clamped to whole bounds of at most 2^18; NaN gives 0. The division is IEEE's, or with
 * AVX-512, whose divider is slow, what is proven to be the same (Markstein): with r = 1 / s rounded, two steps
 *   q = fma(fma(-q, s, x), r, q)   from q = x * r
 * round x / s correctly, as the first leaves q next to it and the residual of such a q is exact. That holds where nothing
 * over- or underflows: for s of ordinary size and x clamped to what the bounds need; quotients below 2^-60 are 0 anyway.
 */
#ifndef QE_CPU_CODES_DIVIDE_H
#define QE_CPU_CODES_DIVIDE_H

#include "float/vec.h"

typedef struct fbv_divisor {
  fb_f s, r, x_lo, x_hi, lo, hi;
  bool quick; /* fbv_quotient_quick serves */
} fbv_divisor;

static inline fbv_divisor fbv_divisor_of(float s, float lo, float hi) {
  fbv_divisor d = {.s = fbv_set1(s), .lo = fbv_set1(lo), .hi = fbv_set1(hi)};
  d.quick = FB_LANES == 16 && s > 0x1p-60f && s < 0x1p60f;
  d.r = fbv_set1(d.quick ? 1.0f / s : 0.0f);
  /* Clamped by whole bounds themselves: lo * s / s is lo within an ulp, which rounds to lo. */
  d.x_lo = fbv_set1(d.quick ? lo * s : 0.0f);
  d.x_hi = fbv_set1(d.quick ? hi * s : 0.0f);
  return d;
}

static FBV_INLINE fb_i fbv_quotient(fb_f x, const fbv_divisor *d) {
  return fbv_rne(fbv_min(d->hi, fbv_max(d->lo, fbv_no_nan(x / d->s))));
}

static FBV_INLINE fb_i fbv_quotient_quick(fb_f x, const fbv_divisor *d) {
  x = fbv_min(d->x_hi, fbv_max(d->x_lo, fbv_no_nan(x)));
  const fb_f near = x * d->r, next = fbv_fma(fbv_fnma(near, d->s, x), d->r, near);
  return fbv_rne(fbv_fma(fbv_fnma(next, d->s, x), d->r, next));
}

#endif
