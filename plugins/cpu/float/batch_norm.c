/* BatchNormalization (inference): what all instruction sets share. The loops: batch_norm.inc. */
#include "float/batch_norm.h"

#include <math.h>

enum { SCALE = 1, BIAS = 2, MEAN = 3, VAR = 4 };

int fb_batch_norm_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0];
  const int64_t channels = x->rank > 1 ? x->dims[1] : 1;
  for (uint32_t i = SCALE; i <= VAR; ++i)
    if (!fb_has_in(p, i) || p->in[i]->dtype != QE_DT_F32 || p->in[i]->count != channels)
      return fb_refuse(reason, reason_size, "BatchNormalization: input %u has not one float32 for each channel", i);
  return fb_act_supports(self, p, reason, reason_size);
}

bool fb_batch_norm_packs(const qe_problem *p) { return p->in[SCALE]->data && p->in[VAR]->data; }

void fb_batch_norm_factors(const qe_problem *p, const float *scale, const float *var, float *f) {
  for (int64_t c = 0; c < p->in[SCALE]->count; ++c) f[c] = scale[c] / sqrtf(var[c] + p->params->epsilon);
}

void fb_batch_norm_nest(fb_nest *nest, const qe_problem *p) {
  const qe_operand *y = p->out[0];
  int64_t channel[QE_MAX_RANK] = {0};
  if (y->rank > 1) channel[1] = 1;
  fb_nest_init(nest, y->rank, y->dims);
  fb_nest_add(nest, y->strides);
  fb_nest_add(nest, p->in[0]->strides);
  fb_nest_add(nest, channel);
  fb_nest_close(nest);
}

int fb_batch_norm_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_nest nest;
  fb_batch_norm_nest(&nest, p);
  const uint64_t bytes = sizeof(float) * (uint64_t)p->in[SCALE]->count;
  plan->tiles = fb_nest_tiles(&nest, FB_BATCH_NORM_TILE);
  plan->flags = QE_PLAN_INPLACE;
  plan->packed_size = fb_batch_norm_packs(p) ? bytes : 0;
  plan->scratch_size = fb_batch_norm_packs(p) ? 0 : bytes;
  return 0;
}

int fb_batch_norm_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  fb_batch_norm_factors(p, p->in[SCALE]->data, p->in[VAR]->data, packed);
  return 0;
}
