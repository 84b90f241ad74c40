/* FakeQuantize and FakeQuantizeGrad: what all instruction sets share. The loops: fake_quantize.inc, fake_quantize_grad.inc. */
#include "train/fake_quantize.h"

fb_fake fb_fake_of(const qe_problem *p, uint32_t first, const void *const *in) {
  return (fb_fake){.scales = in[first],
                   .zeros = in[first + 1],
                   .scale_step = p->in[first]->strides[0],
                   .zero_step = p->in[first + 1]->strides[0],
                   .lo = (int32_t)p->params->starts[0],
                   .hi = (int32_t)p->params->starts[1],
                   .axis = (int32_t)p->params->axis};
}

void fb_fake_nest(fb_nest *nest, const qe_problem *p, uint32_t n) {
  int64_t channel[QE_MAX_RANK] = {0};
  if (p->params->axis >= 0) channel[p->params->axis] = 1;
  fb_nest_init(nest, p->out[0]->rank, p->out[0]->dims);
  fb_nest_add(nest, p->out[0]->strides);
  for (uint32_t i = 0; i < n; ++i) fb_nest_add(nest, p->in[i]->strides);
  fb_nest_add(nest, channel);
  fb_nest_close(nest);
}

int fb_fake_quantize_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  fb_nest nest;
  fb_fake_nest(&nest, p, 1);
  plan->tiles = fb_nest_tiles(&nest, FB_FAKE_TILE);
  plan->flags = fb_same_place(p) ? QE_PLAN_INPLACE : 0;
  return 0;
}

int64_t fb_fake_grad_pieces(const qe_problem *p) {
  fb_nest nest;
  fb_fake_nest(&nest, p, 2);
  return fb_nest_tiles(&nest, FB_FAKE_TILE);
}

bool fb_fake_grad_sums(const qe_problem *p) { return fb_has_out(p, 1) || fb_has_out(p, 2); }

int64_t fb_fake_grad_terms(const qe_problem *p) { return fb_max64(1, fb_min64(p->in[1]->count, FB_SUM_CHUNK)); }

int fb_fake_quantize_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const int64_t axis = p->params->axis, channels = axis < 0 ? 1 : p->in[1]->dims[axis];
  const bool sums = fb_fake_grad_sums(p);
  plan->tiles = fb_fake_grad_pieces(p) + (sums ? channels : 0);
  plan->scratch_size = sums ? 2 * sizeof(float) * (uint64_t)fb_fake_grad_terms(p) : 0;
  return 0;
}
