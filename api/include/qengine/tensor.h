/*
 * qengine/tensor.h - tensors and quantization parameters.
 *
 * A tensor is dense, row-major (NCHW for images), at most QE_MAX_RANK dimensions, reference counted. A
 * tensor of an integer type may carry quantization parameters: real = (q - zero_point) * scale, per tensor
 * or per channel along `axis`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef QENGINE_TENSOR_H
#define QENGINE_TENSOR_H

#include "qengine/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qe_tensor qe_tensor_t;

/* Quantization parameters, as a caller gives or sees them. Arrays are `count` long and belong to the giver. */
typedef struct qe_qparams {
  uint32_t count;            /* 1 per tensor, else the size of dimension `axis` */
  int32_t axis;              /* -1 per tensor */
  const float *scales;       /* finite, > 0 */
  const int32_t *zero_points;/* in the range of the tensor's type */
} qe_qparams_t;

/* A new zeroed tensor. Errors: SHAPE (negative or overflowing dimensions, rank > 8), OUT_OF_MEMORY. */
QE_API qe_status_t qe_tensor_create(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, qe_tensor_t **out);
/* The same, with elements copied from `data` (row-major, native byte order). */
QE_API qe_status_t qe_tensor_from_data(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, const void *data, qe_tensor_t **out);
/* One more owner; returns its argument. Thread-safe. */
QE_API qe_tensor_t *qe_tensor_retain(qe_tensor_t *tensor);
/* One owner less; frees at zero; sets *tensor to NULL. Thread-safe. */
QE_API void qe_tensor_release(qe_tensor_t **tensor);

QE_API qe_dtype_t qe_tensor_dtype(const qe_tensor_t *tensor);
QE_API uint32_t qe_tensor_rank(const qe_tensor_t *tensor);
/* rank entries, valid while the tensor lives. */
QE_API const int64_t *qe_tensor_dims(const qe_tensor_t *tensor);
/* Number of elements (1 for rank 0; 0 when a dimension is 0). */
QE_API int64_t qe_tensor_count(const qe_tensor_t *tensor);
/* The elements; valid while the tensor lives. 4-bit types: two per byte, low half first. */
QE_API void *qe_tensor_data(qe_tensor_t *tensor);
QE_API const void *qe_tensor_const_data(const qe_tensor_t *tensor);
QE_API size_t qe_tensor_bytes(const qe_tensor_t *tensor);

/* NULL when not quantized. Valid while the tensor lives and its parameters are not set anew. */
QE_API const qe_qparams_t *qe_tensor_qparams(const qe_tensor_t *tensor);
/* Copies the parameters into the tensor; NULL removes them. Errors: INVALID_ARGUMENT (scale not finite and
 * positive, zero point out of the type's range, count against dims). */
QE_API qe_status_t qe_tensor_set_qparams(qe_tensor_t *tensor, const qe_qparams_t *qparams);

/* q = sat(rne(x / s) + z); NaN -> z (docs/numerics.md). `x` is float32; dtype (u)int4, (u)int8, (u)int16 or int32. */
QE_API qe_status_t qe_quantize(const qe_tensor_t *x, qe_dtype_t dtype, const qe_qparams_t *qparams, qe_tensor_t **out);
/* (float)(q - z) * s. */
QE_API qe_status_t qe_dequantize(const qe_tensor_t *q, qe_tensor_t **out);
/* sat(rne(((q - z) * s) / s2) + z2). */
QE_API qe_status_t qe_requantize(const qe_tensor_t *q, qe_dtype_t dtype, const qe_qparams_t *qparams, qe_tensor_t **out);
/* The codes of a quantized tensor as a plain integer tensor (torch's int_repr). A copy. */
QE_API qe_status_t qe_int_repr(const qe_tensor_t *q, qe_tensor_t **out);
/*
 * Scale and zero point for a range, the one algorithm used everywhere (docs/numerics.md, choose_qparams).
 * symmetric: zero point 0 (signed) or the middle (unsigned). eps: smallest scale, 0 = 2^-23.
 */
QE_API qe_status_t qe_choose_qparams(float min, float max, qe_dtype_t dtype, int32_t quant_min, int32_t quant_max,
                                     int symmetric, float eps, float *scale, int32_t *zero_point);

#ifdef __cplusplus
}
#endif
#endif
