/* Models made by hand as protobuf messages, graphs made through the API, and comparing graphs. */
#ifndef QE_TESTS_ONNX_UTIL_H
#define QE_TESTS_ONNX_UTIL_H

#include "graph/graph.h"
#include "onnx/export.h"
#include "onnx/onnx.h"

/* A ModelProto under construction, over the exporter's building blocks. */
typedef struct proto_model {
  qe__export ex;
  qe__graph *empty;
  Onnx__ValueInfoProto *inputs[16], *outputs[16];
  size_t n_inputs, n_outputs;
  int64_t opset;
  bool microsoft;
} proto_model;

void proto_open(proto_model *m, int64_t opset);
void proto_close(proto_model *m);
/* A tensor input; a dimension of -1 is the symbol "n". */
void proto_input(proto_model *m, const char *name, int elem_type, size_t rank, const int64_t *dims);
void proto_output(proto_model *m, const char *name);
void proto_const(proto_model *m, const char *name, qe_dtype_t dtype, size_t rank, const int64_t *dims,
                 const void *data);
void proto_f32(proto_model *m, const char *name, float value);
void proto_u8(proto_model *m, const char *name, int value);
void proto_i8(proto_model *m, const char *name, int value);
/* inputs and outputs: names separated by spaces, "-" for an absent one. */
Onnx__NodeProto *proto_node(proto_model *m, const char *domain, const char *op, const char *name, const char *inputs,
                            const char *outputs);
/* The nodes added since there were `first` of them become a function instead; lists are separated by spaces. */
Onnx__FunctionProto *proto_function(proto_model *m, size_t first, const char *domain, const char *name,
                                    const char *inputs, const char *outputs, const char *attributes);
void proto_int(proto_model *m, Onnx__NodeProto *n, const char *name, int64_t value);
void proto_float(proto_model *m, Onnx__NodeProto *n, const char *name, float value);
void proto_ints(proto_model *m, Onnx__NodeProto *n, const char *name, size_t count, const int64_t *values);
void proto_string(proto_model *m, Onnx__NodeProto *n, const char *name, const char *value);
/* The packed message; free with free(). */
void *proto_pack(proto_model *m, size_t *size);
/* Packs and imports; closes m. */
qe_status_t proto_import(proto_model *m, qe__graph **out);

/* Node by op name, the nth one; NULL when there are fewer. */
const qe__node *find_node(const qe__graph *g, const char *op, unsigned nth);
unsigned count_nodes(const qe__graph *g, const char *op);
/* The constant behind an input, or NULL. */
const qe_tensor_t *input_data(const qe__graph *g, const qe__node *n, uint32_t i);

/* Why two graphs are not the same (static buffer), or NULL. Constants are compared by content, other values by name. */
const char *graph_difference(const qe__graph *a, const qe__graph *b);

/* Exports, imports again, and returns the new graph; fails the test when either does not work. */
qe__graph *round_trip(const qe__graph *g, qe_format_t format);

/* ---- building quantized graphs ---- */

qe_tensor_t *random_codes(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, uint32_t *seed);
/* A value of codes with per-tensor parameters. */
qe__value_id add_codes(qe__graph *g, const char *name, qe_dtype_t dtype, float scale, int32_t zero_point);
qe__value_id add_weight(qe__graph *g, const char *name, uint32_t rank, const int64_t *dims, int32_t axis,
                        uint32_t *seed);
/* The int32 bias that fits codes x and weight w. */
qe__value_id add_bias(qe__graph *g, const char *name, qe__value_id x, qe__value_id w, int64_t channels);
qe__value_id add_i64(qe__graph *g, const char *name, size_t count, const int64_t *values);
/* A quantized node with one output. */
qe__node *add_quantized(qe__graph *g, const char *op, const char *name, uint32_t n_in, const qe__value_id *in,
                        qe__value_id out);
/* float input "x" [1, c, h, w] and its codes "xq". */
qe__value_id start_graph(qe__graph **g, int64_t c, int64_t h, int64_t w);
/* Dequantizes v into the output "y" and verifies. */
void finish_graph(qe__graph *g, qe__value_id v);

#endif
