/*
 * TensorProto: raw bytes (little-endian), typed fields, or external data. The sizes given by dims are checked against
 * the bytes that are really there before anything is allocated.
 */
#include "onnx/tensor_proto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/onnx.h"

static const char *name_of(const Onnx__TensorProto *p) {
  return p->name != NULL && p->name[0] != '\0' ? p->name : "(unnamed)";
}

/* A non-negative decimal number; false for anything else. */
static bool parse_size(const char *text, int64_t *out) {
  if (text == NULL || text[0] < '0' || text[0] > '9') return false;
  char *end;
  errno = 0;
  const long long value = strtoll(text, &end, 10);
  *out = value;
  return errno == 0 && *end == '\0';
}

/* out NULL: checks that the bytes are there. */
static qe_status_t read_external(const Onnx__TensorProto *p, qe__external *external, void *out, size_t bytes) {
  const char *location = NULL;
  int64_t offset = 0, length = -1;
  for (size_t i = 0; i < p->n_external_data; i++) {
    const char *key = p->external_data[i]->key, *value = p->external_data[i]->value;
    bool good = true;
    if (key == NULL || value == NULL) continue;
    if (strcmp(key, "location") == 0) location = value;
    else if (strcmp(key, "offset") == 0) good = parse_size(value, &offset);
    else if (strcmp(key, "length") == 0) good = parse_size(value, &length);
    if (!good) return qe__fail(QE_ERROR_FORMAT, "external data: %s '%s' is not a size", key, value);
  }
  if (location == NULL) return qe__fail(QE_ERROR_FORMAT, "external data has no location");
  if (external == NULL) return qe__fail(QE_ERROR_UNSUPPORTED, "external data is not allowed here");
  return qe__external_read(external, location, offset, length, out, bytes);
}

/* How many elements the typed field for this dtype has. */
static size_t typed_count(const Onnx__TensorProto *p, qe_dtype_t dtype) {
  switch (dtype) {
    case QE_FLOAT32: return p->n_float_data;
    case QE_FLOAT64: return p->n_double_data;
    case QE_INT64: return p->n_int64_data;
    case QE_UINT32: case QE_UINT64: return p->n_uint64_data;
    default: return p->n_int32_data;
  }
}

static void int32_range(qe_dtype_t dtype, int32_t *lo, int32_t *hi) {
  switch (dtype) {
    case QE_BOOL: *lo = 0, *hi = 1; break;
    case QE_UINT8: case QE_UINT4: case QE_INT4: *lo = 0, *hi = 255; break;
    case QE_INT8: *lo = -128, *hi = 127; break;
    case QE_INT16: *lo = -32768, *hi = 32767; break;
    case QE_UINT16: case QE_FLOAT16: case QE_BFLOAT16: *lo = 0, *hi = 65535; break;
    default: *lo = INT32_MIN, *hi = INT32_MAX; break;
  }
}

static qe_status_t read_int32_data(const Onnx__TensorProto *p, qe_tensor_t *t) {
  int32_t lo, hi;
  int32_range(t->dtype, &lo, &hi);
  for (size_t i = 0; i < p->n_int32_data; i++) {
    const int32_t v = p->int32_data[i];
    if (v < lo || v > hi) {
      return qe__fail(QE_ERROR_FORMAT, "element %zu is %d, which %s cannot hold", i, (int)v, qe_dtype_name(t->dtype));
    }
    switch (qe_dtype_bits(t->dtype)) {
      case 4: case 8: ((uint8_t *)t->data)[i] = (uint8_t)(v & 0xff); break;
      case 16: ((uint16_t *)t->data)[i] = (uint16_t)(v & 0xffff); break;
      default: ((int32_t *)t->data)[i] = v; break;
    }
  }
  return QE_OK;
}

static qe_status_t read_uint64_data(const Onnx__TensorProto *p, qe_tensor_t *t) {
  for (size_t i = 0; i < p->n_uint64_data; i++) {
    if (t->dtype == QE_UINT64) {
      ((uint64_t *)t->data)[i] = p->uint64_data[i];
    } else if (p->uint64_data[i] > UINT32_MAX) {
      return qe__fail(QE_ERROR_FORMAT, "element %zu is larger than uint32 can hold", i);
    } else {
      ((uint32_t *)t->data)[i] = (uint32_t)p->uint64_data[i];
    }
  }
  return QE_OK;
}

