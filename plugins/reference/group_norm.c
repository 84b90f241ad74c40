/*
 * GroupNormalization and InstanceNormalization (one channel per group), float32, any strides.
 *
 * Per sample and group: mean and variance over channels of the group, then spatial dimensions (moments.h);
 * f = scale[c] / sqrt(variance + epsilon), y = act((x - mean) * f + B[c]). A tile is one group of one sample.
 */
#include <math.h>
#include <string.h>

#include "moments.h"

static int64_t groups_of(const qe_problem *p) {
  return strcmp(p->op, "InstanceNormalization") == 0 ? p->in[0]->dims[1] : p->params->groups;
}

int ref_group_norm_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0];
  if (x->rank < 2)
    return ref_refuse(reason, reason_size, "%s: x has rank %d, expected at least 2", p->op, x->rank);
  if (groups_of(p) < 1 ? x->dims[1] != 0 : x->dims[1] % groups_of(p) != 0)
    return ref_refuse(reason, reason_size, "%s: %lld groups do not divide %lld channels", p->op,
                      (long long)groups_of(p), (long long)x->dims[1]);
  for (uint32_t i = 1; i <= 2; ++i)
    if (!ref_has_in(p, i) || p->in[i]->count != x->dims[1])
      return ref_refuse(reason, reason_size, "%s: input %u has %lld elements, expected one per channel (%lld)", p->op,
                        i, ref_has_in(p, i) ? (long long)p->in[i]->count : 0LL, (long long)x->dims[1]);
  return 1;
}

int ref_group_norm_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = p->out[0]->count == 0 ? 0 : p->in[0]->dims[0] * groups_of(p);
  plan->flags = ref_same_strides(p) ? QE_PLAN_INPLACE : 0;
  return 0;
}

int ref_group_norm_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0], *y = p->out[0];
  const int64_t groups = groups_of(p), channels = x->dims[1] / groups;
  const float *scale = call->in[1], *bias = call->in[2];
  int64_t dims[QE_MAX_RANK]; /* of one group */
  memcpy(dims, x->dims, sizeof dims);
  dims[1] = channels;
  const int64_t plane = ref_count(x->rank - 2u, dims + 2);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t n = tile / groups, first = tile % groups * channels;
    const float *from = (const float *)call->in[0] + n * x->strides[0] + first * x->strides[1];
    float *to = (float *)call->out[0] + n * y->strides[0] + first * y->strides[1];
    const ref_moments m = ref_moments_box(from, x->rank - 1u, dims + 1, x->strides + 1);
    const float deviation = sqrtf(m.variance + p->params->epsilon);
    for (int64_t c = 0; c < channels; ++c) {
      const float f = scale[first + c] / deviation, b = bias[first + c];
      ref_iter in, out;
      ref_iter_start(&in, x->rank - 2u, dims + 2, x->strides + 2, 0);
      ref_iter_start(&out, x->rank - 2u, dims + 2, y->strides + 2, 0);
      for (int64_t i = 0; i < plane; ++i, ref_iter_next(&in), ref_iter_next(&out))
        to[c * y->strides[1] + out.offset] =
            ref_act((from[c * x->strides[1] + in.offset] - m.mean) * f + b, p->act_lo, p->act_hi);
    }
  }
  return 0;
}
