/* protobuf-c with limits: a hostile file can neither nest without bound nor ask for memory without bound. */
#ifndef QE_CORE_ONNX_PROTO_H
#define QE_CORE_ONNX_PROTO_H

#include <onnx/onnx.pb-c.h>

#include <stdbool.h>

#include "base/status.h"

#define QE__PROTO_MAX_DEPTH 32

/* The memory of one message; zero-initialise, hand to unpack and to release. */
typedef struct qe__proto_memory {
  size_t used, limit;
  bool over_limit;
} qe__proto_memory;

/*
 * Unpacks a message of the given type. Errors: FORMAT (malformed, nested too deeply, too large in memory),
 * OUT_OF_MEMORY. name: for messages. Free with qe__proto_release and the same memory.
 */
qe_status_t qe__proto_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t size, const char *name,
                             qe__proto_memory *memory, ProtobufCMessage **out);
void qe__proto_release(qe__proto_memory *memory, ProtobufCMessage **message);

/* Frees a tensor's raw bytes early, once they have been copied. */
void qe__proto_drop_raw(qe__proto_memory *memory, Onnx__TensorProto *tensor);

#endif
