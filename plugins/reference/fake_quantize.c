/*
 * FakeQuantize, any strides: q = clamp(rne(x / s) + z, quant_min, quant_max), NaN -> z; y = (float)(q - z) * s: what
 * QuantizeLinear and DequantizeLinear give one after the other.
 */
#include "fake_quantize.h"

int ref_fake_quantize_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  ref_flat_plan(self, p, plan);
  plan->flags = ref_same_strides(p) ? QE_PLAN_INPLACE : 0;
  return 0;
}

int ref_fake_quantize_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const ref_fake f = ref_fake_of(p, 1, call->in);
  const float *x = call->in[0];
  float *y = call->out[0];
  int64_t begin, end, channel[QE_MAX_RANK];
  ref_nest nest;
  ref_fake_channel_strides(p, channel);
  ref_nest_init(&nest, p->out[0]->rank, p->out[0]->dims);
  ref_nest_add(&nest, p->out[0]->strides);
  ref_nest_add(&nest, p->in[0]->strides);
  ref_nest_add(&nest, channel);
  ref_nest_close(&nest);
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_walk w;
  for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w)) {
    ref_fake_pair q = ref_fake_pair_of(&f, w.offset[2]);
    for (int64_t i = 0; i < w.n; ++i) {
      if (w.step[2])
        q = ref_fake_pair_of(&f, w.offset[2] + i * w.step[2]);
      const int32_t code = ref_rne_sat(x[w.offset[1] + i * w.step[1]] / q.scale, q.zero, f.lo, f.hi);
      y[w.offset[0] + i * w.step[0]] = (float)(code - q.zero) * q.scale;
    }
  }
  return 0;
}
