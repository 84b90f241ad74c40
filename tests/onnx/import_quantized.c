/* Quantized dialects: QOperator of ONNX and of com.microsoft, computed parameters, one tensor read in two ways. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "onnx_util.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())
#define MS "com.microsoft"
static const int64_t nchw[4] = {-1, 4, 8, 8};

static void open_codes(proto_model *m, int64_t opset) {
  proto_open(m, opset);
  proto_input(m, "x", QE_UINT8, 4, nchw);
  proto_output(m, "y");
  proto_f32(m, "xs", 0.5f);
  proto_u8(m, "xz", 10);
  proto_f32(m, "ys", 0.25f);
  proto_u8(m, "yz", 20);
}

static void expect_params(const qe__graph *g, qe__value_id v, float scale, int32_t zero_point) {
  const qe_qparams_t *q = &g->values[v].q.view;
  cr_assert_eq(q->count, 1u, "'%s' has %u scales", g->values[v].name, (unsigned)q->count);
  cr_assert_eq(q->scales[0], scale, "'%s': %g / %g", g->values[v].name, (double)q->scales[0], (double)scale);
  cr_assert_eq(q->zero_points[0], zero_point, "'%s': %d / %d", g->values[v].name, (int)q->zero_points[0],
               (int)zero_point);
}

Test(onnx_quantized, qlinear_conv) {
  proto_model m;
  qe__graph *g;
  static const int8_t w[2 * 4];
  const float ws[2] = {0.5f, 2.0f};
  const int8_t wz[2] = {0, 3};
  const int32_t b[2] = {100, -7};
  open_codes(&m, 13);
  proto_const(&m, "w", QE_INT8, 4, (int64_t[]){2, 4, 1, 1}, w);
  proto_const(&m, "ws", QE_FLOAT32, 1, (int64_t[]){2}, ws);
  proto_const(&m, "wz", QE_INT8, 1, (int64_t[]){2}, wz);
  proto_const(&m, "b", QE_INT32, 1, (int64_t[]){2}, b);
  proto_node(&m, "", "QLinearConv", "conv", "x xs xz w ws wz ys yz b", "y");
  OK(proto_import(&m, &g));
  cr_assert_eq(g->n_nodes, 1u);
  const qe__node *n = g->nodes[0];
  cr_assert_str_eq(n->op->name, "Conv");
  cr_assert(n->quantized);
  expect_params(g, n->in[0], 0.5f, 10);
  expect_params(g, n->out[0], 0.25f, 20);
  const qe_qparams_t *wq = &g->values[n->in[1]].q.view, *bq = &g->values[n->in[2]].q.view;
  cr_assert_eq(wq->count, 2u);
  cr_assert_eq(wq->axis, 0);
  cr_assert_eq(wq->zero_points[1], 3);
  cr_assert_eq(bq->count, 2u);
  cr_assert_eq(bq->scales[1], 0.5f * 2.0f);
  cr_assert_eq(g->values[n->out[0]].dtype, QE_UINT8);
  qe__graph_destroy(&g);
}

Test(onnx_quantized, microsoft_ops) {
  static const struct { const char *op, *inputs, *canonical; uint32_t n_in; } ops[] = {
    {"QLinearAdd", "x xs xz x ys yz ys yz", "Add", 2},
    {"QLinearMul", "x xs xz x xs xz ys", "Mul", 2},
    {"QLinearSigmoid", "x xs xz ys yz", "Sigmoid", 1},
    {"QLinearLeakyRelu", "x xs xz ys yz", "LeakyRelu", 1},
    {"QLinearGlobalAveragePool", "x xs xz ys yz", "GlobalAveragePool", 1},
    {"QLinearReduceMean", "x xs xz ys yz", "ReduceMean", 1},
    {"QLinearConcat", "ys yz x xs xz x xs xz", "Concat", 2},
  };
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    proto_model m;
    qe__graph *g;
    open_codes(&m, 13);
    Onnx__NodeProto *n = proto_node(&m, MS, ops[i].op, "node", ops[i].inputs, "y");
    if (i == 6) proto_int(&m, n, "axis", 1);
    OK(proto_import(&m, &g));
    const qe__node *node = find_node(g, ops[i].canonical, 0);
    cr_assert_not_null(node, "%s", ops[i].op);
    cr_assert(node->quantized, "%s", ops[i].op);
    cr_assert_eq(node->n_in, ops[i].n_in, "%s: %u", ops[i].op, (unsigned)node->n_in);
    expect_params(g, node->in[0], 0.5f, 10);
    expect_params(g, node->out[0], 0.25f, i == 1 ? 0 : 20);
    qe__graph_destroy(&g);
  }
}

Test(onnx_quantized, the_same_codes_under_two_parameter_sets) {
  proto_model m;
  qe__graph *g;
  open_codes(&m, 13);
  proto_node(&m, MS, "QLinearAdd", "add", "x xs xz x ys yz ys yz", "y");
  OK(proto_import(&m, &g));
  cr_assert_eq(count_nodes(g, "Identity"), 1u);
  const qe__node *add = find_node(g, "Add", 0);
  expect_params(g, add->in[0], 0.5f, 10);
  expect_params(g, add->in[1], 0.25f, 20);
  cr_assert(!find_node(g, "Identity", 0)->quantized);
  qe__graph_destroy(&g);
}

Test(onnx_quantized, channels_last_pooling) {
  proto_model m;
  qe__graph *g;
  open_codes(&m, 13);
  Onnx__NodeProto *n = proto_node(&m, MS, "QLinearGlobalAveragePool", "pool", "x xs xz ys yz", "y");
  proto_int(&m, n, "channels_last", 1);
  OK(proto_import(&m, &g));
  cr_assert_eq(count_nodes(g, "Transpose"), 2u);
  const qe__attr *perm = qe__node_attr(find_node(g, "Transpose", 0), "perm");
  const int64_t want[4] = {0, 3, 1, 2};
  cr_assert_eq(memcmp(perm->ints, want, sizeof want), 0);
  const qe__value *y = &g->values[g->outputs[0]];
  cr_assert_eq(y->dims[3], 8, "%lld", (long long)y->dims[3]); /* x is [n,4,8,8] with 8 channels last */
  cr_assert_eq(y->dims[1], 1);
  qe__graph_destroy(&g);
}

