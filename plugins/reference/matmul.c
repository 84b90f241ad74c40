/* MatMul, float32: y = act(sum_k a_k * b_k + bias), k ascending (accum.h), under numpy's shape rules. */
#include "matmul.h"

int ref_matmul_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_matmul s;
  ref_matmul_init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : s.batches * ref_gemm_tiles(s.one.m, s.one.n);
  plan->scratch_size = sizeof(float) * ref_gemm_scratch_floats(s.one.n, s.one.k, s.one.b_n);
  return 0;
}

int ref_matmul_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  ref_matmul s;
  ref_matmul_init(&s, p);
  const int64_t tiles = ref_gemm_tiles(s.one.m, s.one.n);
  float *y = call->out[0];
  ref_gemm_out to = {.loops = ref_loops_of(self),
                  .bias = ref_has_in(p, 2) ? call->in[2] : NULL,
                  .y_step = s.one.n,
                  .lo = p->act_lo,
                  .hi = p->act_hi};
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t batch = tile / tiles;
    int64_t a, b;
    ref_matmul_offsets(&s, batch, &a, &b);
    s.one.a = (const float *)call->in[0] + a;
    s.one.b = (const float *)call->in[1] + b;
    to.y = y + batch * s.one.m * s.one.n;
    ref_gemm_tile(&s.one, to.loops, call->scratch, tile % tiles, ref_gemm_store_out, &to);
  }
  return 0;
}
