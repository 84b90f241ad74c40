/* The building functions, as a caller uses them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph_util.h"

#define DIMS(...) (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}

static qe_model_t *new_model(void) {
  qe_model_t *m;
  cr_assert_eq(qe_model_create("net", &m), QE_OK);
  return m;
}

static void check_value(const qe_model_t *m, qe_value_t v, const char *name, int32_t rank, const int64_t *dims) {
  qe_value_info_t info;
  cr_assert_geq(v, 0, "%s", qe_last_error());
  cr_assert_eq(qe_model_value(m, (uint32_t)v, &info), QE_OK);
  cr_assert_str_eq(info.name, name);
  cr_assert_eq(info.rank, rank, "%s: rank %d, expected %d", name, (int)info.rank, (int)rank);
  for (int32_t d = 0; d < rank; d++) {
    cr_assert_eq(info.dims[d], dims[d], "%s: dimension %d is %lld, expected %lld", name, (int)d,
                 (long long)info.dims[d], (long long)dims[d]);
  }
}

/* A small image classifier; every weight is released right after it was handed over. */
static qe_model_t *classifier(int64_t batch) {
  qe_model_t *m = new_model();
  qe_tensor_t *w1 = RAMP(0.01f, 8, 3, 3, 3), *b1 = RAMP(0.1f, 8), *g = RAMP(1.0f, 8), *mean = RAMP(1.0f, 8),
              *var = RAMP(1.0f, 8);
  qe_tensor_t *w2 = RAMP(0.01f, 10, 8), *b2 = RAMP(0.1f, 10);
  const qe_conv_options_t conv = {.stride = {2, 2}, .padding = {1, 1}};
  const qe_pool_options_t pool = {.kernel = {2, 2}};
  qe_value_t x = qe_input(m, "image", QE_FLOAT32, DIMS(batch, 3, 16, 16));
  x = qe_conv2d(m, "conv1", x, w1, b1, &conv);
  x = qe_batch_norm(m, "bn1", x, g, NULL, mean, var, 1e-5f);
  x = qe_relu(m, "relu1", x);
  x = qe_max_pool2d(m, "pool1", x, &pool);
  x = qe_global_avg_pool(m, "gap", x);
  x = qe_flatten(m, "flat", x, 1);
  x = qe_linear(m, "fc", x, w2, b2);
  qe_output(m, "logits", x);
  qe_tensor_release(&w1);
  qe_tensor_release(&b1);
  qe_tensor_release(&g);
  qe_tensor_release(&mean);
  qe_tensor_release(&var);
  qe_tensor_release(&w2);
  qe_tensor_release(&b2);
  return m;
}

Test(graph_build, classifier) {
  qe_model_t *m = classifier(1);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_model_input_count(m), 1);
  cr_assert_eq(qe_model_output_count(m), 1);
  qe_value_info_t info;
  cr_assert_eq(qe_model_output(m, 0, &info), QE_OK);
  cr_assert_str_eq(info.name, "logits");
  cr_assert_eq(info.rank, 2);
  cr_assert_eq(info.dims[1], 10);
  static const char *const expected[] = {"conv1 Conv",    "bn1 BatchNormalization", "relu1 Relu",
                                         "pool1 MaxPool", "gap GlobalAveragePool",  "flat Flatten",
                                         "fc Gemm"};
  cr_assert_eq(qe_model_node_count(m), 7);
  for (uint32_t i = 0; i < 7; i++) {
    qe_node_info_t n;
    char text[64];
    cr_assert_eq(qe_model_node(m, i, &n), QE_OK);
    snprintf(text, sizeof text, "%s %s", n.name, n.op);
    cr_assert_str_eq(text, expected[i]);
    cr_assert_str_eq(n.domain, "");
  }
  cr_assert_eq(qe_model_parameter_count(m), 8 * 27 + 8 + 4 * 8 + 80 + 10);
  cr_assert_eq(qe_model_parameter_bytes(m), 4 * (8 * 27 + 8 + 4 * 8 + 80 + 10));
  cr_assert_eq(qe__graph_find_value(m->graph, "conv1.weight"), qe_model_node_input(m, 0, 1));
  cr_assert_eq(qe_model_node_output(m, 0, 0), qe_model_node_input(m, 1, 0));
  cr_assert_eq(qe_model_node_input(m, 0, 9), -1);
  cr_assert_eq(qe_model_node_input(m, 99, 0), -1);
  char hash[65];
  qe_model_hash(m, hash);
  cr_assert_str_eq(hash, "", "a built model has no file");
  memset(m->graph->model_hash, 0xab, 32);
  qe_model_hash(m, hash);
  cr_assert_eq(strlen(hash), 64);
  cr_assert_eq(strncmp(hash, "abab", 4), 0);
  qe_model_destroy(&m);
  cr_assert_null(m);
  qe_model_destroy(&m);
  qe_model_destroy(NULL);
}

