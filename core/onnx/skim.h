/*
 * Reading a protobuf message once, from memory or from a file. What comes out is the same message, except that the raw
 * bytes of tensors stay where they are: a model's weights are read once, to where they shall lie.
 */
#ifndef QE_CORE_ONNX_SKIM_H
#define QE_CORE_ONNX_SKIM_H

#include <onnx/onnx.pb-c.h>

#include <stdbool.h>

#include "base/file.h"

#define QE__PROTO_MAX_DEPTH 32

/* Where a message lies. Borrowed by all that get one. */
typedef struct qe__source {
  const void *data; /* NULL: in the file */
  const qe__file *file;
  size_t size;
} qe__source;

/* Bytes of a source. In a skimmed message it is what raw_data of every TensorProto holds. */
typedef struct qe__span {
  uint64_t offset, size;
} qe__span;

/*
 * Errors: FORMAT (malformed, or nested too deeply; name is for the message), IO, OUT_OF_MEMORY. *out is freed with
 * qe__free. hash: the SHA-256 of the source; may be NULL.
 */
qe_status_t qe__skim(const ProtobufCMessageDescriptor *type, const qe__source *source, const char *name,
                     uint8_t hash[32], uint8_t **out, size_t *out_size);

/* Where a tensor's raw bytes lie; false: not in the source (hostile files can make that up). */
bool qe__raw_span(const qe__source *source, const Onnx__TensorProto *tensor, qe__span *out);
/* span: inside the source. Error: IO. */
qe_status_t qe__source_read(const qe__source *source, qe__span span, void *to);

#endif
