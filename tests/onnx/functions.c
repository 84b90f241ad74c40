/* Ops of domain "qengine" as calls of functions in the file, and weights in blocks: out and in again. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "onnx/functions.h"
#include "onnx_util.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())
#define NONE QE__NO_VALUE

static qe__graph *g;

static qe__value_id constant(const char *name, qe_dtype_t dtype, uint32_t rank, const int64_t *dims) {
  static const float one = 1.0f;
  qe_tensor_t *t = NULL;
  qe__value_id v;
  OK(qe_tensor_create(dtype, rank, dims, &t));
  for (int64_t i = 0; dtype == QE_FLOAT32 && i < t->count; i++) ((float *)t->data)[i] = one + (float)i;
  if (dtype != QE_FLOAT32) memset(t->data, 0x17, t->bytes);
  OK(qe__graph_add_constant(g, name, t, &v));
  qe_tensor_release(&t);
  return v;
}

static qe__value_id input(const char *name, qe_dtype_t dtype, int32_t rank) {
  qe__value_id v;
  OK(qe__graph_add_value(g, name, dtype, &v));
  g->values[v].rank = rank;
  for (int32_t d = 0; d < rank; d++) g->values[v].dims[d] = 4;
  OK(qe__graph_add_input(g, v));
  return v;
}

static qe__node *node(const char *op, uint32_t n_in, const qe__value_id *in, uint32_t n_out) {
  qe__value_id out[3];
  qe__node *n;
  while (in[n_in - 1] == NONE) n_in--;
  for (uint32_t i = 0; i < n_out; i++) {
    char name[16];
    snprintf(name, sizeof name, "y%u", (unsigned)i);
    OK(qe__graph_add_value(g, name, QE_FLOAT32, &out[i]));
    OK(qe__graph_add_output(g, out[i]));
  }
  OK(qe__graph_add_node(g, op, "node", n_in, in, n_out, out, &n));
  return n;
}

static bool listed(const char *const *names, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp(names[i], name) == 0) return true;
  }
  return false;
}

/* Every input in the body is the function's or made before, every output is made, nothing is made twice. */
static void expect_sound(const Onnx__FunctionProto *f) {
  const char *known[128];
  size_t n = 0;
  for (size_t i = 0; i < f->n_input; i++) known[n++] = f->input[i];
  for (size_t i = 0; i < f->n_node; i++) {
    for (size_t k = 0; k < f->node[i]->n_input; k++) {
      cr_assert(listed(known, n, f->node[i]->input[k]), "%s: %s of %s", f->name, f->node[i]->input[k],
                f->node[i]->op_type);
    }
    for (size_t k = 0; k < f->node[i]->n_output; k++) {
      cr_assert(!listed(known, n, f->node[i]->output[k]), "%s: %s twice", f->name, f->node[i]->output[k]);
      known[n++] = f->node[i]->output[k];
    }
    for (size_t k = 0; k < f->node[i]->n_attribute; k++) {
      const char *other = f->node[i]->attribute[k]->ref_attr_name;
      const bool refers = other != NULL && other[0] != '\0';
      cr_assert(!refers || listed((const char *const *)f->attribute, f->n_attribute, other), "%s: %s", f->name, other);
    }
    cr_assert_not_null(qe__op_find(f->node[i]->op_type) != NULL || strcmp(f->node[i]->op_type, "Constant") == 0
                           ? f : NULL, "%s", f->node[i]->op_type);
  }
  for (size_t i = 0; i < f->n_output; i++) cr_assert(listed(known, n, f->output[i]), "%s: %s", f->name, f->output[i]);
}

/* Out and in again, with one sound function of that name; destroys g. */
static void expect_round_trip(const char *function, int64_t opset) {
  OK(qe__graph_verify(g));
  for (int format = QE_FORMAT_QDQ; format <= QE_FORMAT_QOPERATOR; format++) {
    void *bytes;
    size_t size;
    OK(qe__onnx_export_memory(g, (qe_format_t)format, &bytes, &size));
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size, bytes);
    cr_assert_not_null(m);
    cr_assert_eq(m->opset_import[0]->version, opset, "%lld", (long long)m->opset_import[0]->version);
    cr_assert_eq(m->n_functions, function != NULL ? 1u : 0u);
    cr_assert_eq(m->n_opset_import, 2u);
    if (function != NULL) {
      cr_assert_str_eq(m->functions[0]->name, function);
      cr_assert_str_eq(m->opset_import[1]->domain, "qengine");
      cr_assert_geq(m->ir_version, 8);
      expect_sound(m->functions[0]);
    }
    onnx__model_proto__free_unpacked(m, NULL);
    qe__free(bytes);
    qe__graph *back = round_trip(g, (qe_format_t)format);
    const char *difference = graph_difference(g, back);
    cr_assert_null(difference, "%s: %s", function != NULL ? function : "", difference);
    qe__graph_destroy(&back);
  }
  qe__graph_destroy(&g);
}

