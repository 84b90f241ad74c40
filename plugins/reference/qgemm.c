/*
 * Gemm on codes: y = A * B' + c, alpha and beta 1, finished as q8.h says. c is int32 in units of sx * sw (float32 for a
 * float32 output) and broadcasts to [M, N]. Packed memory: multipliers, then a constant B.
 */
#include "q8gemm.h"

static ref_q8gemm shape_of(const qe_problem *p, const void *a, const void *b) {
  const qe_operand *pa = p->in[0], *pb = p->in[1];
  const int ta = p->params->trans_a != 0, tb = p->params->trans_b != 0;
  return (ref_q8gemm){.m = pa->dims[ta],
                      .k = pa->dims[!ta],
                      .n = pb->dims[!tb],
                      .a = a,
                      .b = b,
                      .a_dtype = pa->dtype,
                      .b_dtype = pb->dtype,
                      .a_m = pa->strides[ta],
                      .a_k = pa->strides[!ta],
                      .b_k = pb->strides[tb],
                      .b_n = pb->strides[!tb],
                      .a_zeros = ref_q8_zeros_of(pa),
                      .b_zeros = ref_q8_zeros_of(pb)};
}

int ref_qgemm_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *a = p->in[0], *b = p->in[1], *y = p->out[0];
  if (a->rank != 2 || b->rank != 2 || y->rank != 2)
    return ref_refuse(reason, reason_size, "Gemm: ranks %d, %d -> %d, expected 2", a->rank, b->rank, y->rank);
  const bool tb = p->params->trans_b != 0;
  const ref_q8gemm g = shape_of(p, NULL, NULL);
  if (b->dims[tb] != g.k || y->dims[0] != g.m || y->dims[1] != g.n)
    return ref_refuse(reason, reason_size, "Gemm: [%lld,%lld] x [%lld,%lld] does not give [%lld,%lld]", (long long)g.m,
                      (long long)g.k, (long long)b->dims[tb], (long long)g.n, (long long)y->dims[0],
                      (long long)y->dims[1]);
  if (p->params->alpha != 1.0f || (ref_has_in(p, 2) && p->params->beta != 1.0f))
    return ref_refuse(reason, reason_size, "Gemm: alpha %g, beta %g, expected 1 on codes", (double)p->params->alpha,
                      (double)p->params->beta);
  if (ref_has_in(p, 2)) {
    const qe_operand *c = p->in[2];
    for (uint32_t i = 0; i < c->rank; ++i)
      if (c->rank > 2 || (c->dims[i] != 1 && c->dims[i] != y->dims[2 - c->rank + i]))
        return ref_refuse(reason, reason_size, "Gemm: c of rank %d does not broadcast to the output", c->rank);
  }
  return ref_q8_check(p, tb ? 0 : 1, g.n, g.k, reason, reason_size);
}

int ref_qgemm_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  const ref_q8gemm g = shape_of(p, NULL, NULL);
  const bool constant = p->in[1]->data != NULL;
  plan->tiles = ref_q8gemm_tiles(g.m, g.n);
  plan->packed_size = ref_q8_multiplier_bytes(g.n) + (constant ? ref_q8gemm_packed_bytes(g.n, g.k) : 0);
  plan->scratch_size = ref_q8gemm_scratch_bytes(g.k, !constant);
  return 0;
}

int ref_qgemm_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  const ref_q8gemm g = shape_of(p, NULL, p->in[1]->data);
  ref_q8_multipliers(p, packed, g.n);
  if (p->in[1]->data)
    ref_q8gemm_pack(&g, (void *)((char *)packed + ref_q8_multiplier_bytes(g.n)));
  return 0;
}

typedef struct store_arg {
  ref_q8_out out;
  const char *c; /* int32 or float: 4 bytes */
  int64_t n, c_step[2];
} store_arg;

static void store(void *arg, int64_t row, int64_t col, int32_t *acc, int64_t n) {
  const store_arg *s = arg;
  ref_q8_out out = s->out;
  out.bias = s->c ? s->c + 4 * row * s->c_step[0] : NULL;
  ref_q8_finish(&out, row * s->n + col, col, acc, n);
}

int ref_qgemm_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const ref_loops *loops = ref_loops_of(self);
  ref_q8gemm g = shape_of(p, call->in[0], call->in[1]);
  if (p->in[1]->data)
    g.packed = (const void *)((const char *)call->packed + ref_q8_multiplier_bytes(g.n));
  store_arg s = {.out = ref_q8_out_of(p, loops, call->packed, NULL, call->out[0]), .n = g.n};
  if (ref_has_in(p, 2)) {
    s.c = call->in[2];
    ref_broadcast_strides(p->in[2], 2, s.c_step);
    s.out.bias_step = s.c_step[1];
  }
  for (int64_t tile = tile_begin; tile < tile_end; ++tile)
    ref_q8gemm_tile(&g, loops, call->scratch, tile, store, &s);
  return 0;
}
