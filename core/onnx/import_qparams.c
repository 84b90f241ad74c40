/* Quantization parameters that a file gives as inputs: constant ones become part of the value, computed ones stay
 * inputs. */
#include "onnx/import.h"

qe_status_t qe__import_q_read(qe__import *im, qe__value_id v, size_t scale_input, size_t zero_point_input, int32_t axis,
                              qe__import_q *out) {
  *out = (qe__import_q){.scale = QE__NO_VALUE, .zero_point = QE__NO_VALUE, .axis = axis};
  QE_TRY(qe__import_in(im, scale_input, &out->scale));
  QE_TRY(qe__import_in(im, zero_point_input, &out->zero_point));
  if (out->scale == QE__NO_VALUE) {
    return qe__import_fail(im, QE_ERROR_FORMAT, "input %zu, a scale, is missing", scale_input);
  }
  out->dtype = out->zero_point != QE__NO_VALUE ? im->g->values[out->zero_point].dtype
               : v != QE__NO_VALUE             ? im->g->values[v].dtype
                                               : QE_DTYPE_NONE;
  const qe_tensor_t *s = qe__import_data(im, out->scale), *z = qe__import_data(im, out->zero_point);
  out->constant = s != NULL && (out->zero_point == QE__NO_VALUE || z != NULL);
  const qe_dtype_t scale_dtype = im->g->values[out->scale].dtype;
  if (scale_dtype != QE_FLOAT32 && scale_dtype != QE_DTYPE_NONE) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "scale '%s' is %s; only float32 scales are supported",
                           im->g->values[out->scale].name, qe_dtype_name(scale_dtype));
  }
  if (!out->constant) return QE_OK;
  if (s->rank > 1) {
    return qe__import_fail(
        im, QE_ERROR_UNSUPPORTED,
        "scale '%s' has rank %u: blocked quantization is not supported; quantize per tensor or per channel",
        im->g->values[out->scale].name, (unsigned)s->rank);
  }
  if (s->count == 0 || (z != NULL && z->count != s->count)) {
    return qe__import_fail(im, QE_ERROR_FORMAT, "scale '%s' has %lld elements, its zero point %lld",
                           im->g->values[out->scale].name, (long long)s->count,
                           (long long)(z != NULL ? z->count : s->count));
  }
  const int32_t rank = qe__import_rank(im, v);
  const qe_tensor_t *data = qe__import_data(im, v);
  if (axis < 0 && rank >= 0) out->axis = axis = axis + rank;
  if (s->count == 1) {
    /* one element: per channel only where the one channel can be seen */
    const bool one_channel =
        s->rank == 1 && data != NULL && axis >= 0 && axis < (int32_t)data->rank && data->dims[axis] == 1;
    if (!one_channel) out->axis = -1;
  } else if (axis < 0) {
    out->constant = false; /* an axis counted from the end of an unknown rank */
  }
  return QE_OK;
}

