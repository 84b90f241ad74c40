/* Quantized ops of com.microsoft (ONNX Runtime's QOperator dialect). */
#include <string.h>

#include "onnx/import.h"

static qe_status_t qlinear_binary(qe__import *im) {
  qe__value_id a, b, y;
  qe__import_q aq, bq, yq;
  qe__node *node;
  QE_TRY(qe__import_in(im, 0, &a));
  QE_TRY(qe__import_in(im, 3, &b));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_q_read(im, a, 1, 2, -1, &aq));
  QE_TRY(qe__import_q_read(im, b, 4, 5, -1, &bq));
  QE_TRY(qe__import_q_read(im, a, 6, 7, -1, &yq)); /* without a zero point: the type of the operands */
  const qe__import_operand operands[2] = {{a, &aq}, {b, &bq}};
  return qe__import_quantized(im, im->node->op_type + strlen("QLinear"), 2, operands, QE__NO_VALUE, &yq, y, &node);
}

/* One operand; inputs X, scale, zero point, Y scale, Y zero point. */
static qe_status_t unary_node(qe__import *im, const char *op, int64_t channels_last, int32_t rank, qe__node **node) {
  qe__value_id x, y;
  qe__import_q xq, yq;
  QE_TRY(qe__import_in(im, 0, &x));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_q_read(im, x, 1, 2, -1, &xq));
  QE_TRY(qe__import_q_read(im, x, 3, 4, -1, &yq));
  if (channels_last != 0 && x != QE__NO_VALUE && y != QE__NO_VALUE) {
    const int32_t known = qe__import_rank(im, x);
    QE_TRY(qe__import_channels_last(im, known >= 0 ? known : rank, &x, &y));
  }
  const qe__import_operand operand = {x, &xq};
  return qe__import_quantized(im, op, 1, &operand, QE__NO_VALUE, &yq, y, node);
}

static qe_status_t qlinear_unary(qe__import *im) {
  qe__node *node;
  QE_TRY(unary_node(im, im->node->op_type + strlen("QLinear"), 0, -1, &node));
  return qe__import_copy_attributes(im, node);
}

static qe_status_t qlinear_pool(qe__import *im) {
  int64_t channels_last;
  bool present;
  const int64_t *kernel;
  size_t count;
  qe__node *node;
  QE_TRY(qe__import_int(im, "channels_last", 0, &channels_last));
  QE_TRY(qe__import_ints(im, "kernel_shape", &present, &kernel, &count));
  const int32_t rank = present && count + 2 <= QE_MAX_RANK ? (int32_t)count + 2 : -1;
  QE_TRY(unary_node(im, im->node->op_type + strlen("QLinear"), channels_last, rank, &node));
  if (present) QE_TRY(qe__node_set_ints(node, "kernel_shape", kernel, count));
  return qe__import_copy_attributes(im, node);
}

static qe_status_t qlinear_reduce_mean(qe__import *im) {
  bool present;
  const int64_t *axes;
  size_t count;
  qe__node *node;
  QE_TRY(qe__import_ints(im, "axes", &present, &axes, &count));
  QE_TRY(unary_node(im, "ReduceMean", 0, -1, &node));
  if (present) {
    qe__value_id *in = qe__realloc(node->in, 2, sizeof *in);
    if (in == NULL) return QE_ERROR_OUT_OF_MEMORY;
    node->in = in;
    QE_TRY(qe__import_const_i64(im, "axes", axes, count, &in[1]));
    node->n_in = 2;
  }
  return qe__import_copy_attributes(im, node);
}

/* Softmax has no quantized kernel: dequantize, softmax, quantize. */
static qe_status_t qlinear_softmax(qe__import *im) {
  int64_t axis, opset;
  qe__value_id x, y, real = QE__NO_VALUE, soft;
  qe__import_q xq, yq;
  qe__node *node;
  QE_TRY(qe__import_int(im, "axis", -1, &axis));
  QE_TRY(qe__import_int(im, "opset", 13, &opset));
  QE_TRY(qe__import_in(im, 0, &x));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_q_read(im, x, 1, 2, -1, &xq));
  QE_TRY(qe__import_q_read(im, x, 3, 4, -1, &yq));
  const int32_t rank = qe__import_rank(im, x);
  if (opset < 13 && axis != -1 && (rank < 0 || axis != rank - 1)) {
    return qe__import_fail(
        im, QE_ERROR_UNSUPPORTED,
        "axis %lld with the meaning of opset %lld (flattened from there on) is not supported; use the last axis",
        (long long)axis, (long long)opset);
  }
  QE_TRY(qe__import_dequantize(im, "dequantize", x, &xq, &real));
  QE_TRY(qe__import_temp(im, "soft", QE_FLOAT32, &soft));
  QE_TRY(qe__import_node(im, "Softmax", NULL, 1, &real, 1, &soft, &node));
  QE_TRY(qe__node_set_int(node, "axis", axis));
  return qe__import_quantize(im, "quantize", soft, &yq, y);
}

