/* Tensors: life, shape, memory. */
#include "tensor/tensor.h"

#include <string.h>

enum { DIMS_TEXT = 200 };

static qe_status_t check_shape(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, int64_t *count, size_t *bytes) {
  if (qe_dtype_bits(dtype) == 0)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "tensor: %d is not a data type", (int)dtype);
  if (rank > QE_MAX_RANK) {
    return qe__fail(QE_ERROR_SHAPE, "tensor: rank is %u; at most %d dimensions are supported", rank, QE_MAX_RANK);
  }
  if (rank > 0 && dims == NULL) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "tensor: dims is NULL for rank %u", rank);
  char text[DIMS_TEXT];
  if (!qe__dims_count(rank, dims, count) || !qe__dtype_bytes(dtype, *count, bytes) || *bytes > PTRDIFF_MAX) {
    return qe__fail(QE_ERROR_SHAPE, "tensor: the shape %s of %s elements is negative or exceeds the address space",
                    qe__dims_text(rank, dims, text, sizeof text), qe_dtype_name(dtype));
  }
  return QE_OK;
}

qe_status_t qe__tensor_wrap(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, void *data,
                            void (*release)(void *data, void *arg), void *arg, qe_tensor_t **out) {
  *out = NULL;
  int64_t count;
  size_t bytes;
  QE_TRY(check_shape(dtype, rank, dims, &count, &bytes));
  qe_tensor_t *t = qe__calloc(1, sizeof *t);
  if (t == NULL) return QE_ERROR_OUT_OF_MEMORY;
  atomic_init(&t->references, 1);
  t->dtype = dtype;
  t->rank = rank;
  if (rank > 0) memcpy(t->dims, dims, rank * sizeof *dims);
  t->count = count;
  t->bytes = bytes;
  t->data = data;
  t->release_data = release;
  t->release_arg = arg;
  *out = t;
  return QE_OK;
}

/* Without clearing or copying: the caller fills all of it. */
static qe_status_t create_raw(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, qe_tensor_t **out) {
  *out = NULL;
  int64_t count;
  size_t bytes;
  QE_TRY(check_shape(dtype, rank, dims, &count, &bytes));
  void *data = qe__alloc_aligned(bytes, 0);
  if (data == NULL) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = qe__tensor_wrap(dtype, rank, dims, data, NULL, NULL, out);
  if (status != QE_OK) qe__free_aligned(data);
  return status;
}

static void free_lasting(void *data, void *size) { qe__free_lasting(data, (size_t)(uintptr_t)size); }

qe_status_t qe__tensor_create_lasting(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, qe_tensor_t **out) {
  *out = NULL;
  int64_t count;
  size_t bytes;
  QE_TRY(check_shape(dtype, rank, dims, &count, &bytes));
  void *data = qe__alloc_lasting(bytes, 0);
  if (data == NULL) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status =
      qe__tensor_wrap(dtype, rank, dims, data, free_lasting, (void *)(uintptr_t)bytes, out);
  if (status != QE_OK) qe__free_lasting(data, bytes);
  return status;
}

qe_status_t qe_tensor_create(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, qe_tensor_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  QE_TRY(create_raw(dtype, rank, dims, out));
  memset((*out)->data, 0, (*out)->bytes);
  return QE_OK;
}

qe_status_t qe_tensor_from_data(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, const void *data,
                                qe_tensor_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  QE_TRY(create_raw(dtype, rank, dims, out));
  qe_tensor_t *t = *out;
  if (t->bytes > 0 && data == NULL) {
    qe_tensor_release(out);
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "qe_tensor_from_data: data is NULL");
  }
  if (t->bytes > 0) memcpy(t->data, data, t->bytes);
  /* The unused half of the last byte of an odd number of 4-bit elements: always 0, so that equal tensors have equal
   * bytes. */
  if (qe_dtype_bits(dtype) == 4 && t->count % 2 != 0) ((uint8_t *)t->data)[t->bytes - 1] &= 0x0f;
  return QE_OK;
}

qe_tensor_t *qe_tensor_retain(qe_tensor_t *tensor) {
  if (tensor != NULL) atomic_fetch_add_explicit(&tensor->references, 1, memory_order_relaxed);
  return tensor;
}

