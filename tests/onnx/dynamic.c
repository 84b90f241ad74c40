/* Products of codes whose input is quantized as it arrives: their forms in files, and what is not one. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "flow/flow_internal.h"
#include "onnx_util.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())
#define MS "com.microsoft"

static qe__value_id constant(qe__graph *g, const char *name, qe_dtype_t dtype, uint32_t rank, const int64_t *dims,
                             const void *data) {
  qe_tensor_t *t = NULL;
  qe__value_id v;
  OK(qe_tensor_from_data(dtype, rank, dims, data, &t));
  OK(qe__graph_add_constant(g, name, t, &v));
  qe_tensor_release(&t);
  return v;
}

static qe__value_id codes(qe__graph *g, const char *name, qe_dtype_t dtype, int64_t rows, int64_t columns,
                          uint32_t *seed) {
  qe_tensor_t *t = random_codes(dtype, 2, (int64_t[]){rows, columns}, seed);
  qe__value_id v;
  OK(qe__graph_add_constant(g, name, t, &v));
  qe_tensor_release(&t);
  return v;
}

/* "x" and what DynamicQuantizeLinear makes of it. */
static void start(qe__graph **g, qe__value_id q[3]) {
  qe__value_id x;
  OK(qe__graph_create(g));
  OK(qe__graph_add_value(*g, "x", QE_FLOAT32, &x));
  (*g)->values[x].rank = 3;
  for (int d = 0; d < 3; d++) (*g)->values[x].dims[d] = (const int64_t[]){2, 5, 8}[d];
  OK(qe__graph_add_input(*g, x));
  OK(qe__graph_add_value(*g, "xq", QE_UINT8, &q[0]));
  OK(qe__graph_add_value(*g, "xs", QE_FLOAT32, &q[1]));
  OK(qe__graph_add_value(*g, "xz", QE_UINT8, &q[2]));
  OK(qe__graph_add_node(*g, "DynamicQuantizeLinear", "quantize", 1, &x, 3, q, NULL));
}

static qe__node *product(qe__graph *g, const char *name, const qe__value_id q[3], qe__value_id b, qe__value_id scale,
                         qe__value_id zero, qe__value_id bias) {
  char text[32];
  qe__value_id y, in[7] = {q[0], b, q[1], scale, q[2], zero, bias};
  qe__node *n;
  uint32_t n_in = 7;
  while (in[n_in - 1] == QE__NO_VALUE) n_in--;
  snprintf(text, sizeof text, "%s_y", name);
  OK(qe__graph_add_value(g, text, QE_FLOAT32, &y));
  OK(qe__graph_add_node(g, "MatMulIntegerToFloat", name, n_in, in, 1, &y, &n));
  OK(qe__graph_add_output(g, y));
  return n;
}

/* One quantization for all; a weight that one node reads as it is and two transposed. */
static qe__graph *projections(void) {
  static const float scales[8] = {.1f, .2f, .3f, .4f, .5f, .6f, .7f, .8f}, bias[8] = {1, 2, 3, 4, 5, 6, 7, 8},
                     one_scale = 0.25f;
  static const int8_t zeros[8] = {1, 2, 3, 4, 5, 6, 7, 8}, zero = -3;
  const int64_t eight = 8;
  uint32_t seed = 5;
  qe__graph *g;
  qe__value_id q[3];
  start(&g, q);
  const qe__value_id w = codes(g, "w", QE_INT8, 8, 8, &seed), u = codes(g, "u", QE_UINT8, 8, 3, &seed),
                     s = constant(g, "s", QE_FLOAT32, 1, &eight, scales),
                     b = constant(g, "b", QE_FLOAT32, 1, &eight, bias),
                     z = constant(g, "z", QE_INT8, 1, &eight, zeros), z1 = constant(g, "z1", QE_INT8, 0, NULL, &zero),
                     s1 = constant(g, "s1", QE_FLOAT32, 0, NULL, &one_scale);
  product(g, "query", q, w, s, z, b);
  OK(qe__node_set_int(product(g, "key", q, w, s, z1, QE__NO_VALUE), "transB", 1));
  OK(qe__node_set_int(product(g, "value", q, w, s1, QE__NO_VALUE, b), "transB", 1));
  product(g, "gate", q, u, s1, QE__NO_VALUE, QE__NO_VALUE);
  OK(qe__graph_verify(g));
  return g;
}