Test(onnx_functions, embeddings) {
  static const qe_dtype_t dtypes[] = {QE_UINT8, QE_INT8, QE_UINT4, QE_INT4};
  static const char *const names[] = {"Embedding", "Embedding_offset", "Embedding_4bit", "Embedding_4bit_offset"};
  const int64_t table[2] = {6, 4}, rows = 6;
  for (unsigned i = 0; i < 8; i++) {
    OK(qe__graph_create(&g));
    const bool offset = i % 2 != 0, small = i / 2 >= 2;
    const qe__value_id indices = input("indices", QE_INT64, 2), t = constant("table", dtypes[i / 2], 2, table),
                       s = constant("scale", QE_FLOAT32, 1, &rows),
                       o = offset ? constant("offset", QE_FLOAT32, 1, &rows) : NONE;
    node("Embedding", 4, (qe__value_id[]){t, indices, s, o}, 1);
    expect_round_trip(names[2 * small + offset], small ? 21 : 13);
  }
}

Test(onnx_functions, bags_in_every_form) {
  static const qe_dtype_t dtypes[] = {QE_UINT8, QE_FLOAT32, QE_INT4};
  static const char *const modes[] = {"sum", "mean", "max"}, *const tags[] = {"", "_mean", "_max"};
  const int64_t table[2] = {6, 4}, rows = 6;
  for (unsigned i = 0; i < 3 * 3 * 16; i++) {
    const unsigned type = i % 3, mode = i / 3 % 3, bits = i / 9;
    const bool offset = (bits & 1) != 0 && type != 1, weights = (bits & 2) != 0 && mode == 0, last = (bits & 4) != 0,
               padding = (bits & 8) != 0;
    OK(qe__graph_create(&g));
    const qe__value_id indices = input("indices", QE_INT32, 1), offsets = input("offsets", QE_INT64, 1),
                       t = constant("table", dtypes[type], 2, table),
                       s = type != 1 ? constant("scale", QE_FLOAT32, 1, &rows) : NONE,
                       o = offset ? constant("offset", QE_FLOAT32, 1, &rows) : NONE,
                       w = weights ? input("weights", QE_FLOAT32, 1) : NONE;
    qe__node *n = node("EmbeddingBag", 6, (qe__value_id[]){t, indices, offsets, s, o, w}, 1);
    if (mode > 0) OK(qe__node_set_string(n, "mode", modes[mode]));
    if (last) OK(qe__node_set_int(n, "include_last_offset", 1));
    if (padding) OK(qe__node_set_int(n, "padding_idx", 2));
    char name[128];
    snprintf(name, sizeof name, "EmbeddingBag%s%s%s%s%s%s", type == 2 ? "_4bit" : type == 1 ? "_float" : "",
             offset ? "_offset" : "", tags[mode], weights ? "_weighted" : "", last ? "_last" : "",
             padding ? "_padding" : "");
    expect_round_trip(name, type == 2 ? 21 : 13);
  }
}

static qe__node *recurrent(const char *op, int64_t gates, uint32_t n_out) {
  enum { HIDDEN = 4, INPUTS = 4 };
  const int64_t w[3] = {1, INPUTS, gates * HIDDEN}, r[3] = {1, HIDDEN, gates * HIDDEN}, one = 1;
  OK(qe__graph_create(&g));
  const qe__value_id x = input("x", QE_FLOAT32, 3), ws = constant("ws", QE_FLOAT32, 1, &one),
                     wz = constant("wz", QE_INT8, 1, &one), cw = constant("w", QE_INT8, 3, w),
                     cr = constant("r", QE_INT8, 3, r);
  const qe__value_id lstm[12] = {x, cw, cr, NONE, NONE, NONE, NONE, NONE, ws, wz, ws, wz},
                     other[10] = {x, cw, cr, NONE, NONE, NONE, ws, wz, ws, wz};
  return node(op, gates == 4 ? 12 : 10, gates == 4 ? lstm : other, n_out);
}

Test(onnx_functions, recurrent_layers) {
  OK(qe__node_set_int(recurrent("DynamicQuantizeGRU", 3, 2), "hidden_size", 4));
  OK(qe__node_set_int(g->nodes[0], "linear_before_reset", 1));
  expect_round_trip("DynamicQuantizeGRU", 14);
  OK(qe__node_set_int(recurrent("DynamicQuantizeRNN", 1, 2), "hidden_size", 4));
  OK(qe__node_set_string(g->nodes[0], "direction", "reverse"));
  expect_round_trip("DynamicQuantizeRNN", 14);
  OK(qe__node_set_int(recurrent("DynamicQuantizeLSTM", 4, 3), "hidden_size", 4));
  expect_round_trip(NULL, 13); /* an op of com.microsoft */
}

