/* ONNX in and out. */
#ifndef QE_CORE_ONNX_H
#define QE_CORE_ONNX_H

#include "base/file.h"
#include "graph/graph.h"
#include "qengine/model.h"

/* directory: where external data is looked for (NULL: not allowed). name: for messages. */
qe_status_t qe__onnx_import(const void *data, size_t size, const char *directory, const char *name, qe__graph **out);
/* The same from an open file, which is read twice in parts, never as a whole: weights go straight to their tensors. */
qe_status_t qe__onnx_import_file(const qe__file *file, const char *directory, qe__graph **out);
/* Serialises; weights over `inline_limit` bytes in all go to external data (path given by the caller, NULL: refuse over
 * 2 GB). */
qe_status_t qe__onnx_export(const qe__graph *g, qe_format_t format, const char *path, int overwrite);
/* One TensorProto (ONNX test data). */
qe_status_t qe__onnx_tensor_parse(const void *data, size_t size, const char *name, qe_tensor_t **out);
/* DQ -> op -> Q patterns become quantized nodes, in place (docs/onnx.md lists the rules). Called by import; also after
 * building. */
qe_status_t qe__qdq_fuse(qe__graph *g);

#endif
