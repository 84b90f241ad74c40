/*
 * Pow with broadcasting, any strides; the result has the base's type, the exponent may have another one.
 *
 * float32 and float64 bases: the deterministic pow of that type, the exponent converted to it; float32 obeys the fused
 * activation. Integer bases: exact modulo 2^bits for integer exponents (a negative one gives the truncated real result,
 * 0 for a base of 0); for float exponents float64's pow, truncated and saturated, NaN -> 0.
 */
#include "math_functions.h"
#include "nest.h"

static double pow_f64(double x, double y) { return Sleef_finz_powd1_u10purecfma(x, y); }

static bool is_float(uint8_t t) { return t == QE_DT_F32 || t == QE_DT_F64; }
static bool is_integer(uint8_t t) {
  switch (t) {
  case QE_DT_U8:
  case QE_DT_I8:
  case QE_DT_U16:
  case QE_DT_I16:
  case QE_DT_U32:
  case QE_DT_I32:
  case QE_DT_U64:
  case QE_DT_I64: return true;
  default: return false;
  }
}

int ref_pow_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const uint8_t base = p->in[0]->dtype, exponent = p->in[1]->dtype;
  if (base != p->out[0]->dtype || !(is_float(base) || is_integer(base)) ||
      !(is_float(exponent) || is_integer(exponent)))
    return ref_refuse(reason, reason_size, "Pow: no kernel for %s and %s -> %s", ref_dtype_name(base),
                      ref_dtype_name(exponent), ref_dtype_name(p->out[0]->dtype));
  return ref_broadcast_check(p, reason, reason_size);
}

/* A number of any of those types: an integer as sign and magnitude, or a float. */
typedef struct number {
  bool real, negative;
  uint64_t magnitude;
  double value;
} number;

static number integer(int64_t v) {
  return (number){.negative = v < 0, .magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v, .value = (double)v};
}
static number natural(uint64_t v) { return (number){.magnitude = v, .value = (double)v}; }
static number real(double v) { return (number){.real = true, .value = v}; }

static number load(const void *x, uint8_t type, int64_t at) {
  switch (type) {
  case QE_DT_F32: return real((double)((const float *)x)[at]);
  case QE_DT_F64: return real(((const double *)x)[at]);
  case QE_DT_U8: return natural(((const uint8_t *)x)[at]);
  case QE_DT_U16: return natural(((const uint16_t *)x)[at]);
  case QE_DT_U32: return natural(((const uint32_t *)x)[at]);
  case QE_DT_U64: return natural(((const uint64_t *)x)[at]);
  case QE_DT_I8: return integer(((const int8_t *)x)[at]);
  case QE_DT_I16: return integer(((const int16_t *)x)[at]);
  case QE_DT_I32: return integer(((const int32_t *)x)[at]);
  default: return integer(((const int64_t *)x)[at]);
  }
}

/* base^exponent modulo 2^64, in two's complement. */
static uint64_t power(const number *base, const number *exponent) {
  uint64_t b = base->negative ? 0 - base->magnitude : base->magnitude, y = 1;
  if (exponent->negative) {
    if (base->magnitude != 1)
      return 0;
    return base->negative && exponent->magnitude % 2 ? UINT64_MAX : 1;
  }
  for (uint64_t e = exponent->magnitude; e; e >>= 1, b *= b)
    if (e & 1)
      y *= b;
  return y;
}

static int64_t to_signed(double v, int64_t lo, int64_t hi) {
  return isnan(v) ? 0 : v <= (double)lo ? lo : v >= (double)hi ? hi : (int64_t)v;
}
static uint64_t to_unsigned(double v, uint64_t hi) { return !(v > 0.0) ? 0 : v >= (double)hi ? hi : (uint64_t)v; }

#define SIGNED(type, lo, hi) \
  ((type *)y)[at] = (type)(e.real ? to_signed(pow_f64(b.value, e.value), lo, hi) : (int64_t)power(&b, &e)); \
  break
#define UNSIGNED(type, hi) \
  ((type *)y)[at] = (type)(e.real ? to_unsigned(pow_f64(b.value, e.value), hi) : power(&b, &e)); \
  break

static void store(void *y, uint8_t type, int64_t at, number b, number e) {
  switch (type) {
  case QE_DT_U8: UNSIGNED(uint8_t, UINT8_MAX);
  case QE_DT_U16: UNSIGNED(uint16_t, UINT16_MAX);
  case QE_DT_U32: UNSIGNED(uint32_t, UINT32_MAX);
  case QE_DT_U64: UNSIGNED(uint64_t, UINT64_MAX);
  case QE_DT_I8: SIGNED(int8_t, INT8_MIN, INT8_MAX);
  case QE_DT_I16: SIGNED(int16_t, INT16_MIN, INT16_MAX);
  case QE_DT_I32: SIGNED(int32_t, INT32_MIN, INT32_MAX);
  default: SIGNED(int64_t, INT64_MIN, INT64_MAX);
  }
}

int ref_pow_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const uint8_t base = p->in[0]->dtype, exponent = p->in[1]->dtype;
  ref_nest nest;
  ref_nest_of_problem(&nest, p);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_walk w;
  for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w))
    for (int64_t i = 0; i < w.n; ++i) {
      const int64_t at = w.offset[0] + i * w.step[0];
      const number b = load(call->in[0], base, w.offset[1] + i * w.step[1]),
                   e = load(call->in[1], exponent, w.offset[2] + i * w.step[2]);
      if (base == QE_DT_F32)
        ((float *)call->out[0])[at] = ref_act(ref_pow((float)b.value, (float)e.value), p->act_lo, p->act_hi);
      else if (base == QE_DT_F64)
        ((double *)call->out[0])[at] = pow_f64(b.value, e.value);
      else
        store(call->out[0], base, at, b, e);
    }
  return 0;
}
