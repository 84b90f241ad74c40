/*
 * MinMax, any strides: the smallest and the largest element, per tensor or per channel, as [2, channels]. Plus +0, so that
 * the sign of a zero depends on no order; any NaN makes both the NaN 0x7fc00000; nothing to look at gives +0. A tile is a
 * channel.
 */
#include <string.h>

#include "ref.h"

int ref_min_max_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = p->out[0]->dims[1];
  return 0;
}

static void range_of(const float *x, uint32_t rank, const int64_t *dims, const int64_t *strides, float *lowest,
                     float *highest) {
  const int64_t n = ref_count(rank, dims);
  float lo = n ? x[0] : 0.0f, hi = lo;
  bool any_nan = false;
  ref_iter it;
  ref_iter_start(&it, rank, dims, strides, 0);
  for (int64_t i = 0; i < n; ++i, ref_iter_next(&it)) {
    const float v = x[it.offset];
    any_nan = any_nan || v != v;
    lo = v < lo ? v : lo;
    hi = v > hi ? v : hi;
  }
  *lowest = lo + 0.0f;
  *highest = hi + 0.0f;
  if (any_nan) {
    const uint32_t bits = 0x7fc00000u;
    memcpy(lowest, &bits, sizeof bits);
    memcpy(highest, &bits, sizeof bits);
  }
}

int ref_min_max_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  const int64_t axis = p->params->axis;
  int64_t dims[QE_MAX_RANK], d[QE_MAX_RANK], s[QE_MAX_RANK];
  memcpy(dims, x->dims, sizeof dims);
  if (axis >= 0)
    dims[axis] = 1;
  const uint32_t rank = ref_box_merge(x->rank, dims, x->strides, d, s);
  for (int64_t c = tile_begin; c < tile_end; ++c) {
    float *lowest = (float *)call->out[0] + c * y->strides[1];
    const float *from = call->in[0];
    range_of(axis >= 0 ? from + c * x->strides[axis] : from, rank, d, s, lowest, lowest + y->strides[0]);
  }
  return 0;
}
