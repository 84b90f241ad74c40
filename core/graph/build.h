/* What the building functions share. After the first failure a model takes no more nodes. */
#ifndef QE_CORE_GRAPH_BUILD_H
#define QE_CORE_GRAPH_BUILD_H

#include "graph/model.h"

/* The model exists and nothing has failed yet. */
bool qe__build_ok(const qe_model_t *m);
/* Remembers the current error message as the model's first error; returns a negative value. */
qe_value_t qe__build_fail(qe_model_t *m, qe_status_t status);
/* `value`, or what failed remembered and a negative value. */
qe_value_t qe__build_result(qe_model_t *m, qe_status_t status, qe_value_t value);

/* A node being built: its final name (owned) and the module's name for messages. */
typedef struct qe__build {
  qe_model_t *m;
  char *name;
  qe__node *node;
} qe__build;

/*
 * Starts a module: `name` or a fresh one made from `op`. Constants of the module are added with qe__build_constant,
 * then the node with qe__build_node, then its attributes with qe__node_set_*, then qe__build_end infers types and
 * shapes. qe__build_close frees what the helper holds, in every case.
 */
qe_status_t qe__build_begin(qe_model_t *m, const char *op, const char *name, qe__build *b);
/* Operand `v` is a value of the model. */
qe_status_t qe__build_operand(const qe__build *b, qe_value_t v);
/* A constant named "<module>.<suffix>"; data is retained. */
qe_status_t qe__build_constant(const qe__build *b, const char *suffix, qe_tensor_t *data, qe__value_id *out);
/* The same from numbers. */
qe_status_t qe__build_ints(const qe__build *b, const char *suffix, size_t count, const int64_t *values,
                           qe__value_id *out);
qe_status_t qe__build_scalar(const qe__build *b, const char *suffix, float value, qe__value_id *out);
/* A float32 weight; `rank` 0: any. NULL is an error. */
qe_status_t qe__build_weight(const qe__build *b, const char *suffix, const qe_tensor_t *data, uint32_t rank);
/* The node with its output values (the first is named like the module). */
qe_status_t qe__build_node(qe__build *b, const char *op, uint32_t n_in, const qe__value_id *in, uint32_t n_out,
                           qe__value_id *out);
qe_status_t qe__build_end(qe__build *b);
void qe__build_close(qe__build *b);

/* Types and ranks (shapes, when every input's is fully known) of a node's outputs; only certain errors are errors. */
qe_status_t qe__build_infer(qe__graph *g, qe__node *n);

/* Constant parameters of QuantizeLinear and DequantizeLinear move from the node's inputs into the quantized value. */
qe_status_t qe__build_quantization(qe__graph *g, qe__node *n);

/* Attributes from JSON text (NULL: none) into the node. */
qe_status_t qe__build_attributes(qe__node *n, const char *json);

#endif
