/*
 * ArgMax and ArgMin along one dimension, any strides: the first (select_last_index: the last) of the largest or
 * smallest elements, as int64. A NaN counts as beyond every number. A tile is a number of results.
 */
#include <string.h>

#include "nest.h"

int ref_arg_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0], *y = p->out[0];
  const int64_t axis = p->params->axis;
  if (axis < 0 || axis >= x->rank || x->dims[axis] < 1 || (y->rank != x->rank && y->rank + 1 != x->rank))
    return ref_refuse(reason, reason_size, "%s: axis %lld of rank %d -> rank %d", p->op, (long long)axis, x->rank,
                      y->rank);
  if (ref_dtype_size(x->dtype) == 0 || x->dtype == QE_DT_F16 || x->dtype == QE_DT_BF16 || x->dtype == QE_DT_BOOL)
    return ref_refuse(reason, reason_size, "%s: no kernel for %s", p->op, ref_dtype_name(x->dtype));
  return 1;
}

static int64_t results_per_tile(const qe_problem *p) {
  return ref_max64(1, REF_FLAT_TILE / ref_max64(1, p->in[0]->dims[p->params->axis]));
}

int ref_arg_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = ref_ceil_div(p->out[0]->count, results_per_tile(p));
  return 0;
}

typedef struct lane {
  const void *x;
  int64_t n, step;
  bool smallest, last;
} lane;

#define FIND(stem, type, nan_of)                                                               \
  static int64_t find_##stem(const lane *l, int64_t from) {                                    \
    const type *x = (const type *)l->x + from;                                                 \
    type best = x[0];                                                                          \
    int64_t at = 0;                                                                            \
    for (int64_t i = 1; i < l->n; ++i) {                                                       \
      const type v = x[i * l->step];                                                           \
      const bool better = nan_of(best) ? false : nan_of(v) || (l->smallest ? v < best : v > best); \
      const bool equal = v == best || (nan_of(v) && nan_of(best));                             \
      if (better || (equal && l->last)) {                                                      \
        best = v;                                                                              \
        at = i;                                                                                \
      }                                                                                        \
    }                                                                                          \
    return at;                                                                                 \
  }
#define IS_NAN(v) ((v) != (v))
#define NEVER(v)  false
FIND(f32, float, IS_NAN)
FIND(f64, double, IS_NAN)
FIND(u8, uint8_t, NEVER)
FIND(u16, uint16_t, NEVER)
FIND(u32, uint32_t, NEVER)
FIND(u64, uint64_t, NEVER)
FIND(i8, int8_t, NEVER)
FIND(i16, int16_t, NEVER)
FIND(i32, int32_t, NEVER)
FIND(i64, int64_t, NEVER)

static int64_t find(uint8_t dtype, const lane *l, int64_t from) {
  switch (dtype) {
  case QE_DT_F32: return find_f32(l, from);
  case QE_DT_F64: return find_f64(l, from);
  case QE_DT_U8: return find_u8(l, from);
  case QE_DT_U16: return find_u16(l, from);
  case QE_DT_U32: return find_u32(l, from);
  case QE_DT_U64: return find_u64(l, from);
  case QE_DT_I8: return find_i8(l, from);
  case QE_DT_I16: return find_i16(l, from);
  case QE_DT_I32: return find_i32(l, from);
  default: return find_i64(l, from);
  }
}

int ref_arg_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  const int64_t axis = p->params->axis, step = results_per_tile(p);
  int64_t dims[QE_MAX_RANK], from[QE_MAX_RANK], to[QE_MAX_RANK];
  uint32_t rank = 0;
  for (uint32_t d = 0; d < x->rank; ++d) {
    if (d == axis)
      continue;
    dims[rank] = x->dims[d];
    from[rank] = x->strides[d];
    to[rank] = y->strides[y->rank == x->rank ? d : rank];
    ++rank;
  }
  ref_nest nest;
  ref_nest_init(&nest, rank, dims);
  ref_nest_add(&nest, to);
  ref_nest_add(&nest, from);
  ref_nest_close(&nest);
  const lane l = {.x = call->in[0],
                  .n = x->dims[axis],
                  .step = x->strides[axis],
                  .smallest = strcmp(p->op, "ArgMin") == 0,
                  .last = p->params->select_last_index != 0};
  ref_walk w;
  for (ref_walk_start(&w, &nest, tile_begin * step, tile_end * step); w.n > 0; ref_walk_next(&w))
    for (int64_t i = 0; i < w.n; ++i)
      ((int64_t *)call->out[0])[w.offset[0] + i * w.step[0]] = find(x->dtype, &l, w.offset[1] + i * w.step[1]);
  return 0;
}
