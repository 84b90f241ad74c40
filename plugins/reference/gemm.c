/*
 * Gemm, float32: y = act(alpha * sum + beta * c), sum = A' * B' with k ascending (accum.h), A' and B' transposed on
 * request, c broadcast to [M, N]. A factor that is exactly 1 is left out; without c the result is alpha * sum.
 */
#include "gemm_block.h"

static ref_gemm shape_of(const qe_problem *p, const void *a, const void *b) {
  const qe_operand *pa = p->in[0], *pb = p->in[1];
  const int ta = p->params->trans_a != 0, tb = p->params->trans_b != 0;
  return (ref_gemm){.m = pa->dims[ta],
                    .k = pa->dims[!ta],
                    .n = pb->dims[!tb],
                    .a = a,
                    .a_m = pa->strides[ta],
                    .a_k = pa->strides[!ta],
                    .b = b,
                    .b_k = pb->strides[tb],
                    .b_n = pb->strides[!tb]};
}

/* A constant B whose rows are not contiguous is packed once. */
static bool packs(const qe_problem *p, const ref_gemm *g) { return p->in[1]->data && g->b_n != 1; }

int ref_gemm_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->in[0]->rank != 2 || p->in[1]->rank != 2 || p->out[0]->rank != 2)
    return ref_refuse(reason, reason_size, "Gemm: ranks %d, %d -> %d, expected 2", p->in[0]->rank, p->in[1]->rank,
                      p->out[0]->rank);
  const ref_gemm g = shape_of(p, NULL, NULL);
  const int64_t k = p->in[1]->dims[p->params->trans_b != 0];
  if (g.k != k || p->out[0]->dims[0] != g.m || p->out[0]->dims[1] != g.n)
    return ref_refuse(reason, reason_size, "Gemm: [%lld,%lld] x [%lld,%lld] does not give [%lld,%lld]", (long long)g.m,
                      (long long)g.k, (long long)k, (long long)g.n, (long long)p->out[0]->dims[0],
                      (long long)p->out[0]->dims[1]);
  if (ref_has_in(p, 2)) {
    const qe_operand *c = p->in[2];
    if (c->dtype != QE_DT_F32)
      return ref_refuse(reason, reason_size, "Gemm: c is %s, expected float32", ref_dtype_name(c->dtype));
    for (uint32_t i = 0; i < c->rank; ++i)
      if (c->rank > 2 || (c->dims[i] != 1 && c->dims[i] != p->out[0]->dims[2 - c->rank + i]))
        return ref_refuse(reason, reason_size, "Gemm: c of rank %d does not broadcast to the output", c->rank);
  }
  return 1;
}

int ref_gemm_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const ref_gemm g = shape_of(p, NULL, NULL);
  plan->tiles = ref_gemm_tiles(g.m, g.n);
  plan->packed_size = packs(p, &g) ? sizeof(float) * (uint64_t)p->in[1]->count : 0;
  plan->scratch_size = sizeof(float) * ref_gemm_scratch_floats(g.n, g.k, packs(p, &g) ? 1 : g.b_n);
  return 0;
}

int ref_gemm_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  const ref_gemm g = shape_of(p, NULL, p->in[1]->data);
  ref_gemm_pack(&g, packed);
  return 0;
}

typedef struct store_arg {
  const qe_problem *p;
  float *y;
  const float *c;
  int64_t c_step[2];
} store_arg;

static void store(void *arg, int64_t row, int64_t col, const float *sum, int64_t n) {
  const store_arg *s = arg;
  const float alpha = s->p->params->alpha, beta = s->p->params->beta;
  float *y = s->y + row * s->p->out[0]->strides[0] + col;
  for (int64_t i = 0; i < n; ++i) {
    float v = alpha == 1.0f ? sum[i] : alpha * sum[i];
    if (s->c) {
      const float c = s->c[row * s->c_step[0] + (col + i) * s->c_step[1]];
      v += beta == 1.0f ? c : beta * c;
    }
    y[i] = ref_act(v, s->p->act_lo, s->p->act_hi);
  }
}

int ref_gemm_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  ref_gemm g = shape_of(p, call->in[0], call->in[1]);
  if (packs(p, &g)) {
    g.b = call->packed;
    g.b_k = g.n;
    g.b_n = 1;
  }
  store_arg s = {.p = p, .y = call->out[0]};
  if (ref_has_in(p, 2)) {
    s.c = call->in[2];
    ref_broadcast_strides(p->in[2], 2, s.c_step);
  }
  for (int64_t tile = tile_begin; tile < tile_end; ++tile)
    ref_gemm_tile(&g, ref_loops_of(self), call->scratch, tile, store, &s);
  return 0;
}
