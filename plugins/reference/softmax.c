/*
 * Softmax and LogSoftmax along one axis, float32, any strides: m = max x (NaN ignored there), e = exp(x - m),
 * s = 16-lane sum of e; Softmax y = act(e / s), LogSoftmax y = act((x - m) - log(s)). A row with a NaN is NaN
 * throughout.
 */
#include <string.h>

#include "math_functions.h"
#include "ref.h"

/* The rows: all dimensions but the axis. */
typedef struct rows {
  uint32_t rank;
  int64_t dims[QE_MAX_RANK], x_strides[QE_MAX_RANK], y_strides[QE_MAX_RANK];
  int64_t count, length, x_step, y_step;
} rows;

static void rows_init(rows *r, const qe_problem *p) {
  const qe_operand *x = p->in[0], *y = p->out[0];
  const uint32_t axis = (uint32_t)p->params->axis;
  *r = (rows){.count = 1, .length = x->dims[axis], .x_step = x->strides[axis], .y_step = y->strides[axis]};
  for (uint32_t i = 0; i < x->rank; ++i) {
    if (i == axis)
      continue;
    r->dims[r->rank] = x->dims[i];
    r->x_strides[r->rank] = x->strides[i];
    r->y_strides[r->rank++] = y->strides[i];
    r->count *= x->dims[i];
  }
}

static int64_t rows_per_tile(const rows *r) { return ref_max64(1, REF_FLAT_TILE / ref_max64(1, r->length)); }

int ref_softmax_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->params->axis < 0 || p->params->axis >= p->in[0]->rank)
    return ref_refuse(reason, reason_size, "%s: axis %lld of rank %d", p->op, (long long)p->params->axis,
                      p->in[0]->rank);
  return 1;
}

int ref_softmax_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  rows r;
  rows_init(&r, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(r.count, rows_per_tile(&r));
  plan->scratch_size = sizeof(float) * (uint64_t)r.length;
  plan->flags = ref_same_strides(p) ? QE_PLAN_INPLACE : 0;
  return 0;
}

int ref_softmax_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const bool logarithm = strcmp(p->op, "LogSoftmax") == 0;
  float *e = call->scratch;
  rows r;
  rows_init(&r, p);
  const int64_t step = rows_per_tile(&r), end = ref_min64(tile_end * step, r.count);
  for (int64_t row = tile_begin * step; row < end; ++row) {
    const float *x = (const float *)call->in[0] + ref_offset(r.rank, r.dims, r.x_strides, row);
    float *y = (float *)call->out[0] + ref_offset(r.rank, r.dims, r.y_strides, row);
    float m = -INFINITY;
    for (int64_t i = 0; i < r.length; ++i)
      m = x[i * r.x_step] > m ? x[i * r.x_step] : m;
    for (int64_t i = 0; i < r.length; ++i)
      e[i] = ref_exp(x[i * r.x_step] - m);
    const float sum = ref_sum_f32(e, r.length, 1), log_sum = logarithm ? ref_log(sum) : 0.0f;
    for (int64_t i = 0; i < r.length; ++i) {
      const float v = logarithm ? (x[i * r.x_step] - m) - log_sum : e[i] / sum;
      y[i * r.y_step] = ref_act(v, p->act_lo, p->act_hi);
    }
  }
  return 0;
}
