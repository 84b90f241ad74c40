/*
 * What the exporter's files share. Nodes, constants and names are appended to the export while the graph is walked in
 * order, so that one graph always gives the same bytes.
 */
#ifndef QE_CORE_ONNX_EXPORT_H
#define QE_CORE_ONNX_EXPORT_H

#include "graph/graph.h"
#include "graph/names.h"
#include "onnx/arena.h"
#include "onnx/proto.h"
#include "qengine/model.h"

typedef struct qe__export {
  const qe__graph *g;
  qe_format_t format;
  int64_t opset;
  bool microsoft; /* an op of com.microsoft was written */
  Onnx__FunctionProto **functions; /* of domain "qengine" */
  size_t n_functions, cap_functions;
  qe__arena arena;
  qe__names *names;
  Onnx__NodeProto **nodes;
  size_t n_nodes, cap_nodes;
  Onnx__TensorProto **constants;
  size_t n_constants, cap_constants;
  bool *written;              /* per value: its constant is written */
  char **scale, **zero_point; /* per value: names of its parameters once written */
  char **transposed;          /* per value: name of its transpose once written */
} qe__export;

/* ---- building blocks (export_build.c) ---- */

/* A name for a value (node) that nothing in the file has; "base", "base_1", ... NULL: out of memory. */
char *qe__export_value_name(qe__export *ex, const char *base);
char *qe__export_node_name(qe__export *ex, const char *base);

/* A value between the pieces of a node: "<base>_<suffix>". */
qe_status_t qe__export_between(qe__export *ex, const char *base, const char *suffix, char **out);

/* Appends a node; trailing NULL names are dropped, others become "". name NULL: made from the op and the first

 * output. */
qe_status_t qe__export_node(qe__export *ex, const char *domain, const char *op, const char *name, size_t n_in,
                            char *const *in, size_t n_out, char *const *out, Onnx__NodeProto **node);
qe_status_t qe__export_attr_int(qe__export *ex, Onnx__NodeProto *node, const char *name, int64_t value);
/* In the body of a function: the function's attribute `other`. */
qe_status_t qe__export_attr_reference(qe__export *ex, Onnx__NodeProto *node, const char *name,
                                      Onnx__AttributeProto__AttributeType type, const char *other);
qe_status_t qe__export_attr_float(qe__export *ex, Onnx__NodeProto *node, const char *name, float value);
qe_status_t qe__export_attr_ints(qe__export *ex, Onnx__NodeProto *node, const char *name, size_t count,
                                 const int64_t *values);
qe_status_t qe__export_attr(qe__export *ex, Onnx__NodeProto *node, const qe__attr *attr);
qe_status_t qe__export_attrs(qe__export *ex, Onnx__NodeProto *node, const qe__node *n);

/* The name of a value in the file, "" for none; a constant is written on first use. */
qe_status_t qe__export_value(qe__export *ex, qe__value_id v, char **name);
/* A constant of its own. */
qe_status_t qe__export_constant(qe__export *ex, const char *base, qe_dtype_t dtype, uint32_t rank, const int64_t *dims,
                                const void *data, size_t bytes, char **name);
qe_status_t qe__export_scalar_f32(qe__export *ex, const char *base, float value, char **name);
/* A TensorProto over the tensor's memory. */
Onnx__TensorProto *qe__export_tensor(qe__export *ex, const char *name, const qe_tensor_t *t);

/* Like qe__onnx_export; more than inline_limit bytes of constants go to an external file. */
qe_status_t qe__onnx_export_limited(const qe__graph *g, qe_format_t format, const char *path, int overwrite,
                                    uint64_t inline_limit);

/* The packed model, everything inline; free with qe__free. */
qe_status_t qe__onnx_export_memory(const qe__graph *g, qe_format_t format, void **out, size_t *size);

/* ---- ops ---- */

/* Lowest opset that can say the node (export_opset.c). */
int64_t qe__export_min_opset(const qe__graph *g, const qe__node *n);
/* Input i in the plain form: "" where the opset has an attribute instead. */
qe_status_t qe__export_input(qe__export *ex, const qe__node *n, uint32_t i, char **name);
/* The plain form of a node between the given names, with everything its canonical form adds to ONNX's
 * (export_ops.c). */
qe_status_t qe__export_plain(qe__export *ex, const qe__node *n, char **in, char **out, const qe__act *act);
/* A node of domain "qengine" as the call of a function, which is defined where needed (export_functions.c). */
qe_status_t qe__export_call(qe__export *ex, const qe__node *n, char **in, char **out);
/* MatMulIntegerToFloat between the given names (export_dynamic.c). */
qe_status_t qe__export_integer_product(qe__export *ex, const qe__node *n, char **in, char *out);
/* A node that is quantized, in the export's format (export_quantized.c). */
qe_status_t qe__export_quantized(qe__export *ex, const qe__node *n);
/* QuantizeLinear / DequantizeLinear with parameters in the value. */
qe_status_t qe__export_linear(qe__export *ex, const char *op, const char *name, qe__value_id params, char *in,
                              char *out);
/* Names of the constants with a value's scale and zero point ("" for int32). */
qe_status_t qe__export_params(qe__export *ex, qe__value_id v, char **scale, char **zero_point);
/* A quantized node as one operator on integers; *done false: there is none (export_qoperator.c). */
qe_status_t qe__export_qoperator(qe__export *ex, const qe__node *n, bool *done);
/* Whether the type's range does what the node's clamp does. */
bool qe__export_act_implied(const qe__graph *g, const qe__node *n, int32_t *lo, int32_t *hi);

#endif
