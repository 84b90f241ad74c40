/* Blocked float matrix product (gemm_block.h): k ascending in chunks, neighbouring columns side by side. */
#include "gemm_block.h"

uint64_t ref_gemm_scratch_floats(int64_t n, int64_t k, int64_t b_n) {
  const int64_t cols = ref_min64(n, REF_GEMM_COLS);
  return ref_accum_floats(cols) + (b_n == 1 ? 0 : (uint64_t)cols * (uint64_t)k);
}

static void pack_columns(const ref_gemm *g, int64_t col, int64_t n, float *to) {
  for (int64_t k = 0; k < g->k; ++k)
    for (int64_t i = 0; i < n; ++i)
      *to++ = g->b[k * g->b_k + (col + i) * g->b_n];
}

void ref_gemm_pack(const ref_gemm *g, float *packed) { pack_columns(g, 0, g->n, packed); }

void ref_gemm_tile(const ref_gemm *g, const ref_loops *loops, float *scratch, int64_t tile, ref_gemm_store store,
                   void *arg) {
  const int64_t row_blocks = ref_ceil_div(g->m, REF_GEMM_ROWS);
  const int64_t row = tile % row_blocks * REF_GEMM_ROWS, col = tile / row_blocks * REF_GEMM_COLS;
  const int64_t row_end = ref_min64(row + REF_GEMM_ROWS, g->m), n = ref_min64(REF_GEMM_COLS, g->n - col);
  const float *b = g->k > 0 ? g->b + col : g->b; /* without depth there may be no panel at all */
  int64_t b_step = g->b_k;
  if (g->b_n != 1) {
    float *columns = scratch + ref_accum_floats(n);
    pack_columns(g, col, n, columns);
    b = columns;
    b_step = n;
  }
  for (int64_t i = row; i < row_end; ++i) {
    ref_accum a;
    ref_accum_start(&a, loops, scratch, n);
    ref_accum_panel(&a, 0, g->a + i * g->a_m, g->a_k, b, b_step, g->k);
    store(arg, i, col, ref_accum_finish(&a, g->k), n);
  }
}

void ref_gemm_store_out(void *arg, int64_t row, int64_t col, const float *sum, int64_t n) {
  const ref_gemm_out *o = arg;
  o->loops->finish_f32(o->y + row * o->y_step + col, sum, o->bias ? o->bias + col : NULL, o->lo, o->hi, n);
}
