/*
 * ReduceSum, Mean, Max, Min, Prod, L2 and SumSquare, any strides. The order is row-major over the reduced dimensions.
 *
 * float32: Sum, Mean (sum / (float)n), SumSquare (terms x*x) and L2 (sqrt of it) by the 16-lane sums of sums.c; Prod
 * from 1, left to right. float64: left to right. Integers: modulo 2^bits, Mean truncates toward zero. Max and Min keep
 * the first of equal elements and give NaN when there is one. Nothing to reduce: 0, 1 (Prod), NaN (Mean; integers: 0),
 * the type's lowest or highest value (Max, Min; floats: -inf, +inf).
 */
#include <math.h>
#include <string.h>

#include "ref.h"

typedef enum reduction { SUM, MEAN, MAX, MIN, PROD, L2, SUM_SQUARE } reduction;

static reduction reduction_of(const qe_problem *p) {
  static const char *const names[] = {"Sum", "Mean", "Max", "Min", "Prod", "L2", "SumSquare"};
  for (int i = 0; i < 7; ++i)
    if (strcmp(p->op + sizeof "Reduce" - 1, names[i]) == 0)
      return (reduction)i;
  return SUM;
}

/* The reduced dimensions as one box, the others as the list of results. */
typedef struct shape {
  uint32_t box_rank, kept_rank;
  int64_t box_dims[QE_MAX_RANK], box_strides[QE_MAX_RANK], box_count;
  int64_t kept_dims[QE_MAX_RANK], x_strides[QE_MAX_RANK], y_strides[QE_MAX_RANK];
} shape;

static void shape_init(shape *s, const qe_problem *p) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  *s = (shape){0};
  int64_t dims[QE_MAX_RANK], strides[QE_MAX_RANK];
  uint32_t reduced = 0;
  for (uint32_t i = 0; i < x->rank; ++i) {
    if (p->params->axes >> i & 1u) {
      dims[reduced] = x->dims[i];
      strides[reduced++] = x->strides[i];
    } else {
      s->kept_dims[s->kept_rank] = x->dims[i];
      s->x_strides[s->kept_rank] = x->strides[i];
      s->y_strides[s->kept_rank] = y->strides[y->rank == x->rank ? i : s->kept_rank];
      ++s->kept_rank;
    }
  }
  s->box_count = ref_count(reduced, dims);
  s->box_rank = ref_box_merge(reduced, dims, strides, s->box_dims, s->box_strides);
}

int ref_reduce_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0], *y = p->out[0];
  uint32_t kept = 0;
  for (uint32_t i = 0; i < x->rank; ++i)
    kept += !(p->params->axes >> i & 1u);
  if (x->dtype != y->dtype)
    return ref_refuse(reason, reason_size, "%s: %s -> %s, expected one type", p->op, ref_dtype_name(x->dtype),
                      ref_dtype_name(y->dtype));
  switch (x->dtype) {
  case QE_DT_F32:
  case QE_DT_F64:
  case QE_DT_I32:
  case QE_DT_I64: break;
  case QE_DT_U8:
  case QE_DT_I8: {
    const reduction op = reduction_of(p);
    if (op == MAX || op == MIN)
      break;
    return ref_refuse(reason, reason_size, "%s: %s is known to ReduceMax and ReduceMin only", p->op,
                      ref_dtype_name(x->dtype));
  }
  default: return ref_refuse(reason, reason_size, "%s: no kernel for %s", p->op, ref_dtype_name(x->dtype));
  }
  if (y->rank != x->rank && y->rank != kept)
    return ref_refuse(reason, reason_size, "%s: output of rank %d, expected %d or %u", p->op, y->rank, x->rank, kept);
  return 1;
}

static int64_t results_per_tile(const shape *s) { return ref_max64(1, 2 * REF_FLAT_TILE / ref_max64(1, s->box_count)); }

int ref_reduce_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  shape s;
  shape_init(&s, p);
  plan->tiles = ref_ceil_div(p->out[0]->count, results_per_tile(&s));
  return 0;
}

#define FOLD(type, element, start, step)                              \
  {                                                                   \
    type acc = (start);                                               \
    ref_iter it;                                                      \
    ref_iter_start(&it, s->box_rank, s->box_dims, s->box_strides, 0); \
    for (int64_t i = 0; i < s->box_count; ++i, ref_iter_next(&it)) {  \
      const element v = x[it.offset];                                 \
      acc = (step);                                                   \
    }                                                                 \
    return acc;                                                       \
  }

static float reduce_f32(const shape *s, reduction op, const float *x) {
  switch (op) {
  case SUM: return ref_sum_box_f32(x, s->box_rank, s->box_dims, s->box_strides);
  case MEAN: return ref_sum_box_f32(x, s->box_rank, s->box_dims, s->box_strides) / (float)s->box_count;
  case SUM_SQUARE: return ref_sum_squares_box_f32(x, s->box_rank, s->box_dims, s->box_strides);
  case L2: return sqrtf(ref_sum_squares_box_f32(x, s->box_rank, s->box_dims, s->box_strides));
  case MAX: FOLD(float, float, -INFINITY, i == 0 || v > acc || isnan(v) ? v : acc)
  case MIN: FOLD(float, float, INFINITY, i == 0 || v < acc || isnan(v) ? v : acc)
  case PROD: break;
  }
  FOLD(float, float, 1.0f, acc *v)
}

