/*
 * Cast between all byte-sized types, dense in any common layout. Float to integer truncates and saturates, NaN -> 0; to
 * bool: anything but 0, NaN included. Integer to integer keeps the low bits. To a narrower float: one rounding, half to
 * even; overflow gives infinity. Chunks of elements go through a wide type that holds the source exactly.
 */
#include <math.h>
#include <string.h>

#include "convert.h"
#include "nest.h"

#define CHUNK 256

int ref_cast_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const uint8_t from = p->in[0]->dtype, to = p->out[0]->dtype;
  if (ref_dtype_size(from) == 0 || ref_dtype_size(to) == 0)
    return ref_refuse(reason, reason_size, "Cast: no kernel for %s -> %s", ref_dtype_name(from), ref_dtype_name(to));
  return 1;
}

static bool is_real(uint8_t t) { return t == QE_DT_F32 || t == QE_DT_F64 || t == QE_DT_F16 || t == QE_DT_BF16; }

typedef union wide {
  double real;
  int64_t whole; /* uint64: the same bits */
} wide;

#define LOAD(type, member, expression)                              \
  for (int64_t i = 0; i < n; ++i) {                                 \
    const type v = ((const type *)x)[i];                            \
    to[i].member = (expression);                                    \
  }                                                                 \
  break

static void load(wide *to, const void *x, uint8_t dtype, int64_t n) {
  switch (dtype) {
  case QE_DT_F32: LOAD(float, real, (double)v);
  case QE_DT_F64: LOAD(double, real, v);
  case QE_DT_F16: LOAD(uint16_t, real, (double)ref_f16_to_f32(v));
  case QE_DT_BF16: LOAD(uint16_t, real, (double)ref_bf16_to_f32(v));
  case QE_DT_BOOL: LOAD(uint8_t, whole, v != 0);
  case QE_DT_U8: LOAD(uint8_t, whole, v);
  case QE_DT_U16: LOAD(uint16_t, whole, v);
  case QE_DT_U32: LOAD(uint32_t, whole, v);
  case QE_DT_U64: LOAD(uint64_t, whole, (int64_t)v);
  case QE_DT_I8: LOAD(int8_t, whole, v);
  case QE_DT_I16: LOAD(int16_t, whole, v);
  case QE_DT_I32: LOAD(int32_t, whole, v);
  default: LOAD(int64_t, whole, v);
  }
}

static int64_t to_signed(double v, int64_t lo, int64_t hi) {
  return isnan(v) ? 0 : v <= (double)lo ? lo : v >= (double)hi ? hi : (int64_t)v;
}
static uint64_t to_unsigned(double v, uint64_t hi) { return !(v > 0.0) ? 0 : v >= (double)hi ? hi : (uint64_t)v; }

/*
 * An integer as a double that rounds to a narrower float as the integer does: beyond 2^53 what does not fit is gathered
 * in the last bit ("round to odd").
 */
static double odd(uint64_t magnitude, bool negative) {
  double v = (double)magnitude;
  if (magnitude >> 53)
    v = ldexp((double)(magnitude >> 11 | ((magnitude & 2047) != 0)), 11);
  return negative ? -v : v;
}

typedef struct source {
  const wide *v;
  bool real, is_unsigned;
} source;

static double narrowable(const source *s, int64_t i) {
  const int64_t v = s->v[i].whole;
  if (s->real)
    return s->v[i].real;
  return s->is_unsigned || v >= 0 ? odd((uint64_t)v, false) : odd(0 - (uint64_t)v, true);
}

#define STORE(type, from_real, from_whole)                          \
  if (s->real)                                                      \
    for (int64_t i = 0; i < n; ++i) {                               \
      const double v = s->v[i].real;                                \
      ((type *)y)[i] = (type)(from_real);                           \
    }                                                               \
  else                                                              \
    for (int64_t i = 0; i < n; ++i) {                               \
      const int64_t v = s->v[i].whole;                              \
      ((type *)y)[i] = (type)(from_whole);                          \
    }                                                               \
  break
#define STORE_SIGNED(type, lo, hi) STORE(type, to_signed(v, lo, hi), v)
#define STORE_UNSIGNED(type, hi)   STORE(type, to_unsigned(v, hi), (uint64_t)v)
#define STORE_REAL(type)           STORE(type, v, s->is_unsigned ? (type)(uint64_t)v : (type)v)

static void store(void *y, uint8_t dtype, const source *s, int64_t n) {
  switch (dtype) {
  case QE_DT_F32: STORE_REAL(float);
  case QE_DT_F64: STORE_REAL(double);
  case QE_DT_F16:
    for (int64_t i = 0; i < n; ++i)
      ((uint16_t *)y)[i] = ref_f64_to_f16(narrowable(s, i));
    break;
  case QE_DT_BF16:
    for (int64_t i = 0; i < n; ++i)
      ((uint16_t *)y)[i] = ref_f64_to_bf16(narrowable(s, i));
    break;
  case QE_DT_BOOL: STORE(uint8_t, v != 0.0, v != 0);
  case QE_DT_U8: STORE_UNSIGNED(uint8_t, UINT8_MAX);
  case QE_DT_U16: STORE_UNSIGNED(uint16_t, UINT16_MAX);
  case QE_DT_U32: STORE_UNSIGNED(uint32_t, UINT32_MAX);
  case QE_DT_U64: STORE_UNSIGNED(uint64_t, UINT64_MAX);
  case QE_DT_I8: STORE_SIGNED(int8_t, INT8_MIN, INT8_MAX);
  case QE_DT_I16: STORE_SIGNED(int16_t, INT16_MIN, INT16_MAX);
  case QE_DT_I32: STORE_SIGNED(int32_t, INT32_MIN, INT32_MAX);
  default: STORE_SIGNED(int64_t, INT64_MIN, INT64_MAX);
  }
}

int ref_cast_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const uint8_t from = p->in[0]->dtype, to = p->out[0]->dtype;
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  for (int64_t i = begin; i < end; i += CHUNK) {
    wide chunk[CHUNK];
    const int64_t n = ref_min64(CHUNK, end - i);
    const source s = {.v = chunk, .real = is_real(from), .is_unsigned = from == QE_DT_U64};
    const void *x = ref_at_const(call->in[0], ref_dtype_size(from), i);
    void *y = ref_at(call->out[0], ref_dtype_size(to), i);
    if (from == to) { /* keeps every bit, those of a NaN too */
      memcpy(y, x, (size_t)n * ref_dtype_size(to));
      continue;
    }
    load(chunk, x, from, n);
    store(y, to, &s, n);
  }
  return 0;
}
