/* The shape of a MatMul under numpy's rules: a batch of matrices; 1-D operands are one row or one column. */
#ifndef QE_REFERENCE_MATMUL_H
#define QE_REFERENCE_MATMUL_H

#include "gemm_block.h"

typedef struct ref_matmul {
  ref_gemm one; /* sizes and strides of one product; its data pointers are not set */
  int64_t batches;
  uint32_t batch_rank;
  int64_t batch_dims[QE_MAX_RANK];
  int64_t a_batch[QE_MAX_RANK], b_batch[QE_MAX_RANK]; /* strides, 0 where broadcast */
} ref_matmul;

void ref_matmul_init(ref_matmul *s, const qe_problem *p);
/* Offsets in elements of the operands of product number `batch`. */
void ref_matmul_offsets(const ref_matmul *s, int64_t batch, int64_t *a, int64_t *b);

#endif
