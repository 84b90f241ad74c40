/* The integer matrix product that Gemm, MatMul (quantized) and MatMulInteger share: exact int32 sums, by tiles. */
#ifndef QE_REFERENCE_Q8GEMM_H
#define QE_REFERENCE_Q8GEMM_H

#include "matmul.h"
#include "q8.h"

typedef struct ref_q8gemm {
  int64_t m, n, k;
  const void *a, *b;
  uint8_t a_dtype, b_dtype;
  int64_t a_m, a_k, b_k, b_n;  /* strides */
  ref_q8_zeros a_zeros, b_zeros; /* per row of A, per column of B */
  const int16_t *packed;       /* B, see ref_q8_place; NULL: a tile packs its own columns */
} ref_q8gemm;

/* Sizes, strides and types of one product of a MatMul; data and zero points are not set. */
ref_q8gemm ref_q8gemm_of(const qe_problem *p, const ref_matmul *s);

uint64_t ref_q8gemm_packed_bytes(int64_t n, int64_t k);
void ref_q8gemm_pack(const ref_q8gemm *g, int16_t *packed);

int64_t ref_q8gemm_tiles(int64_t m, int64_t n);
/* packs_in_run: there will be no packed B. */
uint64_t ref_q8gemm_scratch_bytes(int64_t k, bool packs_in_run);

/* Takes the sums of columns [col, col + n) of a row. */
typedef void (*ref_q8gemm_store)(void *arg, int64_t row, int64_t col, int32_t *acc, int64_t n);
void ref_q8gemm_tile(const ref_q8gemm *g, const ref_loops *loops, void *scratch, int64_t tile, ref_q8gemm_store store,
                     void *arg);

#endif
