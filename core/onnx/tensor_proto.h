/* TensorProto to tensor. */
#ifndef QE_CORE_ONNX_TENSOR_PROTO_H
#define QE_CORE_ONNX_TENSOR_PROTO_H

#include "onnx/external.h"
#include "onnx/proto.h"
#include "tensor/tensor.h"

/*
 * A new tensor with the elements of a proto that was unpacked from `source`. Errors: FORMAT, SHAPE, UNSUPPORTED (type,
 * rank), IO; they name the tensor.
 */
qe_status_t qe__tensor_from_proto(const Onnx__TensorProto *proto, const qe__source *source, qe__external *external,
                                  qe_tensor_t **out);

#endif
