/* Calls of model-local functions become the function's nodes. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/model.h"
#include "onnx_util.h"
#include "qengine.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())
#define DOMAIN "my.functions"

static const int64_t shape[2] = {2, 4};

static void open_model(proto_model *m) {
  proto_open(m, 13);
  proto_input(m, "x", QE_FLOAT32, 2, shape);
}

/* scaled(x, factor) = LeakyRelu(x * factor; slope), with inner values and one optional input */
static void scaled(proto_model *m) {
  proto_node(m, "", "Mul", "mul", "a factor", "product");
  Onnx__NodeProto *n = proto_node(m, "", "LeakyRelu", "", "product", "b");
  OK(qe__export_attr_reference(&m->ex, n, "alpha", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, "slope"));
  proto_function(m, m->ex.n_nodes - 2, DOMAIN, "Scaled", "a factor", "b", "slope");
}

Test(onnx_inline, each_call_has_nodes_and_values_of_its_own) {
  proto_model m;
  qe__graph *g;
  open_model(&m);
  scaled(&m);
  proto_f32(&m, "two", 2.0f);
  proto_float(&m, proto_node(&m, DOMAIN, "Scaled", "first", "x two", "first/product"), "slope", 0.25f); /* a taken name */
  proto_node(&m, DOMAIN, "Scaled", "", "first/product two", "y");
  proto_output(&m, "y");
  OK(proto_import(&m, &g));
  cr_assert_eq(g->n_nodes, 4u);
  cr_assert_str_eq(g->nodes[0]->name, "first/mul");
  cr_assert_str_eq(g->nodes[1]->name, "first/LeakyRelu_1");
  cr_assert_str_eq(g->values[g->nodes[0]->out[0]].name, "first/product_1");
  cr_assert_str_eq(g->values[g->nodes[1]->out[0]].name, "first/product");
  cr_assert_eq(qe__node_float(g->nodes[1], "alpha", 0.01f), 0.25f);
  cr_assert_null(qe__node_attr(g->nodes[3], "alpha")); /* not given: the op's own default */
  cr_assert_eq(g->nodes[2]->in[0], g->nodes[1]->out[0]);
  cr_assert_str_eq(g->values[g->outputs[0]].name, "y");
  qe__graph_destroy(&g);
}

Test(onnx_inline, functions_call_functions) {
  proto_model m;
  qe__graph *g;
  open_model(&m);
  scaled(&m);
  const size_t first = m.ex.n_nodes;
  Onnx__NodeProto *n = proto_node(&m, DOMAIN, "Scaled", "once", "a a", "c");
  OK(qe__export_attr_reference(&m.ex, n, "slope", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, "s"));
  proto_node(&m, DOMAIN, "Scaled", "twice", "c a", "b");
  proto_function(&m, first, DOMAIN, "Twice", "a", "b", "s");
  proto_float(&m, proto_node(&m, DOMAIN, "Twice", "outer", "x", "y"), "s", 0.5f);
  proto_output(&m, "y");
  OK(proto_import(&m, &g));
  cr_assert_eq(count_nodes(g, "Mul"), 2u);
  cr_assert_eq(qe__node_float(find_node(g, "LeakyRelu", 0), "alpha", 0.0f), 0.5f);
  cr_assert_str_eq(find_node(g, "Mul", 1)->name, "outer/twice/mul");
  qe__graph_destroy(&g);
}

Test(onnx_inline, inputs_that_are_not_given_are_absent) {
  proto_model m;
  qe__graph *g;
  open_model(&m);
  proto_node(&m, "", "Clip", "clip", "a lo hi", "b");
  proto_function(&m, m.ex.n_nodes - 1, DOMAIN, "Bound", "a lo hi", "b c", "-");
  proto_f32(&m, "six", 6.0f);
  proto_node(&m, DOMAIN, "Bound", "call", "x - six", "y");
  proto_output(&m, "y");
  OK(proto_import(&m, &g));
  cr_assert_eq(g->nodes[0]->in[1], QE__NO_VALUE);
  cr_assert_str_eq(g->values[g->nodes[0]->in[2]].name, "six");
  qe__graph_destroy(&g);
}

