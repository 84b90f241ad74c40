/* Older forms of ops, and forms of other domains, arrive in the canonical one. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "onnx_util.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())
static const int64_t nchw[4] = {-1, 4, 8, 8};

/* x [n,4,8,8] -> one node -> y */
static Onnx__NodeProto *one_node(proto_model *m, int64_t opset, const char *domain, const char *op,
                                 const char *inputs) {
  proto_open(m, opset);
  proto_input(m, "x", QE_FLOAT32, 4, nchw);
  proto_output(m, "y");
  return proto_node(m, domain, op, "node", inputs, "y");
}

static void expect_ints(const qe__graph *g, const qe__node *n, uint32_t input, size_t count, const int64_t *values) {
  const qe_tensor_t *t = input_data(g, n, input);
  cr_assert_not_null(t, "input %u of %s is no constant", (unsigned)input, n->op->name);
  cr_assert_eq(t->count, (int64_t)count, "%lld", (long long)t->count);
  for (size_t i = 0; i < count; i++) {
    cr_assert_eq(qe__tensor_int_at(t, (int64_t)i), values[i], "%lld / %lld",
                 (long long)qe__tensor_int_at(t, (int64_t)i), (long long)values[i]);
  }
}

static void expect_float(const qe__graph *g, const qe__node *n, uint32_t input, float value) {
  const qe_tensor_t *t = input_data(g, n, input);
  cr_assert_not_null(t);
  cr_assert_eq(qe__tensor_float_at(t, 0), (double)value, "%g / %g", qe__tensor_float_at(t, 0), (double)value);
}

Test(onnx_forms, clip_6) {
  proto_model m;
  qe__graph *g;
  Onnx__NodeProto *n = one_node(&m, 7, "", "Clip", "x");
  proto_float(&m, n, "min", -1.0f);
  proto_float(&m, n, "max", 6.0f);
  OK(proto_import(&m, &g));
  const qe__node *clip = find_node(g, "Clip", 0);
  cr_assert_not_null(clip);
  cr_assert_str_eq(clip->name, "node");
  cr_assert_eq(clip->n_in, 3u);
  cr_assert_eq(clip->n_attr, 0u);
  expect_float(g, clip, 1, -1.0f);
  expect_float(g, clip, 2, 6.0f);
  qe__graph_destroy(&g);
}

Test(onnx_forms, axes_become_inputs) {
  static const struct { const char *op; int64_t opset; } ops[] = {
    {"Squeeze", 11}, {"Unsqueeze", 11}, {"ReduceSum", 11}, {"ReduceMean", 13}, {"ReduceMax", 13}, {"ReduceL2", 17},
  };
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    proto_model m;
    qe__graph *g;
    const int64_t axes[2] = {0, 4};
    Onnx__NodeProto *n = one_node(&m, ops[i].opset, "", ops[i].op, "x");
    proto_ints(&m, n, "axes", i == 1 ? 2 : 1, axes);
    if (i >= 2) proto_int(&m, n, "keepdims", 0);
    OK(proto_import(&m, &g));
    const qe__node *node = find_node(g, ops[i].op, 0);
    cr_assert_not_null(node, "%s", ops[i].op);
    cr_assert_eq(node->n_in, 2u);
    expect_ints(g, node, 1, i == 1 ? 2 : 1, axes);
    cr_assert_null(qe__node_attr(node, "axes"));
    if (i >= 2) cr_assert_eq(qe__node_int(node, "keepdims", 1), 0);
    qe__graph_destroy(&g);
  }
}

Test(onnx_forms, slice_1_and_pad_2_and_split_2) {
  proto_model m;
  qe__graph *g;
  const int64_t starts[2] = {1, 0}, ends[2] = {3, 100}, axes[2] = {1, 3}, pads[8] = {0, 0, 1, 1, 0, 0, 1, 1},
                parts[2] = {1, 3};
  Onnx__NodeProto *n = one_node(&m, 9, "", "Slice", "x");
  proto_ints(&m, n, "starts", 2, starts);
  proto_ints(&m, n, "ends", 2, ends);
  proto_ints(&m, n, "axes", 2, axes);
  OK(proto_import(&m, &g));
  const qe__node *node = find_node(g, "Slice", 0);
  cr_assert_eq(node->n_in, 4u);
  expect_ints(g, node, 1, 2, starts);
  expect_ints(g, node, 2, 2, ends);
  expect_ints(g, node, 3, 2, axes);
  qe__graph_destroy(&g);

  n = one_node(&m, 10, "", "Pad", "x");
  proto_ints(&m, n, "pads", 8, pads);
  proto_float(&m, n, "value", 2.5f);
  proto_string(&m, n, "mode", "constant");
  OK(proto_import(&m, &g));
  node = find_node(g, "Pad", 0);
  expect_ints(g, node, 1, 8, pads);
  expect_float(g, node, 2, 2.5f);
  qe__graph_destroy(&g);

  proto_open(&m, 11);
  proto_input(&m, "x", QE_FLOAT32, 4, nchw);
  proto_output(&m, "b");
  n = proto_node(&m, "", "Split", "node", "x", "a b");
  proto_ints(&m, n, "split", 2, parts);
  proto_int(&m, n, "axis", 1);
  OK(proto_import(&m, &g));
  node = find_node(g, "Split", 0);
  cr_assert_eq(node->n_out, 2u);
  expect_ints(g, node, 1, 2, parts);
  qe__graph_destroy(&g);
}

