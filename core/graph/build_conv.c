/* Convolution and pooling modules. */
#include "graph/build.h"

/* Options with torch's defaults filled in, in ONNX attributes' order (pads: begins, then ends). */
typedef struct window {
  int64_t stride[3], dilation[3], pads[6];
} window;

static void fill_window(uint32_t spatial, const int64_t *stride, const int64_t *padding, const int64_t *dilation,
                        const int64_t *fallback, window *w) {
  for (uint32_t i = 0; i < spatial; i++) {
    w->stride[i] = stride[i] != 0 ? stride[i] : fallback[i];
    w->dilation[i] = dilation[i] != 0 ? dilation[i] : 1;
    w->pads[i] = w->pads[spatial + i] = padding[i];
  }
}

static qe_status_t set_window(qe__node *n, uint32_t spatial, const int64_t *kernel, const window *w) {
  QE_TRY(qe__node_set_ints(n, "kernel_shape", kernel, spatial));
  QE_TRY(qe__node_set_ints(n, "strides", w->stride, spatial));
  QE_TRY(qe__node_set_ints(n, "pads", w->pads, 2 * (size_t)spatial));
  for (uint32_t i = 0; i < spatial; i++) { /* left out when 1: AveragePool has it only from opset 19 on */
    if (w->dilation[i] != 1) return qe__node_set_ints(n, "dilations", w->dilation, spatial);
  }
  return QE_OK;
}

/* rank 0: that of the weight. */
static qe_value_t conv(qe_model_t *m, const char *op, const char *name, qe_value_t x, qe_tensor_t *weight,
                       qe_tensor_t *bias, uint32_t rank, const qe_conv_options_t *options) {
  static const qe_conv_options_t defaults;
  static const int64_t ones[3] = {1, 1, 1};
  const qe_conv_options_t *o = options != NULL ? options : &defaults;
  qe__build b;
  qe_value_t v = -1;
  qe__value_id in[3] = {x, QE__NO_VALUE, QE__NO_VALUE};
  qe_status_t status;
  window w = {0};
  if (!qe__build_ok(m)) return -1;
  QE_TRY_GOTO(qe__build_begin(m, op, name, &b), done);
  QE_TRY_GOTO(qe__build_operand(&b, x), done);
  QE_TRY_GOTO(qe__build_weight(&b, "weight", weight, rank), done);
  if (weight->rank < 3 || weight->rank > 2 + QE_MAX_SPATIAL) {
    status = qe__fail(QE_ERROR_SHAPE, "module '%s': weight has rank %u; 3 to %d was expected", b.name,
                      (unsigned)weight->rank, 2 + QE_MAX_SPATIAL);
    goto done;
  }
  const uint32_t spatial = weight->rank - 2;
  QE_TRY_GOTO(qe__build_constant(&b, "weight", weight, &in[1]), done);
  if (bias != NULL) {
    QE_TRY_GOTO(qe__build_weight(&b, "bias", bias, 1), done);
    QE_TRY_GOTO(qe__build_constant(&b, "bias", bias, &in[2]), done);
  }
  QE_TRY_GOTO(qe__build_node(&b, op, bias != NULL ? 3 : 2, in, 1, &v), done);
  fill_window(spatial, o->stride, o->padding, o->dilation, ones, &w);
  QE_TRY_GOTO(set_window(b.node, spatial, weight->dims + 2, &w), done);
  QE_TRY_GOTO(qe__node_set_int(b.node, "group", o->groups != 0 ? o->groups : 1), done);
  if (b.node->op->id == QE__OP_ConvTranspose)
    QE_TRY_GOTO(qe__node_set_ints(b.node, "output_padding", o->output_padding, spatial), done);
  status = qe__build_end(&b);
done:
  qe__build_close(&b);
  return qe__build_result(m, status, v);
}

qe_value_t qe_conv1d(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias,
                     const qe_conv_options_t *options) {
  return conv(m, "Conv", name, x, weight, bias, 3, options);
}

qe_value_t qe_conv2d(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias,
                     const qe_conv_options_t *options) {
  return conv(m, "Conv", name, x, weight, bias, 4, options);
}

qe_value_t qe_conv3d(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias,
                     const qe_conv_options_t *options) {
  return conv(m, "Conv", name, x, weight, bias, 5, options);
}

qe_value_t qe_conv_transpose(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias,
                             const qe_conv_options_t *options) {
  return conv(m, "ConvTranspose", name, x, weight, bias, 0, options);
}

static qe_value_t pool(qe_model_t *m, const char *op, const char *name, qe_value_t x, const qe_pool_options_t *o) {
  qe__build b;
  qe_value_t v = -1;
  qe_status_t status;
  window w = {0};
  if (!qe__build_ok(m)) return -1;
  QE_TRY_GOTO(qe__build_begin(m, op, name, &b), done);
  QE_TRY_GOTO(qe__build_operand(&b, x), done);
  if (o == NULL || o->kernel[0] < 1 || o->kernel[1] < 1) {
    status =
        qe__fail(QE_ERROR_INVALID_ARGUMENT, "module '%s': options must give a kernel size for both dimensions", b.name);
    goto done;
  }
  QE_TRY_GOTO(qe__build_node(&b, op, 1, &x, 1, &v), done);
  fill_window(2, o->stride, o->padding, o->dilation, o->kernel, &w);
  QE_TRY_GOTO(set_window(b.node, 2, o->kernel, &w), done);
  QE_TRY_GOTO(qe__node_set_int(b.node, "ceil_mode", o->ceil_mode != 0), done);
  if (b.node->op->id == QE__OP_AveragePool)
    QE_TRY_GOTO(qe__node_set_int(b.node, "count_include_pad", o->count_exclude_pad == 0), done);
  status = qe__build_end(&b);
done:
  qe__build_close(&b);
  return qe__build_result(m, status, v);
}

qe_value_t qe_max_pool2d(qe_model_t *m, const char *name, qe_value_t x, const qe_pool_options_t *options) {
  return pool(m, "MaxPool", name, x, options);
}

qe_value_t qe_avg_pool2d(qe_model_t *m, const char *name, qe_value_t x, const qe_pool_options_t *options) {
  return pool(m, "AveragePool", name, x, options);
}
