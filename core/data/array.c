/* From the bytes of an array file to a tensor: byte order and element order. */
#include <inttypes.h>
#include <string.h>

#include "data/formats.h"

static void swap_bytes(uint8_t *p, size_t element, size_t bytes) {
  for (size_t i = 0; i < bytes; i += element) {
    for (size_t a = 0, b = element - 1; a < b; a++, b--) {
      const uint8_t t = p[i + a];
      p[i + a] = p[i + b];
      p[i + b] = t;
    }
  }
}

/* Copies column-major elements to row-major order. */
static void from_fortran(const qe__array_header *h, size_t element, const uint8_t *src, uint8_t *dst) {
  size_t stride[QE_MAX_RANK];
  size_t step = element;
  for (uint32_t d = 0; d < h->rank; d++) {
    stride[d] = step;
    step *= (size_t)h->dims[d];
  }
  int64_t index[QE_MAX_RANK] = {0};
  size_t at = 0;
  for (int64_t i = 0; i < h->count; i++) {
    memcpy(dst, src + at, element);
    dst += element;
    for (uint32_t d = h->rank; d-- > 0;) {
      at += stride[d];
      if (++index[d] < h->dims[d]) break;
      at -= stride[d] * (size_t)h->dims[d];
      index[d] = 0;
    }
  }
}

qe_status_t qe__array_tensor(const qe__array_header *h, const void *data, size_t size, const char *name,
                             qe_tensor_t **out) {
  *out = NULL;
  if (h->offset > size || h->bytes > size - h->offset) {
    char dims[200];
    return qe__fail(
        QE_ERROR_FORMAT, "%s: truncated: %s of %s needs %zu bytes from byte %zu on, the file has %zu in all", name,
        qe__dims_text(h->rank, h->dims, dims, sizeof dims), qe_dtype_name(h->dtype), h->bytes, h->offset, size);
  }
  const uint8_t *elements = (const uint8_t *)data + h->offset;
  const size_t element = qe_dtype_bits(h->dtype) / 8;
  QE_TRY(qe_tensor_create(h->dtype, h->rank, h->dims, out));
  qe_tensor_t *t = *out;
  if (h->bytes == 0) return QE_OK;
  if (h->fortran && h->rank > 1) from_fortran(h, element, elements, t->data);
  else memcpy(t->data, elements, h->bytes);
  if (h->swap && element > 1) swap_bytes(t->data, element, h->bytes);
  if (h->dtype == QE_BOOL) {
    uint8_t *p = t->data;
    for (size_t i = 0; i < h->bytes; i++) p[i] = p[i] != 0;
  }
  return QE_OK;
}
