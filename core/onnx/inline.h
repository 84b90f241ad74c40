/*
 * Model-local functions: a call becomes the nodes of the function's body, before anything else looks at the graph.
 * Functions of domain "qengine" that this library has an op for (functions.h) are left alone.
 */
#ifndef QE_CORE_ONNX_INLINE_H
#define QE_CORE_ONNX_INLINE_H

#include "onnx/arena.h"
#include "onnx/proto.h"

/*
 * Fills *out with the graph of m, its calls replaced (out->node is new, everything else is m's); what is new belongs to
 * the arena. opset: the model's. Errors: UNSUPPORTED (a function for another opset, with default attributes, calling
 * itself, or growing without end), FORMAT; each names the call.
 */
qe_status_t qe__onnx_inline(const Onnx__ModelProto *m, int64_t opset, qe__arena *arena, Onnx__GraphProto *out);

#endif