static qe_status_t read_typed(const Onnx__TensorProto *p, qe_tensor_t *t) {
  if (t->bytes == 0) return QE_OK;
  switch (t->dtype) {
    case QE_FLOAT32: memcpy(t->data, p->float_data, t->bytes); return QE_OK;
    case QE_FLOAT64: memcpy(t->data, p->double_data, t->bytes); return QE_OK;
    case QE_INT64: memcpy(t->data, p->int64_data, t->bytes); return QE_OK;
    case QE_UINT32: case QE_UINT64: return read_uint64_data(p, t);
    default: return read_int32_data(p, t);
  }
}

/* Type, shape and the number of bytes that are there agree. */
static qe_status_t check(const Onnx__TensorProto *p, const qe__source *source, qe__external *external,
                         qe_dtype_t *dtype, bool *is_external, qe__span *raw) {
  *is_external = p->has_data_location && p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  if (p->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__STRING) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "strings are not supported");
  }
  if (!qe__dtype_valid(p->data_type)) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "element type %d is not supported (TensorProto.DataType)", (int)p->data_type);
  }
  *dtype = (qe_dtype_t)p->data_type;
  if (p->segment != NULL) return qe__fail(QE_ERROR_UNSUPPORTED, "segmented tensors are not supported");
  if (p->n_dims > QE_MAX_RANK) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "rank %zu; at most %d is supported", p->n_dims, QE_MAX_RANK);
  }
  int64_t count;
  size_t bytes;
  if (!qe__dims_count((uint32_t)p->n_dims, p->dims, &count) || !qe__dtype_bytes(*dtype, count, &bytes)) {
    return qe__fail(QE_ERROR_SHAPE, "a dimension is negative, or the dimensions overflow");
  }
  if (*is_external) {
    if (p->has_raw_data) return qe__fail(QE_ERROR_FORMAT, "it has raw bytes and external data");
    return read_external(p, external, NULL, bytes);
  }
  if (p->has_raw_data) {
    if (!qe__raw_span(source, p, raw)) return qe__fail(QE_ERROR_FORMAT, "its raw bytes are not in the file");
    if (raw->size != bytes) {
      return qe__fail(QE_ERROR_FORMAT, "it has %llu raw bytes; its type and shape need %zu",
                      (unsigned long long)raw->size, bytes);
    }
    return QE_OK;
  }
  const size_t have = typed_count(p, *dtype);
  const uint64_t need = qe_dtype_bits(*dtype) == 4 ? bytes : (uint64_t)count;
  if (have != need) {
    return qe__fail(QE_ERROR_FORMAT, "it has %zu elements of data; its type and shape need %llu", have,
                    (unsigned long long)need);
  }
  return QE_OK;
}

qe_status_t qe__tensor_from_proto(const Onnx__TensorProto *p, const qe__source *source, qe__external *external,
                                  qe_tensor_t **out) {
  *out = NULL;
  qe_dtype_t dtype = QE_DTYPE_NONE;
  bool is_external = false;
  qe__span raw = {0};
  qe_tensor_t *t = NULL;
  qe_status_t status;
  QE_TRY_GOTO(check(p, source, external, &dtype, &is_external, &raw), fail);
  QE_TRY_GOTO(qe__tensor_create_lasting(dtype, (uint32_t)p->n_dims, p->dims, &t), fail);
  if (is_external) {
    QE_TRY_GOTO(read_external(p, external, t->data, t->bytes), fail);
  } else if (p->has_raw_data) {
    QE_TRY_GOTO(qe__source_read(source, raw, t->data), fail);
  } else {
    QE_TRY_GOTO(read_typed(p, t), fail);
  }
  *out = t;
  return QE_OK;
fail:
  qe_tensor_release(&t);
  return qe__fail_in(status, "tensor '%s'", name_of(p));
}

qe_status_t qe__onnx_tensor_parse(const void *data, size_t size, const char *name, qe_tensor_t **out) {
  *out = NULL;
  qe__proto_memory memory;
  ProtobufCMessage *message = NULL;
  const qe__source source = {.data = data, .size = size};
  QE_TRY(qe__proto_unpack(&onnx__tensor_proto__descriptor, &source, name, NULL, &memory, &message));
  const qe_status_t status = qe__tensor_from_proto((const Onnx__TensorProto *)(const void *)message, &source, NULL, out);
  qe__proto_release(&memory, &message);
  return status == QE_OK ? QE_OK : qe__fail_in(status, "%s", name);
}