Test(onnx_dynamic, products_round_trip) {
  qe__graph *g = projections();
  for (int format = QE_FORMAT_QDQ; format <= QE_FORMAT_QOPERATOR; format++) {
    qe__graph *back = round_trip(g, (qe_format_t)format);
    const char *difference = graph_difference(g, back);
    cr_assert_null(difference, "format %d: %s", format, difference);
    qe__graph *again = round_trip(back, (qe_format_t)(1 - format));
    difference = graph_difference(g, again);
    cr_assert_null(difference, "format %d, then the other: %s", format, difference);
    qe__graph_destroy(&back);
    qe__graph_destroy(&again);
  }
  qe__graph_destroy(&g);
}

static Onnx__ModelProto *written(const qe__graph *g, qe_format_t format) {
  void *bytes;
  size_t size;
  OK(qe__onnx_export_memory(g, format, &bytes, &size));
  Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size, bytes);
  cr_assert_not_null(m);
  qe__free(bytes);
  return m;
}

static unsigned written_nodes(const Onnx__ModelProto *m, const char *op) {
  unsigned n = 0;
  for (size_t i = 0; i < m->graph->n_node; i++) n += strcmp(m->graph->node[i]->op_type, op) == 0;
  return n;
}

Test(onnx_dynamic, a_shared_weight_is_written_once) {
  qe__graph *g = projections();
  for (int format = QE_FORMAT_QDQ; format <= QE_FORMAT_QOPERATOR; format++) {
    Onnx__ModelProto *m = written(g, (qe_format_t)format);
    unsigned weights = 0;
    for (size_t i = 0; i < m->graph->n_initializer; i++) {
      weights += m->graph->initializer[i]->data_type == QE_INT8 && m->graph->initializer[i]->n_dims == 2;
    }
    cr_assert_eq(weights, 1u, "%u", weights);
    cr_assert_eq(written_nodes(m, "Transpose"), 1u);
    cr_assert_eq(written_nodes(m, "DynamicQuantizeLinear"), 1u);
    cr_assert_eq(written_nodes(m, "MatMulInteger"), format == QE_FORMAT_QDQ ? 4u : 0u);
    cr_assert_eq(written_nodes(m, "MatMulIntegerToFloat"), format == QE_FORMAT_QDQ ? 0u : 4u);
    cr_assert_eq(m->n_opset_import, format == QE_FORMAT_QDQ ? 1u : 2u);
    onnx__model_proto__free_unpacked(m, NULL);
  }
  qe__graph_destroy(&g);
}

Test(onnx_dynamic, a_clamp_is_written_behind_the_product) {
  qe__graph *g = projections();
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    if (strcmp(g->nodes[i]->name, "query") == 0) g->nodes[i]->act = (qe__act){0.0f, INFINITY};
    if (strcmp(g->nodes[i]->name, "gate") == 0) g->nodes[i]->act = (qe__act){-1.0f, 6.0f};
  }
  for (int format = QE_FORMAT_QDQ; format <= QE_FORMAT_QOPERATOR; format++) {
    qe__graph *back = round_trip(g, (qe_format_t)format);
    cr_assert_eq(count_nodes(back, "MatMulIntegerToFloat"), 4u);
    cr_assert_eq(count_nodes(back, "Relu"), 1u);
    cr_assert_eq(count_nodes(back, "Clip"), 1u);
    OK(qe__fuse(back)); /* and belongs to it again where that is asked for */
    cr_assert_eq(back->n_nodes, g->n_nodes);
    for (uint32_t i = 0; i < g->n_nodes; i++) {
      cr_assert_eq(back->nodes[i]->act.lo, g->nodes[i]->act.lo, "%s", g->nodes[i]->name);
      cr_assert_eq(back->nodes[i]->act.hi, g->nodes[i]->act.hi, "%s", g->nodes[i]->name);
    }
    qe__graph_destroy(&back);
  }
  qe__graph_destroy(&g);
}

/* ---- recognition ---- */

typedef struct chain {
  const char *quantize, *scales, *rescale_by; /* inputs of MatMulInteger behind "xq w"; of the Mul of scales, or NULL */
  bool swap, bias, one_column;                /* one_column: of w, so that longer vectors broadcast the product */
  const char *extra;                          /* a value that something else reads */
  int64_t cast_to;
} chain;

