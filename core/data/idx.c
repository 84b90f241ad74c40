/* The idx format of the MNIST files: 00 00 type rank, big-endian dimensions, big-endian elements. */
#include <inttypes.h>
#include <string.h>

#include "data/formats.h"

static qe_dtype_t dtype_of(uint8_t code) {
  switch (code) {
  case 0x08: return QE_UINT8;
  case 0x09: return QE_INT8;
  case 0x0B: return QE_INT16;
  case 0x0C: return QE_INT32;
  case 0x0D: return QE_FLOAT32;
  case 0x0E: return QE_FLOAT64;
  default: return QE_DTYPE_NONE;
  }
}

bool qe__idx_magic(const void *data, size_t size) {
  const uint8_t *p = data;
  return size >= 4 && p[0] == 0 && p[1] == 0 && dtype_of(p[2]) != QE_DTYPE_NONE;
}

qe_status_t qe__idx_header(const void *data, size_t size, const char *name, qe__array_header *h) {
  const uint8_t *p = data;
  memset(h, 0, sizeof *h);
  if (!qe__idx_magic(data, size)) {
    return qe__fail(QE_ERROR_FORMAT,
                    "%s: not an idx file: it does not begin with 00 00, a type (08 09 0B 0C 0D 0E) and a rank", name);
  }
  h->dtype = dtype_of(p[2]);
  h->swap = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
  h->rank = p[3];
  if (h->rank > QE_MAX_RANK) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "%s: an idx array of %u dimensions; at most %d are supported", name, h->rank,
                    QE_MAX_RANK);
  }
  h->offset = 4 + 4 * (size_t)h->rank;
  if (size < h->offset) {
    return qe__fail(QE_ERROR_FORMAT, "%s: truncated: an idx header of rank %u has %zu bytes, %zu are there", name,
                    h->rank, h->offset, size);
  }
  for (uint32_t d = 0; d < h->rank; d++) {
    const uint8_t *q = p + 4 + 4 * d;
    h->dims[d] = (int64_t)q[0] << 24 | (int64_t)q[1] << 16 | (int64_t)q[2] << 8 | (int64_t)q[3];
  }
  if (!qe__dims_count(h->rank, h->dims, &h->count) || !qe__dtype_bytes(h->dtype, h->count, &h->bytes)) {
    char dims[200];
    return qe__fail(QE_ERROR_FORMAT, "%s: the idx shape %s exceeds the address space", name,
                    qe__dims_text(h->rank, h->dims, dims, sizeof dims));
  }
  return QE_OK;
}

qe_status_t qe__idx_parse(const void *data, size_t size, const char *name, qe_tensor_t **out) {
  *out = NULL;
  qe__array_header h;
  QE_TRY(qe__idx_header(data, size, name, &h));
  if (size > h.offset && size - h.offset > h.bytes) {
    char dims[200];
    return qe__fail(QE_ERROR_FORMAT, "%s: %zu bytes follow the idx elements; %s of %s takes %zu", name,
                    size - h.offset - h.bytes, qe__dims_text(h.rank, h.dims, dims, sizeof dims), qe_dtype_name(h.dtype),
                    h.bytes);
  }
  return qe__array_tensor(&h, data, size, name, out);
}
