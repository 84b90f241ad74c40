/* What is exported, in either format, comes back as the same graph. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "graph/model.h"
#include "onnx_util.h"
#include "support/models.h"
#include "support/scratch.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())
#define RELU ((qe__act){0.0f, INFINITY})

static void expect_round_trips(qe__graph *g) {
  for (int format = QE_FORMAT_QDQ; format <= QE_FORMAT_QOPERATOR; format++) {
    qe__graph *back = round_trip(g, (qe_format_t)format);
    const char *difference = graph_difference(g, back);
    cr_assert_null(difference, "format %d: %s", format, difference);
    qe__graph *again = round_trip(back, (qe_format_t)(1 - format)); /* and from one format to the other */
    difference = graph_difference(g, again);
    cr_assert_null(difference, "format %d, then the other: %s", format, difference);
    qe__graph_destroy(&back);
    qe__graph_destroy(&again);
  }
  qe__graph_destroy(&g);
}

/* conv with weight [o, c, 3, 3] */
static qe__value_id conv(qe__graph *g, qe__value_id x, const char *name, int64_t o, int64_t c, bool per_channel,
                         bool bias, qe__act act, uint32_t *seed) {
  char text[64];
  const int64_t dims[4] = {o, c, 3, 3}, pads[4] = {1, 1, 1, 1};
  snprintf(text, sizeof text, "%s_w", name);
  qe__value_id in[3] = {x, add_weight(g, text, 4, dims, per_channel ? 0 : -1, seed), QE__NO_VALUE};
  snprintf(text, sizeof text, "%s_b", name);
  if (bias) in[2] = add_bias(g, text, x, in[1], o);
  snprintf(text, sizeof text, "%s_y", name);
  const qe__value_id y = add_codes(g, text, QE_UINT8, 0.05f, act.lo == 0.0f ? 0 : 120);
  qe__node *n = add_quantized(g, "Conv", name, bias ? 3 : 2, in, y);
  OK(qe__node_set_ints(n, "pads", pads, 4));
  n->act = act;
  return y;
}

static qe__value_id unary(qe__graph *g, const char *op, qe__value_id x, qe__value_id y) {
  add_quantized(g, op, g->values[y].name, 1, &x, y);
  return y;
}

static qe__value_id like(qe__graph *g, const char *name, qe__value_id x) {
  const qe__value *v = &g->values[x];
  return add_codes(g, name, v->dtype, v->q.view.scales[0], v->q.view.zero_points[0]);
}

Test(onnx_round_trip, convolutions) {
  uint32_t seed = 7;
  qe__graph *g;
  qe__value_id v = start_graph(&g, 3, 8, 8);
  v = conv(g, v, "plain", 4, 3, false, false, (qe__act){-INFINITY, INFINITY}, &seed);
  v = conv(g, v, "per_channel", 5, 4, true, true, (qe__act){-INFINITY, INFINITY}, &seed);
  v = conv(g, v, "relu", 4, 5, true, true, RELU, &seed);
  v = conv(g, v, "relu6", 4, 4, false, true, (qe__act){0.0f, 6.0f}, &seed);
  v = conv(g, v, "one_channel", 1, 4, true, true, RELU, &seed);
  finish_graph(g, v);
  expect_round_trips(g);
}

Test(onnx_round_trip, relu_that_the_range_does_not_imply) {
  uint32_t seed = 9;
  qe__graph *g;
  qe__value_id x = start_graph(&g, 3, 8, 8),
               v = conv(g, x, "conv", 4, 3, true, true, (qe__act){-INFINITY, INFINITY}, &seed);
  g->nodes[1]->act = RELU; /* zero point 120 */
  finish_graph(g, v);
  for (int format = 0; format < 2; format++) {
    qe__graph *back = round_trip(g, (qe_format_t)format);
    const char *difference = graph_difference(g, back);
    cr_assert_null(difference, "format %d: %s", format, difference);
    cr_assert_eq(back->nodes[1]->act.lo, 0.0f, "%g", (double)back->nodes[1]->act.lo);
    qe__graph_destroy(&back);
  }
  qe__graph_destroy(&g);
}

