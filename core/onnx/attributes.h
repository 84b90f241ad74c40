/* Which attributes each canonical op has. Anything else in a file is an error, so that no setting is lost silently. */
#ifndef QE_CORE_ONNX_ATTRIBUTES_H
#define QE_CORE_ONNX_ATTRIBUTES_H

#include "graph/graph.h"

/* True, with the kind, when the op has an attribute of this name. */
bool qe__onnx_attribute(uint16_t op, const char *name, size_t length, qe__attr_kind *kind);

#endif
