/* Adding nodes to a graph one after the other; the first failure sticks, and everything after it does nothing. */
#ifndef QE_CORE_TRAIN_COMPOSE_H
#define QE_CORE_TRAIN_COMPOSE_H

#include "graph/graph.h"

typedef struct qe__compose {
  qe__graph *g;
  qe_status_t status; /* QE_OK, or what failed first */
} qe__compose;

/* A node at the end of the graph with n_out new float32 values; NULL after a failure. Attributes: qe__node_set_*. */
qe__node *qe__compose_node(qe__compose *e, const char *op, uint32_t n_in, const qe__value_id *in, uint32_t n_out, qe__value_id *out);
/* The same with one output, which is given back; QE__NO_VALUE after a failure. */
qe__value_id qe__compose1(qe__compose *e, const char *op, qe__value_id a);
qe__value_id qe__compose2(qe__compose *e, const char *op, qe__value_id a, qe__value_id b);
/* Constants: a float32 scalar, a float32 vector, an int64 vector. */
qe__value_id qe__compose_float(qe__compose *e, float value);
qe__value_id qe__compose_floats(qe__compose *e, int64_t count, const float *values);
qe__value_id qe__compose_ints(qe__compose *e, size_t count, const int64_t *values);
/* x with these dimensions (-1: what is left), by Reshape. */
qe__value_id qe__compose_reshape(qe__compose *e, qe__value_id x, size_t rank, const int64_t *dims);
/* Remembers a failure of something else, too; false when anything has failed. */
bool qe__compose_try(qe__compose *e, qe_status_t status);

#endif
