/* How every operator of the golden groups is written as a node (case_build of model.h). */
#include "model.h"

static void relu(case_model *m) { m->node->act = (qe__act){0.0f, INFINITY}; }

static bool begins(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

static void set_array(case_model *m, const char *attribute, const char *param, int twice) {
  int64_t v[16];
  const size_t n = case_array(m, param, v);
  if (n == 0) return;
  if (twice) memcpy(v + n, v, n * sizeof v[0]);
  cr_assert_eq(qe__node_set_ints(m->node, attribute, v, twice ? 2 * n : n), QE_OK);
}

static void set_window(case_model *m) {
  set_array(m, "strides", "stride", 0);
  set_array(m, "pads", "padding", 1);
  set_array(m, "dilations", "dilation", 0);
  set_array(m, "kernel_shape", "kernel", 0);
}

static const char *build_weighted(case_model *m) {
  const bool linear = begins(m->op, "linear"), transposed = begins(m->op, "conv_transpose");
  const qe__value_id x = case_input(m, "x"), w = case_constant(m, "w", transposed ? 1 : 0);
  const qe__value_id in[3] = {x, w, case_bias(m, x, w)};
  case_node(m, linear ? "Gemm" : transposed ? "ConvTranspose" : "Conv", in[2] == QE__NO_VALUE ? 2 : 3, in);
  if (linear) {
    cr_assert_eq(qe__node_set_int(m->node, "transB", 1), QE_OK);
  } else {
    set_window(m);
    if (transposed) set_array(m, "output_padding", "output_padding", 0);
    cr_assert_eq(qe__node_set_int(m->node, "group", (int64_t)golden_number(m->params, "groups")), QE_OK);
  }
  if (golden_number(m->params, "relu") == 1.0) relu(m);
  return NULL;
}

/* torch rewrites parameters: x + c moves the zero point by c in units of the scale, x * c multiplies the scale. */
static const char *build_scalar(case_model *m) {
  const bool add = begins(m->op, "add");
  const qe__value_id x = case_input(m, "x");
  const float c = (float)golden_number(m->params, "scalar"), s = m->graph->values[x].q.view.scales[0];
  const qe__value_id in[2] = {x, case_one_code(m, add ? nearbyintf(c / s) * s : c)};
  case_node(m, add ? "Add" : "Mul", 2, in);
  return NULL;
}

static const char *build_binary(case_model *m) {
  const qe__value_id in[2] = {case_input(m, "x"), case_input(m, "x2")};
  case_node(m, begins(m->op, "add") ? "Add" : "Mul", 2, in);
  if (strstr(m->op, "_relu") != NULL) relu(m);
  return NULL;
}

static const char *build_concat(case_model *m) {
  qe__value_id in[MODEL_INPUTS];
  const uint32_t n = (uint32_t)golden_number(m->params, "n");
  for (uint32_t i = 0; i < n; i++) {
    char name[16];
    snprintf(name, sizeof name, "x%u", i);
    in[i] = case_input(m, name);
  }
  case_node(m, "Concat", n, in);
  cr_assert_eq(qe__node_set_int(m->node, "axis", (int64_t)golden_number(m->params, "axis")), QE_OK);
  if (golden_number(m->params, "relu") == 1.0) relu(m);
  return NULL;
}

static const char *build_clip(case_model *m) {
  const bool six = strcmp(m->op, "relu6") == 0;
  const float lo = six ? 0.0f : (float)golden_number(m->params, "min");
  const float hi = six ? 6.0f : (float)golden_number(m->params, "max");
  const qe__value_id in[3] = {case_input(m, "x"), case_scalar(m, lo), case_scalar(m, hi)};
  case_node(m, "Clip", 3, in);
  return NULL;
}

static const char *build_pool(case_model *m) {
  const qe__value_id x = case_input(m, "x");
  int64_t size[8];
  if (begins(m->op, "mean")) {
    const qe__value_id in[2] = {x, case_ints(m, (const int64_t[]){2, 3}, 2)};
    case_node(m, "ReduceMean", 2, in);
    cr_assert_eq(qe__node_set_int(m->node, "keepdims", 0), QE_OK);
    return NULL;
  }
  if (case_array(m, "output_size", size) == 2) {
    const int64_t *dims = m->graph->values[x].dims;
    const int64_t kernel[2] = {dims[2] / size[0], dims[3] / size[1]};
    if (kernel[0] * size[0] != dims[2] || kernel[1] * size[1] != dims[3]) return "windows of different sizes";
    if (size[0] * size[1] == 1) {
      case_node(m, "GlobalAveragePool", 1, &x);
      return NULL;
    }
    case_node(m, "AveragePool", 1, &x);
    cr_assert_eq(qe__node_set_ints(m->node, "kernel_shape", kernel, 2), QE_OK);
    cr_assert_eq(qe__node_set_ints(m->node, "strides", kernel, 2), QE_OK);
    return NULL;
  }
  const bool average = begins(m->op, "avg");
  case_node(m, average ? "AveragePool" : "MaxPool", 1, &x);
  set_window(m);
  cr_assert_eq(qe__node_set_int(m->node, "ceil_mode", golden_number(m->params, "ceil_mode") == 1.0), QE_OK);
  if (average) {
    cr_assert_eq(qe__node_set_int(m->node, "count_include_pad", golden_number(m->params, "count_include_pad") == 1.0),
                 QE_OK);
  }
  return NULL;
}

static const char *build_resize(case_model *m) {
  const bool nearest = strstr(m->op, "nearest") != NULL;
  const qe__value_id x = case_input(m, "x");
  qe__value_id in[4] = {x, QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE};
  int64_t size[8];
  if (case_array(m, "size", size) == 2) {
    const int64_t *dims = m->graph->values[x].dims;
    in[3] = case_ints(m, (const int64_t[]){dims[0], dims[1], size[0], size[1]}, 4);
  } else {
    const float factor = (float)golden_number(m->params, "scale_factor");
    in[2] = case_floats(m, (const float[]){1.0f, 1.0f, factor, factor}, 4);
  }
  case_node(m, "Resize", in[3] == QE__NO_VALUE ? 3 : 4, in);
  const char *coordinates = nearest ? "asymmetric"
                            : golden_number(m->params, "align_corners") == 1.0 ? "align_corners" : "pytorch_half_pixel";
  cr_assert_eq(qe__node_set_string(m->node, "mode", nearest ? "nearest" : "linear"), QE_OK);
  cr_assert_eq(qe__node_set_string(m->node, "coordinate_transformation_mode", coordinates), QE_OK);
  if (nearest) cr_assert_eq(qe__node_set_string(m->node, "nearest_mode", "floor"), QE_OK);
  return NULL;
}

static const char *build_norm(case_model *m) {
  const qe__value_id x = case_input(m, "x");
  const qe__value_id in[5] = {x, case_constant(m, "weight", 0), case_constant(m, "bias", 0),
                              case_constant(m, "mean", 0), case_constant(m, "var", 0)};
  int64_t shape[8];
  if (begins(m->op, "layer")) {
    case_node(m, "LayerNormalization", 3, in);
    cr_assert_eq(qe__node_set_int(m->node, "axis", -(int64_t)case_array(m, "normalized_shape", shape)), QE_OK);
  } else if (begins(m->op, "group")) {
    case_node(m, "GroupNormalization", 3, in);
    cr_assert_eq(qe__node_set_int(m->node, "num_groups", (int64_t)golden_number(m->params, "num_groups")), QE_OK);
  } else {
    case_node(m, "BatchNormalization", 5, in);
  }
  cr_assert_eq(qe__node_set_float(m->node, "epsilon", (float)golden_number(m->params, "eps")), QE_OK);
  if (golden_number(m->params, "relu") == 1.0) relu(m);
  return NULL;
}

static const char *build_unary(case_model *m) {
  static const char *const ops[][2] = {{"relu", "Relu"}, {"hardswish", "HardSwish"}, {"leaky_relu", "LeakyRelu"},
                                       {"elu", "Elu"},   {"sigmoid", "Sigmoid"},     {"hardsigmoid", "HardSigmoid"},
                                       {"tanh", "Tanh"}, {"softmax", "Softmax"}};
  const char *op = NULL;
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    if (strcmp(m->op, ops[i][0]) == 0) op = ops[i][1];
  }
  if (op == NULL) return "no such op";
  const qe__value_id x = case_input(m, "x");
  case_node(m, op, 1, &x);
  if (strcmp(op, "LeakyRelu") == 0)
    cr_assert_eq(qe__node_set_float(m->node, "alpha", (float)golden_number(m->params, "negative_slope")), QE_OK);
  if (strcmp(op, "Elu") == 0)
    cr_assert_eq(qe__node_set_float(m->node, "alpha", (float)golden_number(m->params, "alpha")), QE_OK);
  if (strcmp(op, "HardSigmoid") == 0) cr_assert_eq(qe__node_set_float(m->node, "alpha", 1.0f / 6.0f), QE_OK);
  if (strcmp(op, "Softmax") == 0)
    cr_assert_eq(qe__node_set_int(m->node, "axis", (int64_t)golden_number(m->params, "axis")), QE_OK);
  return NULL;
}

const char *case_build(case_model *m) {
  if (begins(m->op, "linear") || begins(m->op, "conv")) return build_weighted(m);
  if (strstr(m->op, "_scalar") != NULL) return build_scalar(m);
  if (begins(m->op, "add") || begins(m->op, "mul")) return build_binary(m);
  if (strcmp(m->op, "cat") == 0) return build_concat(m);
  if (strcmp(m->op, "relu6") == 0 || strcmp(m->op, "clamp") == 0) return build_clip(m);
  if (strstr(m->op, "pool") != NULL || begins(m->op, "mean")) return build_pool(m);
  if (begins(m->op, "upsample")) return build_resize(m);
  if (strstr(m->op, "_norm") != NULL) return build_norm(m);
  return build_unary(m);
}
