/*
 * Looking at the nodes around a node, for the files that recognise an op in the pieces that exporters write. A match
 * holds the graph's uses as they were when it began; nodes killed since show as dead.
 */
#ifndef QE_CORE_ONNX_MATCH_H
#define QE_CORE_ONNX_MATCH_H

#include "onnx/import.h"

typedef struct qe__match {
  const qe__import *im; /* ranks */
  qe__graph *g;
  uint32_t n_values;    /* of the graph as it was: values added since have no uses here */
  qe__uses uses;
} qe__match;

qe_status_t qe__match_begin(qe__match *m, const qe__import *im);
void qe__match_end(qe__match *m);

/* How many inputs read v; a graph output counts as one more. */
uint32_t qe__match_readers(const qe__match *m, qe__value_id v);
/* The living, plain (not quantized, nothing fused) node of this op that makes v, or NULL. */
qe__node *qe__match_maker(const qe__match *m, qe__value_id v, uint16_t op);
/* The same, when exactly one input reads v and v is no output of the graph: a value that may go away. */
qe__node *qe__match_inner(const qe__match *m, qe__value_id v, uint16_t op);
/* The only reader of v, when it is a plain node of this op; else NULL. */
qe__node *qe__match_reader(const qe__match *m, qe__value_id v, uint16_t op);
/* A constant of one element that does not raise the rank of `beside` by broadcasting; type float32 (any type: `any`). */
bool qe__match_scalar(const qe__match *m, qe__value_id v, qe__value_id beside, bool any, float *out);
/* n has two inputs, one of them such a constant: *other is the other one. */
bool qe__match_with_scalar(const qe__match *m, const qe__node *n, float *constant, qe__value_id *other);

enum { QE__MATCH_FACTORS = 8, QE__MATCH_DEPTH = 4 };

/* A product of values and constants, however it is bracketed. */
typedef struct qe__factors {
  uint32_t n_values, n_multipliers, n_divisors, n_nodes;
  qe__value_id values[QE__MATCH_FACTORS];
  float multipliers[QE__MATCH_FACTORS], divisors[QE__MATCH_FACTORS];
  qe__node *nodes[QE__MATCH_FACTORS]; /* what was read through, the root excepted */
  uint32_t depth;                     /* while reading: of the node at hand; deeper than QE__MATCH_DEPTH is one factor */
} qe__factors;

/*
 * The factors of the value that `root` makes, root being Mul, Div by a constant or Pow with exponent 2 or 3; inner values
 * that only the product reads are read through. false: no product, or one of more factors than there is room for.
 */
bool qe__match_product(const qe__match *m, qe__node *root, qe__factors *f);
/* The factors of v: of the product that makes it when v is inner, else v alone. */
bool qe__match_factors(const qe__match *m, qe__value_id v, qe__factors *f);

/*
 * Turns `last` (which keeps its name and its outputs) into a node of `op` with these inputs; the merged nodes are killed
 * and become part of its origin, in the given order, last at the end.
 */
qe_status_t qe__match_become(qe__node *last, uint16_t op, uint32_t n_in, const qe__value_id *in,
                             uint32_t n_merged, qe__node *const *merged);

#endif