Test(onnx_quantized, qgemm_and_softmax) {
  proto_model m;
  qe__graph *g;
  static const int8_t w[3 * 4];
  const int32_t c[3] = {1, 2, 3};
  proto_open(&m, 13);
  proto_input(&m, "x", QE_UINT8, 2, (int64_t[]){-1, 4});
  proto_output(&m, "y");
  proto_f32(&m, "xs", 0.5f);
  proto_u8(&m, "xz", 10);
  proto_f32(&m, "ws", 0.125f);
  proto_i8(&m, "wz", 0);
  proto_f32(&m, "ys", 1.0f / 256);
  proto_u8(&m, "yz", 0);
  proto_const(&m, "w", QE_INT8, 2, (int64_t[]){3, 4}, w);
  proto_const(&m, "c", QE_INT32, 1, (int64_t[]){3}, c);
  Onnx__NodeProto *n = proto_node(&m, MS, "QGemm", "fc", "x xs xz w ws wz c ys yz", "h");
  proto_int(&m, n, "transB", 1);
  n = proto_node(&m, MS, "QLinearSoftmax", "soft", "h ys yz ys yz", "y");
  proto_int(&m, n, "opset", 12);
  proto_int(&m, n, "axis", 1);
  OK(proto_import(&m, &g));
  const qe__node *gemm = find_node(g, "Gemm", 0);
  cr_assert(gemm->quantized);
  cr_assert_eq(g->values[gemm->in[2]].q.view.scales[0], 0.5f * 0.125f);
  cr_assert_eq(count_nodes(g, "DequantizeLinear"), 1u);
  cr_assert_eq(count_nodes(g, "QuantizeLinear"), 1u);
  cr_assert(!find_node(g, "Softmax", 0)->quantized);
  qe__graph_destroy(&g);
}

