/*
 * Nodes written by a program: each function adds one node whose inputs have concrete shapes (or is `early`), infers its
 * outputs and returns the first of them.
 *
 * A failure is kept: from then on nothing is added and every function returns QE__NO_VALUE, so that a formula needs one
 * check, at its end. (The order of a call's arguments is the compiler's choice: no more than one of them may add nodes,
 * or graphs would differ from compiler to compiler.)
 */
#ifndef QE_CORE_TRAIN_EMIT_H
#define QE_CORE_TRAIN_EMIT_H

#include "graph/graph.h"

typedef struct qe__emit {
  qe__graph *g;
  const char *name;   /* new nodes are called "<name>/<op>"; NULL: by their op alone */
  bool early;         /* shapes are not known yet: nothing is inferred, results are float32 */
  qe_status_t status; /* of the first failure */
} qe__emit;

/* Attributes on the way into a node. */
#define QE__INT(key, value)          ((qe__attr){.name = (key), .kind = QE__ATTR_INT, .i = (value)})
#define QE__FLOAT(key, value)        ((qe__attr){.name = (key), .kind = QE__ATTR_FLOAT, .f = (value)})
#define QE__INTS(key, n, values)     ((qe__attr){.name = (key), .kind = QE__ATTR_INTS, .count = (n), .ints = (values)})
#define QE__STRING(key, value)       ((qe__attr){.name = (key), .kind = QE__ATTR_STRING, .s = (value)})

/* Keeps status unless something failed before; whether something has. */
bool qe__emit_failed(qe__emit *e, qe_status_t status);

/* Any op: n_out results, those with wanted[i] (NULL: all); an absent one is QE__NO_VALUE in out. */
void qe__emit_outputs(qe__emit *e, uint16_t op, uint32_t n_in, const qe__value_id *in, uint32_t n_attr, const qe__attr *attr,
                      uint32_t n_out, const bool *wanted, qe__value_id *out);
qe__value_id qe__emit_node(qe__emit *e, uint16_t op, uint32_t n_in, const qe__value_id *in, uint32_t n_attr, const qe__attr *attr);
/* The node added last: for its fused activation, or another name of its result. NULL after a failure. */
qe__node *qe__emit_last(const qe__emit *e);
qe__value_id qe__emit_unary(qe__emit *e, uint16_t op, qe__value_id x);
qe__value_id qe__emit_binary(qe__emit *e, uint16_t op, qe__value_id a, qe__value_id b);
/* x op constant */
qe__value_id qe__emit_with(qe__emit *e, uint16_t op, qe__value_id x, float constant);
/* condition ? a : b */
qe__value_id qe__emit_where(qe__emit *e, qe__value_id condition, qe__value_id a, qe__value_id b);

qe__value_id qe__emit_scalar(qe__emit *e, float value);
qe__value_id qe__emit_ints(qe__emit *e, uint32_t n, const int64_t *values);
qe__value_id qe__emit_vector(qe__emit *e, int64_t n, const float *values);
/* A constant of this shape, every element the same. */
qe__value_id qe__emit_filled(qe__emit *e, uint32_t rank, const int64_t *dims, float value);

/* x itself where it is known to have the shape already. */
qe__value_id qe__emit_reshape(qe__emit *e, qe__value_id x, uint32_t rank, const int64_t *dims);
qe__value_id qe__emit_expand(qe__emit *e, qe__value_id x, uint32_t rank, const int64_t *dims);
qe__value_id qe__emit_transpose(qe__emit *e, qe__value_id x, const int64_t *perm);
/* Elements begin..end-1 of one dimension. */
qe__value_id qe__emit_slice(qe__emit *e, qe__value_id x, uint32_t axis, int64_t begin, int64_t end);
/* Any number of values, one after the other along a dimension; one value: itself. */
qe__value_id qe__emit_concat(qe__emit *e, uint32_t axis, int64_t n, const qe__value_id *parts);
/* The sum over dimensions (bit i: dimension i). */
qe__value_id qe__emit_sum(qe__emit *e, qe__value_id x, uint32_t axes, bool keepdims);
/* x summed to a shape that broadcasts to its own. */
qe__value_id qe__emit_sum_to(qe__emit *e, qe__value_id x, uint32_t rank, const int64_t *dims);

/* Shape of a value, which is concrete. Pointers into the graph's values go stale when one is added: dims are copied. */
typedef struct qe__shape {
  uint32_t rank;
  int64_t dims[QE_MAX_RANK];
} qe__shape;
qe__shape qe__shape_of(const qe__graph *g, qe__value_id v);
bool qe__same_shape(const qe__shape *a, const qe__shape *b);
int64_t qe__shape_count(const qe__shape *s, uint32_t from, uint32_t to); /* product of dimensions from..to-1 */

/*
 * Infers a node whose inputs have concrete shapes, as a plan would, and gives its outputs their types and shapes. Errors
 * name the node.
 */
qe_status_t qe__infer_concrete(qe__graph *g, const qe__node *n, qe_op_params *params);

#endif
