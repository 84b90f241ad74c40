/* The integer matrix product (q8gemm.h): a few rows of A as int16, times columns of B, REF_Q8_COLS at a time. */
#include "q8gemm.h"

#include <string.h>

#define TILE_ROWS 64
#define TILE_COLS 256

ref_q8gemm ref_q8gemm_of(const qe_problem *p, const ref_matmul *s) {
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

uint64_t ref_q8gemm_packed_bytes(int64_t n, int64_t k) {
  return sizeof(int16_t) * 2 * (uint64_t)ref_q8_padded(n) * (uint64_t)ref_q8_pairs(k);
}

/* Columns [col, col + n) of B, `step` of them after padding; zeros behind the last one. */
static void pack_columns(const ref_q8gemm *g, int64_t col, int64_t n, int64_t step, int16_t *to) {
  memset(to, 0, sizeof *to * 2 * (size_t)(ref_q8_pairs(g->k) * step));
  for (int64_t j = 0; j < n; ++j) {
    const int32_t zero = ref_q8_zero(&g->b_zeros, col + j);
    for (int64_t i = 0; i < g->k; ++i)
      to[ref_q8_place(i, j, step)] =
           (int16_t)(ref_code8(g->b, g->b_dtype, i * g->b_k + (col + j) * g->b_n) - zero);
  }
}

void ref_q8gemm_pack(const ref_q8gemm *g, int16_t *packed) { pack_columns(g, 0, g->n, ref_q8_padded(g->n), packed); }

int64_t ref_q8gemm_tiles(int64_t m, int64_t n) { return ref_ceil_div(m, TILE_ROWS) * ref_ceil_div(n, TILE_COLS); }

/* Rows of A that are widened at a time. */
static int64_t rows_at_once(int64_t k) { return ref_max64(1, ref_min64(16, (1 << 15) / ref_max64(1, k))); }

uint64_t ref_q8gemm_scratch_bytes(int64_t k, bool packs_in_run) {
  const int64_t rows = rows_at_once(k), columns = rows + (packs_in_run ? TILE_COLS : 0);
  return (sizeof(int32_t) * REF_Q8_COLS * (uint64_t)rows) + sizeof(int16_t) * 2 * (uint64_t)(columns * ref_q8_pairs(k));
}

void ref_q8gemm_tile(const ref_q8gemm *g, const ref_loops *loops, void *scratch, int64_t tile, ref_q8gemm_store store,
                     void *arg) {
  const int64_t across = ref_ceil_div(g->n, TILE_COLS), row_step = rows_at_once(g->k);
  const int64_t row0 = tile / across * TILE_ROWS, row_end = ref_min64(row0 + TILE_ROWS, g->m);
  const int64_t col0 = tile % across * TILE_COLS, col_end = ref_min64(col0 + TILE_COLS, g->n);
  const int64_t pairs = ref_q8_pairs(g->k), row_size = 2 * pairs;
  int32_t *acc = scratch;
  int16_t *rows = (void *)(acc + row_step * REF_Q8_COLS);
  int16_t *own = rows + row_step * row_size;
  const int64_t b_step = ref_q8_padded(g->packed ? g->n : col_end - col0);
  if (!g->packed)
    pack_columns(g, col0, col_end - col0, b_step, own);
  const int16_t *b = g->packed ? g->packed + 2 * col0 : own;
  for (int64_t row = row0; row < row_end; row += row_step) {
    const int64_t count = ref_min64(row_step, row_end - row);
    for (int64_t r = 0; r < count; ++r) {
      const int32_t zero = ref_q8_zero(&g->a_zeros, row + r);
      int16_t *to = rows + r * row_size;
      ref_q8_widen(loops, to, (const uint8_t *)g->a + (row + r) * g->a_m, g->a_dtype, g->a_k, zero, g->k);
      if (g->k < row_size)
        to[g->k] = 0;
    }
    for (int64_t col = col0; col < col_end; col += REF_Q8_COLS) {
      const int64_t n = ref_min64(REF_Q8_COLS, col_end - col);
      memset(acc, 0, sizeof *acc * (size_t)(count * REF_Q8_COLS));
      loops->panel_i16(acc, REF_Q8_COLS, count, ref_q8_padded(n), rows, row_size, b + 2 * (col - col0), b_step, pairs);
      for (int64_t r = 0; r < count; ++r)
        store(arg, row + r, col, acc + r * REF_Q8_COLS, n);
    }
  }
}
