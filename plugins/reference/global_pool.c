/*
 * GlobalAveragePool and GlobalMaxPool, float32, any strides: over all spatial dimensions of one sample and channel, in
 * row-major order of those dimensions. Average: the 16-lane sum (sums.c) divided by (float)count. Max: NaN when there
 * is one, -inf for an empty plane.
 */
#include <math.h>

#include "ref.h"

int ref_global_pool_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->in[0]->rank < 2 || p->out[0]->rank != p->in[0]->rank)
    return ref_refuse(reason, reason_size, "%s: ranks %d -> %d, expected equal ranks of at least 2", p->op,
                      p->in[0]->rank, p->out[0]->rank);
  return 1;
}

static int64_t plane(const qe_operand *x) { return ref_count(x->rank - 2u, x->dims + 2); }

static int64_t channels_per_tile(const qe_operand *x) {
  return ref_max64(1, 2 * REF_FLAT_TILE / ref_max64(1, plane(x)));
}

int ref_global_pool_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = ref_ceil_div(p->out[0]->count, channels_per_tile(p->in[0]));
  return 0;
}

static float largest(const qe_operand *x, const float *data, int64_t count) {
  float m = -INFINITY;
  ref_iter it;
  ref_iter_start(&it, x->rank - 2u, x->dims + 2, x->strides + 2, 0);
  for (int64_t i = 0; i < count; ++i, ref_iter_next(&it)) {
    const float v = data[it.offset];
    m = i == 0 || v > m || isnan(v) ? v : m;
  }
  return m;
}

static void run(const qe_call *call, int64_t tile_begin, int64_t tile_end, bool average) {
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  const int64_t count = plane(x), step = channels_per_tile(x), end = ref_min64(tile_end * step, y->count);
  for (int64_t i = tile_begin * step; i < end; ++i) {
    const float *from = (const float *)call->in[0] + ref_offset(2, x->dims, x->strides, i);
    const float v = average ? ref_sum_box_f32(from, x->rank - 2u, x->dims + 2, x->strides + 2) / (float)count
                            : largest(x, from, count);
    ((float *)call->out[0])[ref_offset(2, y->dims, y->strides, i)] = ref_act(v, p->act_lo, p->act_hi);
  }
}

int ref_global_average_pool_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  run(call, tile_begin, tile_end, true);
  return 0;
}

int ref_global_max_pool_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  run(call, tile_begin, tile_end, false);
  return 0;
}
