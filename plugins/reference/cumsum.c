/*
 * CumSum along one dimension, any strides: y[i] = x[0] + ... + x[i], added in that order (mode bit 0: without x[i];
 * bit 1: from the end). Integers wrap. A tile is a number of lanes.
 */
#include "nest.h"

int ref_cumsum_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  if (p->params->axis < 0 || p->params->axis >= x->rank || y->rank != x->rank)
    return ref_refuse(reason, reason_size, "CumSum: axis %lld of rank %d", (long long)p->params->axis, x->rank);
  switch (x->dtype) {
  case QE_DT_F32: case QE_DT_F64: case QE_DT_I32: case QE_DT_I64: case QE_DT_U32: case QE_DT_U64: break;
  default: return ref_refuse(reason, reason_size, "CumSum: no kernel for %s", ref_dtype_name(x->dtype));
  }
  return ref_move_supports(self, p, reason, reason_size);
}

static int64_t lanes_per_tile(const qe_problem *p) {
  return ref_max64(1, REF_FLAT_TILE / ref_max64(1, p->in[0]->dims[p->params->axis]));
}

int ref_cumsum_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const int64_t n = p->in[0]->dims[p->params->axis];
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(p->out[0]->count / n, lanes_per_tile(p));
  return 0;
}

typedef struct lane {
  void *y;
  const void *x;
  int64_t n, y_step, x_step;
  bool exclusive, reverse;
} lane;

#define SUMS(stem, type)                                               \
  static void sums_##stem(const lane *l, int64_t to, int64_t from) {   \
    type sum = 0;                                                      \
    for (int64_t k = 0; k < l->n; ++k) {                               \
      const int64_t i = l->reverse ? l->n - 1 - k : k;                 \
      const type x = ((const type *)l->x)[from + i * l->x_step];       \
      const type next = k ? sum + x : x;                               \
      ((type *)l->y)[to + i * l->y_step] = l->exclusive ? sum : next;  \
      sum = next;                                                      \
    }                                                                  \
  }
SUMS(f32, float)
SUMS(f64, double)
SUMS(u32, uint32_t)
SUMS(u64, uint64_t)

int ref_cumsum_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  const int64_t axis = p->params->axis, step = lanes_per_tile(p);
  int64_t dims[QE_MAX_RANK];
  for (uint32_t d = 0; d < x->rank; ++d)
    dims[d] = d == axis ? 1 : x->dims[d];
  ref_nest nest;
  ref_nest_init(&nest, x->rank, dims);
  ref_nest_add(&nest, y->strides);
  ref_nest_add(&nest, x->strides);
  ref_nest_close(&nest);
  const lane l = {.y = call->out[0],
                  .x = call->in[0],
                  .n = x->dims[axis],
                  .y_step = y->strides[axis],
                  .x_step = x->strides[axis],
                  .exclusive = p->params->mode & 1,
                  .reverse = p->params->mode & 2};
  ref_walk w;
  for (ref_walk_start(&w, &nest, tile_begin * step, tile_end * step); w.n > 0; ref_walk_next(&w))
    for (int64_t i = 0; i < w.n; ++i) {
      const int64_t to = w.offset[0] + i * w.step[0], from = w.offset[1] + i * w.step[1];
      switch (x->dtype) {
      case QE_DT_F32: sums_f32(&l, to, from); break;
      case QE_DT_F64: sums_f64(&l, to, from); break;
      case QE_DT_I32: case QE_DT_U32: sums_u32(&l, to, from); break;
      default: sums_u64(&l, to, from); break;
      }
    }
  return 0;
}