static void build_chain(proto_model *m, const chain *c) {
  static const int8_t w[4 * 3];
  const float bias[3] = {1, 2, 3};
  const uint8_t zeros[2] = {1, 2};
  char in[64];
  proto_open(m, 13);
  proto_input(m, "x", QE_FLOAT32, 2, (int64_t[]){2, 4});
  proto_output(m, "y");
  proto_const(m, "w", QE_INT8, 2, (int64_t[]){4, c->one_column ? 1 : 3}, w);
  proto_const(m, "row_zeros", QE_UINT8, 1, (int64_t[]){2}, zeros);
  proto_f32(m, "ws", 0.5f);
  proto_const(m, "wv", QE_FLOAT32, 1, (int64_t[]){3}, bias);
  proto_const(m, "column", QE_FLOAT32, 2, (int64_t[]){2, 1}, bias);
  proto_i8(m, "wz", 3);
  proto_const(m, "b", QE_FLOAT32, 1, (int64_t[]){3}, bias);
  proto_node(m, "", "DynamicQuantizeLinear", "dynamic", "x", "xq xs xz");
  snprintf(in, sizeof in, "xq w %s", c->quantize);
  proto_node(m, "", "MatMulInteger", "integer", in, "product");
  proto_int(m, proto_node(m, "", "Cast", "cast", "product", "real"), "to", c->cast_to != 0 ? c->cast_to : QE_FLOAT32);
  if (c->scales != NULL) proto_node(m, "", "Mul", "scales", c->scales, "scale");
  snprintf(in, sizeof in, "%s %s", c->swap ? c->rescale_by : "real", c->swap ? "real" : c->rescale_by);
  proto_node(m, "", "Mul", "rescale", in, c->bias ? "scaled" : "y");
  if (c->bias) proto_node(m, "", "Add", "add", c->swap ? "b scaled" : "scaled b", "y");
  if (c->extra != NULL) {
    proto_node(m, "", "Neg", "other", c->extra, "z");
    proto_output(m, "z");
  }
}

Test(onnx_dynamic, the_chain_is_recognized_with_any_scales) {
  static const chain chains[] = {
    {.quantize = "xz", .scales = "xs ws", .rescale_by = "scale"},
    {.quantize = "xz wz", .scales = "ws xs", .rescale_by = "scale", .swap = true, .bias = true},
    {.quantize = "xz", .scales = "xs wv", .rescale_by = "scale", .bias = true},
    {.quantize = "xz wz", .scales = "wv xs", .rescale_by = "scale"},
    {.quantize = "xz wz", .rescale_by = "ws", .bias = true},
    {.quantize = "", .rescale_by = "wv"},
    {.quantize = "xz", .rescale_by = "xs", .swap = true, .bias = true},
    {.quantize = "xz", .scales = "xs wv", .rescale_by = "scale", .extra = "scale"},
  };
  for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
    const chain *c = &chains[i];
    proto_model m;
    qe__graph *g;
    build_chain(&m, c);
    OK(proto_import(&m, &g));
    const qe__node *n = find_node(g, "MatMulIntegerToFloat", 0);
    cr_assert_not_null(n, "chain %zu", i);
    cr_assert_eq(g->n_nodes, c->extra != NULL ? 4u : 2u, "chain %zu: %u nodes", i, (unsigned)g->n_nodes);
    cr_assert_str_eq(n->name, c->bias ? "add" : "rescale");
    cr_assert_eq(n->n_in > 6, c->bias, "chain %zu", i);
    cr_assert_not_null(strstr(n->origin, "integer, cast"), "%s", n->origin);
    const float *sa = input_data(g, n, 2) != NULL ? input_data(g, n, 2)->data : NULL;
    const qe_tensor_t *sb = input_data(g, n, 3);
    if (c->scales == NULL && strcmp(c->rescale_by, "wv") == 0) cr_assert(sa != NULL && *sa == 1.0f);
    if (c->scales == NULL && strcmp(c->rescale_by, "wv") != 0) {
      cr_assert(sb != NULL && qe__tensor_float_at(sb, 0) == 1.0);
    }
    if (c->scales != NULL) cr_assert_str_eq(g->values[n->in[2]].name, strcmp(c->scales, "ws xs") == 0 ? "ws" : "xs");
    qe__graph *back = round_trip(g, QE_FORMAT_QDQ);
    const char *difference = graph_difference(g, back);
    cr_assert_null(difference, "chain %zu: %s", i, difference);
    qe__graph_destroy(&back);
    qe__graph_destroy(&g);
  }
}

Test(onnx_dynamic, what_rounds_elsewhere_stays) {
  static const chain chains[] = {
    {.quantize = "row_zeros", .scales = "xs ws", .rescale_by = "scale"},      /* a zero point per row */
    {.quantize = "xz", .scales = "xs column", .rescale_by = "scale"},         /* a scale per row */
    {.quantize = "xz", .rescale_by = "column"},
    {.quantize = "xz", .scales = "xs ws", .rescale_by = "scale", .extra = "real"},
    {.quantize = "xz", .scales = "xs ws", .rescale_by = "scale", .extra = "product"},
    {.quantize = "xz", .scales = "xs wv", .rescale_by = "scale", .one_column = true},
    {.quantize = "xz", .rescale_by = "real"},                                 /* a square */
  };
  for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
    proto_model m;
    qe__graph *g;
    build_chain(&m, &chains[i]);
    OK(proto_import(&m, &g));
    cr_assert_eq(count_nodes(g, "MatMulIntegerToFloat"), 0u, "chain %zu", i);
    cr_assert_eq(count_nodes(g, "MatMulInteger"), 1u, "chain %zu", i);
    qe__graph_destroy(&g);
  }
}

