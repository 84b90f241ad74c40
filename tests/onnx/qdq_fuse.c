/* Which DequantizeLinear -> op -> QuantizeLinear patterns become quantized nodes, and which stay. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "onnx_util.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())
static const int64_t nchw[4] = {-1, 2, 4, 4};

/* x -> Q -> xq -> DQ -> xd, and parameters s/z (0.5, 10), t/u (0.25, 20), ws/wz (0.125, 0). */
static void open_qdq(proto_model *m) {
  proto_open(m, 13);
  proto_input(m, "x", QE_FLOAT32, 4, nchw);
  proto_f32(m, "s", 0.5f);
  proto_u8(m, "z", 10);
  proto_f32(m, "t", 0.25f);
  proto_u8(m, "u", 20);
  proto_f32(m, "ws", 0.125f);
  proto_i8(m, "wz", 0);
  proto_node(m, "", "QuantizeLinear", "q_x", "x s z", "xq");
  proto_node(m, "", "DequantizeLinear", "dq_x", "xq s z", "xd");
}

static void int8_weight(proto_model *m, const char *name) {
  static const int8_t w[3 * 2] = {1, -2, 3, -4, 5, -6};
  proto_const(m, name, QE_INT8, 4, (int64_t[]){3, 2, 1, 1}, w);
}

static void close_qdq(proto_model *m, const char *real, qe__graph **g) {
  char text[64];
  snprintf(text, sizeof text, "%s t u", real);
  proto_node(m, "", "QuantizeLinear", "q_y", text, "yq");
  proto_node(m, "", "DequantizeLinear", "dq_y", "yq t u", "y");
  proto_output(m, "y");
  OK(proto_import(m, g));
}

Test(onnx_qdq, conv_with_everything) {
  proto_model m;
  qe__graph *g;
  const int32_t b[3] = {4, 5, 6};
  open_qdq(&m);
  int8_weight(&m, "w");
  proto_const(&m, "b", QE_INT32, 1, (int64_t[]){3}, b);
  proto_f32(&m, "bs", 0.5f * 0.125f);
  proto_node(&m, "", "DequantizeLinear", "dq_w", "w ws wz", "wd");
  proto_node(&m, "", "DequantizeLinear", "dq_b", "b bs", "bd");
  proto_node(&m, "", "Conv", "conv", "xd wd bd", "c");
  proto_node(&m, "", "Relu", "relu", "c", "r");
  close_qdq(&m, "r", &g);
  cr_assert_eq(g->n_nodes, 3u, "%u", (unsigned)g->n_nodes);
  const qe__node *n = find_node(g, "Conv", 0);
  cr_assert(n->quantized);
  cr_assert_str_eq(n->origin, "conv, relu, q_y");
  cr_assert_eq(n->act.lo, 0.0f);
  cr_assert_str_eq(g->values[n->in[2]].name, "b");
  cr_assert_str_eq(g->values[n->out[0]].name, "yq");
  qe__graph_destroy(&g);
}

Test(onnx_qdq, float_weight_and_bias_of_a_qat_export) {
  proto_model m;
  qe__graph *g;
  const float w[6] = {0.125f, -0.25f, 0.3f, 1.0f, 100.0f, -100.0f}, b[3] = {1.0f, 0.03125f, -0.09375f};
  const int8_t want_w[6] = {1, -2, 2, 8, 127, -128};
  const int32_t want_b[3] = {16, 0, -2}; /* scale 0.0625, ties to even */
  open_qdq(&m);
  proto_const(&m, "w", QE_FLOAT32, 4, (int64_t[]){3, 2, 1, 1}, w);
  proto_const(&m, "b", QE_FLOAT32, 1, (int64_t[]){3}, b);
  proto_node(&m, "", "QuantizeLinear", "q_w", "w ws wz", "wq");
  proto_node(&m, "", "DequantizeLinear", "dq_w", "wq ws wz", "wd");
  proto_node(&m, "", "Conv", "conv", "xd wd b", "c");
  close_qdq(&m, "c", &g);
  const qe__node *n = find_node(g, "Conv", 0);
  cr_assert(n->quantized);
  const qe_tensor_t *wt = input_data(g, n, 1), *bt = input_data(g, n, 2);
  cr_assert_eq(memcmp(wt->data, want_w, sizeof want_w), 0);
  for (size_t i = 0; i < 3; i++) {
    cr_assert_eq(((const int32_t *)bt->data)[i], want_b[i], "%zu: %d", i, ((const int32_t *)bt->data)[i]);
  }
  cr_assert_eq(g->values[n->in[2]].q.view.scales[0], 0.0625f);
  qe__graph_destroy(&g);
}

