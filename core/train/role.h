/* What an input of a node is to training: which constants are parameters, and how they begin. */
#ifndef QE_CORE_TRAIN_ROLE_H
#define QE_CORE_TRAIN_ROLE_H

#include "graph/graph.h"

typedef enum qe__role {
  QE__ROLE_NONE,      /* data, indices, shapes */
  QE__ROLE_WEIGHT,    /* of a convolution or product */
  QE__ROLE_RECURRENT, /* weights of LSTM, GRU, RNN */
  QE__ROLE_BIAS,
  QE__ROLE_SCALE,     /* of a normalization */
  QE__ROLE_SHIFT,
  QE__ROLE_MEAN,      /* running statistics of a BatchNormalization */
  QE__ROLE_VARIANCE,
  QE__ROLE_SLOPE,
  QE__ROLE_TABLE      /* of an embedding */
} qe__role;

/* Of input `index` of the node, by the op's table; an Add to a product's result counts as its bias when it is a vector. */
qe__role qe__node_role(const qe__graph *g, const qe__uses *uses, const qe__node *n, uint32_t index);
/* Gradients move it (statistics are moved by the batches they see). */
static inline bool qe__role_is_trained(qe__role role) {
  return role != QE__ROLE_NONE && role != QE__ROLE_MEAN && role != QE__ROLE_VARIANCE;
}

#endif
