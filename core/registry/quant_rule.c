/* Where a node's attributes refine its op's quantization rule. */
#include "registry/quant_rule.h"

#include <math.h>
#include <string.h>

static bool is_nearest_resize(const qe__node *n) {
  return n->op->id == QE__OP_Resize && strcmp(qe__node_string(n, "mode", "nearest"), "nearest") == 0;
}

/* Codes have no indices of their own; with them the op is a float one. */
bool qe__node_gives_indices(const qe__node *n) {
  return n->op->id == QE__OP_MaxPool && n->n_out > 1 && n->out[1] != QE__NO_VALUE;
}

qe__qrule qe__node_qrule(const qe__node *n) { return is_nearest_resize(n) ? QE__Q_SHARE : n->op->qrule; }

qe__qexec qe__node_qexec(const qe__node *n) {
  if (qe__node_gives_indices(n)) return QE__X_FLOAT;
  return is_nearest_resize(n) ? QE__X_MOVE : n->op->qexec;
}

bool qe__op_is_weighted(uint16_t id) {
  return id == QE__OP_Conv || id == QE__OP_ConvTranspose || id == QE__OP_Gemm || id == QE__OP_MatMul;
}

bool qe__node_works_on_codes(const qe__node *n) {
  static const uint16_t ops[] = {QE__OP_ConvInteger,         QE__OP_MatMulInteger,      QE__OP_MatMulIntegerToFloat,
                                 QE__OP_DynamicQuantizeLinear, QE__OP_DynamicQuantizeLSTM, QE__OP_DynamicQuantizeGRU,
                                 QE__OP_DynamicQuantizeRNN,  QE__OP_MatMulNBits,        QE__OP_Embedding};
  if (n->quantized) return true;
  if (n->op->id == QE__OP_EmbeddingBag) return n->n_in > 3 && n->in[3] != QE__NO_VALUE; /* its table may be float */
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    if (n->op->id == ops[i]) return true;
  }
  return false;
}

bool qe__op_is_recurrent(uint16_t id) { return id == QE__OP_LSTM || id == QE__OP_GRU || id == QE__OP_RNN; }

bool qe__op_quantizes_output(uint16_t id, uint32_t i) { return i == 0 || !qe__op_is_recurrent(id); }

bool qe__dtype_is_code8(qe_dtype_t dtype) { return dtype == QE_UINT8 || dtype == QE_INT8; }

void qe__act_codes(const qe__act *act, qe_dtype_t dtype, const qe_qparams_t *q, int32_t *lo, int32_t *hi) {
  int32_t qmin = 0, qmax = 0;
  (void)qe__dtype_integer_range(dtype, &qmin, &qmax);
  *lo = qmin;
  *hi = qmax;
  if (!q || q->count != 1) return;
  if (act->lo > -INFINITY) *lo = qe__quantize_value(act->lo, q->scales[0], q->zero_points[0], qmin, qmax);
  if (act->hi < INFINITY) *hi = qe__quantize_value(act->hi, q->scales[0], q->zero_points[0], qmin, qmax);
}
