/*
 * Quantizing weights alone; activations stay float32. All functions: `what` names the node in errors; the weight must be
 * float32 and finite (NUMERIC names the element); sqnr_db may be NULL; on failure nothing is left for the caller.
 */
#ifndef QE_CORE_FLOW_WEIGHT_ONLY_H
#define QE_CORE_FLOW_WEIGHT_ONLY_H

#include "tensor/tensor.h"

/*
 * A table [rows, D] as codes (dtype uint8 or uint4) with scale and offset [rows], as inputs of Embedding and
 * EmbeddingBag; torch's rules (docs/numerics.md). NUMERIC: a row's range is more than its parameters hold.
 */
qe_status_t qe__quantize_rows(const qe_tensor_t *table, qe_dtype_t dtype, const char *what, qe_tensor_t **codes,
                              qe_tensor_t **scale, qe_tensor_t **offset, double *sqnr_db);
/*
 * A weight [K, N] ([N, K] with trans_b) as MatMulNBits takes it: packed [N, blocks, block * bits / 8], scales
 * [N * blocks], zero_points [N * bytes of a column] (NULL when symmetric). bits 4 or 8; block: a power of 2, at least 16.
 */
qe_status_t qe__quantize_blocks(const qe_tensor_t *w, bool trans_b, int bits, int64_t block, bool symmetric,
                                const char *what, qe_tensor_t **packed, qe_tensor_t **scales, qe_tensor_t **zero_points,
                                double *sqnr_db);
/* Rounded to nearest even; beyond +-65504 saturated. */
qe_status_t qe__to_float16(const qe_tensor_t *w, const char *what, qe_tensor_t **out, double *sqnr_db);

#endif
