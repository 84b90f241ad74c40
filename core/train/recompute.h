/* Gradient checkpointing: less memory for one more forward pass. */
#ifndef QE_CORE_TRAIN_RECOMPUTE_H
#define QE_CORE_TRAIN_RECOMPUTE_H

#include "graph/graph.h"

/*
 * After qe__differentiate: the first n_forward nodes are the forward part, the others, in order, read its values. The
 * forward part is cut into segments; what a segment made for the gradients alone is not kept, but computed again, from
 * what crosses the cuts, just before the gradients need it. Results have the same bytes. Nodes stay in order; a graph
 * where nothing would be gained stays as it is.
 */
qe_status_t qe__recompute(qe__graph *g, uint32_t n_forward);

#endif
