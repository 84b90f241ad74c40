/* Ops whose shape-like settings were attributes in older opsets and are inputs now; Upsample and Resize. */
#include <string.h>

#include "onnx/import.h"

/*
 * The op with an integer-list attribute as input `position`. The attribute is absent: the inputs as they are (the newer
 * form, or an optional setting).
 */
static qe_status_t attribute_to_input(qe__import *im, const char *op, const char *attribute, uint32_t position,
                                      qe__value_id y, qe__node **node) {
  bool present;
  const int64_t *values;
  size_t count;
  qe_status_t status;
  QE_TRY(qe__import_ints(im, attribute, &present, &values, &count));
  const size_t n_in = im->node->n_input, n_out = im->node->n_output;
  if (n_in > position + 1u || n_out > QE__MAX_OUTPUTS || (present && n_in > position)) {
    return qe__import_fail(im, QE_ERROR_FORMAT, "it has %zu inputs and %zu outputs, more than opset %lld allows", n_in,
                           n_out, (long long)im->opset);
  }
  qe__value_id in[4] = {QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE};
  for (size_t i = 0; i < n_in; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  if (present) QE_TRY(qe__import_const_i64(im, attribute, values, count, &in[position]));
  qe__value_id *out = qe__calloc(n_out + 1, sizeof *out);
  if (out == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < n_out; i++) QE_TRY_GOTO(qe__import_out(im, i, &out[i]), done);
  if (y != QE__NO_VALUE) out[0] = y;
  QE_TRY_GOTO(qe__import_node(im, op, NULL, position + 1, in, (uint32_t)n_out, out, node), done);
  status = qe__import_copy_attributes(im, *node);
done:
  qe__free(out);
  return status;
}

static qe_status_t axes_op(qe__import *im) {
  qe__node *node;
  return attribute_to_input(im, im->node->op_type, "axes", 1, QE__NO_VALUE, &node);
}

static qe_status_t split(qe__import *im) {
  qe__node *node;
  return attribute_to_input(im, "Split", "split", 1, QE__NO_VALUE, &node);
}

static qe_status_t reduce_l1(qe__import *im) {
  qe__value_id x, magnitude;
  QE_TRY(qe__import_in(im, 0, &x));
  qe__node *node;
  QE_TRY(qe__import_unary(im, "Abs", "abs", x, QE_DTYPE_NONE, &magnitude));
  QE_TRY(attribute_to_input(im, "ReduceSum", "axes", 1, QE__NO_VALUE, &node));
  node->in[0] = magnitude;
  return QE_OK;
}

static qe_status_t reduce_log_sum(qe__import *im) {
  qe__value_id y, sum;
  qe__node *node;
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_temp(im, "sum", QE_DTYPE_NONE, &sum));
  QE_TRY(attribute_to_input(im, "ReduceSum", "axes", 1, sum, &node));
  return qe__import_node(im, "Log", "log", 1, &sum, 1, &y, NULL);
}

static qe_status_t slice(qe__import *im) {
  if (im->opset >= 10) return qe__import_as_is(im, "Slice", NULL);
  static const char *const names[3] = {"starts", "ends", "axes"};
  qe__value_id in[4] = {QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE}, y;
  QE_TRY(qe__import_in(im, 0, &in[0]));
  QE_TRY(qe__import_out(im, 0, &y));
  for (size_t i = 0; i < 3; i++) {
    bool present;
    const int64_t *values;
    size_t count;
    QE_TRY(qe__import_ints(im, names[i], &present, &values, &count));
    if (present) QE_TRY(qe__import_const_i64(im, names[i], values, count, &in[i + 1]));
  }
  return qe__import_node(im, "Slice", NULL, 4, in, 1, &y, NULL);
}

/* Opset 11 and later; a value of 0 is left out, which means the same. */
static qe_status_t pad_by_inputs(qe__import *im) {
  qe__node *node;
  QE_TRY(qe__import_as_is(im, "Pad", &node));
  const qe_tensor_t *value = node->n_in > 2 ? qe__import_data(im, node->in[2]) : NULL;
  if (value == NULL || value->count != 1 || qe__tensor_float_at(value, 0) != 0.0) return QE_OK;
  node->in[2] = QE__NO_VALUE;
  if (node->n_in == 3) node->n_in = 2;
  return QE_OK;
}