/* A function of the file's is what the file means, also under a name that we know. */
Test(onnx_inline, a_function_goes_before_an_op_of_its_name) {
  proto_model m;
  qe__graph *g;
  open_model(&m);
  proto_node(&m, "", "Tanh", "tanh", "a", "b");
  proto_function(&m, m.ex.n_nodes - 1, "com.microsoft", "QuickGelu", "a", "b", "-");
  proto_node(&m, "com.microsoft", "QuickGelu", "call", "x", "y");
  proto_output(&m, "y");
  OK(proto_import(&m, &g));
  cr_assert_eq(g->n_nodes, 1u);
  cr_assert_str_eq(g->nodes[0]->op->name, "Tanh");
  qe__graph_destroy(&g);
}

static void expect_refused(proto_model *m, qe_status_t status, const char *why) {
  qe__graph *g = NULL;
  proto_output(m, "y");
  cr_assert_eq(proto_import(m, &g), status, "%s: %s", why, qe_last_error());
  cr_assert_not_null(strstr(qe_last_error(), why), "%s", qe_last_error());
  cr_assert_not_null(strstr(qe_last_error(), "'call"), "%s", qe_last_error());
}

Test(onnx_inline, refused_with_a_reason) {
  proto_model m;
  open_model(&m); /* calls itself */
  proto_node(&m, DOMAIN, "Loop", "call", "a", "b");
  proto_function(&m, m.ex.n_nodes - 1, DOMAIN, "Loop", "a", "b", "-");
  proto_node(&m, DOMAIN, "Loop", "call", "x", "y");
  expect_refused(&m, QE_ERROR_UNSUPPORTED, "without end");

  open_model(&m); /* 512 calls in each of 512 calls, ... */
  for (int level = 0; level < 4; level++) {
    const size_t first = m.ex.n_nodes;
    char op[16], name[16];
    snprintf(op, sizeof op, "F%d", level - 1);
    snprintf(name, sizeof name, "F%d", level);
    for (int i = 0; i < 512; i++) {
      char out[16];
      snprintf(out, sizeof out, i == 511 ? "b" : "v%d", i);
      proto_node(&m, level == 0 ? "" : DOMAIN, level == 0 ? "Neg" : op, "call", "a", out);
    }
    proto_function(&m, first, DOMAIN, name, "a", "b", "-");
  }
  proto_node(&m, DOMAIN, "F3", "call", "x", "y");
  expect_refused(&m, QE_ERROR_UNSUPPORTED, "more than 1048576");

  open_model(&m);
  scaled(&m);
  m.ex.functions[0]->opset_import[0]->version = 12;
  proto_node(&m, DOMAIN, "Scaled", "call", "x x", "y");
  expect_refused(&m, QE_ERROR_UNSUPPORTED, "another opset");

  open_model(&m);
  scaled(&m);
  proto_node(&m, DOMAIN, "Scaled", "call", "x x x", "y");
  expect_refused(&m, QE_ERROR_FORMAT, "has 3 inputs and 1 outputs");

  open_model(&m);
  scaled(&m);
  m.ex.functions[0]->output[0] = m.ex.functions[0]->input[0];
  proto_node(&m, DOMAIN, "Scaled", "call", "x x", "y");
  expect_refused(&m, QE_ERROR_FORMAT, "has the value 'a' twice");

  open_model(&m);
  proto_node(&m, "", "Magic", "inner", "a", "b");
  proto_function(&m, m.ex.n_nodes - 1, DOMAIN, "Wand", "a", "b", "-");
  proto_node(&m, DOMAIN, "Wand", "call", "x", "y");
  expect_refused(&m, QE_ERROR_UNSUPPORTED, "Magic (node 'call/inner')");
}