Test(onnx_forms, upsample_and_resize_10_are_asymmetric) {
  static const struct {
    const char *op;
    int64_t opset;
    bool attribute;
  } ops[] = {{"Upsample", 7, true}, {"Upsample", 9, false}, {"Resize", 10, false}};
  for (size_t i = 0; i < 3; i++) {
    proto_model m;
    qe__graph *g;
    const float scales[4] = {1, 1, 2, 2};
    Onnx__NodeProto *n = one_node(&m, ops[i].opset, "", ops[i].op, ops[i].attribute ? "x" : "x scales");
    proto_string(&m, n, "mode", "nearest");
    if (ops[i].attribute) {
      const qe__attr a = {
          .name = (char[]){"scales"}, .kind = QE__ATTR_FLOATS, .count = 4, .floats = (float *)(uintptr_t)scales};
      OK(qe__export_attr(&m.ex, n, &a));
    } else {
      proto_const(&m, "scales", QE_FLOAT32, 1, (int64_t[]){4}, scales);
    }
    OK(proto_import(&m, &g));
    const qe__node *node = find_node(g, "Resize", 0);
    cr_assert_not_null(node);
    cr_assert_eq(node->in[1], QE__NO_VALUE);
    expect_float(g, node, 2, 1.0f);
    cr_assert_str_eq(qe__node_string(node, "coordinate_transformation_mode", ""), "asymmetric");
    cr_assert_str_eq(qe__node_string(node, "nearest_mode", ""), "floor");
    const qe__value *y = &g->values[g->outputs[0]];
    cr_assert_eq(y->dims[3], 16, "%lld", (long long)y->dims[3]);
    qe__graph_destroy(&g);
  }
}

Test(onnx_forms, softmax_11_flattens_unless_the_axis_is_the_last) {
  for (int last = 0; last < 2; last++) {
    proto_model m;
    qe__graph *g;
    Onnx__NodeProto *n = one_node(&m, 11, "", "Softmax", "x");
    proto_int(&m, n, "axis", last ? 3 : 1);
    OK(proto_import(&m, &g));
    cr_assert_eq(count_nodes(g, "Softmax"), 1u);
    cr_assert_eq(count_nodes(g, "Flatten"), last ? 0u : 1u);
    cr_assert_eq(count_nodes(g, "Reshape"), last ? 0u : 1u);
    qe__graph_destroy(&g);
  }
}

Test(onnx_forms, batch_normalization) {
  for (int training = 0; training < 2; training++) {
    proto_model m;
    qe__graph *g = NULL;
    const float ones[4] = {1, 1, 1, 1};
    Onnx__NodeProto *n = one_node(&m, 14, "", "BatchNormalization", "x s b m v");
    for (size_t i = 0; i < 4; i++) {
      proto_const(&m, (const char *[]){"s", "b", "m", "v"}[i], QE_FLOAT32, 1, (int64_t[]){4}, ones);
    }
    proto_int(&m, n, "training_mode", training);
    proto_float(&m, n, "epsilon", 1e-3f);
    const qe_status_t status = proto_import(&m, &g);
    cr_assert_eq(status, training ? QE_ERROR_UNSUPPORTED : QE_OK, "%s", qe_last_error());
    if (training) cr_assert_not_null(strstr(qe_last_error(), "training mode"), "%s", qe_last_error());
    else cr_assert_eq(qe__node_float(find_node(g, "BatchNormalization", 0), "epsilon", 0), 1e-3f);
    qe__graph_destroy(&g);
  }
}

Test(onnx_forms, dropout_keeps_its_ratio_and_can_give_its_mask) {
  proto_model m;
  qe__graph *g;
  proto_open(&m, 13);
  proto_input(&m, "x", QE_FLOAT32, 4, nchw);
  proto_output(&m, "y");
  proto_output(&m, "mask");
  proto_f32(&m, "ratio", 0.25f);
  proto_node(&m, "", "Dropout", "drop", "x ratio", "y mask");
  OK(proto_import(&m, &g));
  cr_assert_eq(qe__node_float(find_node(g, "Dropout", 0), "ratio", 0), 0.25f);
  cr_assert_eq(count_nodes(g, "ConstantOfShape"), 1u);
  qe__graph_destroy(&g);
}

