/*
 * Quantized numbers: real = (q - z) * s. Rounding is half to even, results saturate, NaN stands for z
 * (docs/numerics.md).
 */
#ifndef QE_REFERENCE_QUANT_H
#define QE_REFERENCE_QUANT_H

#include <math.h>

#include "ref.h"

static inline bool ref_is_code8(const qe_operand *o) { return o->dtype == QE_DT_U8 || o->dtype == QE_DT_I8; }
/* An 8-bit operand with one pair of parameters. */
static inline bool ref_is_code8_per_tensor(const qe_operand *o) { return ref_is_code8(o) && o->q_count == 1; }

/* The codes of a type; false when it has none. */
static inline bool ref_code_limits(uint8_t dtype, int32_t *lo, int32_t *hi) {
  switch (dtype) {
  case QE_DT_U8: *lo = 0, *hi = UINT8_MAX; return true;
  case QE_DT_I8: *lo = INT8_MIN, *hi = INT8_MAX; return true;
  case QE_DT_U16: *lo = 0, *hi = UINT16_MAX; return true;
  case QE_DT_I16: *lo = INT16_MIN, *hi = INT16_MAX; return true;
  case QE_DT_I32: *lo = INT32_MIN, *hi = INT32_MAX; return true;
  default: *lo = *hi = 0; return false;
  }
}

/* The codes that a quantized op may give: those of output 0's type, narrowed by the fused clamp. */
static inline void ref_code_range(const qe_problem *p, int32_t *lo, int32_t *hi) {
  (void)ref_code_limits(p->out[0]->dtype, lo, hi);
  *lo = p->clamp_lo > *lo ? p->clamp_lo : *lo;
  *hi = p->clamp_hi < *hi ? p->clamp_hi : *hi;
}

/* clamp(rne(v) + z); exact for every float, NaN -> z. */
static inline int32_t ref_rne_sat(float v, int32_t z, int32_t lo, int32_t hi) {
  const double q = (v == v ? (double)nearbyintf(v) : 0.0) + (double)z;
  return q <= (double)lo ? lo : q >= (double)hi ? hi : (int32_t)q;
}

/*
 * The same for 8-bit codes, in operations that compilers vectorize: lo and hi are the bounds less z. Clamping first
 * changes nothing, as bounds are whole; below 2^22 adding and subtracting 1.5 * 2^23 rounds half to even.
 */
static inline int32_t ref_rne_sat8(float v, int32_t z, float lo, float hi) {
  v = v == v ? v : 0.0f;
  v = v < lo ? lo : v;
  v = v > hi ? hi : v;
  return (int32_t)((v + 12582912.0f) - 12582912.0f) + z;
}

/*
 * Parameters of DynamicQuantizeLinear for the range lo..hi of x, 0 included: s = (hi - lo) / 255, 1 where that is 0;
 * z = rne(sat(0 - lo / s)). A code is ref_rne_sat(x / s, z, 0, 255).
 */
static inline float ref_dynamic_params(float lo, float hi, int32_t *zero) {
  float scale = (hi - lo) / 255.0f;
  if (scale == 0.0f)
    scale = 1.0f;
  const float offset = 0.0f - lo / scale;
  *zero = ref_rne_sat(offset < 0.0f ? 0.0f : offset > 255.0f ? 255.0f : offset, 0, 0, 255);
  return scale;
}

/* One element of an 8-bit operand, widened. */
static inline int32_t ref_code8(const void *x, uint8_t dtype, int64_t i) {
  return dtype == QE_DT_I8 ? ((const int8_t *)x)[i] : ((const uint8_t *)x)[i];
}

#endif
