/*
 * The graph: typed values and nodes, the one representation that import, fusion, conversion, execution and
 * export share.
 *
 * - Ops are the canonical ones of registry/ops.def (ONNX names, the newest form: axes as inputs, Clip bounds as
 *   inputs, ...). The importer brings every opset and dialect to that form; the exporter goes back.
 * - A quantized value is a value of an integer dtype with parameters (`q`). A node with `quantized` set computes
 *   on the real numbers that its quantized operands stand for: a Conv on uint8 x, int8 w, int32 bias and uint8 y
 *   is ONNX QLinearConv. Without the flag an integer op is plain integer arithmetic.
 * - QuantizeLinear / DequantizeLinear with constant parameters have one input, the parameters being those of the
 *   quantized value. With computed parameters they keep ONNX's three inputs.
 * - `act` is a fused activation, applied last: the result is clamped to [lo, hi].
 * - Nodes are kept in topological order.
 */
#ifndef QE_CORE_GRAPH_H
#define QE_CORE_GRAPH_H

#include "registry/op_schema.h"
#include "tensor/tensor.h"

typedef int32_t qe__value_id; /* index into graph->values */
#define QE__NO_VALUE (-1)

typedef struct qe__value {
  char *name; /* unique, never NULL */
  qe_dtype_t dtype;            /* NONE: not known before shapes are */
  int32_t rank;                /* -1: unknown */
  int64_t dims[QE_MAX_RANK];   /* -1: unknown or symbolic */
  char *symbols[QE_MAX_RANK];  /* name of a symbolic dimension ("batch"), or NULL */
  qe_tensor_t *data;           /* a constant's tensor, or NULL; q below is authoritative, not the tensor's */
  qe__qparams q;               /* view.count == 0: not quantized */
} qe__value;

typedef enum qe__attr_kind { QE__ATTR_INT, QE__ATTR_FLOAT, QE__ATTR_STRING, QE__ATTR_INTS, QE__ATTR_FLOATS, QE__ATTR_STRINGS, QE__ATTR_TENSOR } qe__attr_kind;

typedef struct qe__attr {
  char *name;
  qe__attr_kind kind;
  int64_t i;
  float f;
  char *s;           /* zero-terminated copy */
  size_t count;      /* of ints / floats / strings */
  int64_t *ints;
  float *floats;
  char **strings;
  qe_tensor_t *tensor;
} qe__attr;

typedef struct qe__act { /* fused clamp; lo = -inf and hi = +inf when nothing is fused */
  float lo, hi;
} qe__act;

typedef struct qe__node {
  const qe__op_schema *op;
  char *name;               /* unique, never NULL; the model's own node name where it had one */
  char *origin;             /* names of the model's nodes that were fused into this one, ", " between; or NULL */
  uint32_t n_in, n_out;
  qe__value_id *in;         /* QE__NO_VALUE: optional input not given */
  qe__value_id *out;        /* QE__NO_VALUE: optional output not wanted */
  uint32_t n_attr;
  qe__attr *attr;
  bool quantized;
  qe__act act;
  qe_tensor_t *channel_stats; /* float32 [2, channels]: mean and deviation of each output channel before `act`, as the
                                 BatchNorm folded into this node promises them; or NULL. Never in a file. */
  bool dead;                /* killed: reads and writes nothing; qe__graph_sweep frees it */
} qe__node;

typedef struct qe__metadata {
  char *key, *value;
} qe__metadata;

typedef struct qe__graph {
  char *name;
  uint32_t n_values, n_nodes, n_inputs, n_outputs, n_metadata;
  size_t cap_values, cap_nodes, cap_inputs, cap_outputs, cap_metadata;
  qe__value *values;
  qe__node **nodes;
  qe__value_id *inputs, *outputs; /* in the model's order; inputs never include initializers */
  qe__metadata *metadata;         /* ONNX metadata_props, in order */
  uint8_t model_hash[32];         /* SHA-256 of the file it came from; zero when built */
  struct qe__names *names;        /* graph/names.h: names in use; a value's name changes only by qe__graph_rename_value */
} qe__graph;

qe_status_t qe__graph_create(qe__graph **out);
void qe__graph_destroy(qe__graph **graph);
qe_status_t qe__graph_clone(const qe__graph *g, qe__graph **out); /* constants are shared (retained) */