/* ---- our own functions under another domain: their bodies run, and mean what the op does ---- */

static qe_tensor_t *tensor(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, const void *data) {
  qe_tensor_t *t = NULL;
  OK(qe_tensor_from_data(dtype, rank, dims, data, &t));
  return t;
}

static qe__value_id constant(qe__graph *g, const char *name, qe_dtype_t dtype, uint32_t rank, const int64_t *dims,
                             uint32_t *seed) {
  qe_tensor_t *t = random_codes(dtype, rank, dims, seed);
  for (int64_t i = 0; dtype == QE_FLOAT32 && i < t->count; i++) {
    ((float *)t->data)[i] = 0.001f * (float)(((const uint8_t *)t->data)[4 * i] + 1);
  }
  qe__value_id v;
  OK(qe__graph_add_constant(g, name, t, &v));
  qe_tensor_release(&t);
  return v;
}

static qe__value_id input(qe__graph *g, const char *name, qe_dtype_t dtype) {
  qe__value_id v;
  OK(qe__graph_add_value(g, name, dtype, &v));
  g->values[v].rank = 1;
  g->values[v].dims[0] = -1;
  OK(qe__graph_add_input(g, v));
  return v;
}

static qe_tensor_t *result(const void *bytes, size_t size, const qe_named_tensor_t *in, uint32_t n_in) {
  qe_model_t *m = NULL;
  qe_session_t *s = NULL;
  qe_named_tensor_t out = {"y", NULL};
  OK(qe_model_load_buffer(bytes, size, &m));
  OK(qe_session_create(m, NULL, &s));
  OK(qe_session_run(s, n_in, in, 1, &out));
  qe_session_destroy(&s);
  qe_model_destroy(&m);
  return out.tensor;
}

/* The graph's file as it is, and with its functions in a domain that says nothing to us. */
static void expect_same(const qe__graph *g, const qe_named_tensor_t *in, uint32_t n_in, double tolerance) {
  static char other[] = DOMAIN;
  void *bytes;
  size_t size;
  OK(qe__onnx_export_memory(g, QE_FORMAT_QDQ, &bytes, &size));
  Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size, bytes);
  cr_assert_not_null(m);
  qe_tensor_t *want = result(bytes, size, in, n_in);
  qe__free(bytes);
  char *const kept[3] = {m->functions[0]->domain, m->graph->node[0]->domain, m->opset_import[1]->domain};
  m->functions[0]->domain = m->graph->node[0]->domain = m->opset_import[1]->domain = other;
  size = onnx__model_proto__get_packed_size(m);
  bytes = malloc(size);
  onnx__model_proto__pack(m, bytes);
  qe_tensor_t *got = result(bytes, size, in, n_in);
  free(bytes);
  cr_assert_eq(got->count, want->count, "%s", m->functions[0]->name);
  cr_assert_eq(got->rank, want->rank, "%s", m->functions[0]->name);
  for (int64_t i = 0; i < want->count; i++) {
    const double a = (double)((const float *)got->data)[i], b = (double)((const float *)want->data)[i];
    cr_assert(fabs(a - b) <= tolerance, "%s, element %lld: %.9g / %.9g", m->functions[0]->name, (long long)i, a, b);
  }
  m->functions[0]->domain = kept[0];
  m->graph->node[0]->domain = kept[1];
  m->opset_import[1]->domain = kept[2];
  onnx__model_proto__free_unpacked(m, NULL);
  qe_tensor_release(&want);
  qe_tensor_release(&got);
}