Test(onnx_round_trip, gemm_and_matmul) {
  uint32_t seed = 11;
  qe__graph *g;
  qe__value_id v = start_graph(&g, 2, 3, 4), y, in[3];
  y = like(g, "flat", v);
  qe__node *n = add_quantized(g, "Flatten", "flatten", 1, &v, y);
  OK(qe__node_set_int(n, "axis", 1));
  in[0] = y;
  in[1] = add_weight(g, "w1", 2, (int64_t[]){6, 24}, 0, &seed);
  in[2] = add_bias(g, "b1", in[0], in[1], 6);
  n = add_quantized(g, "Gemm", "fc1", 3, in, y = add_codes(g, "y1", QE_UINT8, 0.1f, 0));
  OK(qe__node_set_int(n, "transB", 1));
  n->act = RELU;
  in[0] = y;
  in[1] = add_weight(g, "w2", 2, (int64_t[]){6, 5}, 1, &seed);
  add_quantized(g, "MatMul", "product", 2, in, y = add_codes(g, "y2", QE_INT8, 0.1f, 3));
  in[0] = y;
  in[1] = add_weight(g, "w3", 2, (int64_t[]){5, 4}, -1, &seed);
  in[2] = add_bias(g, "b3", in[0], in[1], 4);
  add_quantized(g, "MatMul", "linear", 3, in, y = add_codes(g, "y3", QE_INT8, 0.2f, -5));
  in[0] = y;
  in[1] = add_weight(g, "w4", 2, (int64_t[]){4, 3}, 1, &seed);
  n = add_quantized(g, "Gemm", "fc4", 2, in, y = add_codes(g, "y4", QE_INT8, 0.2f, -128));
  n->act = RELU;
  finish_graph(g, y);
  expect_round_trips(g);
}

Test(onnx_round_trip, element_by_element) {
  uint32_t seed = 13;
  qe__graph *g;
  qe__value_id x = start_graph(&g, 3, 8, 8), a, b, y;
  a = conv(g, x, "a", 4, 3, true, true, (qe__act){-INFINITY, INFINITY}, &seed);
  b = conv(g, x, "b", 4, 3, true, true, (qe__act){-INFINITY, INFINITY}, &seed);
  qe__node *n = add_quantized(g, "Add", "add", 2, (qe__value_id[]){a, b}, y = add_codes(g, "sum", QE_UINT8, 0.1f, 100));
  n->act = RELU;
  add_quantized(g, "Mul", "mul", 2, (qe__value_id[]){y, b}, a = add_codes(g, "scaled", QE_UINT8, 0.2f, 90));
  add_quantized(g, "Sub", "sub", 2, (qe__value_id[]){a, y}, b = add_codes(g, "less", QE_UINT8, 0.2f, 128));
  y = unary(g, "Sigmoid", b, add_codes(g, "gate", QE_UINT8, 1.0f / 256.0f, 0));
  y = unary(g, "Tanh", y, add_codes(g, "tanh", QE_UINT8, 1.0f / 128.0f, 128));
  y = unary(g, "LeakyRelu", y, add_codes(g, "leaky", QE_UINT8, 0.01f, 10));
  OK(qe__node_set_float(g->nodes[g->n_nodes - 1], "alpha", 0.2f));
  y = unary(g, "HardSwish", y, add_codes(g, "hard", QE_UINT8, 0.01f, 12));
  y = unary(g, "Silu", y, add_codes(g, "silu", QE_UINT8, 0.01f, 12));
  y = unary(g, "Relu", y, add_codes(g, "positive", QE_UINT8, 0.02f, 0));
  add_quantized(g, "Concat", "concat", 3, (qe__value_id[]){y, b, y}, a = add_codes(g, "wide", QE_UINT8, 0.2f, 60));
  OK(qe__node_set_int(g->nodes[g->n_nodes - 1], "axis", 1));
  finish_graph(g, a);
  expect_round_trips(g);
}

