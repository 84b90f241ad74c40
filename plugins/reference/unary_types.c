/*
 * Abs, Neg, Sign, Relu and Clip of the other numeric types, and Not. Integers wrap (Abs and Neg of the smallest value
 * give itself); Clip's bounds, exact in starts[0] and starts[1], saturate to the type; float64 obeys the fused
 * activation.
 */
#include <math.h>
#include <string.h>

#include "ref.h"

static bool is_signed(uint8_t t) {
  return t == QE_DT_F64 || t == QE_DT_I8 || t == QE_DT_I16 || t == QE_DT_I32 || t == QE_DT_I64;
}
static bool is_unsigned(uint8_t t) { return t == QE_DT_U8 || t == QE_DT_U16 || t == QE_DT_U32 || t == QE_DT_U64; }

static int refuse(const qe_problem *p, char *reason, size_t reason_size) {
  return ref_refuse(reason, reason_size, "%s: no kernel for %s -> %s", p->op, ref_dtype_name(p->in[0]->dtype),
                    ref_dtype_name(p->out[0]->dtype));
}

/* Neg, Relu: signed types. */
int ref_unary_signed_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const uint8_t t = p->in[0]->dtype;
  return t == p->out[0]->dtype && is_signed(t) ? 1 : refuse(p, reason, reason_size);
}

/* Abs, Sign, Clip: unsigned ones too. */
int ref_unary_numeric_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const uint8_t t = p->in[0]->dtype;
  return t == p->out[0]->dtype && (is_signed(t) || is_unsigned(t)) ? 1 : refuse(p, reason, reason_size);
}

#define LOOP(type, expression)                 \
  {                                            \
    const type *in = call->in[0];              \
    type *out = call->out[0];                  \
    for (int64_t i = begin; i < end; ++i) {    \
      const type x = in[i];                    \
      out[i] = (type)(expression);             \
    }                                          \
  }                                            \
  break
#define SIGNED_CASES(expression)               \
  case QE_DT_I8: LOOP(int8_t, expression);     \
  case QE_DT_I16: LOOP(int16_t, expression);   \
  case QE_DT_I32: LOOP(int32_t, expression);   \
  case QE_DT_I64: LOOP(int64_t, expression);
#define UNSIGNED_CASES(expression)             \
  case QE_DT_U8: LOOP(uint8_t, expression);    \
  case QE_DT_U16: LOOP(uint16_t, expression);  \
  case QE_DT_U32: LOOP(uint32_t, expression);  \
  case QE_DT_U64: LOOP(uint64_t, expression);
#define RUN(stem, f64_expression, cases)                                                        \
  int ref_##stem##_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) { \
    (void)self;                                                                                 \
    const qe_problem *p = call->problem;                                                        \
    int64_t begin, end;                                                                         \
    ref_flat_range(p, tile_begin, tile_end, &begin, &end);                                      \
    switch (p->out[0]->dtype) {                                                                 \
    case QE_DT_F64: LOOP(double, act(p, (f64_expression)));                                     \
    cases                                                                                       \
    default: return 1;                                                                          \
    }                                                                                           \
    return 0;                                                                                   \
  }

static double act(const qe_problem *p, double y) {
  return y < (double)p->act_lo ? (double)p->act_lo : y > (double)p->act_hi ? (double)p->act_hi : y;
}

RUN(neg_types, -x, SIGNED_CASES(UINT64_C(0) - (uint64_t)x))
RUN(relu_types, x < 0.0 ? 0.0 : x, SIGNED_CASES(x < 0 ? 0 : x))
RUN(abs_types, fabs(x), SIGNED_CASES(x < 0 ? UINT64_C(0) - (uint64_t)x : (uint64_t)x) UNSIGNED_CASES(x))
RUN(sign_types, x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x, SIGNED_CASES((x > 0) - (x < 0)) UNSIGNED_CASES(x != 0))

/* A bound within the type's range; an unsigned type may reach beyond int64, hence hi and "none" as they are. */
static int64_t signed_bound(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }
static uint64_t unsigned_bound(int64_t v, uint64_t hi) {
  return v < 0 ? 0 : v == INT64_MAX || (uint64_t)v > hi ? hi : (uint64_t)v;
}

#define CLIP_SIGNED(type, min, max)                                          \
  {                                                                          \
    const type lo = (type)signed_bound(p->params->starts[0], min, max);      \
    const type hi = (type)signed_bound(p->params->starts[1], min, max);      \
    LOOP(type, x < lo ? (lo > hi ? hi : lo) : x > hi ? hi : x);              \
  }                                                                          \
  break
#define CLIP_UNSIGNED(type, max)                                             \
  {                                                                          \
    const type lo = (type)unsigned_bound(p->params->starts[0], max);         \
    const type hi = (type)unsigned_bound(p->params->starts[1], max);         \
    LOOP(type, x < lo ? (lo > hi ? hi : lo) : x > hi ? hi : x);              \
  }                                                                          \
  break

int ref_clip_types_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  const double dlo = (double)p->params->clip_lo, dhi = (double)p->params->clip_hi;
  switch (p->out[0]->dtype) {
  case QE_DT_F64: LOOP(double, act(p, x < dlo ? (dlo > dhi ? dhi : dlo) : x > dhi ? dhi : x));
  case QE_DT_I8: CLIP_SIGNED(int8_t, INT8_MIN, INT8_MAX);
  case QE_DT_I16: CLIP_SIGNED(int16_t, INT16_MIN, INT16_MAX);
  case QE_DT_I32: CLIP_SIGNED(int32_t, INT32_MIN, INT32_MAX);
  case QE_DT_I64: CLIP_SIGNED(int64_t, INT64_MIN, INT64_MAX);
  case QE_DT_U8: CLIP_UNSIGNED(uint8_t, UINT8_MAX);
  case QE_DT_U16: CLIP_UNSIGNED(uint16_t, UINT16_MAX);
  case QE_DT_U32: CLIP_UNSIGNED(uint32_t, UINT32_MAX);
  case QE_DT_U64: CLIP_UNSIGNED(uint64_t, UINT64_MAX);
  default: return 1;
  }
  return 0;
}

int ref_not_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const uint8_t *in = call->in[0];
  uint8_t *out = call->out[0];
  int64_t begin, end;
  ref_flat_range(call->problem, tile_begin, tile_end, &begin, &end);
  for (int64_t i = begin; i < end; ++i)
    out[i] = in[i] == 0;
  return 0;
}