Test(graph_build, dynamic_batch_keeps_ranks) {
  qe_model_t *m = classifier(-1);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_value_info_t info;
  cr_assert_eq(qe_model_output(m, 0, &info), QE_OK);
  cr_assert_eq(info.rank, 2);
  cr_assert_eq(info.dims[0], -1);
  cr_assert_eq(info.dims[1], 10, "what does not depend on the batch is known");
  cr_assert_eq(info.dtype, QE_FLOAT32);
  qe_node_info_t n;
  cr_assert_eq(qe_model_node(m, 6, &n), QE_OK);
  cr_assert_str_eq(n.op, "Gemm", "rank 2 is known, so the linear layer is a Gemm");
  qe_model_destroy(&m);
}

Test(graph_build, dynamic_sizes_are_not_guessed) {
  qe_model_t *m = new_model();
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(-1, 6, -1));
  int64_t one = 1, zero = 0, ten = 10;
  qe_tensor_t *starts, *ends;
  cr_assert_eq(qe_tensor_from_data(QE_INT64, 1, &one, &zero, &starts), QE_OK);
  cr_assert_eq(qe_tensor_from_data(QE_INT64, 1, &one, &ten, &ends), QE_OK);
  const qe_value_t in[3] = {x, qe_constant(m, "starts", starts), qe_constant(m, "ends", ends)};
  check_value(m, qe_op(m, "Slice", "sl", 3, in, NULL), "sl", 3, (const int64_t[]){-1, 6, -1});
  check_value(m, qe_flatten(m, "fl", x, 1), "fl", 2, (const int64_t[]){-1, -1});
  check_value(m, qe_reshape(m, "rs", x, DIMS(0, 2, 3, -1)), "rs", 4, (const int64_t[]){-1, 2, 3, -1});
  check_value(m, qe_reshape(m, "r7", x, DIMS(-1, 7)), "r7", 2, (const int64_t[]){-1, -1});
  qe_tensor_release(&starts);
  qe_tensor_release(&ends);
  qe_model_destroy(&m);
}

Test(graph_build, linear_on_sequences) {
  qe_model_t *m = new_model();
  qe_tensor_t *w = RAMP(1.0f, 2, 3), *b = RAMP(1.0f, 2);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(5, 4, 3));
  const qe_value_t y = qe_linear(m, "fc", x, w, b);
  check_value(m, y, "fc", 3, (const int64_t[]){5, 4, 2});
  const qe_tensor_t *turned = m->graph->values[qe_model_node_input(m, 0, 1)].data;
  cr_assert_eq(turned->dims[0], 3);
  cr_assert_eq(((const float *)turned->data)[1], 3.0f, "weight[1][0] becomes [0][1]");
  cr_assert_str_eq(m->graph->nodes[0]->op->name, "MatMul");
  qe_tensor_release(&w);
  qe_tensor_release(&b);
  qe_model_destroy(&m);
}

