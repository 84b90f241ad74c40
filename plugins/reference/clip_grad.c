/* ClipGrad, any strides: the gradient of a clamp from its result y: y > lo and y < hi ? dy : +0. */
#include "nest.h"

int ref_clip_grad_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  ref_flat_plan(self, p, plan);
  plan->flags = ref_same_strides(p) ? QE_PLAN_INPLACE : 0;
  return 0;
}

int ref_clip_grad_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const float lo = p->params->clip_lo, hi = p->params->clip_hi, *dy = call->in[0], *y = call->in[1];
  float *dx = call->out[0];
  int64_t begin, end;
  ref_nest nest;
  ref_nest_of_problem(&nest, p);
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_walk w;
  for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w))
    for (int64_t i = 0; i < w.n; ++i) {
      const float v = y[w.offset[2] + i * w.step[2]];
      dx[w.offset[0] + i * w.step[0]] = v > lo && v < hi ? dy[w.offset[1] + i * w.step[1]] : 0.0f;
    }
  return 0;
}
