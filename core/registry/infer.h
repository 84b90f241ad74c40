/* What the inference functions share: reading attributes and inputs with clear errors, checked arithmetic,
 * broadcasting. */
#ifndef QE_CORE_INFER_H
#define QE_CORE_INFER_H

#include <stdbool.h>

#include "graph/graph.h"
#include "registry/op_schema.h"

/* Sets of element types: bit `dtype`. */
typedef uint32_t qe__dtypes;
#define QE__T(dtype) (UINT32_C(1) << QE_##dtype)
#define QE__T_FLOAT  (QE__T(FLOAT32) | QE__T(FLOAT64) | QE__T(FLOAT16) | QE__T(BFLOAT16))
#define QE__T_SIGNED (QE__T(INT8) | QE__T(INT16) | QE__T(INT32) | QE__T(INT64))
#define QE__T_UNSIGNED (QE__T(UINT8) | QE__T(UINT16) | QE__T(UINT32) | QE__T(UINT64))
#define QE__T_NUMBER (QE__T_FLOAT | QE__T_SIGNED | QE__T_UNSIGNED)
#define QE__T_INDEX  (QE__T(INT32) | QE__T(INT64))
#define QE__T_BYTE   (QE__T(UINT8) | QE__T(INT8))
#define QE__T_CODE   (QE__T_BYTE | QE__T(UINT16) | QE__T(INT16) | QE__T(INT32) | QE__T(UINT4) | QE__T(INT4))
#define QE__T_ANY    (QE__T_NUMBER | QE__T(BOOL) | QE__T(UINT4) | QE__T(INT4))

/* ---- inputs ---- */

static inline bool qe__has(const qe__infer_ctx *c, uint32_t i) { return i < c->n_in && c->in[i].present; }
/* The type of input i is in the set; on a quantized node codes and float32 are always allowed. */
qe_status_t qe__need_type(const qe__infer_ctx *c, uint32_t i, qe__dtypes allowed);
/* Input i has input 0's type, unless the node is quantized (codes of different types stand for comparable numbers). */
qe_status_t qe__need_same_type(const qe__infer_ctx *c, uint32_t i);
/* lo <= rank of input i <= hi. */
qe_status_t qe__need_rank(const qe__infer_ctx *c, uint32_t i, uint32_t lo, uint32_t hi);
/* Input i is a vector of n elements. */
qe_status_t qe__need_vector(const qe__infer_ctx *c, uint32_t i, int64_t n, const char *what);
/* The elements of a constant int32 / int64 input of rank 0 or 1; UNSUPPORTED when the value is not known while
 * planning. */
qe_status_t qe__read_ints(const qe__infer_ctx *c, uint32_t i, const char *what, size_t capacity, int64_t *out,
                          size_t *count);
/* The value must be known while planning, one element. */
qe_status_t qe__need_scalar_value(const qe__infer_ctx *c, uint32_t i, const char *what);

/* ---- attributes; absent: the fallback; of another kind: an error ---- */

qe_status_t qe__attr_int(const qe__infer_ctx *c, const char *name, int64_t fallback, int64_t *out);
qe_status_t qe__attr_flag(const qe__infer_ctx *c, const char *name, bool fallback, bool *out);
qe_status_t qe__attr_float(const qe__infer_ctx *c, const char *name, float fallback, float *out);
qe_status_t qe__attr_string(const qe__infer_ctx *c, const char *name, const char *fallback, const char **out);
/* *values NULL when absent; otherwise `want` of them (any number when want is SIZE_MAX). */
qe_status_t qe__attr_ints(const qe__infer_ctx *c, const char *name, size_t want, const int64_t **values, size_t *count);
/* Index of the attribute's text in `names` (NULL at the end). */
qe_status_t qe__attr_choice(const qe__infer_ctx *c, const char *name, const char *const *names, uint32_t fallback,
                            uint32_t *out);

/* ---- dimensions ---- */

/* -rank <= axis < rank, made positive. */
qe_status_t qe__positive_axis(const char *what, int64_t axis, uint32_t rank, uint32_t *out);
/* Attribute "axis". */
qe_status_t qe__attr_axis(const qe__infer_ctx *c, int64_t fallback, uint32_t rank, uint32_t *out);
/* Distinct axes as a bit set. */
qe_status_t qe__axis_set(const char *what, const int64_t *axes, size_t count, uint32_t rank, uint32_t *out);
qe_status_t qe__dim_add(int64_t a, int64_t b, int64_t *out);
qe_status_t qe__dim_mul(int64_t a, int64_t b, int64_t *out);
/* floor(a / b) and ceil(a / b) for b > 0, any a. */
int64_t qe__floor_div(int64_t a, int64_t b);
int64_t qe__ceil_div(int64_t a, int64_t b);
/* Numpy's rule; *rank and dims are widened by the operand of b_rank, b_dims. */
qe_status_t qe__broadcast(uint32_t *rank, int64_t *dims, uint32_t b_rank, const int64_t *b_dims);
/* Operand b broadcasts to dims without changing them. */
bool qe__broadcasts_to(uint32_t b_rank, const int64_t *b_dims, uint32_t rank, const int64_t *dims);
/* "[1,3]" of input i. */
const char *qe__in_text(const qe__infer_ctx *c, uint32_t i, char *buffer, size_t size);

/* ---- outputs ---- */

/* On a quantized node the type that the caller preset (the value's) stands. */
void qe__set_out(qe__infer_ctx *c, uint32_t i, qe_dtype_t dtype, uint32_t rank, const int64_t *dims);

#endif
