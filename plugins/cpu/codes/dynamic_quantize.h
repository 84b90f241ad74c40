/* DynamicQuantizeLinear: how it is cut. */
#ifndef QE_CPU_CODES_DYNAMIC_QUANTIZE_H
#define QE_CPU_CODES_DYNAMIC_QUANTIZE_H

#include "fb.h"

/*
 * Its scale, and its zero point as a code, for the range lo <= 0 to hi >= 0: s = (hi - lo) / 255, 1 where that is 0;
 * z = rne(clamp(0 - lo / s)), 0 where that is no number.
 */
static inline float fb_dynamic_params(float lo, float hi, int32_t *zero) {
  float scale = (hi - lo) / 255.0f;
  if (scale == 0.0f) scale = 1.0f;
  *zero = fb_round_code(0.0f - lo / scale, 0, 0, UINT8_MAX);
  return scale;
}

/* Elements of a tile: few tiles, as every call reads all of x for the range. */
static inline int64_t fb_dynamic_quantize_tile(const qe_problem *p) {
  const int64_t n = p->in[0]->count, quarter = fb_round_up(fb_ceil_div(n, 4), 1024);
  return n < 131072 ? fb_max64(n, 1) : quarter;
}

#endif