Test(onnx_forms, group_normalization_18_is_instance_normalization) {
  proto_model m;
  qe__graph *g;
  const float two[2] = {1, 2};
  Onnx__NodeProto *n = one_node(&m, 18, "", "GroupNormalization", "x s b");
  proto_const(&m, "s", QE_FLOAT32, 1, (int64_t[]){2}, two);
  proto_const(&m, "b", QE_FLOAT32, 1, (int64_t[]){2}, two);
  proto_int(&m, n, "num_groups", 2);
  OK(proto_import(&m, &g));
  const qe__node *node = find_node(g, "InstanceNormalization", 0);
  cr_assert_not_null(node);
  expect_ints(g, find_node(g, "Reshape", 0), 1, 3, (int64_t[]){0, 2, -1});
  qe__graph_destroy(&g);
}

Test(onnx_forms, constants_and_their_renames_are_values) {
  proto_model m;
  qe__graph *g;
  proto_open(&m, 13);
  proto_input(&m, "x", QE_FLOAT32, 4, nchw);
  proto_output(&m, "y");
  Onnx__NodeProto *n = proto_node(&m, "", "Constant", "c", "", "half");
  proto_float(&m, n, "value_float", 0.5f);
  proto_node(&m, "", "Identity", "same", "half", "also_half");
  proto_node(&m, "", "Mul", "", "x also_half", "y");
  OK(proto_import(&m, &g));
  cr_assert_eq(g->n_nodes, 1u, "%u", (unsigned)g->n_nodes);
  cr_assert_str_eq(g->nodes[0]->name, "Mul_2");
  expect_float(g, g->nodes[0], 1, 0.5f);
  qe__graph_destroy(&g);
}

Test(onnx_forms, mean_gelu_and_silu) {
  proto_model m;
  qe__graph *g;
  one_node(&m, 13, "", "Mean", "x x x");
  OK(proto_import(&m, &g));
  expect_float(g, find_node(g, "Div", 0), 1, 3.0f);
  qe__graph_destroy(&g);

  one_node(&m, 13, "com.microsoft", "FastGelu", "x x");
  OK(proto_import(&m, &g));
  cr_assert_str_eq(qe__node_string(find_node(g, "Gelu", 0), "approximate", ""), "tanh");
  cr_assert_eq(count_nodes(g, "Add"), 1u);
  qe__graph_destroy(&g);

  proto_open(&m, 13);
  proto_input(&m, "x", QE_FLOAT32, 4, nchw);
  proto_output(&m, "y");
  proto_node(&m, "", "Sigmoid", "gate", "x", "s");
  proto_node(&m, "", "Mul", "swish", "x s", "y");
  OK(proto_import(&m, &g));
  cr_assert_eq(g->n_nodes, 1u);
  cr_assert_str_eq(g->nodes[0]->op->name, "Silu");
  cr_assert_str_eq(g->nodes[0]->origin, "swish, gate");
  qe__graph_destroy(&g);
}

Test(onnx_forms, fused_conv_of_onnx_runtime) {
  proto_model m;
  qe__graph *g;
  static const float w[4 * 4 * 9];
  Onnx__NodeProto *n = one_node(&m, 13, "com.microsoft", "FusedConv", "x w");
  proto_const(&m, "w", QE_FLOAT32, 4, (int64_t[]){4, 4, 3, 3}, w);
  proto_string(&m, n, "activation", "Relu");
  OK(proto_import(&m, &g));
  cr_assert_eq(g->n_nodes, 1u);
  cr_assert_eq(g->nodes[0]->act.lo, 0.0f);
  cr_assert_eq(g->nodes[0]->act.hi, INFINITY);
  qe__graph_destroy(&g);
}

Test(onnx_forms, shapes_and_symbols) {
  proto_model m;
  qe__graph *g;
  one_node(&m, 13, "", "Relu", "x");
  OK(proto_import(&m, &g));
  const qe__value *x = &g->values[g->inputs[0]], *y = &g->values[g->outputs[0]];
  cr_assert_eq(x->rank, 4);
  cr_assert_eq(x->dims[0], -1);
  cr_assert_str_eq(x->symbols[0], "n");
  cr_assert_eq(y->dtype, QE_FLOAT32);
  cr_assert_eq(y->dims[0], -1);
  cr_assert_eq(y->dims[1], 4);
  qe__graph_destroy(&g);
}

Test(onnx_forms, old_opsets_only_with_ops_that_never_changed) {
  proto_model m;
  qe__graph *g = NULL;
  one_node(&m, 6, "", "Elu", "x");
  OK(proto_import(&m, &g));
  qe__graph_destroy(&g);
  one_node(&m, 6, "", "Add", "x x");
  cr_assert_eq(proto_import(&m, &g), QE_ERROR_UNSUPPORTED);
  cr_assert_not_null(strstr(qe_last_error(), "opset 6"), "%s", qe_last_error());
  one_node(&m, 22, "", "Relu", "x");
  cr_assert_eq(proto_import(&m, &g), QE_ERROR_UNSUPPORTED);
}