Test(graph_build, lstm_reorders_gates) {
  qe_model_t *m = new_model();
  qe_tensor_t *wi = RAMP(1.0f, 8, 3), *wh = RAMP(1.0f, 8, 2), *bi = RAMP(1.0f, 8);
  qe_value_t hn, cn;
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(7, 5, 3));
  const qe_value_t h0 = qe_input(m, "h0", QE_FLOAT32, DIMS(1, 5, 2));
  const qe_value_t y = qe_lstm(m, "rnn", x, h0, -1, wi, wh, bi, NULL, &hn, &cn);
  cr_assert_geq(y, 0, "%s", qe_last_error());
  cr_assert_eq(m->graph->values[y].rank, 3);
  cr_assert_eq(m->graph->values[y].dims[0], 7);
  cr_assert_eq(m->graph->values[y].dims[1], 5);
  cr_assert_eq(m->graph->values[y].dims[2], 2);
  cr_assert_eq(m->graph->values[hn].dims[2], 2);
  cr_assert_eq(m->graph->values[cn].rank, 3);
  const qe__node *n = m->graph->nodes[0];
  cr_assert_eq(qe__node_int(n, "hidden_size", 0), 2);
  cr_assert_eq(n->n_in, 6);
  const qe_tensor_t *b = m->graph->values[n->in[3]].data, *r = m->graph->values[n->in[2]].data;
  static const float bias[16] = {0, 1, 6, 7, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0};
  cr_assert_eq(b->count, 16);
  cr_assert_eq(memcmp(b->data, bias, sizeof bias), 0, "i o f c, then zeros for the missing bias");
  cr_assert_eq(((const float *)r->data)[4], 12.0f, "torch's gate o comes second");
  qe_output(m, "y", y);
  qe_output(m, "hn", hn);
  qe_output(m, NULL, cn);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&wi);
  qe_tensor_release(&wh);
  qe_tensor_release(&bi);
  qe_model_destroy(&m);
}

