/*
 * What MatMulInteger and MatMulIntegerToFloat share: the exact product (A - a_zero) * (B - b_zero) under numpy's rules
 * with zero points as inputs. Sums beyond int32 wrap.
 */
#ifndef QE_REFERENCE_INTEGER_PRODUCT_H
#define QE_REFERENCE_INTEGER_PRODUCT_H

#include "matmul.h"
#include "q8gemm.h"

/* zeros: the input that holds A's zero points (one, or one per row); the next holds B's (one, or one per column). */
int ref_integer_product_check(const qe_problem *p, uint32_t zeros, char *reason, size_t reason_size);
void ref_integer_product_plan(const qe_problem *p, uint32_t zeros, qe_kernel_plan *plan);
void ref_integer_product_prepack(const qe_problem *p, uint32_t zeros, void *packed);

/* Takes the sums of columns [col, col + n) of the row that starts at output element `first`. */
typedef void (*ref_integer_product_store)(void *arg, int64_t first, int64_t col, int32_t *acc, int64_t n);
void ref_integer_product_run(void *self, const qe_call *call, uint32_t zeros, int64_t tile_begin, int64_t tile_end,
                             ref_integer_product_store store, void *arg);

#endif