Test(onnx_qdq, matmul_with_a_bias_added_after_it) {
  for (int coded = 0; coded < 2; coded++) {
    proto_model m;
    qe__graph *g;
    static const int8_t w[4 * 3];
    const float b[3] = {0.0625f, 0.125f, 1};
    const int32_t bq[3] = {1, 2, 16};
    open_qdq(&m);
    proto_const(&m, "w", QE_INT8, 2, (int64_t[]){4, 3}, w);
    proto_const(&m, "b", QE_FLOAT32, 1, (int64_t[]){3}, b);
    proto_const(&m, "bq", QE_INT32, 1, (int64_t[]){3}, bq);
    proto_f32(&m, "bs", 0.0625f);
    proto_node(&m, "", "DequantizeLinear", "dq_b", "bq bs", "bd");
    proto_node(&m, "", "DequantizeLinear", "dq_w", "w ws wz", "wd");
    proto_node(&m, "", "MatMul", "matmul", "xd wd", "p");
    proto_node(&m, "", "Add", "add", coded ? "p bd" : "b p", "c");
    close_qdq(&m, "c", &g);
    const qe__node *n = find_node(g, "MatMul", 0);
    cr_assert(n->quantized);
    cr_assert_eq(n->n_in, 3u);
    cr_assert_eq(memcmp(input_data(g, n, 2)->data, bq, sizeof bq), 0);
    cr_assert_str_eq(n->origin, "matmul, add, q_y");
    cr_assert_eq(count_nodes(g, "Add"), 0u);
    qe__graph_destroy(&g);
  }
}

