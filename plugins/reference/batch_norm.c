/*
 * BatchNormalization (inference), float32, x and y in one common dense layout: per channel f = scale / sqrt(var +
 * epsilon), y = act((x - mean) * f + B). The factors are packed when scale and var are constant.
 */
#include <math.h>
#include <string.h>

#include "ref.h"

enum { SCALE = 1, BIAS = 2, MEAN = 3, VAR = 4 };

int ref_batch_norm_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0];
  const int64_t channels = x->rank > 1 ? x->dims[1] : 1;
  for (uint32_t i = SCALE; i <= VAR; ++i)
    if (!ref_has_in(p, i) || p->in[i]->dtype != QE_DT_F32 || p->in[i]->count != channels)
      return ref_refuse(reason, reason_size,
                        "BatchNormalization: input %u has %lld elements of %s, expected %lld of float32", i,
                        ref_has_in(p, i) ? (long long)p->in[i]->count : 0LL,
                        ref_dtype_name(ref_has_in(p, i) ? p->in[i]->dtype : QE_DT_NONE), (long long)channels);
  return 1;
}

static bool packs(const qe_problem *p) { return p->in[SCALE]->data && p->in[VAR]->data; }

static void factors(const qe_problem *p, const float *scale, const float *var, float *f) {
  for (int64_t c = 0; c < p->in[SCALE]->count; ++c)
    f[c] = scale[c] / sqrtf(var[c] + p->params->epsilon);
}

int ref_batch_norm_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  ref_flat_plan(self, p, plan);
  const uint64_t bytes = sizeof(float) * (uint64_t)p->in[SCALE]->count;
  plan->packed_size = packs(p) ? bytes : 0;
  plan->scratch_size = packs(p) ? 0 : bytes;
  return 0;
}

int ref_batch_norm_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  factors(p, p->in[SCALE]->data, p->in[VAR]->data, packed);
  return 0;
}

int ref_batch_norm_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *y = p->out[0];
  const float *x = call->in[0], *bias = call->in[BIAS], *mean = call->in[MEAN], *f = call->packed;
  float *to = call->out[0];
  if (!packs(p)) {
    factors(p, call->in[SCALE], call->in[VAR], call->scratch);
    f = call->scratch;
  }
  const int64_t channels = p->in[SCALE]->count;
  /* Memory position i belongs to channel (i / inner) % channels in both dense layouts. */
  int64_t inner = 1;
  if (y->layout == QE_LAYOUT_ROW_MAJOR)
    for (uint32_t d = 2; d < y->rank; ++d)
      inner *= y->dims[d];
  if (y->rank < 2)
    inner = y->count;
  int64_t i, end;
  ref_flat_range(p, tile_begin, tile_end, &i, &end);
  while (i < end && inner == 1) { /* neighbours are channels */
    const int64_t first = i % channels, n = ref_min64(end - i, channels - first);
    for (int64_t c = 0; c < n; ++c)
      to[i + c] = ref_act((x[i + c] - mean[first + c]) * f[first + c] + bias[first + c], p->act_lo, p->act_hi);
    i += n;
  }
  while (i < end) { /* neighbours are positions of one channel */
    const int64_t c = i / inner % channels, run_end = ref_min64(end, (i / inner + 1) * inner);
    for (; i < run_end; ++i)
      to[i] = ref_act((x[i] - mean[c]) * f[c] + bias[c], p->act_lo, p->act_hi);
  }
  return 0;
}