/* Runtimes want every output named and the hidden size said; neither is in the graph again. */
Test(onnx_functions, outputs_that_nothing_reads) {
  OK(qe__node_set_int(recurrent("DynamicQuantizeGRU", 3, 1), "hidden_size", 4));
  expect_round_trip("DynamicQuantizeGRU", 14);
  OK(qe__node_set_int(recurrent("DynamicQuantizeGRU", 3, 2), "hidden_size", 4));
  g->nodes[0]->out[0] = NONE;
  g->outputs[0] = g->outputs[1];
  g->n_outputs = 1;
  expect_round_trip("DynamicQuantizeGRU", 14);
  recurrent("DynamicQuantizeRNN", 1, 1);
  qe__graph *back = round_trip(g, QE_FORMAT_QDQ);
  cr_assert_eq(qe__node_int(back->nodes[0], "hidden_size", 0), 4);
  qe__graph_destroy(&back);
  qe__graph_destroy(&g);
}

Test(onnx_functions, weights_in_blocks) {
  const int64_t b[3] = {8, 3, 16}, scales = 24, n8 = 8;
  OK(qe__graph_create(&g));
  const qe__value_id x = input("x", QE_FLOAT32, 2), w = constant("w", QE_UINT8, 3, b),
                     s = constant("s", QE_FLOAT32, 1, &scales), bias = constant("bias", QE_FLOAT32, 1, &n8);
  qe__node *n = node("MatMulNBits", 6, (qe__value_id[]){x, w, s, NONE, NONE, bias}, 1);
  OK(qe__node_set_int(n, "K", 80));
  OK(qe__node_set_int(n, "N", 8));
  OK(qe__node_set_int(n, "bits", 4));
  OK(qe__node_set_int(n, "block_size", 32));
  expect_round_trip(NULL, 13);
}

Test(onnx_functions, a_table_that_two_layers_read_is_written_once_with_one_function) {
  const int64_t table[2] = {6, 4}, rows = 6;
  OK(qe__graph_create(&g));
  const qe__value_id indices = input("indices", QE_INT64, 2), t = constant("table", QE_UINT8, 2, table),
                     s = constant("scale", QE_FLOAT32, 1, &rows);
  node("Embedding", 3, (qe__value_id[]){t, indices, s}, 1);
  qe__value_id y;
  OK(qe__graph_add_value(g, "again", QE_FLOAT32, &y));
  OK(qe__graph_add_node(g, "Embedding", "second", 3, (qe__value_id[]){t, indices, s}, 1, &y, NULL));
  OK(qe__graph_add_output(g, y));
  expect_round_trip("Embedding", 13);
}

Test(onnx_functions, ops_that_this_domain_has_not) {
  static const char *const ops[] = {"Embed", "Embeddings", "EmbeddingBags_mean", "Lookup", "Relayout", "Silu", "_"};
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    proto_model m;
    qe__graph *none = NULL;
    proto_open(&m, 13);
    proto_input(&m, "x", QE_FLOAT32, 2, (int64_t[]){2, 4});
    proto_node(&m, "qengine", ops[i], "call", "x", "y");
    proto_output(&m, "y");
    cr_assert_eq(proto_import(&m, &none), QE_ERROR_UNSUPPORTED, "%s", ops[i]);
    cr_assert_not_null(strstr(qe_last_error(), "'call'"), "%s", qe_last_error());
  }
}

Test(onnx_functions, calls_with_too_few_inputs_or_an_unknown_attribute) {
  proto_model m;
  qe__graph *none = NULL;
  proto_open(&m, 13);
  proto_input(&m, "x", QE_UINT8, 2, (int64_t[]){2, 4});
  proto_node(&m, "qengine", "Embedding", "call", "x", "y");
  proto_output(&m, "y");
  cr_assert_neq(proto_import(&m, &none), QE_OK);
  cr_assert_not_null(strstr(qe_last_error(), "'call'"), "%s", qe_last_error());
  proto_open(&m, 13);
  proto_input(&m, "x", QE_UINT8, 2, (int64_t[]){2, 4});
  proto_input(&m, "i", QE_INT64, 1, (int64_t[]){2});
  proto_input(&m, "s", QE_FLOAT32, 1, (int64_t[]){2});
  proto_int(&m, proto_node(&m, "qengine", "Embedding_4bit", "call", "x i s", "y"), "sparse", 1);
  proto_output(&m, "y");
  cr_assert_neq(proto_import(&m, &none), QE_OK);
  cr_assert_not_null(strstr(qe_last_error(), "'sparse'"), "%s", qe_last_error());
}
