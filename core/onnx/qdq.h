/* What the files that recognise quantize / dequantize patterns share. */
#ifndef QE_CORE_ONNX_QDQ_H
#define QE_CORE_ONNX_QDQ_H

#include "graph/graph.h"

/* Folds constants (below), removes repeated and doubled QuantizeLinear nodes. */
qe_status_t qe__qdq_clean(qe__graph *g);

/* Constants that nodes prepare become constants (qdq_constants.c). */
qe_status_t qe__qdq_constants(qe__graph *g);

/* Whether n is a QuantizeLinear (DequantizeLinear) whose parameters are constant: one input, parameters in the

 * value. */
bool qe__qdq_is_quantize(const qe__node *n);
bool qe__qdq_is_dequantize(const qe__node *n);

/*
 * The int32 bias of a weighted node whose operands are the codes x and w: from float or dequantized int32 constants of
 * `channels` elements (-1: a vector of any length). real: the float bias; codes: what it was dequantized from, or
 * QE__NO_VALUE. *out QE__NO_VALUE: it cannot be had.
 */
qe_status_t qe__qdq_bias(qe__graph *g, const qe__node *n, qe__value_id x, qe__value_id w, qe__value_id real,
                         qe__value_id codes, int64_t channels, qe__value_id *out);

#endif
