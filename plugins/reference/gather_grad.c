/*
 * GatherGrad, row-major: from +0, dx[outer, indices[i], inner] += dy[outer, i, inner] for every index in order. Indices
 * as in gather.c. A tile is a block of inner elements at one outer index, because indices repeat.
 */
#include <string.h>

#include "convert.h"
#include "ref.h"

#define INNER 64 /* elements of one tile */

typedef struct shape {
  int64_t outer, size, indices, inner, blocks;
} shape;

static shape shape_of(const qe_problem *p) {
  const qe_operand *dx = p->out[0];
  const uint32_t axis = (uint32_t)p->params->axis;
  shape s = {.outer = ref_count(axis, dx->dims),
             .size = dx->dims[axis],
             .indices = p->in[1]->count,
             .inner = ref_count(dx->rank - axis - 1u, dx->dims + axis + 1)};
  s.blocks = ref_ceil_div(s.inner, INNER);
  return s;
}

int ref_gather_grad_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const uint8_t type = p->in[1]->dtype;
  if (type != QE_DT_I32 && type != QE_DT_I64)
    return ref_refuse(reason, reason_size, "GatherGrad: indices are %s, expected int32 or int64", ref_dtype_name(type));
  if (p->params->axis < 0 || p->params->axis >= p->out[0]->rank)
    return ref_refuse(reason, reason_size, "GatherGrad: axis %lld of rank %d", (long long)p->params->axis,
                      p->out[0]->rank);
  const shape s = shape_of(p);
  if (s.outer * s.indices * s.inner != p->in[0]->count)
    return ref_refuse(reason, reason_size, "GatherGrad: dy has %lld elements, expected %lld",
                      (long long)p->in[0]->count, (long long)(s.outer * s.indices * s.inner));
  return 1;
}

int ref_gather_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const shape s = shape_of(p);
  plan->tiles = p->out[0]->count == 0 ? 0 : s.outer * s.blocks;
  return 0;
}

int ref_gather_grad_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const shape s = shape_of(p);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t outer = tile / s.blocks, first = tile % s.blocks * INNER, n = ref_min64(INNER, s.inner - first);
    const float *dy = (const float *)call->in[0] + outer * s.indices * s.inner + first;
    float *dx = (float *)call->out[0] + outer * s.size * s.inner + first;
    for (int64_t i = 0; i < s.size; ++i)
      memset(dx + i * s.inner, 0, sizeof(float) * (size_t)n);
    for (int64_t i = 0; i < s.indices; ++i) {
      const int64_t index = ref_load_i64(call->in[1], p->in[1]->dtype, i);
      if (index < -s.size || index >= s.size)
        return 1;
      ref_loops_of(self)->add_f32(dx + (index < 0 ? index + s.size : index) * s.inner, dy + i * s.inner, n);
    }
  }
  return 0;
}
