/* Recurrent layers as what they are made of. */
#ifndef QE_CORE_TRAIN_UNROLL_H
#define QE_CORE_TRAIN_UNROLL_H

#include "graph/graph.h"

/*
 * Replaces every LSTM, GRU and RNN node of a graph of concrete shapes (train/shapes.h) by products, activations and
 * arithmetic, step by step, that give the same bytes; the values that the node wrote keep their ids and names. Nodes are
 * put in order and those that nothing reads are swept. Sequences that are shorter than X are UNSUPPORTED, naming the
 * node, and so is a layer on codes. After an error the graph is good for being destroyed only.
 */
qe_status_t qe__unroll_recurrent(qe__graph *g);

#endif