static double sum_f64(const shape *s, const double *x)
    FOLD(double, double, 0.0, acc + v) static double squares_f64(const shape *s, const double *x)
        FOLD(double, double, 0.0, acc + v * v)

            static double reduce_f64(const shape *s, reduction op, const double *x) {
  switch (op) {
  case SUM: return sum_f64(s, x);
  case MEAN: return sum_f64(s, x) / (double)s->box_count;
  case SUM_SQUARE: return squares_f64(s, x);
  case L2: return sqrt(squares_f64(s, x));
  case MAX: FOLD(double, double, (double)-INFINITY, i == 0 || v > acc || isnan(v) ? v : acc)
  case MIN: FOLD(double, double, (double)INFINITY, i == 0 || v < acc || isnan(v) ? v : acc)
  case PROD: break;
  }
  FOLD(double, double, 1.0, acc *v)
}

/* Integers are summed modulo 2^64 and then narrowed: the same as modulo 2^bits. */
#define WRAP(v) ((uint64_t)(v))
#define INTEGER(stem, type, lowest, highest)                                                                           \
  static uint64_t sum_##stem(const shape *s, const type *x)                                                            \
      FOLD(uint64_t, type, 0, acc + WRAP(v)) static uint64_t squares_##stem(const shape *s, const type *x) FOLD(       \
          uint64_t, type, 0, acc + WRAP(v) * WRAP(v)) static uint64_t product_##stem(const shape *s, const type *x)    \
          FOLD(uint64_t, type, 1, acc *WRAP(v)) static type largest_##stem(const shape *s, const type *x)              \
              FOLD(type, type, lowest, v > acc ? v : acc) static type smallest_##stem(const shape *s, const type *x)   \
                  FOLD(type, type, highest, v < acc ? v : acc) static type reduce_##stem(const shape *s, reduction op, \
                                                                                         const type *x) {              \
    switch (op) {                                                                                                      \
    case SUM: return (type)sum_##stem(s, x);                                                                           \
    case MEAN: return (type)(s->box_count ? (int64_t)sum_##stem(s, x) / s->box_count : 0);                             \
    case SUM_SQUARE: return (type)squares_##stem(s, x);                                                                \
    case L2: return (type)sqrt((double)squares_##stem(s, x));                                                          \
    case MAX: return largest_##stem(s, x);                                                                             \
    case MIN: return smallest_##stem(s, x);                                                                            \
    case PROD: break;                                                                                                  \
    }                                                                                                                  \
    return (type)product_##stem(s, x);                                                                                 \
  }
INTEGER(i32, int32_t, INT32_MIN, INT32_MAX)
INTEGER(i64, int64_t, INT64_MIN, INT64_MAX)
INTEGER(u8, uint8_t, 0, UINT8_MAX)
INTEGER(i8, int8_t, INT8_MIN, INT8_MAX)

static double act(const qe_problem *p, double v) {
  return v < (double)p->act_lo ? (double)p->act_lo : v > (double)p->act_hi ? (double)p->act_hi : v;
}

int ref_reduce_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const reduction op = reduction_of(p);
  shape s;
  shape_init(&s, p);
  const int64_t step = results_per_tile(&s), end = ref_min64(tile_end * step, p->out[0]->count);
  const void *x = call->in[0];
  void *y = call->out[0];
  for (int64_t i = tile_begin * step; i < end; ++i) {
    const int64_t from = ref_offset(s.kept_rank, s.kept_dims, s.x_strides, i);
    const int64_t to = ref_offset(s.kept_rank, s.kept_dims, s.y_strides, i);
    switch (p->out[0]->dtype) {
    case QE_DT_F32:
      ((float *)y)[to] = ref_act(reduce_f32(&s, op, (const float *)x + from), p->act_lo, p->act_hi);
      break;
    case QE_DT_F64: ((double *)y)[to] = act(p, reduce_f64(&s, op, (const double *)x + from)); break;
    case QE_DT_I32: ((int32_t *)y)[to] = reduce_i32(&s, op, (const int32_t *)x + from); break;
    case QE_DT_I64: ((int64_t *)y)[to] = reduce_i64(&s, op, (const int64_t *)x + from); break;
    case QE_DT_U8: ((uint8_t *)y)[to] = reduce_u8(&s, op, (const uint8_t *)x + from); break;
    case QE_DT_I8: ((int8_t *)y)[to] = reduce_i8(&s, op, (const int8_t *)x + from); break;
    default: return 1;
    }
  }
  return 0;
}
