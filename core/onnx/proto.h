/* protobuf-c with limits: a hostile file can neither nest without bound nor ask for memory without bound. */
#ifndef QE_CORE_ONNX_PROTO_H
#define QE_CORE_ONNX_PROTO_H

#include "onnx/skim.h"

/* The memory of one message; zero-initialise, hand to unpack and to release. */
typedef struct qe__proto_memory {
  size_t used, limit;
  bool over_limit;
} qe__proto_memory;

/*
 * Unpacks a message of the given type; raw_data of its tensors says where they lie in the source (onnx/skim.h). Errors:
 * FORMAT (malformed, nested too deeply, too large in memory), IO, OUT_OF_MEMORY. name: for messages. hash: the SHA-256
 * of the source; may be NULL. Free with qe__proto_release and the same memory.
 */
qe_status_t qe__proto_unpack(const ProtobufCMessageDescriptor *type, const qe__source *source, const char *name,
                             uint8_t hash[32], qe__proto_memory *memory, ProtobufCMessage **out);
void qe__proto_release(qe__proto_memory *memory, ProtobufCMessage **message);

#endif