Test(graph_build, every_module) {
  qe_model_t *m = new_model();
  qe_tensor_t *w1 = RAMP(1.0f, 4, 3, 3), *w3 = RAMP(1.0f, 2, 1, 1, 1, 1), *wt = RAMP(1.0f, 3, 2, 2, 2),
              *ln = RAMP(1.0f, 8), *e = RAMP(1.0f, 10, 8);
  const qe_conv_options_t pad = {.padding = {1}}, up = {.stride = {2, 2}, .output_padding = {1, 1}};
  const qe_pool_options_t avg = {.kernel = {3, 3}, .stride = {1, 1}, .padding = {1, 1}, .count_exclude_pad = 1};
  const qe_value_t s = qe_input(m, "s", QE_FLOAT32, DIMS(1, 3, 8)),
                   v = qe_input(m, "v", QE_FLOAT32, DIMS(1, 1, 2, 2, 2));
  const qe_value_t im = qe_input(m, "im", QE_FLOAT32, DIMS(1, 3, 4, 4)), ids = qe_input(m, "ids", QE_INT64, DIMS(2, 5));
  check_value(m, qe_conv1d(m, "c1", s, w1, NULL, &pad), "c1", 3, (const int64_t[]){1, 4, 8});
  check_value(m, qe_conv3d(m, "c3", v, w3, NULL, NULL), "c3", 5, (const int64_t[]){1, 2, 2, 2, 2});
  check_value(m, qe_conv_transpose(m, "ct", im, wt, NULL, &up), "ct", 4, (const int64_t[]){1, 2, 9, 9});
  const qe_value_t emb = qe_embedding(m, "emb", ids, e);
  check_value(m, emb, "emb", 3, (const int64_t[]){2, 5, 8});
  const qe_value_t bag_of = qe_input(m, "bag_of", QE_INT64, DIMS(7)), bags = qe_input(m, "bags", QE_INT32, DIMS(3)),
                   weights = qe_input(m, "weights", QE_FLOAT32, DIMS(7));
  check_value(m, qe_embedding_bag(m, "eb", bag_of, bags, -1, e, NULL), "eb", 2, (const int64_t[]){3, 8});
  cr_assert_str_eq(qe__node_attr(m->graph->nodes[m->graph->n_nodes - 1], "mode")->s, "mean");
  const qe_embedding_bag_options_t sum = {.mode = "sum", .include_last_offset = 1, .has_padding_idx = 1, .padding_idx = -1};
  check_value(m, qe_embedding_bag(m, "ew", bag_of, bags, weights, e, &sum), "ew", 2, (const int64_t[]){2, 8});
  cr_assert_eq(qe__node_int(m->graph->nodes[m->graph->n_nodes - 1], "padding_idx", -1), 9);
  check_value(m, qe_layer_norm(m, "ln", emb, ln, NULL, 1e-5f), "ln", 3, (const int64_t[]){2, 5, 8});
  check_value(m, qe_avg_pool2d(m, "ap", im, &avg), "ap", 4, (const int64_t[]){1, 3, 4, 4});
  cr_assert_eq(qe__node_int(m->graph->nodes[m->graph->n_nodes - 1], "count_include_pad", 1), 0);
  check_value(m, qe_reshape(m, "rs", im, DIMS(3, -1)), "rs", 2, (const int64_t[]){3, 16});
  check_value(m, qe_transpose(m, "tr", im, DIMS(0, 2, 3, 1)), "tr", 4, (const int64_t[]){1, 4, 4, 3});
  check_value(m, qe_concat(m, "cat", 2, (const qe_value_t[]){im, im}, 1), "cat", 4, (const int64_t[]){1, 6, 4, 4});
  check_value(m, qe_softmax(m, "sm", s, -1), "sm", 3, (const int64_t[]){1, 3, 8});
  check_value(m, qe_clip(m, "cl", s, -INFINITY, 1.0f), "cl", 3, (const int64_t[]){1, 3, 8});
  check_value(m, qe_relu6(m, "r6", s), "r6", 3, (const int64_t[]){1, 3, 8});
  check_value(m, qe_add(m, NULL, s, s), "Add", 3, (const int64_t[]){1, 3, 8});
  check_value(m, qe_add(m, NULL, s, s), "Add_1", 3, (const int64_t[]){1, 3, 8});
  check_value(m, qe_mul(m, "mul", s, s), "mul", 3, (const int64_t[]){1, 3, 8});
  check_value(m, qe_matmul(m, "mm", im, im), "mm", 4, (const int64_t[]){1, 3, 4, 4});
  check_value(m, qe_quant_stub(m, "qs", s), "qs", 3, (const int64_t[]){1, 3, 8});
  check_value(m, qe_dequant_stub(m, "ds", s), "ds", 3, (const int64_t[]){1, 3, 8});
  qe_output(m, "same", s);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&w1);
  qe_tensor_release(&w3);
  qe_tensor_release(&wt);
  qe_tensor_release(&ln);
  qe_tensor_release(&e);
  qe_model_destroy(&m);
}

Test(graph_build, any_op) {
  qe_model_t *m = new_model();
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(2, 3));
  check_value(m, qe_op(m, "LeakyRelu", "lr", 1, &x, "{\"alpha\": 1}"), "lr", 2, (const int64_t[]){2, 3});
  cr_assert_eq(m->graph->nodes[0]->attr[0].kind, QE__ATTR_FLOAT,
               "the attribute's own kind decides, not the number's form");
  check_value(m, qe_op(m, "Transpose", "tr", 1, &x, "{\"perm\": [1, 0]}"), "tr", 2, (const int64_t[]){3, 2});
  check_value(m, qe_op(m, "Softmax", "sm", 1, &x, NULL), "sm", 2, (const int64_t[]){2, 3});
  check_value(m, qe_op(m, "Gelu", "ge", 1, &x, "{\"approximate\": \"tanh\"}"), "ge", 2, (const int64_t[]){2, 3});
  const qe_value_t clip[3] = {x, -1, qe_op(m, "ReduceMax", "max", 1, &x, "{\"keepdims\": false}")};
  cr_assert_geq(qe_op(m, "Clip", "cl", 3, clip, NULL), 0, "an optional input may be left out: %s", m->build_error);
  qe_output(m, "y", clip[2]);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_model_destroy(&m);
}

