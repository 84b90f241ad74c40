/* The quantization rule of a node: the op's row of ops.def, refined where an attribute decides. */
#ifndef QE_CORE_QUANT_RULE_H
#define QE_CORE_QUANT_RULE_H

#include "graph/graph.h"

/* Resize by nearest neighbour only moves codes; a MaxPool that gives indices works on numbers; every other node has its op's rule. */
qe__qrule qe__node_qrule(const qe__node *n);
qe__qexec qe__node_qexec(const qe__node *n);
/* A MaxPool whose second output, the indices, is wanted. */
bool qe__node_gives_indices(const qe__node *n);
/* Conv, ConvTranspose, Gemm, MatMul: the ops with a weight. */
bool qe__op_is_weighted(uint16_t id);
/* The node works on codes: a quantized node, or an op whose inputs are codes with their parameters beside them. Where no
 * kernel of the chosen engine serves it, that is a fallback. */
bool qe__node_works_on_codes(const qe__node *n);
/* LSTM, GRU, RNN: ops with two weights, W and R; Y alone is quantized, H has its parameters. */
bool qe__op_is_recurrent(uint16_t id);
/* Output i of a quantized node of this op stands for real numbers as codes. */
bool qe__op_quantizes_output(uint16_t id, uint32_t i);
/* int8 or uint8. */
bool qe__dtype_is_code8(qe_dtype_t dtype);
/* The codes that a fused activation clamps to: the type's range where it does not cut (docs/numerics.md). */
void qe__act_codes(const qe__act *act, qe_dtype_t dtype, const qe_qparams_t *q, int32_t *lo, int32_t *hi);

#endif
