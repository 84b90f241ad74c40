/*
 * Add, Sub, Mul, Div, Mod, Max, Min and Sum with broadcasting, any strides; Max, Min and Sum fold their inputs from
 * left to right; the fused activation comes last. float32 and float64: IEEE, one rounding per operation; Max and Min
 * give NaN when one is among the inputs. Integers wrap modulo 2^bits; Div truncates toward zero; dividing by 0 gives
 * 0. Mod has the divisor's sign, or with mode 1 (fmod) the dividend's.
 */
#include <math.h>
#include <string.h>

#include "nest.h"

typedef enum binary_op { ADD, SUB, MUL, DIV, MOD, MAX, MIN } binary_op;

static binary_op op_of(const qe_problem *p) {
  static const char *const names[] = {"Add", "Sub", "Mul", "Div", "Mod", "Max", "Min"};
  for (int i = 0; i < 7; ++i)
    if (strcmp(p->op, names[i]) == 0)
      return (binary_op)i;
  return ADD; /* Sum */
}

int ref_binary_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const uint8_t type = p->out[0]->dtype;
  if (!ref_broadcast_check(p, reason, reason_size))
    return 0;
  for (uint32_t i = 0; i < p->n_in; ++i)
    if (p->in[i]->dtype != type)
      return ref_refuse(reason, reason_size, "%s: input %u is %s, the output %s; expected one type", p->op, i,
                        ref_dtype_name(p->in[i]->dtype), ref_dtype_name(type));
  switch (type) {
  case QE_DT_F32: case QE_DT_F64:
    if (op_of(p) == MOD && p->params->mode != 1)
      return ref_refuse(reason, reason_size, "Mod: %s needs fmod", ref_dtype_name(type));
    return 1;
  case QE_DT_U8:
  case QE_DT_I8:
  case QE_DT_U16:
  case QE_DT_I16:
  case QE_DT_U32:
  case QE_DT_I32:
  case QE_DT_U64:
  case QE_DT_I64: return 1;
  default: return ref_refuse(reason, reason_size, "%s: no kernel for %s", p->op, ref_dtype_name(type));
  }
}

typedef struct piece {
  const ref_walk *w;
  const void *const *in;
  void *out;
  uint32_t n_in;
  const qe_problem *p;
} piece;

/* One element is folded completely before it is written, as the output may share memory with an input. */
#define FOLD(type, expression, finish)                                                                                 \
  {                                                                                                                    \
    const ref_walk *w = c->w;                                                                                          \
    type *y = (type *)c->out + w->offset[0];                                                                           \
    const type *x0 = (const type *)c->in[0] + w->offset[1];                                                            \
    const int64_t y_step = w->step[0], step0 = w->step[1];                                                             \
    if (c->n_in == 2) {                                                                                                \
      const type *x1 = (const type *)c->in[1] + w->offset[2];                                                          \
      const int64_t step1 = w->step[2];                                                                                \
      for (int64_t i = 0; i < w->n; ++i) {                                                                             \
        const type a = x0[i * step0], b = x1[i * step1];                                                               \
        const type v = (type)(expression);                                                                             \
        y[i * y_step] = (finish);                                                                                      \
      }                                                                                                                \
      return;                                                                                                          \
    }                                                                                                                  \
    for (int64_t i = 0; i < w->n; ++i) {                                                                               \
      type v = x0[i * step0];                                                                                          \
      for (uint32_t k = 1; k < c->n_in; ++k) {                                                                         \
        const type a = v, b = ((const type *)c->in[k])[w->offset[k + 1] + i * w->step[k + 1]];                         \
        v = (type)(expression);                                                                                        \
      }                                                                                                                \
      y[i * y_step] = (finish);                                                                                        \
    }                                                                                                                  \
    return;                                                                                                            \
  }

static double act64(double v, double lo, double hi) { return v < lo ? lo : v > hi ? hi : v; }

#define FLOATS(stem, type, mod, act)                                       \
  static void fold_##stem(binary_op op, const piece *c) {                  \
    const float lo = c->p->act_lo, hi = c->p->act_hi;                      \
    switch (op) {                                                          \
    case ADD: FOLD(type, a + b, act)                                       \
    case SUB: FOLD(type, a - b, act)                                       \
    case MUL: FOLD(type, a * b, act)                                       \
    case DIV: FOLD(type, a / b, act)                                       \
    case MOD: FOLD(type, mod(a, b), act)                                   \
    case MAX: FOLD(type, a > b || isnan(a) ? a : b, act)                   \
    case MIN: FOLD(type, a < b || isnan(a) ? a : b, act)                   \
    }                                                                      \
  }
