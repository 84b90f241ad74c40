/*
 * Reverse-mode differentiation: adds the nodes that compute gradients to a graph of concrete shapes (train/shapes.h).
 * What is differentiated how stands in gradients.def.
 */
#ifndef QE_CORE_TRAIN_DIFFERENTIATE_H
#define QE_CORE_TRAIN_DIFFERENTIATE_H

#include "graph/graph.h"

/*
 * grad[i]: the value that holds d loss / d wrt[i], of wrt[i]'s shape; QE__NO_VALUE where the loss does not depend on it.
 * Two of them may be one value. The loss has one element. Only nodes between some wrt and the loss are looked at and
 * differentiated; contributions of several readers of a value are added in the readers' order (many products at once:
 * train/merge.h, which leaves nodes that nothing reads). New nodes stand at the end. An op that cannot be differentiated
 * there is UNSUPPORTED, naming the node, before anything is added.
 */
qe_status_t qe__differentiate(qe__graph *g, qe__value_id loss, uint32_t n, const qe__value_id *wrt, qe__value_id *grad);
/* Only the check. Shapes need not be known; recurrent layers pass, which train/unroll.h replaces once they are. */
qe_status_t qe__check_gradients(const qe__graph *g, qe__value_id loss, uint32_t n, const qe__value_id *wrt);

#endif
