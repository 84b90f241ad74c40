/* Element types: sizes, ranges, names; shapes: element counts and text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tensor/tensor.h"

bool qe__dims_count(uint32_t rank, const int64_t *dims, int64_t *count) {
  int64_t product = 1;
  bool empty = false, fits = true;
  if (rank > QE_MAX_RANK) return false;
  for (uint32_t d = 0; d < rank; d++) {
    if (dims[d] < 0) return false;
    if (dims[d] == 0) empty = true;
    else if (fits) fits = qe__mul_i64(product, dims[d], &product);
  }
  /* [0, 2^62, 4] holds nothing: whether the other dimensions overflow does not matter. */
  if (!empty && !fits) return false;
  *count = empty ? 0 : product;
  return true;
}

bool qe__dtype_bytes(qe_dtype_t dtype, int64_t count, size_t *bytes) {
  const unsigned bits = qe_dtype_bits(dtype);
  if (bits == 0 || count < 0) return false;
  if (bits < 8) {
    const uint64_t per_byte = 8 / bits;
    *bytes = (size_t)(((uint64_t)count + per_byte - 1) / per_byte);
    return true;
  }
  return (uint64_t)count <= SIZE_MAX && qe__mul_size((size_t)count, bits / 8, bytes);
}

bool qe__dtype_valid(int64_t onnx_data_type) {
  return onnx_data_type > 0 && onnx_data_type <= INT32_MAX && qe_dtype_bits((qe_dtype_t)onnx_data_type) != 0;
}

bool qe__dtype_integer_range(qe_dtype_t dtype, int32_t *min, int32_t *max) {
  switch (dtype) {
  case QE_UINT4: *min = 0, *max = 15; return true;
  case QE_INT4: *min = -8, *max = 7; return true;
  case QE_UINT8: *min = 0, *max = UINT8_MAX; return true;
  case QE_INT8: *min = INT8_MIN, *max = INT8_MAX; return true;
  case QE_UINT16: *min = 0, *max = UINT16_MAX; return true;
  case QE_INT16: *min = INT16_MIN, *max = INT16_MAX; return true;
  case QE_INT32: *min = INT32_MIN, *max = INT32_MAX; return true;
  default: return false;
  }
}

qe_dtype_t qe__dtype_from_name(const char *name) {
  static const struct { const char *name; qe_dtype_t dtype; } names[] = {
#define X(dtype, value, bits, text) {text, QE_##dtype},
    QE_DTYPE_LIST(X)
#undef X
    {"qint8", QE_INT8}, {"quint8", QE_UINT8}, {"qint32", QE_INT32},
  };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(names[i].name, name) == 0) return names[i].dtype;
  }
  return QE_DTYPE_NONE;
}

const char *qe__dims_text(uint32_t rank, const int64_t *dims, char *buffer, size_t size) {
  if (size == 0) return "";
  size_t used = 0;
  for (uint32_t d = 0; d <= rank; d++) {
    int n;
    if (d == rank) n = snprintf(buffer + used, size - used, "%s]", rank == 0 ? "[" : "");
    else n = snprintf(buffer + used, size - used, "%c%" PRId64, d == 0 ? '[' : ',', dims[d]);
    if (n < 0 || (size_t)n >= size - used) break;
    used += (size_t)n;
  }
  return buffer;
}