FLOATS(f32, float, fmodf, ref_act(v, lo, hi))
FLOATS(f64, double, fmod, act64(v, (double)lo, (double)hi))

/* Modulo 2^64 and then narrowed is the same as modulo 2^bits. */
#define WRAP(v) ((uint64_t)(v))
#define ACT (v < lo ? lo : v > hi ? hi : v)
#define INTEGERS(stem, type, lowest, highest, quotient, remainder, floored) \
  static void fold_##stem(binary_op op, const piece *c) {                   \
    const bool truncates = c->p->params->mode == 1;                         \
    const type lo = (type)(lowest), hi = (type)(highest);                   \
    switch (op) {                                                           \
    case ADD: FOLD(type, WRAP(a) + WRAP(b), ACT)                            \
    case SUB: FOLD(type, WRAP(a) - WRAP(b), ACT)                            \
    case MUL: FOLD(type, WRAP(a) * WRAP(b), ACT)                            \
    case DIV: FOLD(type, quotient, ACT)                                     \
    case MOD: FOLD(type, truncates ? (remainder) : (floored), ACT)          \
    case MAX: FOLD(type, a > b ? a : b, ACT)                                \
    case MIN: FOLD(type, a < b ? a : b, ACT)                                \
    }                                                                       \
  }
/* The whole numbers within the fused activation's bounds, as far as the type goes. */
static int64_t signed_bound(double v, int64_t lo, int64_t hi) {
  return v <= (double)lo ? lo : v >= (double)hi ? hi : (int64_t)v;
}
static uint64_t unsigned_bound(double v, uint64_t hi) { return !(v > 0.0) ? 0 : v >= (double)hi ? hi : (uint64_t)v; }
#define ACT_LO ceil((double)c->p->act_lo)
#define ACT_HI floor((double)c->p->act_hi)

#define UNSIGNED(stem, type, max) \
  INTEGERS(stem, type, unsigned_bound(ACT_LO, max), unsigned_bound(ACT_HI, max), b ? a / b : 0, b ? a % b : 0, \
           b ? a % b : 0)
/* -1 is left to the negation, as the smallest value divided by it overflows. */
#define REMAINDER    (b == 0 || b == -1 ? 0 : a % b)
#define SIGNED(stem, type, min, max)                                                         \
  INTEGERS(stem, type, signed_bound(ACT_LO, min, max), signed_bound(ACT_HI, min, max),       \
           b == 0 ? 0 : b == -1 ? (type)(0 - WRAP(a)) : (type)(a / b), REMAINDER,            \
           REMAINDER != 0 && (REMAINDER < 0) != (b < 0) ? REMAINDER + b : REMAINDER)
UNSIGNED(u8, uint8_t, UINT8_MAX)
UNSIGNED(u16, uint16_t, UINT16_MAX)
UNSIGNED(u32, uint32_t, UINT32_MAX)
UNSIGNED(u64, uint64_t, UINT64_MAX)
SIGNED(i8, int8_t, INT8_MIN, INT8_MAX)
SIGNED(i16, int16_t, INT16_MIN, INT16_MAX)
SIGNED(i32, int32_t, INT32_MIN, INT32_MAX)
SIGNED(i64, int64_t, INT64_MIN, INT64_MAX)

int ref_binary_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const binary_op op = op_of(p);
  ref_nest nest;
  ref_nest_of_problem(&nest, p);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_walk w;
  const piece c = {.w = &w, .in = call->in, .out = call->out[0], .n_in = p->n_in, .p = p};
  for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w))
    switch (p->out[0]->dtype) {
    case QE_DT_F32: fold_f32(op, &c); break;
    case QE_DT_F64: fold_f64(op, &c); break;
    case QE_DT_U8: fold_u8(op, &c); break;
    case QE_DT_U16: fold_u16(op, &c); break;
    case QE_DT_U32: fold_u32(op, &c); break;
    case QE_DT_U64: fold_u64(op, &c); break;
    case QE_DT_I8: fold_i8(op, &c); break;
    case QE_DT_I16: fold_i16(op, &c); break;
    case QE_DT_I32: fold_i32(op, &c); break;
    default: fold_i64(op, &c); break;
    }
  return 0;
}
