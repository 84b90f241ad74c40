/*
 * Ops that exporters write in pieces and that the graph has as one (docs/onnx.md lists them). Each pass runs once over
 * an imported graph, before quantize / dequantize patterns are looked at; what is not exactly the op stays as it is. The
 * names of the nodes that were merged are in the node's origin.
 */
#ifndef QE_CORE_ONNX_RECOGNIZE_H
#define QE_CORE_ONNX_RECOGNIZE_H

#include "onnx/match.h"

/* All of them (recognize.c). */
qe_status_t qe__recognize(const qe__import *im);

qe_status_t qe__recognize_gelu(const qe__import *im);
qe_status_t qe__recognize_layer_norm(const qe__import *im);
qe_status_t qe__recognize_integer_products(const qe__import *im);

#endif