Test(onnx_inline, the_bodies_of_embeddings_mean_the_op) {
  static const qe_dtype_t dtypes[] = {QE_UINT8, QE_INT8}; /* no engine casts 4-bit codes; ONNX Runtime does (interop) */
  static const int64_t indices[5] = {0, 8, -1, 3, -9}, table[2] = {9, 6}, rows = 9, n = 5;
  uint32_t seed = 3;
  for (int i = 0; i < 4; i++) {
    qe__graph *g;
    qe__value_id y;
    OK(qe__graph_create(&g));
    const qe__value_id at = input(g, "indices", QE_INT64), t = constant(g, "table", dtypes[i / 2], 2, table, &seed),
                       s = constant(g, "scale", QE_FLOAT32, 1, &rows, &seed),
                       o = constant(g, "offset", QE_FLOAT32, 1, &rows, &seed);
    OK(qe__graph_add_value(g, "y", QE_FLOAT32, &y));
    OK(qe__graph_add_node(g, "Embedding", "embed", i % 2 == 0 ? 3 : 4, (qe__value_id[]){t, at, s, o}, 1, &y, NULL));
    OK(qe__graph_add_output(g, y));
    qe_named_tensor_t in = {"indices", tensor(QE_INT64, 1, &n, indices)};
    expect_same(g, &in, 1, 0.0);
    qe_tensor_release(&in.tensor);
    qe__graph_destroy(&g);
  }
}

Test(onnx_inline, the_bodies_of_bags_mean_the_op) {
  static const qe_dtype_t dtypes[] = {QE_UINT8, QE_FLOAT32, QE_INT8};
  static const char *const modes[] = {"sum", "mean", "max"};
  static const int64_t indices[9] = {1, 5, -3, 7, 0, 7, 2, -2, 4}, offsets[5] = {0, 3, 3, 7, 9}, table[2] = {9, 6},
                       rows = 9, n = 9, bags = 4, ends = 5;
  static const float weights[9] = {0.5f, -1, 2, 0.25f, 3, -2, 1, 1, -0.5f};
  uint32_t seed = 5;
  for (unsigned i = 0; i < 3 * 3 * 16; i++) {
    const unsigned type = i % 3, mode = i / 3 % 3, bits = i / 9;
    const bool offset = (bits & 1) != 0 && type != 1, weighted = (bits & 2) != 0 && mode == 0, last = (bits & 4) != 0;
    qe__graph *g;
    qe__value_id y, in[6] = {QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE};
    qe__node *node;
    OK(qe__graph_create(&g));
    in[0] = constant(g, "table", dtypes[type], 2, table, &seed);
    in[1] = input(g, "indices", QE_INT64);
    in[2] = input(g, "offsets", QE_INT64);
    if (type != 1) in[3] = constant(g, "scale", QE_FLOAT32, 1, &rows, &seed);
    if (offset) in[4] = constant(g, "offset", QE_FLOAT32, 1, &rows, &seed);
    if (weighted) in[5] = input(g, "weights", QE_FLOAT32);
    uint32_t n_in = 6;
    while (in[n_in - 1] == QE__NO_VALUE) n_in--;
    OK(qe__graph_add_value(g, "y", QE_FLOAT32, &y));
    OK(qe__graph_add_node(g, "EmbeddingBag", "bag", n_in, in, 1, &y, &node));
    OK(qe__node_set_string(node, "mode", modes[mode]));
    if (last) OK(qe__node_set_int(node, "include_last_offset", 1));
    if ((bits & 8) != 0) OK(qe__node_set_int(node, "padding_idx", 7));
    OK(qe__graph_add_output(g, y));
    qe_named_tensor_t given[3] = {{"indices", tensor(QE_INT64, 1, &n, indices)},
                                  {"offsets", tensor(QE_INT64, 1, last ? &ends : &bags, offsets)},
                                  {"weights", tensor(QE_FLOAT32, 1, &n, weights)}};
    expect_same(g, given, weighted ? 3 : 2, 1e-4);
    for (int k = 0; k < 3; k++) qe_tensor_release(&given[k].tensor);
    qe__graph_destroy(&g);
  }
}