/* Y scale, Y zero point, then (X, scale, zero point) for every input. */
static qe_status_t qlinear_concat(qe__import *im) {
  const size_t n_in = im->node->n_input;
  if (n_in < 5 || n_in > 3 * 1024 + 2 || (n_in - 2) % 3 != 0) {
    return qe__import_fail(im, QE_ERROR_FORMAT, "it has %zu inputs; 2 and then 3 for each tensor are expected", n_in);
  }
  const uint32_t n = (uint32_t)((n_in - 2) / 3);
  qe__import_q yq, *q = qe__calloc(n, sizeof *q);
  qe__import_operand *operands = qe__calloc(n, sizeof *operands);
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  qe__value_id y;
  qe__node *node;
  if (q == NULL || operands == NULL) goto done;
  QE_TRY_GOTO(qe__import_out(im, 0, &y), done);
  for (uint32_t i = 0; i < n; i++) {
    QE_TRY_GOTO(qe__import_in(im, 2 + 3 * (size_t)i, &operands[i].v), done);
    operands[i].q = &q[i];
    QE_TRY_GOTO(qe__import_q_read(im, operands[i].v, 3 + 3 * (size_t)i, 4 + 3 * (size_t)i, -1, &q[i]), done);
  }
  QE_TRY_GOTO(qe__import_q_read(im, operands[0].v, 0, 1, -1, &yq), done);
  QE_TRY_GOTO(qe__import_quantized(im, "Concat", n, operands, QE__NO_VALUE, &yq, y, &node), done);
  status = qe__import_copy_attributes(im, node);
done:
  qe__free(q);
  qe__free(operands);
  return status;
}

static qe_status_t qlinear_where(qe__import *im) {
  qe__value_id condition, x, z, y;
  qe__import_q xq, zq, yq;
  qe__node *node;
  QE_TRY(qe__import_in(im, 0, &condition));
  QE_TRY(qe__import_in(im, 1, &x));
  QE_TRY(qe__import_in(im, 4, &z));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_q_read(im, x, 2, 3, -1, &xq));
  QE_TRY(qe__import_q_read(im, z, 5, 6, -1, &zq));
  QE_TRY(qe__import_q_read(im, x, 7, 8, -1, &yq));
  const qe__import_operand operands[3] = {{condition, NULL}, {x, &xq}, {z, &zq}};
  return qe__import_quantized(im, "Where", 3, operands, QE__NO_VALUE, &yq, y, &node);
}

static qe_status_t qgemm(qe__import *im) {
  float alpha;
  int64_t trans_b;
  qe__value_id a, b, c, y;
  qe__import_q aq, bq, yq;
  qe__node *node;
  QE_TRY(qe__import_float(im, "alpha", 1.0f, &alpha));
  QE_TRY(qe__import_int(im, "transB", 0, &trans_b));
  QE_TRY(qe__import_in(im, 0, &a));
  QE_TRY(qe__import_in(im, 3, &b));
  QE_TRY(qe__import_in(im, 6, &c));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_q_read(im, a, 1, 2, -1, &aq));
  QE_TRY(qe__import_q_read(im, b, 4, 5, trans_b != 0 ? 0 : 1, &bq));
  if (alpha != 1.0f) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "alpha %g is not supported; fold it into the scale of the weight",
                           (double)alpha);
  }
  const bool quantized = qe__import_has_in(im, 7);
  if (quantized) QE_TRY(qe__import_q_read(im, y, 7, 8, -1, &yq));
  const qe__import_operand operands[2] = {{a, &aq}, {b, &bq}};
  QE_TRY(qe__import_quantized(im, "Gemm", 2, operands, c, quantized ? &yq : NULL, y, &node));
  if (trans_b != 0) QE_TRY(qe__node_set_int(node, "transB", trans_b));
  return qe__import_copy_attributes(im, node);
}

#define MS "com.microsoft"
const qe__conversion qe__import_qlinear[] = {
  {MS, "QLinearAdd",               qlinear_binary},
  {MS, "QLinearMul",               qlinear_binary},
  {MS, "QLinearLeakyRelu",         qlinear_unary},
  {MS, "QLinearSigmoid",           qlinear_unary},
  {MS, "QLinearSoftmax",           qlinear_softmax},
  {MS, "QLinearAveragePool",       qlinear_pool},
  {MS, "QLinearGlobalAveragePool", qlinear_pool},
  {MS, "QLinearReduceMean",        qlinear_reduce_mean},
  {MS, "QLinearConcat",            qlinear_concat},
  {MS, "QLinearWhere",             qlinear_where},
  {MS, "QGemm",                    qgemm},
  {NULL, NULL, NULL},
};
