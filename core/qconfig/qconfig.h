/* The mapping of qconfigs to nodes, as the flows use it. */
#ifndef QE_CORE_QCONFIG_H
#define QE_CORE_QCONFIG_H

#include "graph/graph.h"
#include "qengine/qconfig.h"

/*
 * The qconfig of every node of the graph: out[i] points into the mapping, or NULL where the node stays float.
 * A node is matched by its name, by each name in its origin, and by its op type (and, for ops that import renamed, the
 * ONNX name). A rule that matches nothing: QE_ERROR_NOT_FOUND naming the rule and the nearest node name. `out` has
 * n_nodes entries.
 */
qe_status_t qe__qconfig_resolve(const qe_qconfig_mapping_t *mapping, const qe__graph *g, const qe_qconfig_t **out);
qe_status_t qe__qconfig_mapping_clone(const qe_qconfig_mapping_t *mapping, qe_qconfig_mapping_t **out);
/* Whether the mapping asks for equalization before calibration. */
bool qe__qconfig_mapping_equalize(const qe_qconfig_mapping_t *mapping);

#endif
