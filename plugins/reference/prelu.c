/* PRelu, float32, any strides: y = act(x < 0 ? slope * x : x), slope broadcast to x. A tile is some rows. */
#include "ref.h"

int ref_prelu_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *slope = p->in[1], *y = p->out[0];
  bool fits = slope->rank <= y->rank;
  for (uint32_t i = 0; fits && i < slope->rank; ++i)
    fits = slope->dims[i] == 1 || slope->dims[i] == y->dims[y->rank - slope->rank + i];
  return fits ? 1
              : ref_refuse(reason, reason_size, "PRelu: slope of rank %d does not broadcast to x of rank %d",
                           slope->rank, y->rank);
}

static int64_t row_length(const qe_operand *y) { return y->rank ? y->dims[y->rank - 1] : 1; }
static int64_t rows_per_tile(int64_t length) { return ref_max64(1, REF_FLAT_TILE / ref_max64(1, length)); }

int ref_prelu_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const qe_operand *y = p->out[0];
  const int64_t length = row_length(y);
  plan->tiles = y->count == 0 ? 0 : ref_ceil_div(y->count / length, rows_per_tile(length));
  plan->flags = ref_same_strides(p) ? QE_PLAN_INPLACE : 0;
  return 0;
}

int ref_prelu_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  const int64_t length = row_length(y), step = rows_per_tile(length);
  const int64_t end = ref_min64(tile_end * step, y->count / length);
  const uint32_t outer = y->rank ? y->rank - 1u : 0;
  int64_t slope_strides[QE_MAX_RANK];
  ref_broadcast_strides(p->in[1], y->rank, slope_strides);
  const int64_t x_step = y->rank ? x->strides[outer] : 0, y_step = y->rank ? y->strides[outer] : 0;
  const int64_t slope_step = y->rank ? slope_strides[outer] : 0;
  for (int64_t row = tile_begin * step; row < end; ++row) {
    const float *from = (const float *)call->in[0] + ref_offset(outer, y->dims, x->strides, row);
    const float *slope = (const float *)call->in[1] + ref_offset(outer, y->dims, slope_strides, row);
    float *to = (float *)call->out[0] + ref_offset(outer, y->dims, y->strides, row);
    for (int64_t i = 0; i < length; ++i) {
      const float v = from[i * x_step];
      to[i * y_step] = ref_act(v < 0.0f ? slope[i * slope_step] * v : v, p->act_lo, p->act_hi);
    }
  }
  return 0;
}
