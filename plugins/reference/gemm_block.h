/* The blocked float matrix product that Gemm and MatMul share: Y = A * B for one matrix, by tiles. */
#ifndef QE_REFERENCE_GEMM_BLOCK_H
#define QE_REFERENCE_GEMM_BLOCK_H

#include "accum.h"

#define REF_GEMM_ROWS 16  /* rows of one tile */
#define REF_GEMM_COLS 256 /* columns of one tile */

typedef struct ref_gemm {
  int64_t m, n, k;
  const float *a;
  int64_t a_m, a_k; /* strides of A */
  const float *b;
  int64_t b_k, b_n; /* strides of B */
} ref_gemm;

/* What is done with a finished piece of a row: columns [col, col + n) of row `row`. */
typedef void (*ref_gemm_store)(void *arg, int64_t row, int64_t col, const float *sum, int64_t n);

/* The store of a product with a bias per column (NULL: none) and a clamp; arg: a ref_gemm_out. */
typedef struct ref_gemm_out {
  const ref_loops *loops;
  const float *bias;
  float *y;
  int64_t y_step;
  float lo, hi;
} ref_gemm_out;
void ref_gemm_store_out(void *arg, int64_t row, int64_t col, const float *sum, int64_t n);

static inline int64_t ref_gemm_tiles(int64_t m, int64_t n) {
  return ref_ceil_div(m, REF_GEMM_ROWS) * ref_ceil_div(n, REF_GEMM_COLS);
}
/* Floats of scratch for a tile; b_n != 1 means that columns of B have to be copied. */
uint64_t ref_gemm_scratch_floats(int64_t n, int64_t k, int64_t b_n);
/* B as [K][N] into packed. */
void ref_gemm_pack(const ref_gemm *g, float *packed);
void ref_gemm_tile(const ref_gemm *g, const ref_loops *loops, float *scratch, int64_t tile, ref_gemm_store store,
                   void *arg);

#endif
