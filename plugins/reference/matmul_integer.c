/*
 * MatMulInteger: y = (A - a_zero) * (B - b_zero) in int32 under numpy's rules. Zero points: of A one or one per row,
 * of B one or one per column; absent ones are 0. Sums beyond int32 wrap.
 */
#include <string.h>

#include "matmul.h"
#include "q8gemm.h"

static bool zero_fits(const qe_problem *p, uint32_t i, int64_t most) {
  return !ref_has_in(p, i) ||
         (p->in[i]->dtype == p->in[i - 2]->dtype && (p->in[i]->count == 1 || p->in[i]->count == most));
}

int ref_matmul_integer_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *a = p->in[0], *b = p->in[1];
  if (!ref_is_code8(a) || !ref_is_code8(b) || p->out[0]->dtype != QE_DT_I32)
    return ref_refuse(reason, reason_size, "MatMulInteger: %s, %s -> %s, expected uint8 or int8 -> int32",
                      ref_dtype_name(a->dtype), ref_dtype_name(b->dtype), ref_dtype_name(p->out[0]->dtype));
  if (a->rank < 1 || b->rank < 1 || a->dims[a->rank - 1] != b->dims[b->rank > 1 ? b->rank - 2 : 0])
    return ref_refuse(reason, reason_size, "MatMulInteger: rows of a and columns of b differ in size");
  if (!zero_fits(p, 2, a->rank > 1 ? a->dims[a->rank - 2] : 1) ||
      !zero_fits(p, 3, b->rank > 1 ? b->dims[b->rank - 1] : 1))
    return ref_refuse(reason, reason_size,
                      "MatMulInteger: zero points must have their matrix's type and one element, or one per row of a "
                      "and column of b");
  return 1;
}

static bool packs_once(const qe_problem *p) {
  return p->in[1]->data && p->in[1]->rank <= 2 && (!ref_has_in(p, 3) || p->in[3]->data);
}

static ref_q8_zeros zeros_of(const qe_problem *p, uint32_t i, const void *codes) {
  if (!ref_has_in(p, i))
    return (ref_q8_zeros){.count = 1};
  return (ref_q8_zeros){.codes = codes, .dtype = p->in[i]->dtype, .count = p->in[i]->count};
}

static ref_q8gemm product_of(const qe_problem *p, const ref_matmul *s) {
  return (ref_q8gemm){.m = s->one.m,
                      .n = s->one.n,
                      .k = s->one.k,
                      .a_dtype = p->in[0]->dtype,
                      .b_dtype = p->in[1]->dtype,
                      .a_m = s->one.a_m,
                      .a_k = s->one.a_k,
                      .b_k = s->one.b_k,
                      .b_n = s->one.b_n};
}

int ref_matmul_integer_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_matmul s;
  ref_matmul_init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : s.batches * ref_q8gemm_tiles(s.one.m, s.one.n);
  plan->packed_size = packs_once(p) ? ref_q8gemm_packed_bytes(s.one.n, s.one.k) : 0;
  plan->scratch_size = ref_q8gemm_scratch_bytes(s.one.k, plan->packed_size == 0);
  return 0;
}

int ref_matmul_integer_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  ref_matmul s;
  ref_matmul_init(&s, p);
  ref_q8gemm g = product_of(p, &s);
  g.b = p->in[1]->data;
  g.b_zeros = zeros_of(p, 3, ref_has_in(p, 3) ? p->in[3]->data : NULL);
  ref_q8gemm_pack(&g, packed);
  return 0;
}

typedef struct store_arg {
  int32_t *y; /* of the product */
  int64_t n;
} store_arg;

static void store(void *arg, int64_t row, int64_t col, int32_t *acc, int64_t n) {
  const store_arg *s = arg;
  memcpy(s->y + row * s->n + col, acc, sizeof *acc * (size_t)n);
}

int ref_matmul_integer_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  ref_matmul s;
  ref_matmul_init(&s, p);
  ref_q8gemm g = product_of(p, &s);
  g.a_zeros = zeros_of(p, 2, ref_has_in(p, 2) ? call->in[2] : NULL);
  g.b_zeros = zeros_of(p, 3, ref_has_in(p, 3) ? call->in[3] : NULL);
  g.packed = packs_once(p) ? call->packed : NULL; /* also NULL when there is nothing to sum: k is 0 then */
  const int64_t per_product = ref_q8gemm_tiles(g.m, g.n);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t batch = tile / per_product;
    int64_t a_at, b_at;
    ref_matmul_offsets(&s, batch, &a_at, &b_at);
    g.a = (const uint8_t *)call->in[0] + a_at;
    g.b = (const uint8_t *)call->in[1] + b_at;
    store_arg arg = {(int32_t *)call->out[0] + batch * g.m * g.n, g.n};
    ref_q8gemm_tile(&g, ref_loops_of(self), call->scratch, tile % per_product, store, &arg);
  }
  return 0;
}
