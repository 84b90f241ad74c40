/* Quantized ops of the ONNX domain, and those of com.microsoft with the same inputs. */
#include <string.h>

#include "onnx/import.h"

/* Checks settings of newer opsets that change the meaning. */
static qe_status_t check_linear(qe__import *im) {
  int64_t block, output_dtype;
  QE_TRY(qe__import_int(im, "block_size", 0, &block));
  QE_TRY(qe__import_int(im, "output_dtype", 0, &output_dtype));
  (void)qe__import_attr(im, "saturate"); /* concerns 8-bit float types only, which are not supported */
  if (block != 0) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                           "block_size %lld: blocked quantization is not supported; quantize per tensor or per channel",
                           (long long)block);
  }
  return QE_OK;
}

static qe_status_t quantize_linear(qe__import *im) {
  int64_t axis, output_dtype;
  qe__value_id x, y;
  qe__import_q q;
  QE_TRY(check_linear(im));
  QE_TRY(qe__import_int(im, "axis", 1, &axis));
  QE_TRY(qe__import_int(im, "output_dtype", 0, &output_dtype));
  QE_TRY(qe__import_in(im, 0, &x));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_q_read(im, x, 1, 2, (int32_t)axis, &q));
  if (q.zero_point == QE__NO_VALUE) {
    if (output_dtype != 0 && !qe__dtype_valid(output_dtype)) {
      return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "output_dtype %lld is not supported", (long long)output_dtype);
    }
    q.dtype = output_dtype != 0 ? (qe_dtype_t)output_dtype : QE_UINT8;
    if (!q.constant && q.dtype != QE_UINT8) {
      return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "a computed scale needs a zero point that gives the type");
    }
  }
  return qe__import_quantize(im, NULL, x, &q, y);
}

static qe_status_t dequantize_linear(qe__import *im) {
  int64_t axis;
  qe__value_id x, y;
  qe__import_q q;
  QE_TRY(check_linear(im));
  QE_TRY(qe__import_int(im, "axis", 1, &axis));
  QE_TRY(qe__import_in(im, 0, &x));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_q_read(im, x, 1, 2, (int32_t)axis, &q));
  return qe__import_dequantize(im, NULL, x, &q, &y);
}

/* Channels-last data around a channels-first op. rank: of the data. */
static qe_status_t transpose_channels(qe__import *im, int32_t rank, bool to_last, const char *suffix, qe__value_id x,
                                      qe__value_id y) {
  int64_t perm[QE_MAX_RANK] = {0};
  for (int32_t d = 1; d < rank; d++) perm[d] = to_last ? (d + 1 < rank ? d + 1 : 1) : (d == 1 ? rank - 1 : d - 1);
  qe__node *node;
  QE_TRY(qe__import_node(im, "Transpose", suffix, 1, &x, 1, &y, &node));
  return qe__node_set_ints(node, "perm", perm, (size_t)rank);
}

qe_status_t qe__import_channels_last(qe__import *im, int32_t rank, qe__value_id *x, qe__value_id *y) {
  qe__value_id inner_x, inner_y;
  if (rank < 3) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "channels_last with data of unknown rank is not supported");
  }
  QE_TRY(qe__import_temp(im, "channels_first", im->g->values[*x].dtype, &inner_x));
  QE_TRY(qe__import_temp(im, "result", im->g->values[*y].dtype, &inner_y));
  QE_TRY(transpose_channels(im, rank, false, "channels_first", *x, inner_x));
  QE_TRY(transpose_channels(im, rank, true, "channels_last", inner_y, *y));
  *x = inner_x;
  *y = inner_y;
  return QE_OK;
}

static qe_status_t qlinear_conv(qe__import *im) {
  int64_t channels_last;
  qe__value_id x, w, y, bias;
  qe__import_q xq, wq, yq;
  qe__node *node;
  QE_TRY(qe__import_int(im, "channels_last", 0, &channels_last));
  QE_TRY(qe__import_in(im, 0, &x));
  QE_TRY(qe__import_in(im, 3, &w));
  QE_TRY(qe__import_in(im, 8, &bias));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_q_read(im, x, 1, 2, -1, &xq));
  QE_TRY(qe__import_q_read(im, w, 4, 5, 0, &wq));
  QE_TRY(qe__import_q_read(im, y, 6, 7, -1, &yq));
  if (channels_last != 0 && x != QE__NO_VALUE && y != QE__NO_VALUE) {
    QE_TRY(qe__import_channels_last(im, qe__import_rank(im, w), &x, &y));
  }
  const qe__import_operand operands[2] = {{x, &xq}, {w, &wq}};
  QE_TRY(qe__import_quantized(im, "Conv", 2, operands, bias, &yq, y, &node));
  return qe__import_copy_attributes(im, node);
}

static qe_status_t qlinear_matmul(qe__import *im) {
  qe__value_id a, b, y;
  qe__import_q aq, bq, yq;
  qe__node *node;
  QE_TRY(qe__import_in(im, 0, &a));
  QE_TRY(qe__import_in(im, 3, &b));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_q_read(im, a, 1, 2, -2, &aq));
  QE_TRY(qe__import_q_read(im, b, 4, 5, -1, &bq));
  QE_TRY(qe__import_q_read(im, y, 6, 7, -1, &yq));
  if (aq.constant && aq.axis >= 0) aq.constant = false; /* per row: no quantized kernel has it */
  const qe__import_operand operands[2] = {{a, &aq}, {b, &bq}};
  return qe__import_quantized(im, "MatMul", 2, operands, QE__NO_VALUE, &yq, y, &node);
}

#define MS "com.microsoft"
const qe__conversion qe__import_quantized_ops[] = {
  {"", "QuantizeLinear",   quantize_linear},
  {MS, "QuantizeLinear",   quantize_linear},
  {"", "DequantizeLinear", dequantize_linear},
  {MS, "DequantizeLinear", dequantize_linear},
  {"", "QLinearConv",      qlinear_conv},
  {MS, "QLinearConv",      qlinear_conv},
  {"", "QLinearMatMul",    qlinear_matmul},
  {NULL, NULL, NULL},
};
