/*
 * Unpacking with limits. protobuf-c recurses for every nested message and allocates a structure for every two bytes of
 * input, so skimming bounds the depth and the allocator bounds the bytes.
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

qe_status_t qe__proto_unpack(const ProtobufCMessageDescriptor *type, const qe__source *source, const char *name,
                             uint8_t hash[32], qe__proto_memory *memory, ProtobufCMessage **out) {
  *out = NULL;
  uint8_t *bytes;
  size_t n;
  QE_TRY(qe__skim(type, source, name, hash, &bytes, &n));
  /* a small file may blow up about 60-fold (many tiny messages); a large one is mostly weights, which are copied at
   * most once */
  const size_t size = source->size, many = size < ((size_t)16 << 20) ? 64 * size : (size_t)1 << 30;
  memory->used = 0;
  memory->limit = ((size_t)64 << 20) + many + 2 * size;
  memory->over_limit = false;
  ProtobufCAllocator allocator = allocator_of(memory);
  const uint8_t empty = 0;
  *out = protobuf_c_message_unpack(type, &allocator, n, bytes != NULL ? bytes : &empty);
  qe__free(bytes);
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