static qe_status_t pad(qe__import *im) {
  if (im->opset >= 11) return pad_by_inputs(im);
  qe__value_id in[3] = {QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE}, y;
  bool present;
  const int64_t *values;
  size_t count;
  float value;
  qe__node *node;
  QE_TRY(qe__import_in(im, 0, &in[0]));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_ints(im, "pads", &present, &values, &count));
  if (present) QE_TRY(qe__import_const_i64(im, "pads", values, count, &in[1]));
  QE_TRY(qe__import_float(im, "value", 0.0f, &value));
  if (value != 0.0f) QE_TRY(qe__import_scalar_f32(im, "value", value, &in[2]));
  QE_TRY(qe__import_node(im, "Pad", NULL, 3, in, 1, &y, &node));
  return qe__import_copy_attributes(im, node);
}

/* Resize of opset 10, and Upsample: y coordinate / scale, rounded down. */
static qe_status_t resize_asymmetric(qe__import *im, qe__value_id scales) {
  char mode[32];
  qe__value_id x, y;
  qe__node *node;
  QE_TRY(qe__import_in(im, 0, &x));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_string(im, "mode", "nearest", mode, sizeof mode));
  if (strcmp(mode, "bilinear") == 0) strcpy(mode, "linear");
  QE_TRY(qe__import_node(im, "Resize", NULL, 3, (const qe__value_id[]){x, QE__NO_VALUE, scales}, 1, &y, &node));
  QE_TRY(qe__node_set_string(node, "mode", mode));
  QE_TRY(qe__node_set_string(node, "coordinate_transformation_mode", "asymmetric"));
  return qe__node_set_string(node, "nearest_mode", "floor");
}

static qe_status_t upsample(qe__import *im) {
  bool present;
  const float *values;
  size_t count;
  qe__value_id scales;
  QE_TRY(qe__import_floats(im, "scales", &present, &values, &count));
  if (present) QE_TRY(qe__import_const_f32(im, "scales", values, count, &scales));
  else QE_TRY(qe__import_in(im, 1, &scales));
  if (scales == QE__NO_VALUE) return qe__import_fail(im, QE_ERROR_FORMAT, "it has no scales");
  return resize_asymmetric(im, scales);
}

static qe_status_t resize(qe__import *im) {
  qe__value_id in[4], y;
  if (im->opset < 11) {
    QE_TRY(qe__import_in(im, 1, &in[1]));
    return resize_asymmetric(im, in[1]);
  }
  char mode[32], policy[32];
  int64_t antialias, exclude;
  float cubic;
  bool axes;
  const int64_t *values;
  size_t count;
  qe__node *node;
  QE_TRY(qe__import_int(im, "antialias", 0, &antialias));
  QE_TRY(qe__import_int(im, "exclude_outside", 0, &exclude));
  QE_TRY(qe__import_float(im, "cubic_coeff_a", 0.0f, &cubic));
  QE_TRY(qe__import_string(im, "keep_aspect_ratio_policy", "stretch", policy, sizeof policy));
  QE_TRY(qe__import_string(im, "mode", "nearest", mode, sizeof mode));
  QE_TRY(qe__import_ints(im, "axes", &axes, &values, &count));
  if (antialias != 0 || exclude != 0 || axes || strcmp(policy, "stretch") != 0 || strcmp(mode, "cubic") == 0) {
    return qe__import_fail(
        im, QE_ERROR_UNSUPPORTED,
        "antialias, exclude_outside, axes, keep_aspect_ratio_policy and mode 'cubic' are not supported");
  }
  if (im->node->n_input > 4) {
    return qe__import_fail(im, QE_ERROR_FORMAT, "it has %zu inputs; at most 4 are expected", im->node->n_input);
  }
  for (size_t i = 0; i < 4; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  for (size_t i = 1; i < 4; i++) { /* empty tensors stand for absent inputs in opset 11 */
    const qe_tensor_t *t = qe__import_data(im, in[i]);
    if (t != NULL && t->count == 0) in[i] = QE__NO_VALUE;
  }
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_node(im, "Resize", NULL, 4, in, 1, &y, &node));
  if (qe__import_attr(im, "mode") != NULL) QE_TRY(qe__node_set_string(node, "mode", mode));
  return qe__import_copy_attributes(im, node);
}

const qe__conversion qe__import_shapes[] = {
  {"", "Squeeze",         axes_op},
  {"", "Unsqueeze",       axes_op},
  {"", "ReduceMean",      axes_op},
  {"", "ReduceSum",       axes_op},
  {"", "ReduceMax",       axes_op},
  {"", "ReduceMin",       axes_op},
  {"", "ReduceProd",      axes_op},
  {"", "ReduceL2",        axes_op},
  {"", "ReduceSumSquare", axes_op},
  {"", "ReduceL1",        reduce_l1},
  {"", "ReduceLogSum",    reduce_log_sum},
  {"", "Split",           split},
  {"", "Slice",           slice},
  {"", "Pad",             pad},
  {"", "Upsample",        upsample},
  {"", "Resize",          resize},
  {NULL, NULL, NULL},
};
