/* The tensor behind the public handle, and the scalar arithmetic of quantization (docs/numerics.md). */
#ifndef QE_CORE_TENSOR_H
#define QE_CORE_TENSOR_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/memory.h"
#include "qengine/tensor.h"

/* Owned quantization parameters. count 0 means none. */
typedef struct qe__qparams {
  qe_qparams_t view; /* points into the arrays below; view.count == 0: not quantized */
  float *scales;
  int32_t *zero_points;
} qe__qparams;

/* Copies (also validates against dtype and, when dims is not NULL, against the dimension). src NULL or count 0: none. */
qe_status_t qe__qparams_set(qe__qparams *dst, const qe_qparams_t *src, qe_dtype_t dtype, uint32_t rank, const int64_t *dims);
void qe__qparams_clear(qe__qparams *q);
bool qe__qparams_equal(const qe_qparams_t *a, const qe_qparams_t *b); /* bit for bit; NULL = none */

struct qe_tensor {
  atomic_int references;
  qe_dtype_t dtype;
  uint32_t rank;
  int64_t dims[QE_MAX_RANK];
  int64_t count;
  size_t bytes;
  void *data;
  void (*release_data)(void *data, void *arg); /* NULL: qe__free_aligned */
  void *release_arg;
  qe__qparams q;
};

/* Product of dims with overflow check; false when negative or overflowing. */
bool qe__dims_count(uint32_t rank, const int64_t *dims, int64_t *count);
/* Bytes for count elements (4-bit types round up); false on overflow. */
bool qe__dtype_bytes(qe_dtype_t dtype, int64_t count, size_t *bytes);
bool qe__dtype_valid(int64_t onnx_data_type);
bool qe__dtype_integer_range(qe_dtype_t dtype, int32_t *min, int32_t *max); /* of quantizable types */
qe_dtype_t qe__dtype_from_name(const char *name); /* also "qint8", "quint8", "qint32"; NONE when unknown */

/* A tensor over memory it does not copy; release(data, arg) is called once at the end. On error data stays the caller's. */
qe_status_t qe__tensor_wrap(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, void *data,
                            void (*release)(void *data, void *arg), void *arg, qe_tensor_t **out);
/* For weights: not cleared, the caller fills all of it (qe__alloc_lasting). */
qe_status_t qe__tensor_create_lasting(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, qe_tensor_t **out);
/* Same elements, other shape (same count): shares nothing, copies. */
qe_status_t qe__tensor_reshape(const qe_tensor_t *t, uint32_t rank, const int64_t *dims, qe_tensor_t **out);
qe_status_t qe__tensor_copy(const qe_tensor_t *t, qe_tensor_t **out);
/* Reads an integer (or float) tensor of any numeric type as int64 / float; INDEX must be in range. */
int64_t qe__tensor_int_at(const qe_tensor_t *t, int64_t index);
double qe__tensor_float_at(const qe_tensor_t *t, int64_t index);
/* float16 as its bits: the value, and the nearest one (half to even; infinity from 65520 on, NaN a quiet NaN). */
float qe__half_value(uint16_t bits);
uint16_t qe__half_bits(float x);
/* "[1,3,224,224]" into buffer. */
const char *qe__dims_text(uint32_t rank, const int64_t *dims, char *buffer, size_t size);

/* bias_i32 = rne(b / (sx * sw_c)), saturated with a warning. channels: number of output channels. */
qe_status_t qe__quantize_bias(const qe_tensor_t *b, int64_t channels, float sx, const qe_qparams_t *w, const char *what,
                              qe_tensor_t **out);

/* sat(rne(x / s) + z), NaN -> z, +-Inf saturates. */
int32_t qe__quantize_value(float x, float scale, int32_t zero_point, int32_t qmin, int32_t qmax);

#endif
