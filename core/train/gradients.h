/* What a rule of gradients.def is given, and what the rules share. */
#ifndef QE_CORE_TRAIN_GRADIENTS_H
#define QE_CORE_TRAIN_GRADIENTS_H

#include "train/emit.h"

typedef struct qe__gradient {
  qe__emit e;
  const qe__node *n;        /* the node being differentiated */
  qe_op_params params;      /* its attributes, resolved */
  const qe__value_id *dy;   /* per output: its gradient, or QE__NO_VALUE; a fused activation is dealt with already */
  const bool *want;         /* per input: its gradient is needed */
  qe__value_id *dx;         /* per input: to be filled where wanted */
} qe__gradient;

/* Fills dx; failures stay in e. */
typedef void (*qe__gradient_rule)(qe__gradient *c);
typedef struct qe__gradient_row {
  uint32_t inputs;        /* bit i: input i has a gradient; all ones: every input */
  uint32_t outputs;       /* the same of outputs */
  qe__gradient_rule rule; /* NULL: nothing passes through the op */
  bool known;             /* it has a row */
} qe__gradient_row;

/* Input i exists. */
static inline bool qe__gradient_has(const qe__gradient *c, uint32_t i) { return i < c->n->n_in && c->n->in[i] != QE__NO_VALUE; }
static inline qe__shape qe__gradient_shape(const qe__gradient *c, uint32_t i) { return qe__shape_of(c->e.g, c->n->in[i]); }
/* Output 0 before its fused activation; computed again where there is one. */
qe__value_id qe__gradient_result(qe__gradient *c);
/* dx[i] is v, summed to the shape of input i where that was broadcast. */
void qe__gradient_sum_to(qe__gradient *c, uint32_t i, qe__value_id v);
/* A node of another op with the node's attributes and n_extra more, which win. */
qe__value_id qe__gradient_like(qe__gradient *c, uint16_t op, uint32_t n_in, const qe__value_id *in, uint32_t n_extra, const qe__attr *extra);

#define QE_GRADIENT(op, inputs, outputs, rule) void qe__gradient_##rule(qe__gradient *c);
#define QE_NO_GRADIENT(op)
#include "train/gradients.def"
#undef QE_GRADIENT
#undef QE_NO_GRADIENT

#endif
