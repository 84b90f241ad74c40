/* The promise that an int32 accumulator never overflows, kept while planning. */
#ifndef QE_CORE_RUNTIME_ACCUMULATOR_H
#define QE_CORE_RUNTIME_ACCUMULATOR_H

#include "graph/graph.h"

/*
 * NUMERIC, naming the node and the channel, when the constant weights of a product of codes and the range of its other
 * operand allow a sum beyond int32. OK for every other node. MatMulInteger and ConvInteger wrap, as ONNX says.
 */
qe_status_t qe__check_accumulator(const qe__graph *g, const qe__node *n);

#endif