/* Adds a value; name NULL: a fresh one; a taken name is refused (EXISTS). Pointers into g->values become invalid. */
qe_status_t qe__graph_add_value(qe__graph *g, const char *name, qe_dtype_t dtype, qe__value_id *out);
/* Adds a constant; takes one reference of its own on data; copies data's qparams into the value. */
qe_status_t qe__graph_add_constant(qe__graph *g, const char *name, qe_tensor_t *data, qe__value_id *out);
/* Gives a value another name; the old one becomes free. A name that another value has is refused (EXISTS). */
qe_status_t qe__graph_rename_value(qe__graph *g, qe__value_id v, const char *name);
qe_status_t qe__graph_add_input(qe__graph *g, qe__value_id v);
qe_status_t qe__graph_add_output(qe__graph *g, qe__value_id v);
/* Adds a node at the end (in/out copied); name NULL: a fresh one; a taken name is refused (EXISTS); an unknown op is
 * NOT_FOUND. *node (node may be NULL) belongs to the graph and keeps its address until it is swept. */
qe_status_t qe__graph_add_node(qe__graph *g, const char *op, const char *name, uint32_t n_in, const qe__value_id *in,
                               uint32_t n_out, const qe__value_id *out, qe__node **node);
qe_status_t qe__graph_set_metadata(qe__graph *g, const char *key, const char *value);
const char *qe__graph_get_metadata(const qe__graph *g, const char *key);
/* A name not used by any value / node yet, made from base ("conv1", "conv1_1", ...). Caller frees (qe__free); NULL when
 * out of memory. The name is not reserved. */
char *qe__graph_fresh_name(const qe__graph *g, const char *base);
qe__value_id qe__graph_find_value(const qe__graph *g, const char *name); /* O(1) */

qe_status_t qe__node_set_int(qe__node *n, const char *name, int64_t value);
qe_status_t qe__node_set_float(qe__node *n, const char *name, float value);
qe_status_t qe__node_set_string(qe__node *n, const char *name, const char *value);
qe_status_t qe__node_set_ints(qe__node *n, const char *name, const int64_t *values, size_t count);
qe_status_t qe__node_set_floats(qe__node *n, const char *name, const float *values, size_t count);
qe_status_t qe__node_set_strings(qe__node *n, const char *name, const char *const *values, size_t count);
qe_status_t qe__node_set_tensor(qe__node *n, const char *name, qe_tensor_t *tensor); /* retains */
const qe__attr *qe__node_attr(const qe__node *n, const char *name); /* NULL when absent */
int64_t qe__node_int(const qe__node *n, const char *name, int64_t fallback);
float qe__node_float(const qe__node *n, const char *name, float fallback);
const char *qe__node_string(const qe__node *n, const char *name, const char *fallback);
void qe__node_remove_attr(qe__node *n, const char *name);

/* n computes another op from other inputs (copied; absent ones at the end are dropped); all else of it stays. */
qe_status_t qe__node_become(qe__node *n, uint16_t op, uint32_t n_in, const qe__value_id *in);

/* Uses: every (node, input index) that reads a value, plus whether it is a graph output. Rebuilt on demand. */
typedef struct qe__uses {
  uint32_t *start;    /* n_values + 1 offsets into the arrays below */
  uint32_t *node;     /* node index */
  uint32_t *input;    /* input index */
  int32_t *producer;  /* per value: node index or -1 */
  bool *is_output;    /* per value */
} qe__uses;
qe_status_t qe__graph_uses(const qe__graph *g, qe__uses *out);
void qe__uses_free(qe__uses *uses);

/* Every reader of `from` (and the graph's outputs) reads `to` instead. */
void qe__graph_replace_uses(qe__graph *g, qe__value_id from, qe__value_id to);
/*
 * Removes killed nodes (qe__node_kill), then nodes whose results nothing reads, then the data of constants that nothing
 * reads. Value ids and names stay valid: a value that is left without producer and data is simply not used by anything.
 */
void qe__node_kill(qe__node *n);
/* Frees a node that no graph holds. NULL is allowed. */
void qe__node_destroy(qe__node *n);
qe_status_t qe__graph_sweep(qe__graph *g);
/* Topological order; a cycle is an error naming its nodes. Stable. */
qe_status_t qe__graph_sort(qe__graph *g);
/* Structure: one producer per value, arity, every read value produced, names unique, q valid. */
qe_status_t qe__graph_verify(const qe__graph *g);

#endif
