/* The shared part of the products whose zero points are inputs (integer_product.h). */
#include "integer_product.h"

static bool zero_fits(const qe_problem *p, uint32_t i, uint32_t matrix, int64_t most) {
  return !ref_has_in(p, i) ||
         (p->in[i]->dtype == p->in[matrix]->dtype && (p->in[i]->count == 1 || p->in[i]->count == most));
}

int ref_integer_product_check(const qe_problem *p, uint32_t zeros, char *reason, size_t reason_size) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  const bool turned = p->params->trans_b != 0;
  if (!ref_is_code8(a) || !ref_is_code8(b))
    return ref_refuse(reason, reason_size, "%s: %s, %s, expected uint8 or int8", p->op, ref_dtype_name(a->dtype),
                      ref_dtype_name(b->dtype));
  if (a->rank < 1 || b->rank < 1 || (turned && b->rank != 2) ||
      a->dims[a->rank - 1] != b->dims[turned ? 1 : b->rank > 1 ? b->rank - 2 : 0])
    return ref_refuse(reason, reason_size, "%s: rows of a and columns of b differ in size", p->op);
  if (!zero_fits(p, zeros, 0, a->rank > 1 ? a->dims[a->rank - 2] : 1) ||
      !zero_fits(p, zeros + 1, 1, b->rank > 1 ? b->dims[turned ? 0 : b->rank - 1] : 1))
    return ref_refuse(reason, reason_size,
                      "%s: zero points must have their matrix's type and one element, or one per row of a and column "
                      "of b",
                      p->op);
  return 1;
}

static bool packs_once(const qe_problem *p, uint32_t zeros) {
  return p->in[1]->data && p->in[1]->rank <= 2 && (!ref_has_in(p, zeros + 1) || p->in[zeros + 1]->data);
}

static ref_q8_zeros zeros_of(const qe_problem *p, uint32_t i, const void *codes) {
  if (!ref_has_in(p, i)) return (ref_q8_zeros){.count = 1};
  return (ref_q8_zeros){.codes = codes, .dtype = p->in[i]->dtype, .count = p->in[i]->count};
}

void ref_integer_product_plan(const qe_problem *p, uint32_t zeros, qe_kernel_plan *plan) {
  ref_matmul s;
  ref_matmul_init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : s.batches * ref_q8gemm_tiles(s.one.m, s.one.n);
  plan->packed_size = packs_once(p, zeros) ? ref_q8gemm_packed_bytes(s.one.n, s.one.k) : 0;
  plan->scratch_size = ref_q8gemm_scratch_bytes(s.one.k, plan->packed_size == 0);
}

void ref_integer_product_prepack(const qe_problem *p, uint32_t zeros, void *packed) {
  ref_matmul s;
  ref_matmul_init(&s, p);
  ref_q8gemm g = ref_q8gemm_of(p, &s);
  g.b = p->in[1]->data;
  g.b_zeros = zeros_of(p, zeros + 1, ref_has_in(p, zeros + 1) ? p->in[zeros + 1]->data : NULL);
  ref_q8gemm_pack(&g, packed);
}

typedef struct store_arg {
  ref_integer_product_store store;
  void *arg;
  int64_t first, n; /* output element of the product, columns */
} store_arg;

static void store_row(void *arg, int64_t row, int64_t col, int32_t *acc, int64_t n) {
  const store_arg *s = arg;
  s->store(s->arg, s->first + row * s->n, col, acc, n);
}

void ref_integer_product_run(void *self, const qe_call *call, uint32_t zeros, int64_t tile_begin, int64_t tile_end,
                             ref_integer_product_store store, void *arg) {
  const qe_problem *p = call->problem;
  ref_matmul s;
  ref_matmul_init(&s, p);
  ref_q8gemm g = ref_q8gemm_of(p, &s);
  g.a_zeros = zeros_of(p, zeros, ref_has_in(p, zeros) ? call->in[zeros] : NULL);
  g.b_zeros = zeros_of(p, zeros + 1, ref_has_in(p, zeros + 1) ? call->in[zeros + 1] : NULL);
  g.packed = packs_once(p, zeros) ? call->packed : NULL; /* also NULL when there is nothing to sum: k is 0 then */
  const int64_t per_product = ref_q8gemm_tiles(g.m, g.n);
  store_arg to = {.store = store, .arg = arg, .n = g.n};
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t batch = tile / per_product;
    int64_t a_at, b_at;
    ref_matmul_offsets(&s, batch, &a_at, &b_at);
    g.a = (const uint8_t *)call->in[0] + a_at;
    g.b = (const uint8_t *)call->in[1] + b_at;
    to.first = batch * g.m * g.n;
    ref_q8gemm_tile(&g, ref_loops_of(self), call->scratch, tile % per_product, store_row, &to);
  }
}
