/*
 * Unpacking with limits. protobuf-c recurses for every nested message and allocates a structure for every two bytes of
 * input, so a pre-scan bounds the depth and the allocator bounds the bytes.
 */
#include "onnx/proto.h"

#include <stdbool.h>

#include "base/memory.h"

enum { HEADER = 16 }; /* keeps malloc's alignment behind the size */

static void *bounded_alloc(void *data, size_t size) {
  qe__proto_memory *m = data;
  if (size > m->limit - m->used) {
    m->over_limit = true;
    return NULL;
  }
  size_t total;
  if (!qe__add_size(size, HEADER, &total)) return NULL;
  char *block = qe__realloc(NULL, 1, total);
  if (block == NULL) return NULL;
  *(size_t *)(void *)block = size;
  m->used += size;
  return block + HEADER;
}

static void bounded_free(void *data, void *ptr) {
  qe__proto_memory *m = data;
  if (ptr == NULL) return;
  char *block = (char *)ptr - HEADER;
  m->used -= *(size_t *)(void *)block;
  qe__free(block);
}

static ProtobufCAllocator allocator_of(qe__proto_memory *m) {
  return (ProtobufCAllocator){.alloc = bounded_alloc, .free = bounded_free, .allocator_data = m};
}

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *out) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (*at == end) return false;
    const uint8_t byte = *(*at)++;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) {
      *out = value;
      return true;
    }
  }
  return false;
}

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *type, uint64_t number) {
  for (unsigned i = 0; i < type->n_fields; i++) {
    if (type->fields[i].id == number) return &type->fields[i];
  }
  return NULL;
}

typedef enum scan_result { SCAN_OK, SCAN_MALFORMED, SCAN_TOO_DEEP } scan_result;

static scan_result scan(const ProtobufCMessageDescriptor *type, const uint8_t *at, const uint8_t *end, unsigned depth) {
  if (depth > QE__PROTO_MAX_DEPTH) return SCAN_TOO_DEEP;
  while (at < end) {
    uint64_t key, value;
    if (!read_varint(&at, end, &key)) return SCAN_MALFORMED;
    switch (key & 7) {
      case 0:
        if (!read_varint(&at, end, &value)) return SCAN_MALFORMED;
        break;
      case 1:
        if (end - at < 8) return SCAN_MALFORMED;
        at += 8;
        break;
      case 2: {
        if (!read_varint(&at, end, &value) || value > (uint64_t)(end - at)) return SCAN_MALFORMED;
        const ProtobufCFieldDescriptor *field = field_of(type, key >> 3);
        if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE) {
          const scan_result inner = scan(field->descriptor, at, at + value, depth + 1);
          if (inner != SCAN_OK) return inner;
        }
        at += value;
        break;
      }
      case 5:
        if (end - at < 4) return SCAN_MALFORMED;
        at += 4;
        break;
      default:
        return SCAN_MALFORMED;
    }
  }
  return SCAN_OK;
}

qe_status_t qe__proto_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t size, const char *name,
                             qe__proto_memory *memory, ProtobufCMessage **out) {
  *out = NULL;
  const uint8_t empty = 0, *bytes = size > 0 ? data : &empty;
  switch (scan(type, bytes, bytes + size, 0)) {
    case SCAN_OK: break;
    case SCAN_TOO_DEEP:
      return qe__fail(QE_ERROR_FORMAT, "%s: messages are nested more than %d deep; this is not a usable ONNX file",
                      name, QE__PROTO_MAX_DEPTH);
    case SCAN_MALFORMED:
      return qe__fail(QE_ERROR_FORMAT,
                      "%s: not a valid protobuf message of type %s (%zu bytes; truncated or not ONNX?)", name,
                      type->name, size);
  }
  /* a small file may blow up about 60-fold (many tiny messages); a large one is mostly weights, which are copied
   * once */
  const size_t many = size < ((size_t)16 << 20) ? 64 * size : (size_t)1 << 30;
  memory->used = 0;
  memory->limit = ((size_t)64 << 20) + many + 2 * size;
  memory->over_limit = false;
  ProtobufCAllocator allocator = allocator_of(memory);
  *out = protobuf_c_message_unpack(type, &allocator, size, bytes);
  if (*out != NULL) return QE_OK;
  if (memory->over_limit) {
    return qe__fail(QE_ERROR_FORMAT,
                    "%s: unpacking %zu bytes needs more than %zu bytes of memory; this is not a usable ONNX file", name,
                    size, memory->limit);
  }
  return qe__fail(QE_ERROR_FORMAT, "%s: not a valid protobuf message of type %s (%zu bytes), or out of memory", name,
                  type->name, size);
}

void qe__proto_release(qe__proto_memory *memory, ProtobufCMessage **message) {
  if (*message == NULL) return;
  ProtobufCAllocator allocator = allocator_of(memory);
  protobuf_c_message_free_unpacked(*message, &allocator);
  *message = NULL;
}

void qe__proto_drop_raw(qe__proto_memory *memory, Onnx__TensorProto *tensor) {
  bounded_free(memory, tensor->raw_data.data);
  tensor->raw_data = (ProtobufCBinaryData){0};
  tensor->has_raw_data = 0;
}