Test(graph_build, first_error_is_reported) {
  static const struct {
    const char *op, *json, *message;
  } rows[] = {
    {"Softmax", "{\"axes\": 1}", "node 'bad' (Softmax): there is no attribute 'axes'"},
    {"Softmax", "{\"axis\": 1.5}", "attribute 'axis' must be an integer"},
    {"Softmax", "{\"axis\": 9}", "attribute 'axis' is 9"},
    {"Softmax", "{\"axis\": 1", "attributes are no JSON"},
    {"Softmax", "[1]", "must be a JSON object"},
    {"Softmax", "{\"axis\": 1, \"axis\": 1}", "duplicate"},
    {"Transpose", "{\"perm\": [1, \"a\"]}", "attribute 'perm' must be a list of integers"},
    {"Transpose", "{\"perm\": 1}", "attribute 'perm' must be a list of integers"},
    {"LeakyRelu", "{\"alpha\": \"a\"}", "attribute 'alpha' must be a number"},
    {"Gelu", "{\"approximate\": 1}", "attribute 'approximate' must be a string"},
    {"Softmacks", NULL, "no op is named 'Softmacks'"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    qe_model_t *m = new_model();
    const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(2, 3));
    qe_value_t y = qe_op(m, rows[i].op, "bad", 1, &x, rows[i].json);
    cr_assert_lt(y, 0);
    y = qe_relu(m, "later", y);
    cr_assert_lt(y, 0, "a failed operand is passed on");
    qe_output(m, "y", y);
    cr_assert_neq(qe_model_finish(m), QE_OK);
    cr_assert_not_null(strstr(qe_last_error(), rows[i].message), "'%s' is not in '%s'", rows[i].message,
                       qe_last_error());
    qe_model_t *copy;
    cr_assert_eq(qe_model_clone(m, &copy), QE_OK);
    cr_assert_neq(qe_model_finish(copy), QE_OK, "the copy remembers the error too");
    qe_model_destroy(&copy);
    qe_model_destroy(&m);
  }
}

Test(graph_build, bad_arguments) {
  qe_tensor_t *w = RAMP(1.0f, 2, 3), *b = RAMP(1.0f, 5);
  static const char *const messages[] = {"weight is NULL",
                                         "bias has rank",
                                         "[2] was expected",
                                         "rank 5; 4 was expected",
                                         "(-7)",
                                         "unknown",
                                         "dimension 1 is -2",
                                         "data is NULL",
                                         "kernel size",
                                         "empty",
                                         "nothing to concatenate",
                                         "[4H,in] and [4H,H]",
                                         "no value of this model",
                                         "value 'x'"};
  for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
    qe_model_t *m = new_model();
    const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(4, 3));
    qe_tensor_t *w5 = RAMP(1.0f, 1, 1, 1, 1, 1);
    switch (i) {
      case 0: qe_linear(m, "l", x, NULL, NULL); break;
      case 1: qe_linear(m, "l", x, w, w); break;
      case 2: qe_linear(m, "l", x, w, b); break;
      case 3: qe_conv2d(m, "l", x, w5, NULL, NULL); break;
      case 4: qe_relu(m, "l", -7); break;
      case 5: qe_input(m, "l", (qe_dtype_t)99, 0, NULL); break;
      case 6: qe_input(m, "l", QE_FLOAT32, DIMS(1, -2)); break;
      case 7: qe_constant(m, "l", NULL); break;
      case 8: qe_max_pool2d(m, "l", x, NULL); break;
      case 9: qe_clip(m, "l", x, 1.0f, 0.0f); break;
      case 10: qe_concat(m, "l", 0, NULL, 0); break;
      case 11: qe_lstm(m, "l", x, -1, -1, w, w, NULL, NULL, NULL, NULL); break;
      case 12: qe_output(m, "l", 99); break;
      default: qe_output(m, "l", x), qe_output(m, "l", x); break;
    }
    const bool twice = i + 1 == sizeof messages / sizeof messages[0];
    cr_assert_neq(qe_model_finish(m), QE_OK, "row %zu", i);
    const char *message = twice ? "two values named 'l'" : messages[i];
    if (i == 1) message = "rank 2; 1 was expected";
    if (i == 2) message = "does not broadcast";
    cr_assert_not_null(strstr(qe_last_error(), message), "row %zu: '%s' is not in '%s'", i, message, qe_last_error());
    qe_tensor_release(&w5);
    qe_model_destroy(&m);
  }
  qe_tensor_release(&w);
  qe_tensor_release(&b);
  cr_assert_lt(qe_relu(NULL, NULL, 0), 0);
  cr_assert_lt(qe_input(NULL, NULL, QE_FLOAT32, 0, NULL), 0);
  cr_assert_eq(qe_model_finish(NULL), QE_ERROR_INVALID_ARGUMENT);
}

