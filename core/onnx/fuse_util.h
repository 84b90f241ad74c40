/* Small things that the passes over an imported graph share. */
#ifndef QE_CORE_ONNX_FUSE_UTIL_H
#define QE_CORE_ONNX_FUSE_UTIL_H

#include "graph/graph.h"

/* One reader, and not an output of the graph. */
bool qe__fuse_single_use(const qe__uses *uses, qe__value_id v);
/* Adds a model node's name to n->origin, once. */
qe_status_t qe__fuse_origin(qe__node *n, const char *name);
/* A scalar constant named "<base>_<suffix>". */
qe_status_t qe__fuse_constant_f32(qe__graph *g, const char *base, const char *suffix, float value, qe__value_id *out);

/* Inputs of an op that carry elements (not shapes, indices or conditions): `data_inputs` of them from
 * `first_data_input` on. */
uint32_t qe__fuse_first_data_input(const qe__node *n);
uint32_t qe__fuse_data_inputs(const qe__node *n);

#endif