Test(onnx_round_trip, moving_and_pooling) {
  qe__graph *g;
  qe__value_id v = start_graph(&g, 4, 8, 8), y;
  const int64_t two[2] = {2, 2}, perm[4] = {0, 2, 3, 1}, back[4] = {0, 3, 1, 2}, pads[8] = {0, 0, 1, 1, 0, 0, 2, 2};
  qe__node *n = add_quantized(g, "MaxPool", "max_pool", 1, &v, y = like(g, "pooled", v));
  OK(qe__node_set_ints(n, "kernel_shape", two, 2));
  n = add_quantized(g, "Transpose", "transpose", 1, &y, v = like(g, "turned", y));
  OK(qe__node_set_ints(n, "perm", perm, 4));
  n = add_quantized(g, "Transpose", "transpose_back", 1, &v, y = like(g, "back", v));
  OK(qe__node_set_ints(n, "perm", back, 4));
  n = add_quantized(g, "Pad", "pad", 2, (qe__value_id[]){y, add_i64(g, "pads", 8, pads)}, v = like(g, "padded", y));
  n = add_quantized(g, "AveragePool", "average", 1, &v, y = add_codes(g, "averaged", QE_UINT8, 0.01f, 50));
  OK(qe__node_set_ints(n, "kernel_shape", two, 2));
  OK(qe__node_set_int(n, "count_include_pad", 1));
  qe__value_id axes = add_i64(g, "axes", 1, (int64_t[]){3});
  n = add_quantized(g, "ReduceMean", "mean", 2, (qe__value_id[]){y, axes},
                    v = add_codes(g, "meant", QE_UINT8, 0.01f, 51));
  OK(qe__node_set_int(n, "keepdims", 1));
  add_quantized(g, "GlobalAveragePool", "global", 1, &v, y = add_codes(g, "globally", QE_UINT8, 0.01f, 51));
  n = add_quantized(g, "ReduceMax", "reduce_max", 2, (qe__value_id[]){y, axes}, v = like(g, "largest", y));
  n = add_quantized(g, "Reshape", "reshape", 2, (qe__value_id[]){v, add_i64(g, "shape", 2, (int64_t[]){0, -1})},
                    y = like(g, "reshaped", v));
  qe__value_id parts[2] = {like(g, "left", y), like(g, "right", y)};
  OK(qe__graph_add_node(g, "Split", "split", 1, &y, 2, parts, &n));
  OK(qe__node_set_int(n, "axis", 1));
  n->quantized = true;
  add_quantized(g, "Max", "max", 2, parts, y = like(g, "greater", parts[0]));
  finish_graph(g, y);
  expect_round_trips(g);
}

Test(onnx_round_trip, a_pad_value_is_a_code_in_qoperator_form) {
  qe__graph *g;
  qe__value_id v = start_graph(&g, 1, 4, 4), y, value,
               pads = add_i64(g, "pads", 8, (int64_t[]){0, 0, 1, 0, 0, 0, 0, 1});
  const float fill = (255 - 117) * 0.02f;
  qe_tensor_t *t = NULL;
  OK(qe_tensor_from_data(QE_FLOAT32, 0, NULL, &fill, &t));
  OK(qe__graph_add_constant(g, "fill", t, &value));
  qe_tensor_release(&t);
  add_quantized(g, "Pad", "pad", 3, (qe__value_id[]){v, pads, value}, y = like(g, "padded", v));
  finish_graph(g, y);
  expect_round_trips(g);
}

Test(onnx_round_trip, conv_transpose_and_where) {
  uint32_t seed = 17;
  qe__graph *g;
  qe__value_id v = start_graph(&g, 3, 4, 4), y, condition;
  qe__value_id in[3] = {v, add_weight(g, "w", 4, (int64_t[]){3, 2, 2, 2}, 1, &seed), QE__NO_VALUE};
  in[2] = add_bias(g, "b", in[0], in[1], 2);
  add_quantized(g, "ConvTranspose", "up", 3, in, y = add_codes(g, "upped", QE_UINT8, 0.03f, 7));
  OK(qe__graph_add_value(g, "condition", QE_BOOL, &condition));
  g->values[condition].rank = 1;
  g->values[condition].dims[0] = 1;
  OK(qe__graph_add_input(g, condition));
  add_quantized(g, "Where", "where", 3, (qe__value_id[]){condition, y, y}, v = like(g, "chosen", y));
  finish_graph(g, v);
  expect_round_trips(g);
}

Test(onnx_round_trip, float_graph_and_metadata) {
  qe_model_t *m = test_cnn(3);
  OK(qe_model_set_metadata(m, "author", "somebody"));
  OK(qe_model_set_metadata(m, "note", ""));
  qe__graph *g = NULL;
  OK(qe__graph_clone(m->graph, &g));
  qe_model_destroy(&m);
  expect_round_trips(g);
}