Test(onnx_quantized, computed_parameters_are_written_out) {
  proto_model m;
  qe__graph *g;
  proto_open(&m, 13);
  proto_input(&m, "f", QE_FLOAT32, 4, nchw);
  proto_output(&m, "y");
  proto_f32(&m, "ys", 0.25f);
  proto_u8(&m, "yz", 20);
  proto_node(&m, "", "DynamicQuantizeLinear", "dynamic", "f", "x xs xz");
  proto_node(&m, MS, "QLinearAdd", "add", "x xs xz x xs xz ys yz", "q");
  proto_node(&m, "", "DequantizeLinear", "dq", "q ys yz", "y");
  OK(proto_import(&m, &g));
  const qe__node *add = find_node(g, "Add", 0);
  cr_assert(!add->quantized);
  cr_assert_eq(find_node(g, "DequantizeLinear", 0)->n_in, 3u);
  qe__graph_destroy(&g);
}

Test(onnx_quantized, dynamic_matmul) {
  proto_model m;
  qe__graph *g;
  static const int8_t w[4 * 3];
  const float bias[3] = {1, 2, 3};
  proto_open(&m, 13);
  proto_input(&m, "x", QE_FLOAT32, 2, (int64_t[]){-1, 4});
  proto_output(&m, "y");
  proto_const(&m, "w", QE_INT8, 2, (int64_t[]){4, 3}, w);
  proto_f32(&m, "ws", 0.5f);
  proto_i8(&m, "wz", 0);
  proto_const(&m, "b", QE_FLOAT32, 1, (int64_t[]){3}, bias);
  proto_node(&m, MS, "DynamicQuantizeMatMul", "linear", "x w ws wz b", "y");
  OK(proto_import(&m, &g));
  cr_assert_eq(g->n_nodes, 2u, "%u", (unsigned)g->n_nodes);
  const qe__node *q = find_node(g, "DynamicQuantizeLinear", 0), *n = find_node(g, "MatMulIntegerToFloat", 0);
  cr_assert(q != NULL && n != NULL);
  cr_assert_eq(n->n_in, 7u);
  cr_assert_eq(n->in[0], q->out[0]);
  cr_assert_eq(n->in[2], q->out[1]);
  cr_assert_eq(n->in[4], q->out[2]);
  qe__graph_destroy(&g);
}

Test(onnx_quantized, an_integer_clamp_belongs_to_the_node_before_it) {
  proto_model m;
  qe__graph *g;
  open_codes(&m, 13);
  proto_u8(&m, "lo", 20);
  proto_u8(&m, "hi", 200);
  proto_node(&m, MS, "QLinearSigmoid", "sig", "x xs xz ys yz", "a");
  proto_node(&m, "", "Max", "max", "a lo", "b");
  proto_node(&m, "", "Min", "min", "hi b", "y");
  OK(proto_import(&m, &g));
  cr_assert_eq(g->n_nodes, 1u, "%u", (unsigned)g->n_nodes);
  cr_assert_eq(g->nodes[0]->act.lo, 0.0f);
  cr_assert_eq(g->nodes[0]->act.hi, 180 * 0.25f);
  cr_assert_str_eq(g->nodes[0]->origin, "sig, max, min");
  qe__graph_destroy(&g);
}

Test(onnx_quantized, refused_with_a_reason) {
  static const struct { const char *what, *text; } cases[] = {
    {"blocked", "blocked"}, {"type", "must agree"}, {"scale", "scale"}, {"double scale", "float32"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    proto_model m;
    qe__graph *g = NULL;
    open_codes(&m, 21);
    const float bad = -1.0f, block[2] = {1, 1};
    const double wide = 0.5;
    proto_i8(&m, "i8", 0);
    proto_f32(&m, "bad", bad);
    proto_const(&m, "wide", QE_FLOAT64, 0, NULL, &wide);
    proto_const(&m, "block", QE_FLOAT32, 2, (int64_t[]){2, 1}, block);
    Onnx__NodeProto *n = proto_node(&m, "", "DequantizeLinear", "dq",
                                    i == 0 ? "x block" : i == 1 ? "x xs i8" : i == 2 ? "x bad xz" : "x wide xz", "y");
    if (i == 0) proto_int(&m, n, "block_size", 2);
    const qe_status_t status = proto_import(&m, &g);
    cr_assert_neq(status, QE_OK, "%s", cases[i].what);
    cr_assert_not_null(strstr(qe_last_error(), "dq"), "%s: %s", cases[i].what, qe_last_error());
    cr_assert_not_null(strstr(qe_last_error(), cases[i].text), "%s: %s", cases[i].what, qe_last_error());
  }
}
