/* What the files of core/graph share and nobody else needs. */
#ifndef QE_CORE_GRAPH_PRIVATE_H
#define QE_CORE_GRAPH_PRIVATE_H

#include "graph/graph.h"

/* Gives n its own copy of an attribute (tensors are retained), replacing one of the same name. */
qe_status_t qe__node_copy_attr(qe__node *n, const qe__attr *attr);

/* "node 'conv1' (Conv)" into buffer. */
const char *qe__node_text(const qe__node *n, char *buffer, size_t size);

#endif
