/* Ops whose activations are quantized as they arrive, or whose weights alone are codes. */
#include "onnx/import.h"

#include "onnx/functions.h"

/* One scale (zero point) for the whole matrix, as far as that can be seen here. */
static qe_status_t check_single(const qe__import *im, qe__value_id v, const char *what) {
  const qe_tensor_t *t = qe__import_data(im, v);
  if (t == NULL || t->count == 1) return QE_OK;
  return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                         "%s '%s' has %lld elements; one for the whole matrix is supported (B may have one per column)",
                         what, im->g->values[v].name, (long long)t->count);
}

/* One, or one per column. */
static qe_status_t check_columns(const qe__import *im, qe__value_id v, const char *what) {
  const qe_tensor_t *t = qe__import_data(im, v);
  if (t == NULL || t->rank <= 1) return QE_OK;
  return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                         "%s '%s' has rank %u; one element, or a vector with one per column of B, is supported", what,
                         im->g->values[v].name, (unsigned)t->rank);
}

/* in: A, B, scales, zero points, bias, as the graph's op has them. */
static qe_status_t product(qe__import *im, const qe__value_id in[7]) {
  qe__value_id y;
  for (size_t i = 0; i < 4; i++) {
    if (in[i] == QE__NO_VALUE) return qe__import_fail(im, QE_ERROR_FORMAT, "input %zu is missing", i);
  }
  QE_TRY(check_single(im, in[2], "the scale of A"));
  QE_TRY(check_single(im, in[4], "the zero point of A"));
  QE_TRY(check_columns(im, in[3], "the scale of B"));
  QE_TRY(check_columns(im, in[5], "the zero point of B"));
  QE_TRY(qe__import_out(im, 0, &y));
  return qe__import_node(im, "MatMulIntegerToFloat", NULL, 7, in, 1, &y, NULL);
}

static qe_status_t matmul_integer_to_float(qe__import *im) {
  qe__value_id in[7];
  for (size_t i = 0; i < 7; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  return product(im, in);
}

static qe_status_t dynamic_quantize_matmul(qe__import *im) {
  static const char *const needed[] = {"A", "B", "the scale of B"};
  qe__value_id in[5], q[3];
  for (size_t i = 0; i < 5; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  for (size_t i = 0; i < 3; i++) {
    if (in[i] == QE__NO_VALUE) {
      return qe__import_fail(im, QE_ERROR_FORMAT, "input %zu (%s) is missing", i, needed[i]);
    }
  }
  QE_TRY(qe__import_temp(im, "codes", QE_UINT8, &q[0]));
  QE_TRY(qe__import_temp(im, "scale", QE_FLOAT32, &q[1]));
  QE_TRY(qe__import_temp(im, "zero_point", QE_UINT8, &q[2]));
  QE_TRY(qe__import_node(im, "DynamicQuantizeLinear", "quantize", 1, &in[0], 3, q, NULL));
  return product(im, (const qe__value_id[]){q[0], in[1], q[1], in[2], q[2], in[3], in[4]});
}

static qe_status_t as_is(qe__import *im) { return qe__import_as_is(im, im->node->op_type, NULL); }

/* Domain "qengine": the body that the file gives is not looked at. */
static qe_status_t call(qe__import *im) { return qe__import_as_is(im, qe__function_find(im->node->op_type)->name, NULL); }

const qe__conversion qe__import_call = {QE__FUNCTION_DOMAIN, "", call};

#define MS "com.microsoft"
const qe__conversion qe__import_dynamic[] = {
  {MS, "MatMulIntegerToFloat",  matmul_integer_to_float},
  {MS, "DynamicQuantizeMatMul", dynamic_quantize_matmul},
  {MS, "DynamicQuantizeLSTM",   as_is},
  {MS, "MatMulNBits",           as_is},
  {NULL, NULL, NULL},
};
