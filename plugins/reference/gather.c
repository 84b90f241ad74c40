/*
 * Gather along one dimension, row-major: y[outer, i, inner] = x[outer, indices[i], inner]. Indices int32 or int64,
 * negative ones count from the end; one out of range fails the run. A tile is a number of (outer, i) rows.
 */
#include <string.h>

#include "convert.h"
#include "nest.h"

typedef struct shape {
  int64_t outer, size, indices, inner;
} shape;

static shape shape_of(const qe_problem *p) {
  const qe_operand *x = p->in[0];
  const int64_t axis = p->params->axis;
  shape s = {.outer = 1, .size = x->dims[axis], .indices = p->in[1]->count, .inner = 1};
  for (int64_t d = 0; d < axis; ++d)
    s.outer *= x->dims[d];
  for (int64_t d = axis + 1; d < x->rank; ++d)
    s.inner *= x->dims[d];
  return s;
}

int ref_gather_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const uint8_t type = p->in[1]->dtype;
  if (type != QE_DT_I32 && type != QE_DT_I64)
    return ref_refuse(reason, reason_size, "Gather: indices are %s, expected int32 or int64", ref_dtype_name(type));
  if (p->params->axis < 0 || p->params->axis >= p->in[0]->rank)
    return ref_refuse(reason, reason_size, "Gather: axis %lld of rank %d", (long long)p->params->axis, p->in[0]->rank);
  const shape s = shape_of(p);
  if (s.outer * s.indices * s.inner != p->out[0]->count)
    return ref_refuse(reason, reason_size, "Gather: the output has %lld elements, expected %lld",
                      (long long)p->out[0]->count, (long long)(s.outer * s.indices * s.inner));
  return ref_move_supports(self, p, reason, reason_size);
}

static int64_t rows_per_tile(const shape *s) { return ref_max64(1, REF_FLAT_TILE / ref_max64(1, s->inner)); }

int ref_gather_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const shape s = shape_of(p);
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(s.outer * s.indices, rows_per_tile(&s));
  return 0;
}

int ref_gather_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const shape s = shape_of(p);
  const size_t size = ref_dtype_size(p->out[0]->dtype), bytes = (size_t)s.inner * size;
  const int64_t step = rows_per_tile(&s), end = ref_min64(tile_end * step, s.outer * s.indices);
  for (int64_t row = tile_begin * step; row < end; ++row) {
    int64_t index = ref_load_i64(call->in[1], p->in[1]->dtype, row % s.indices);
    if (index < -s.size || index >= s.size)
      return 1;
    index += index < 0 ? s.size : 0;
    const int64_t from = (row / s.indices * s.size + index) * s.inner;
    memcpy(ref_at(call->out[0], size, row * s.inner), ref_at_const(call->in[0], size, from), bytes);
  }
  return 0;
}
