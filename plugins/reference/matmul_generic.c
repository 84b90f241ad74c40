/*
 * MatMul of float64 (acc = fma(a_k, b_k, acc), k ascending, no chunks) and of 32- and 64-bit integers (modulo 2^bits).
 * A tile is one row of the result.
 */
#include <math.h>

#include "matmul.h"

int ref_matmul_generic_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  if (ref_has_in(p, 2))
    return ref_refuse(reason, reason_size, "MatMul: a bias is known for float32 only, found %s",
                      ref_dtype_name(p->in[0]->dtype));
  return ref_matmul_supports(self, p, reason, reason_size);
}

int ref_matmul_generic_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  ref_matmul s;
  ref_matmul_init(&s, p);
  plan->tiles = p->out[0]->count == 0 ? 0 : s.batches * s.one.m;
  return 0;
}

#define ROW(stem, type, term)                                                        \
  static void row_##stem(const ref_gemm *g, const type *a, const type *b, type *y) { \
    for (int64_t j = 0; j < g->n; ++j) {                                             \
      type acc = 0;                                                                  \
      for (int64_t k = 0; k < g->k; ++k) {                                           \
        const type u = a[k * g->a_k], v = b[k * g->b_k + j * g->b_n];                \
        acc = (term);                                                                \
      }                                                                              \
      y[j] = acc;                                                                    \
    }                                                                                \
  }
ROW(f64, double, fma(u, v, acc))
ROW(u32, uint32_t, acc + u * v)
ROW(u64, uint64_t, acc + u * v)

int ref_matmul_generic_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  ref_matmul s;
  ref_matmul_init(&s, p);
  const size_t size = ref_dtype_size(p->out[0]->dtype);
  for (int64_t row = tile_begin; row < tile_end; ++row) {
    int64_t a_at, b_at;
    ref_matmul_offsets(&s, row / s.one.m, &a_at, &b_at);
    a_at += row % s.one.m * s.one.a_m;
    const char *a = (const char *)call->in[0] + a_at * (int64_t)size,
               *b = (const char *)call->in[1] + b_at * (int64_t)size;
    char *y = (char *)call->out[0] + row * s.one.n * (int64_t)size;
    switch (p->out[0]->dtype) {
    case QE_DT_F64: row_f64(&s.one, (const void *)a, (const void *)b, (void *)y); break;
    case QE_DT_I32:
    case QE_DT_U32: row_u32(&s.one, (const void *)a, (const void *)b, (void *)y); break;
    default: row_u64(&s.one, (const void *)a, (const void *)b, (void *)y); break; /* I64, U64 */
    }
  }
  return 0;
}