Test(graph_build, looking_past_the_end) {
  qe_model_t *m = classifier(1);
  qe_value_info_t v;
  qe_node_info_t n;
  cr_assert_eq(qe_model_value(m, 1000, &v), QE_ERROR_NOT_FOUND);
  cr_assert_eq(qe_model_input(m, 1, &v), QE_ERROR_NOT_FOUND);
  cr_assert_eq(qe_model_output(m, 1, &v), QE_ERROR_NOT_FOUND);
  cr_assert_eq(qe_model_node(m, 7, &n), QE_ERROR_NOT_FOUND);
  cr_assert_eq(qe_model_node(NULL, 0, &n), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_model_node_count(NULL), 0);
  cr_assert_eq(qe_model_set_metadata(m, "k", "v"), QE_OK);
  cr_assert_str_eq(qe_model_metadata(m, "k"), "v");
  cr_assert_eq(qe_model_set_metadata(m, "", "v"), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_null(qe_model_metadata(m, "absent"));
  qe_model_t *held = qe__model_retain(m);
  qe_model_destroy(&m);
  cr_assert_eq(qe_model_node_count(held), 7, "a session keeps its model alive");
  qe_model_destroy(&held);
}

/* A sum of values whose rank depends on data has no rank yet: layers behind it wait for the plan. */
Test(graph_build, sums_of_unknown_rank) {
  qe_model_t *m = new_model();
  const qe_value_t x = qe_input(m, NULL, QE_FLOAT32, DIMS(2, 3)), shape = qe_op(m, "Shape", NULL, 1, &x, NULL);
  const qe_value_t y = qe_op(m, "Reshape", NULL, 2, (const qe_value_t[]){x, shape}, NULL);
  const qe_value_t sum = qe_add(m, NULL, y, y);
  qe_value_info_t info;
  cr_assert_eq(qe_model_value(m, (uint32_t)sum, &info), QE_OK);
  cr_assert_eq(info.rank, -1);
  qe_output(m, NULL, qe_softmax(m, NULL, sum, -1));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_model_destroy(&m);
}

/* The n-th allocation fails, for every n until the whole build, copy and check succeed; nothing may leak or crash. */
Test(graph_build, every_allocation_may_fail) {
  long n = 0;
  qe_tensor_t *w = RAMP(1.0f, 2, 3), *wi = RAMP(1.0f, 8, 3), *wh = RAMP(1.0f, 8, 2);
  for (;; n++) {
    qe_model_t *m = NULL, *copy = NULL;
    qe__fail_allocations_after(n);
    qe_status_t status = qe_model_create("net", &m);
    if (status == QE_OK) {
      qe_value_t x = qe_input(m, NULL, QE_FLOAT32, DIMS(7, 5, 3)), hn;
      const qe_value_t l = qe_linear(m, NULL, x, w, NULL);
      const qe_value_t r = qe_lstm(m, "rnn", x, -1, -1, wi, wh, NULL, NULL, &hn, NULL);
      x = qe_clip(m, "clip", l, 0.0f, 6.0f);
      x = qe_op(m, "Concat", NULL, 2, (const qe_value_t[]){x, r}, "{\"axis\": -1}");
      x = qe_reshape(m, NULL, x, DIMS(0, -1));
      qe_output(m, "y", x);
      qe_output(m, "z", x);
      status = qe_model_finish(m);
      if (status == QE_OK) status = qe_model_set_metadata(m, "a", "b");
      if (status == QE_OK) status = qe_model_clone(m, &copy);
      if (status == QE_OK) status = qe__graph_sweep(copy->graph);
    }
    qe__fail_allocations_after(-1);
    qe_model_destroy(&copy);
    qe_model_destroy(&m);
    if (status == QE_OK) break;
    cr_assert_eq(status, QE_ERROR_OUT_OF_MEMORY, "allocation %ld: %s (%s)", n, qe_status_text(status), qe_last_error());
  }
  cr_assert_gt(n, 100);
  qe_tensor_release(&w);
  qe_tensor_release(&wi);
  qe_tensor_release(&wh);
}

/* A quantize - dequantize pattern written by hand runs as an integer op, as one that was read from a file. */
Test(graph_build, quantized_patterns_are_fused) {
  qe_model_t *m = new_model();
  const float scale = 0.5f, weight_scales[2] = {0.25f, 0.5f};
  const int8_t weight[6] = {1, 2, 3, 4, 5, 6}, weight_zeros[2] = {0, 0};
  const uint8_t zero = 7;
  qe_tensor_t *s, *z, *w, *ws, *wz;
  cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 0, NULL, &scale, &s), QE_OK);
  cr_assert_eq(qe_tensor_from_data(QE_UINT8, 0, NULL, &zero, &z), QE_OK);
  cr_assert_eq(qe_tensor_from_data(QE_INT8, DIMS(2, 3), weight, &w), QE_OK);
  cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, DIMS(2), weight_scales, &ws), QE_OK);
  cr_assert_eq(qe_tensor_from_data(QE_INT8, DIMS(2), weight_zeros, &wz), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(4, 3));
  const qe_value_t sv = qe_constant(m, "s", s), zv = qe_constant(m, "z", z);
  const qe_value_t q = qe_op(m, "QuantizeLinear", "q", 3, (const qe_value_t[]){x, sv, zv}, NULL);
  const qe_value_t dq = qe_op(m, "DequantizeLinear", "dq", 3, (const qe_value_t[]){q, sv, zv}, NULL);
  const qe_value_t wd =
      qe_op(m, "DequantizeLinear", "wd", 3,
            (const qe_value_t[]){qe_constant(m, "w", w), qe_constant(m, "ws", ws), qe_constant(m, "wz", wz)},
            "{\"axis\": 0}");
  const qe_value_t y = qe_op(m, "Gemm", "fc", 2, (const qe_value_t[]){dq, wd}, "{\"transB\": 1}");
  const qe_value_t yq = qe_op(m, "QuantizeLinear", "yq", 3, (const qe_value_t[]){y, sv, zv}, NULL);
  qe_output(m, "out", qe_op(m, "DequantizeLinear", "ydq", 3, (const qe_value_t[]){yq, sv, zv}, NULL));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  bool quantized = false;
  for (uint32_t i = 0; i < qe_model_node_count(m); i++) {
    qe_node_info_t n;
    cr_assert_eq(qe_model_node(m, i, &n), QE_OK);
    if (strcmp(n.op, "Gemm") == 0) quantized = n.quantized;
  }
  cr_assert(quantized);
  qe_value_info_t info;
  cr_assert_eq(qe_model_value(m, (uint32_t)qe__graph_find_value(m->graph, "w"), &info), QE_OK);
  cr_assert_not_null(info.qparams);
  cr_assert_eq(info.qparams->axis, 0);
  cr_assert_eq(info.qparams->scales[1], 0.5f);
  qe_tensor_release(&s);
  qe_tensor_release(&z);
  qe_tensor_release(&w);
  qe_tensor_release(&ws);
  qe_tensor_release(&wz);
  qe_model_destroy(&m);
}