/* The view over the constants; zero_points is allocated. */
static qe_status_t view_of(qe__import *im, const qe__import_q *q, qe_qparams_t *view, int32_t **zero_points) {
  const qe_tensor_t *s = qe__import_data(im, q->scale), *z = qe__import_data(im, q->zero_point);
  *zero_points = qe__calloc((size_t)s->count, sizeof **zero_points);
  if (*zero_points == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (int64_t i = 0; z != NULL && i < z->count; i++) {
    const int64_t code = qe__tensor_int_at(z, i);
    if (code < INT32_MIN || code > INT32_MAX) {
      qe__free(*zero_points);
      *zero_points = NULL;
      return qe__import_fail(im, QE_ERROR_FORMAT, "zero point '%s' is out of range", im->g->values[q->zero_point].name);
    }
    (*zero_points)[i] = (int32_t)code;
  }
  *view = (qe_qparams_t){.count = (uint32_t)s->count, .axis = q->axis, .scales = s->data, .zero_points = *zero_points};
  return QE_OK;
}

static qe_status_t set_params(qe__import *im, qe__value_id v, const qe_qparams_t *view) {
  qe__value *value = &im->g->values[v];
  const bool known = value->data != NULL;
  const qe_status_t status =
      qe__qparams_set(&value->q, view, value->dtype, known ? value->data->rank : 0, known ? value->data->dims : NULL);
  return status == QE_OK ? QE_OK : qe__fail_in(status, "node '%s': value '%s'", im->name, value->name);
}

static qe_status_t take_dtype(qe__import *im, qe__value_id v, const qe__import_q *q) {
  qe__value *value = &im->g->values[v];
  if (value->dtype == QE_DTYPE_NONE) value->dtype = q->dtype;
  if (value->dtype == QE_DTYPE_NONE) {
    return qe__import_fail(im, QE_ERROR_FORMAT, "the type of '%s' cannot be found out; give its zero point",
                           value->name);
  }
  if (q->dtype != QE_DTYPE_NONE && q->dtype != value->dtype) {
    return qe__import_fail(im, QE_ERROR_DTYPE, "'%s' is %s, its zero point is %s; they must agree", value->name,
                           qe_dtype_name(value->dtype), qe_dtype_name(q->dtype));
  }
  return QE_OK;
}

/* A second value with the elements of v. */
static qe_status_t copy_value(qe__import *im, qe__value_id v, qe__value_id *out) {
  qe_tensor_t *data = im->g->values[v].data;
  const qe_dtype_t dtype = im->g->values[v].dtype;
  char *name = qe__graph_fresh_name(im->g, im->g->values[v].name);
  if (name == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status =
      data != NULL ? qe__graph_add_constant(im->g, name, data, out) : qe__graph_add_value(im->g, name, dtype, out);
  qe__free(name);
  if (status == QE_OK && data == NULL) status = qe__import_node(im, "Identity", "codes", 1, &v, 1, out, NULL);
  if (status == QE_OK && data == NULL) status = qe__import_set_rank(im, *out, qe__import_rank(im, v));
  return status;
}

qe_status_t qe__import_q_attach(qe__import *im, qe__value_id v, const qe__import_q *q, qe__value_id *out) {
  *out = v;
  if (v == QE__NO_VALUE) return qe__import_fail(im, QE_ERROR_FORMAT, "a quantized input is missing");
  qe_qparams_t view;
  int32_t *zero_points;
  QE_TRY(take_dtype(im, v, q));
  QE_TRY(view_of(im, q, &view, &zero_points));
  qe_status_t status = QE_OK;
  const qe_qparams_t *present = &im->g->values[v].q.view;
  if (present->count > 0 && qe__qparams_equal(present, &view)) goto done;
  if (present->count > 0) QE_TRY_GOTO(copy_value(im, v, out), done);
  status = set_params(im, *out, &view);
done:
  qe__free(zero_points);
  return status;
}

qe_status_t qe__import_q_define(qe__import *im, qe__value_id y, const qe__import_q *q, qe__value_id *out) {
  *out = y;
  if (y == QE__NO_VALUE) return qe__import_fail(im, QE_ERROR_FORMAT, "its output is missing");
  qe_qparams_t view;
  int32_t *zero_points;
  QE_TRY(take_dtype(im, y, q));
  QE_TRY(view_of(im, q, &view, &zero_points));
  qe_status_t status = QE_OK;
  const qe_qparams_t *present = &im->g->values[y].q.view;
  if (present->count > 0 && qe__qparams_equal(present, &view)) goto done;
  if (present->count > 0) { /* a reader met earlier takes the codes with other parameters */
    QE_TRY_GOTO(qe__import_temp(im, "codes", im->g->values[y].dtype, out), done);
    QE_TRY_GOTO(qe__import_node(im, "Identity", "codes", 1, out, 1, &y, NULL), done);
  }
  status = set_params(im, *out, &view);
done:
  qe__free(zero_points);
  return status;
}

static qe_status_t set_axis(qe__node *node, const qe_qparams_t *q) {
  return q->axis >= 0 ? qe__node_set_int(node, "axis", q->axis) : QE_OK;
}

qe_status_t qe__import_dequantize(qe__import *im, const char *suffix, qe__value_id codes, const qe__import_q *q,
                                  qe__value_id *real) {
  qe__node *node;
  if (*real == QE__NO_VALUE) QE_TRY(qe__import_temp(im, suffix != NULL ? suffix : "real", QE_FLOAT32, real));
  const bool known =
      codes != QE__NO_VALUE && (im->g->values[codes].dtype != QE_DTYPE_NONE || q->dtype != QE_DTYPE_NONE);
  if (q->constant && known) {
    QE_TRY(qe__import_q_attach(im, codes, q, &codes));
    QE_TRY(qe__import_node(im, "DequantizeLinear", suffix, 1, &codes, 1, real, &node));
    return set_axis(node, &im->g->values[codes].q.view);
  }
  QE_TRY(qe__import_node(im, "DequantizeLinear", suffix, 3, (const qe__value_id[]){codes, q->scale, q->zero_point}, 1,
                         real, &node));
  return qe__node_set_int(node, "axis", q->axis);
}

qe_status_t qe__import_quantize(qe__import *im, const char *suffix, qe__value_id real, const qe__import_q *q,
                                qe__value_id codes) {
  qe__node *node;
  if (q->constant) {
    qe__value_id out;
    QE_TRY(qe__import_q_define(im, codes, q, &out));
    QE_TRY(qe__import_node(im, "QuantizeLinear", suffix, 1, &real, 1, &out, &node));
    return set_axis(node, &im->g->values[out].q.view);
  }
  QE_TRY(qe__import_node(im, "QuantizeLinear", suffix, 3, (const qe__value_id[]){real, q->scale, q->zero_point}, 1,
                         &codes, &node));
  if (codes != QE__NO_VALUE && im->g->values[codes].dtype == QE_DTYPE_NONE) im->g->values[codes].dtype = q->dtype;
  return qe__node_set_int(node, "axis", q->axis);
}

/* ---- quantized ops ---- */

static bool all_constant(const qe__import_operand *operands, uint32_t n, const qe__import_q *yq) {
  bool constant = yq != NULL && yq->constant;
  for (uint32_t i = 0; i < n; i++) constant = constant && (operands[i].q == NULL || operands[i].q->constant);
  return constant;
}

/* The parameters of a weighted op's bias: scale x * w per output channel, zero point 0. */
static qe_status_t attach_bias(qe__import *im, qe__value_id x, qe__value_id w, qe__value_id bias, qe__value_id *out) {
  const qe_qparams_t *xq = &im->g->values[x].q.view, *wq = &im->g->values[w].q.view;
  const uint32_t count = wq->count;
  qe_status_t status;
  *out = bias;
  if (xq->count != 1) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                           "the first operand of an op with a bias must be quantized per tensor");
  }
  if (im->g->values[bias].dtype == QE_DTYPE_NONE) im->g->values[bias].dtype = QE_INT32;
  if (im->g->values[bias].dtype != QE_INT32) {
    return qe__import_fail(im, QE_ERROR_DTYPE, "bias '%s' is %s; a quantized bias is int32", im->g->values[bias].name,
                           qe_dtype_name(im->g->values[bias].dtype));
  }
  float *scales = qe__calloc(count, sizeof *scales);
  int32_t *zero_points = qe__calloc(count, sizeof *zero_points);
  if (scales == NULL || zero_points == NULL) {
    status = QE_ERROR_OUT_OF_MEMORY;
    goto done;
  }
  for (uint32_t i = 0; i < count; i++) scales[i] = xq->scales[0] * wq->scales[i];
  const qe_qparams_t view = {.count = count, .axis = count > 1 ? 0 : -1, .scales = scales, .zero_points = zero_points};
  const qe_qparams_t *present = &im->g->values[bias].q.view;
  if (present->count > 0 && qe__qparams_equal(present, &view)) {
    status = QE_OK;
    goto done;
  }
  if (present->count > 0) QE_TRY_GOTO(copy_value(im, bias, out), done);
  status = set_params(im, *out, &view);
done:
  qe__free(scales);
  qe__free(zero_points);
  return status;
}