Test(onnx_dynamic, one_after_the_other_rounds_twice_and_stays) {
  proto_model m;
  qe__graph *g;
  build_chain(&m, &(chain){.quantize = "xz", .rescale_by = "xs", .bias = true});
  proto_node(&m, "", "Mul", "again", "scaled ws", "twice");
  proto_output(&m, "twice");
  OK(proto_import(&m, &g));
  const qe__node *n = find_node(g, "MatMulIntegerToFloat", 0);
  cr_assert_not_null(n);
  cr_assert_eq(qe__tensor_float_at(input_data(g, n, 3), 0), 1.0);
  cr_assert_eq(count_nodes(g, "Mul"), 1u); /* (acc * xs) * ws is not acc * (xs * ws) */
  cr_assert_eq(count_nodes(g, "Add"), 1u);
  qe__graph_destroy(&g);
}

Test(onnx_dynamic, one_value_is_quantized_once) {
  proto_model m;
  qe__graph *g;
  static const int8_t w[4 * 3];
  proto_open(&m, 13);
  proto_input(&m, "x", QE_FLOAT32, 2, (int64_t[]){2, 4});
  proto_const(&m, "w", QE_INT8, 2, (int64_t[]){4, 3}, w);
  proto_f32(&m, "ws", 0.5f);
  proto_node(&m, MS, "DynamicQuantizeMatMul", "q", "x w ws", "yq");
  proto_node(&m, MS, "DynamicQuantizeMatMul", "k", "x w ws", "yk");
  proto_node(&m, "", "Neg", "neg", "x", "n");
  proto_node(&m, MS, "DynamicQuantizeMatMul", "v", "n w ws", "yv");
  proto_output(&m, "yq");
  proto_output(&m, "yk");
  proto_output(&m, "yv");
  OK(proto_import(&m, &g));
  cr_assert_eq(count_nodes(g, "DynamicQuantizeLinear"), 2u);
  cr_assert_eq(find_node(g, "MatMulIntegerToFloat", 0)->in[0], find_node(g, "MatMulIntegerToFloat", 1)->in[0]);
  qe__graph_destroy(&g);
}

Test(onnx_dynamic, products_that_are_refused) {
  static const struct { const char *op, *inputs, *error; } cases[] = {
    {"MatMulIntegerToFloat", "a w", "input 2 is missing"},
    {"MatMulIntegerToFloat", "a w ws", "input 3 is missing"},
    {"MatMulIntegerToFloat", "a w wv ws", "the scale of A 'wv' has 3 elements"},
    {"MatMulIntegerToFloat", "a w ws wm", "the scale of B 'wm' has rank 2"},
    {"MatMulIntegerToFloat", "a w ws wv az", "the zero point of A 'az' has 2 elements"},
    {"DynamicQuantizeMatMul", "x w", "input 2 (the scale of B) is missing"},
    {"DynamicQuantizeMatMul", "x - ws", "input 1 (B) is missing"},
    {"DynamicQuantizeMatMul", "x w wm", "the scale of B 'wm' has rank 2"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    static const int8_t w[4 * 3];
    static const float scales[3] = {1, 1, 1};
    proto_model m;
    qe__graph *g = NULL;
    proto_open(&m, 13);
    proto_input(&m, "x", QE_FLOAT32, 2, (int64_t[]){2, 4});
    proto_input(&m, "a", QE_UINT8, 2, (int64_t[]){2, 4});
    proto_const(&m, "w", QE_INT8, 2, (int64_t[]){4, 3}, w);
    proto_f32(&m, "ws", 0.5f);
    proto_const(&m, "wv", QE_FLOAT32, 1, (int64_t[]){3}, scales);
    proto_const(&m, "wm", QE_FLOAT32, 2, (int64_t[]){1, 3}, scales);
    proto_const(&m, "az", QE_UINT8, 1, (int64_t[]){2}, (uint8_t[]){1, 2});
    proto_node(&m, MS, cases[i].op, "linear", cases[i].inputs, "y");
    proto_output(&m, "y");
    cr_assert_neq(proto_import(&m, &g), QE_OK, "%s %s", cases[i].op, cases[i].inputs);
    cr_assert_not_null(strstr(qe_last_error(), cases[i].error), "%s: %s", cases[i].error, qe_last_error());
    cr_assert_not_null(strstr(qe_last_error(), "'linear'"), "%s", qe_last_error());
    qe__graph_destroy(&g);
  }
}
