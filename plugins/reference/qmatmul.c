/*
 * MatMul on codes under numpy's rules, both operands activations or B a constant weight; finished as q8.h says. B has
 * one pair of parameters or one per column; the bias has one element per column. Packed memory: multipliers, then a
 * constant matrix B (batches of B are packed by the tiles).
 */
#include "matmul.h"
#include "q8gemm.h"

/* One product of the batch. */
static ref_q8gemm product_of(const qe_problem *p, const ref_matmul *s) {
  ref_q8gemm g = ref_q8gemm_of(p, s);
  g.a_zeros = ref_q8_zeros_of(p->in[0]);
  g.b_zeros = ref_q8_zeros_of(p->in[1]);
  return g;
}

static bool packs_once(const qe_problem *p) { return p->in[1]->data && p->in[1]->rank <= 2; }

int ref_qmatmul_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  if (a->rank < 1 || b->rank < 1 || a->dims[a->rank - 1] != b->dims[b->rank > 1 ? b->rank - 2 : 0])
    return ref_refuse(reason, reason_size, "MatMul: rows of a and columns of b differ in size");
  ref_matmul s;
  (void)self;
  ref_matmul_init(&s, p);
  if (ref_has_in(p, 2) && (p->in[2]->count != s.one.n || b->rank < 2))
    return ref_refuse(reason, reason_size, "MatMul: the bias has %lld elements, expected one per column of b",
                      (long long)p->in[2]->count);
  return ref_q8_check(p, b->rank - 1, s.one.n, s.one.k, reason, reason_size);
}

int ref_qmatmul_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_matmul s;
  ref_matmul_init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : s.batches * ref_q8gemm_tiles(s.one.m, s.one.n);
  plan->packed_size =
      ref_q8_multiplier_bytes(s.one.n) + (packs_once(p) ? ref_q8gemm_packed_bytes(s.one.n, s.one.k) : 0);
  plan->scratch_size = ref_q8gemm_scratch_bytes(s.one.k, !packs_once(p));
  return 0;
}

int ref_qmatmul_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  ref_matmul s;
  ref_matmul_init(&s, p);
  ref_q8gemm g = product_of(p, &s);
  g.b = p->in[1]->data;
  ref_q8_multipliers(p, packed, g.n);
  if (packs_once(p))
    ref_q8gemm_pack(&g, (void *)((char *)packed + ref_q8_multiplier_bytes(g.n)));
  return 0;
}

typedef struct store_arg {
  ref_q8_out out;
  int64_t first, n; /* output element of the product, columns */
} store_arg;

static void store(void *arg, int64_t row, int64_t col, int32_t *acc, int64_t n) {
  const store_arg *s = arg;
  ref_q8_finish(&s->out, s->first + row * s->n + col, col, acc, n);
}

int ref_qmatmul_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const ref_loops *loops = ref_loops_of(self);
  ref_matmul s;
  ref_matmul_init(&s, p);
  ref_q8gemm g = product_of(p, &s);
  if (packs_once(p))
    g.packed = (const void *)((const char *)call->packed + ref_q8_multiplier_bytes(g.n));
  store_arg arg = {.out = ref_q8_out_of(p, loops, call->packed, ref_has_in(p, 2) ? call->in[2] : NULL, call->out[0]),
                   .n = g.n};
  const int64_t per_product = ref_q8gemm_tiles(g.m, g.n);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t batch = tile / per_product;
    int64_t a_at, b_at;
    ref_matmul_offsets(&s, batch, &a_at, &b_at);
    g.a = (const uint8_t *)call->in[0] + a_at;
    g.b = (const uint8_t *)call->in[1] + b_at;
    arg.first = batch * g.m * g.n;
    ref_q8gemm_tile(&g, loops, call->scratch, tile % per_product, store, &arg);
  }
  return 0;
}