void qe_tensor_release(qe_tensor_t **tensor) {
  if (tensor == NULL || *tensor == NULL) return;
  qe_tensor_t *t = *tensor;
  *tensor = NULL;
  if (atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) != 1) return;
  if (t->release_data != NULL) t->release_data(t->data, t->release_arg);
  else qe__free_aligned(t->data);
  qe__qparams_clear(&t->q);
  qe__free(t);
}

qe_dtype_t qe_tensor_dtype(const qe_tensor_t *tensor) { return tensor == NULL ? QE_DTYPE_NONE : tensor->dtype; }
uint32_t qe_tensor_rank(const qe_tensor_t *tensor) { return tensor == NULL ? 0 : tensor->rank; }
const int64_t *qe_tensor_dims(const qe_tensor_t *tensor) { return tensor == NULL ? NULL : tensor->dims; }
int64_t qe_tensor_count(const qe_tensor_t *tensor) { return tensor == NULL ? 0 : tensor->count; }
void *qe_tensor_data(qe_tensor_t *tensor) { return tensor == NULL ? NULL : tensor->data; }
const void *qe_tensor_const_data(const qe_tensor_t *tensor) { return tensor == NULL ? NULL : tensor->data; }
size_t qe_tensor_bytes(const qe_tensor_t *tensor) { return tensor == NULL ? 0 : tensor->bytes; }

const qe_qparams_t *qe_tensor_qparams(const qe_tensor_t *tensor) {
  return tensor == NULL || tensor->q.view.count == 0 ? NULL : &tensor->q.view;
}

qe_status_t qe_tensor_set_qparams(qe_tensor_t *tensor, const qe_qparams_t *qparams) {
  QE_CHECK_ARG(tensor != NULL, "tensor is NULL");
  return qe__qparams_set(&tensor->q, qparams, tensor->dtype, tensor->rank, tensor->dims);
}

qe_status_t qe__tensor_copy(const qe_tensor_t *t, qe_tensor_t **out) {
  QE_TRY(qe_tensor_from_data(t->dtype, t->rank, t->dims, t->data, out));
  const qe_status_t status = qe_tensor_set_qparams(*out, qe_tensor_qparams(t));
  if (status != QE_OK) qe_tensor_release(out);
  return status;
}

/* Per-channel parameters survive only when their dimension stays where it is. */
static bool keeps_axis(const qe_tensor_t *t, uint32_t rank, const int64_t *dims, int32_t axis) {
  if (axis < 0) return true;
  const uint32_t a = (uint32_t)axis;
  return a < rank && memcmp(dims, t->dims, (a + 1) * sizeof *dims) == 0;
}

qe_status_t qe__tensor_reshape(const qe_tensor_t *t, uint32_t rank, const int64_t *dims, qe_tensor_t **out) {
  *out = NULL;
  int64_t count;
  char from[DIMS_TEXT], to[DIMS_TEXT];
  if (!qe__dims_count(rank, dims, &count) || count != t->count) {
    return qe__fail(QE_ERROR_SHAPE, "reshape: %s does not hold as many elements as %s",
                    qe__dims_text(rank < QE_MAX_RANK ? rank : QE_MAX_RANK, dims, to, sizeof to),
                    qe__dims_text(t->rank, t->dims, from, sizeof from));
  }
  QE_TRY(qe_tensor_from_data(t->dtype, rank, dims, t->data, out));
  const qe_qparams_t *q = qe_tensor_qparams(t);
  qe_status_t status = QE_OK;
  if (q != NULL && !keeps_axis(t, rank, dims, q->axis)) {
    status = qe__fail(
        QE_ERROR_SHAPE, "reshape: %s -> %s moves dimension %d, which the quantization parameters run along",
        qe__dims_text(t->rank, t->dims, from, sizeof from), qe__dims_text(rank, dims, to, sizeof to), (int)q->axis);
  } else if (q != NULL) {
    status = qe_tensor_set_qparams(*out, q);
  }
  if (status != QE_OK) qe_tensor_release(out);
  return status;
}