/* torch's Linear on more than two dimensions: w [3,4] -> Q -> DQ -> Transpose -> MatMul; or Transpose before Q. */
Test(onnx_qdq, transposed_weights) {
  for (int before = 0; before < 2; before++) {
    proto_model m;
    qe__graph *g;
    const float w[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, scales[3] = {1, 0.5f, 2};
    const int8_t zeros[3] = {0}, want[12] = {0, 8, 4, 1, 10, 4, 2, 12, 5, 3, 14, 6};
    open_qdq(&m);
    proto_const(&m, "w", QE_FLOAT32, 2, (int64_t[]){3, 4}, w);
    proto_const(&m, "ss", QE_FLOAT32, 1, (int64_t[]){3}, scales);
    proto_const(&m, "zz", QE_INT8, 1, (int64_t[]){3}, zeros);
    if (before) proto_node(&m, "", "Transpose", "turn", "w", "wt");
    Onnx__NodeProto *n = proto_node(&m, "", "QuantizeLinear", "q_w", before ? "wt ss zz" : "w ss zz", "wq");
    proto_int(&m, n, "axis", before ? 1 : 0);
    n = proto_node(&m, "", "DequantizeLinear", "dq_w", "wq ss zz", before ? "wd" : "wdt");
    proto_int(&m, n, "axis", before ? -1 : 0);
    if (!before) proto_node(&m, "", "Transpose", "turn", "wdt", "wd");
    proto_node(&m, "", "MatMul", "matmul", "xd wd", "c");
    close_qdq(&m, "c", &g);
    const qe__node *node = find_node(g, "MatMul", 0);
    cr_assert(node->quantized, "before %d", before);
    const qe_tensor_t *t = input_data(g, node, 1);
    cr_assert_eq(t->dims[0], 4);
    cr_assert_eq(memcmp(t->data, want, sizeof want), 0);
    cr_assert_eq(g->values[node->in[1]].q.view.axis, 1);
    cr_assert_eq(g->values[node->in[1]].q.view.scales[1], 0.5f);
    qe__graph_destroy(&g);
  }
}

Test(onnx_qdq, narrow_ranges_by_integer_clip) {
  proto_model m;
  qe__graph *g;
  const float w[6] = {1, -2, 100, -100, 0.5f, 0.25f};
  const int8_t want[6] = {7, -8, 7, -8, 4, 2};
  open_qdq(&m);
  proto_const(&m, "w", QE_FLOAT32, 4, (int64_t[]){3, 2, 1, 1}, w);
  proto_i8(&m, "lo", -8);
  proto_i8(&m, "hi", 7);
  proto_u8(&m, "top", 100);
  proto_node(&m, "", "QuantizeLinear", "q_w", "w ws wz", "wq");
  proto_node(&m, "", "Clip", "clip_w", "wq lo hi", "wc");
  proto_node(&m, "", "DequantizeLinear", "dq_w", "wc ws wz", "wd");
  proto_node(&m, "", "Conv", "conv", "xd wd", "c");
  proto_node(&m, "", "QuantizeLinear", "q_y", "c t u", "yq");
  proto_node(&m, "", "Clip", "clip_y", "yq - top", "yc");
  proto_node(&m, "", "DequantizeLinear", "dq_y", "yc t u", "y");
  proto_output(&m, "y");
  OK(proto_import(&m, &g));
  cr_assert_eq(g->n_nodes, 3u, "%u", (unsigned)g->n_nodes);
  const qe__node *n = find_node(g, "Conv", 0);
  cr_assert_eq(memcmp(input_data(g, n, 1)->data, want, sizeof want), 0);
  cr_assert_eq(n->act.hi, 80 * 0.25f);
  cr_assert_str_eq(g->values[n->out[0]].name, "yc");
  qe__graph_destroy(&g);
}

Test(onnx_qdq, one_dequantize_for_several_readers) {
  proto_model m;
  qe__graph *g;
  open_qdq(&m);
  proto_node(&m, "", "Sigmoid", "a", "xd", "af");
  proto_node(&m, "", "QuantizeLinear", "q_a", "af t u", "aq");
  proto_node(&m, "", "DequantizeLinear", "dq_a", "aq t u", "ad");
  proto_node(&m, "", "Add", "add", "xd ad", "c");
  close_qdq(&m, "c", &g);
  cr_assert(find_node(g, "Sigmoid", 0)->quantized);
  cr_assert(find_node(g, "Add", 0)->quantized);
  cr_assert_eq(count_nodes(g, "DequantizeLinear"), 1u);
  qe__graph_destroy(&g);
}

Test(onnx_qdq, float_value_read_elsewhere_or_an_output_stays) {
  for (int output = 0; output < 2; output++) {
    proto_model m;
    qe__graph *g;
    open_qdq(&m);
    proto_node(&m, "", "Sigmoid", "a", "xd", "af");
    if (output) proto_output(&m, "af");
    else proto_node(&m, "", "Neg", "neg", "af", "nf"), proto_output(&m, "nf");
    close_qdq(&m, "af", &g);
    cr_assert(!find_node(g, "Sigmoid", 0)->quantized);
    cr_assert_eq(count_nodes(g, "QuantizeLinear"), 2u);
    qe__graph_destroy(&g);
  }
}

Test(onnx_qdq, moving_needs_equal_parameters) {
  for (int equal = 0; equal < 2; equal++) {
    proto_model m;
    qe__graph *g;
    open_qdq(&m);
    Onnx__NodeProto *n = proto_node(&m, "", "MaxPool", "pool", "xd", "p");
    proto_ints(&m, n, "kernel_shape", 2, (int64_t[]){2, 2});
    proto_node(&m, "", "QuantizeLinear", "q_p", equal ? "p s z" : "p t u", "pq");
    proto_node(&m, "", "DequantizeLinear", "dq_p", equal ? "pq s z" : "pq t u", "y");
    proto_output(&m, "y");
    OK(proto_import(&m, &g));
    cr_assert_eq(find_node(g, "MaxPool", 0)->quantized, equal != 0);
    qe__graph_destroy(&g);
  }
}

Test(onnx_qdq, concat_may_requantize) {
  proto_model m;
  qe__graph *g;
  open_qdq(&m);
  Onnx__NodeProto *n = proto_node(&m, "", "Concat", "cat", "xd xd", "c");
  proto_int(&m, n, "axis", 1);
  close_qdq(&m, "c", &g);
  cr_assert(find_node(g, "Concat", 0)->quantized);
  qe__graph_destroy(&g);
}

Test(onnx_qdq, split_with_all_parts_quantized_alike) {
  proto_model m;
  qe__graph *g;
  open_qdq(&m);
  Onnx__NodeProto *n = proto_node(&m, "", "Split", "split", "xd", "a b");
  proto_int(&m, n, "axis", 1);
  proto_node(&m, "", "QuantizeLinear", "q_a", "a s z", "aq");
  proto_node(&m, "", "QuantizeLinear", "q_b", "b s z", "bq");
  proto_node(&m, "", "DequantizeLinear", "dq_a", "aq s z", "ya");
  proto_node(&m, "", "DequantizeLinear", "dq_b", "bq s z", "yb");
  proto_output(&m, "ya");
  proto_output(&m, "yb");
  OK(proto_import(&m, &g));
  cr_assert(find_node(g, "Split", 0)->quantized);
  cr_assert_eq(g->n_nodes, 4u);
  qe__graph_destroy(&g);
}

Test(onnx_qdq, doubled_and_repeated_quantization_goes_away) {
  proto_model m;
  qe__graph *g;
  open_qdq(&m);
  proto_node(&m, "", "QuantizeLinear", "q2", "xd s z", "xq2"); /* a second pair with equal parameters */
  proto_node(&m, "", "DequantizeLinear", "dq2", "xq2 s z", "xd2");
  proto_node(&m, "", "QuantizeLinear", "q3", "x s z", "xq3"); /* the same again on x */
  proto_node(&m, "", "DequantizeLinear", "dq3", "xq3 s z", "xd3");
  proto_node(&m, "", "Add", "add", "xd2 xd3", "c");
  close_qdq(&m, "c", &g);
  cr_assert_eq(g->n_nodes, 3u, "%u", (unsigned)g->n_nodes);
  const qe__node *n = find_node(g, "Add", 0);
  cr_assert(n->quantized);
  cr_assert_eq(n->in[0], n->in[1]);
  qe__graph_destroy(&g);
}

Test(onnx_qdq, ops_without_integer_form_stay_between_conversions) {
  proto_model m;
  qe__graph *g;
  open_qdq(&m);
  Onnx__NodeProto *n = proto_node(&m, "", "Softmax", "soft", "xd", "c");
  proto_int(&m, n, "axis", -1);
  close_qdq(&m, "c", &g);
  cr_assert(!find_node(g, "Softmax", 0)->quantized);
  cr_assert_eq(count_nodes(g, "QuantizeLinear"), 2u);
  qe__graph_destroy(&g);
}

Test(onnx_qdq, wide_codes_are_not_fused) {
  proto_model m;
  qe__graph *g;
  proto_open(&m, 21);
  proto_input(&m, "x", QE_FLOAT32, 4, nchw);
  proto_output(&m, "y");
  proto_f32(&m, "s", 0.5f);
  proto_const(&m, "z", QE_INT16, 0, NULL, &(int16_t){-300});
  proto_node(&m, "", "QuantizeLinear", "q", "x s z", "xq");
  proto_node(&m, "", "DequantizeLinear", "dq", "xq s z", "xd");
  proto_node(&m, "", "Sigmoid", "a", "xd", "af");
  proto_node(&m, "", "QuantizeLinear", "q2", "af s z", "aq");
  proto_node(&m, "", "DequantizeLinear", "dq2", "aq s z", "y");
  OK(proto_import(&m, &g));
  cr_assert(!find_node(g, "Sigmoid", 0)->quantized);
  qe__graph *back = round_trip(g, QE_FORMAT_QDQ);
  const char *difference = graph_difference(g, back);
  cr_assert_null(difference, "%s", difference);
  qe__graph_destroy(&back);
  qe__graph_destroy(&g);
}

/* C [M,1] of a Gemm is added along the rows; with M == N it is as long as a bias. */
Test(onnx_qdq, a_column_is_no_bias) {
  static const int8_t w[2 * 2] = {1, -2, 3, -4};
  static const float c[2] = {0.5f, -0.5f};
  proto_model m;
  qe__graph *g;
  proto_open(&m, 13);
  proto_input(&m, "x", QE_FLOAT32, 2, (int64_t[]){2, 2});
  proto_f32(&m, "s", 0.5f);
  proto_u8(&m, "z", 10);
  proto_f32(&m, "t", 0.25f);
  proto_u8(&m, "u", 20);
  proto_f32(&m, "ws", 0.125f);
  proto_i8(&m, "wz", 0);
  proto_const(&m, "w", QE_INT8, 2, (int64_t[]){2, 2}, w);
  proto_const(&m, "c", QE_FLOAT32, 2, (int64_t[]){2, 1}, c);
  proto_node(&m, "", "QuantizeLinear", "q_x", "x s z", "xq");
  proto_node(&m, "", "DequantizeLinear", "dq_x", "xq s z", "xd");
  proto_node(&m, "", "DequantizeLinear", "dq_w", "w ws wz", "wd");
  proto_node(&m, "", "Gemm", "gemm", "xd wd c", "p");
  close_qdq(&m, "p", &g);
  cr_assert(!find_node(g, "Gemm", 0)->quantized);
  qe__graph_destroy(&g);
}

/* RNN of one direction, 2 inputs, 3 units: x -> DQ -> RNN -> [Relu] -> Q. w_axis, x_axis: per channel along it, or -1. */
static void rnn_pattern(int w_axis, int x_axis, bool relu, bool y_is_read, bool quantized) {
  static const int8_t w[6] = {1, -2, 3, -4, 5, -6}, r[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  static const float scales[3] = {0.1f, 0.2f, 0.3f}, bias[6] = {0.5f};
  static const int8_t zeros[3] = {0};
  static const uint8_t x_zeros[3] = {0};
  const int64_t channels = w_axis == 2 ? 2 : 3, x_channels = 2;
  proto_model m;
  qe__graph *g;
  proto_open(&m, 13);
  proto_input(&m, "x", QE_UINT8, 3, (int64_t[]){4, 1, 2});
  proto_f32(&m, "s", 0.5f);
  proto_u8(&m, "z", 10);
  proto_const(&m, "w", QE_INT8, 3, (int64_t[]){1, 3, 2}, w);
  proto_const(&m, "r", QE_INT8, 3, (int64_t[]){1, 3, 3}, r);
  proto_const(&m, "b", QE_FLOAT32, 2, (int64_t[]){1, 6}, bias);
  proto_const(&m, "ws", QE_FLOAT32, w_axis >= 0 ? 1 : 0, &channels, scales);
  proto_const(&m, "wz", QE_INT8, w_axis >= 0 ? 1 : 0, &channels, zeros);
  proto_const(&m, "xs", QE_FLOAT32, x_axis >= 0 ? 1 : 0, &x_channels, scales);
  proto_const(&m, "xz", QE_UINT8, x_axis >= 0 ? 1 : 0, &x_channels, x_zeros);
  Onnx__NodeProto *n = proto_node(&m, "", "DequantizeLinear", "dq_x", "x xs xz", "xd");
  if (x_axis >= 0) proto_int(&m, n, "axis", x_axis);
  n = proto_node(&m, "", "DequantizeLinear", "dq_w", "w ws wz", "wd");
  if (w_axis >= 0) proto_int(&m, n, "axis", w_axis);
  proto_i8(&m, "rz", 0);
  proto_node(&m, "", "DequantizeLinear", "dq_r", "r s rz", "rd");
  n = proto_node(&m, "", "RNN", "rnn", "xd wd rd b", "y h");
  proto_int(&m, n, "hidden_size", 3);
  if (relu) proto_node(&m, "", "Relu", "relu", "y", "yr");
  proto_node(&m, "", "QuantizeLinear", "q_y", relu ? "yr s z" : "y s z", "yq");
  proto_output(&m, "yq");
  proto_output(&m, "h");
  if (y_is_read) proto_output(&m, "y");
  OK(proto_import(&m, &g));
  const qe__node *made = find_node(g, "RNN", 0);
  cr_expect_eq(made->quantized, quantized, "w axis %d, x axis %d, relu %d, y read %d", w_axis, x_axis, relu, y_is_read);
  if (quantized) {
    cr_expect_str_eq(made->origin, "rnn, q_y");
    cr_expect_eq(g->values[made->in[1]].dtype, QE_INT8);
    cr_expect_eq(g->values[made->in[2]].dtype, QE_INT8);
    cr_expect_eq(g->values[made->in[3]].dtype, QE_FLOAT32);
    cr_expect_str_eq(g->values[made->out[0]].name, "yq");
    cr_expect_str_eq(g->values[made->out[1]].name, "h");
  }
  qe__graph_destroy(&g);
}

Test(onnx_qdq, recurrent_layers) {
  rnn_pattern(-1, -1, false, false, true);
  rnn_pattern(1, -1, false, false, true);
  rnn_pattern(2, -1, false, false, false); /* channels of inputs, not of gates */
  rnn_pattern(1, 2, false, false, false);
  rnn_pattern(1, -1, true, false, false); /* a clamp between would be in the recurrence */
  rnn_pattern(1, -1, false, true, false);
}