Test(onnx_round_trip, a_fused_float_clamp_becomes_a_node) {
  qe__graph *g, *back;
  qe__value_id x, y;
  OK(qe__graph_create(&g));
  OK(qe__graph_add_value(g, "x", QE_FLOAT32, &x));
  OK(qe__graph_add_input(g, x));
  OK(qe__graph_add_value(g, "y", QE_FLOAT32, &y));
  qe__node *n;
  OK(qe__graph_add_node(g, "Add", "add", 2, (qe__value_id[]){x, x}, 1, &y, &n));
  n->act = (qe__act){-1.0f, 2.0f};
  OK(qe__graph_add_output(g, y));
  back = round_trip(g, QE_FORMAT_QDQ);
  const qe__node *clip = find_node(back, "Clip", 0);
  cr_assert_not_null(clip);
  cr_assert_eq(qe__tensor_float_at(input_data(back, clip, 1), 0), -1.0);
  cr_assert_eq(qe__tensor_float_at(input_data(back, clip, 2), 0), 2.0);
  qe__graph_destroy(&g);
  qe__graph_destroy(&back);
}

Test(onnx_export, same_bytes_every_time) {
  uint32_t seed = 23;
  scratch s;
  scratch_open(&s);
  static unsigned char first[1 << 16], second[1 << 16];
  for (int format = 0; format < 2; format++) {
    qe__graph *g, *copy;
    qe__value_id x = start_graph(&g, 3, 8, 8), v = conv(g, x, "conv", 4, 3, true, true, RELU, &seed);
    finish_graph(g, v);
    OK(qe__graph_clone(g, &copy));
    OK(qe__onnx_export(g, (qe_format_t)format, scratch_file(&s, "a.onnx"), 1));
    OK(qe__onnx_export(copy, (qe_format_t)format, scratch_file(&s, "b.onnx"), 1));
    const size_t n = scratch_read(scratch_file(&s, "a.onnx"), first, sizeof first),
                 k = scratch_read(scratch_file(&s, "b.onnx"), second, sizeof second);
    cr_assert_eq(n, k, "%zu / %zu", n, k);
    cr_assert_eq(memcmp(first, second, n), 0);
    qe__graph_destroy(&g);
    qe__graph_destroy(&copy);
  }
  scratch_close(&s);
}

Test(onnx_export, opset_grows_only_when_needed) {
  static const struct {
    const char *op;
    uint32_t n_in;
    int64_t opset;
  } cases[] = {{"Relu", 1, 13}, {"HardSwish", 1, 14}, {"Mish", 1, 18}, {"Gelu", 1, 20}};
  scratch s;
  scratch_open(&s);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qe__graph *g;
    qe__value_id x, y;
    OK(qe__graph_create(&g));
    OK(qe__graph_add_value(g, "x", QE_FLOAT32, &x));
    OK(qe__graph_add_input(g, x));
    OK(qe__graph_add_value(g, "y", QE_FLOAT32, &y));
    OK(qe__graph_add_node(g, cases[i].op, "node", 1, &x, 1, &y, NULL));
    OK(qe__graph_add_output(g, y));
    OK(qe__onnx_export(g, QE_FORMAT_QDQ, scratch_file(&s, "m.onnx"), 1));
    unsigned char bytes[4096];
    const size_t n = scratch_read(scratch_file(&s, "m.onnx"), bytes, sizeof bytes);
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, n, bytes);
    cr_assert_not_null(m);
    cr_assert_eq(m->opset_import[0]->version, cases[i].opset, "%s: %lld", cases[i].op,
                 (long long)m->opset_import[0]->version);
    cr_assert_str_eq(m->producer_name, "qengine");
    onnx__model_proto__free_unpacked(m, NULL);
    qe__graph_destroy(&g);
  }
  scratch_close(&s);
}

Test(onnx_export, external_data_over_the_limit) {
  uint32_t seed = 29;
  scratch s;
  scratch_open(&s);
  const char *path = scratch_file(&s, "big.onnx");
  qe__graph *g, *back;
  qe_model_t *m = NULL;
  qe__value_id x = start_graph(&g, 16, 8, 8), v = conv(g, x, "conv", 32, 16, true, true, RELU, &seed);
  finish_graph(g, v);
  OK(qe__onnx_export_limited(g, QE_FORMAT_QDQ, path, 0, 100));
  cr_assert_eq(scratch_entries(&s), 2);
  cr_assert_eq(qe__onnx_export_limited(g, QE_FORMAT_QDQ, path, 0, 100), QE_ERROR_EXISTS, "%s", qe_last_error());
  OK(qe_model_load(path, &m));
  OK(qe__graph_clone(m->graph, &back));
  const char *difference = graph_difference(g, back);
  cr_assert_null(difference, "%s", difference);
  qe_model_destroy(&m);
  qe__graph_destroy(&back);
  qe__graph_destroy(&g);
  scratch_close(&s);
}
