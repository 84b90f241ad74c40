/* Concrete shapes: what a training graph starts from. */
#ifndef QE_CORE_TRAIN_SHAPES_H
#define QE_CORE_TRAIN_SHAPES_H

#include "graph/graph.h"

/*
 * Every graph input has concrete dimensions, and the graph has its outputs. Gives every value its type and shape, and makes constants of what depends
 * on shapes and constants only (Shape, a Gather of it, the target of a Reshape, ...). Nodes that nothing reads any more
 * are swept. Errors name the node: UNSUPPORTED when a shape depends on data.
 */
qe_status_t qe__train_shapes(qe__graph *g);

#endif