static qe_status_t with_constant_params(qe__import *im, const char *op, uint32_t n, const qe__import_operand *operands,
                                        qe__value_id *in, qe__value_id bias, const qe__import_q *yq, qe__value_id y,
                                        qe__node **node) {
  for (uint32_t i = 0; i < n; i++) {
    in[i] = operands[i].v;
    if (operands[i].q != NULL) QE_TRY(qe__import_q_attach(im, in[i], operands[i].q, &in[i]));
  }
  if (bias != QE__NO_VALUE) QE_TRY(attach_bias(im, in[0], in[1], bias, &in[n]));
  QE_TRY(qe__import_q_define(im, y, yq, &y));
  QE_TRY(qe__import_node(im, op, NULL, n + (bias != QE__NO_VALUE), in, 1, &y, node));
  (*node)->quantized = true;
  return QE_OK;
}

static qe_status_t decomposed(qe__import *im, const char *op, uint32_t n, const qe__import_operand *operands,
                              qe__value_id *in, qe__value_id bias, const qe__import_q *yq, qe__value_id y,
                              qe__node **node) {
  for (uint32_t i = 0; i < n; i++) {
    in[i] = operands[i].v;
    if (operands[i].q == NULL) continue;
    in[i] = QE__NO_VALUE;
    QE_TRY(qe__import_dequantize(im, "dequantize", operands[i].v, operands[i].q, &in[i]));
  }
  if (bias != QE__NO_VALUE) {
    qe__import_q bq = {.scale = QE__NO_VALUE, .zero_point = QE__NO_VALUE, .dtype = QE_INT32};
    in[n] = QE__NO_VALUE;
    QE_TRY(
        qe__import_binary(im, "Mul", "bias_scale", operands[0].q->scale, operands[1].q->scale, QE_FLOAT32, &bq.scale));
    QE_TRY(qe__import_dequantize(im, "dequantize_bias", bias, &bq, &in[n]));
  }
  qe__value_id real = y;
  if (yq != NULL) QE_TRY(qe__import_temp(im, "real", QE_FLOAT32, &real));
  QE_TRY(qe__import_node(im, op, NULL, n + (bias != QE__NO_VALUE), in, 1, &real, node));
  return yq != NULL ? qe__import_quantize(im, "quantize", real, yq, y) : QE_OK;
}

qe_status_t qe__import_quantized(qe__import *im, const char *op, uint32_t n, const qe__import_operand *operands,
                                 qe__value_id bias, const qe__import_q *yq, qe__value_id y, qe__node **node) {
  qe__value_id *in = qe__calloc((size_t)n + 1, sizeof *in);
  if (in == NULL) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = all_constant(operands, n, yq)
                                 ? with_constant_params(im, op, n, operands, in, bias, yq, y, node)
                                 : decomposed(im, op, n, operands, in, bias, yq, y, node);
  qe__free(in);
  return status;
}
