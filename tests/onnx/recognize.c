/* Gelu and LayerNormalization written out: every order is found, everything near it is not. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "onnx_util.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())

static const int64_t shape[3] = {2, 3, 4};

/* Digits of a number that counts through the ways to write something. */
static unsigned digit(unsigned *way, unsigned base) {
  const unsigned d = *way % base;
  *way /= base;
  return d;
}

/* op(a, b), the operands swapped where the next digit says so. */
static void pair(proto_model *m, const char *op, const char *a, const char *b, const char *out, unsigned *way) {
  char in[64];
  const bool swap = digit(way, 2) != 0;
  snprintf(in, sizeof in, "%s %s", swap ? b : a, swap ? a : b);
  proto_node(m, "", op, out, in, out);
}

static void open_float(proto_model *m) {
  proto_open(m, 13);
  proto_input(m, "x", QE_FLOAT32, 3, shape);
  proto_output(m, "y");
}

static void constants(proto_model *m, size_t n, const char *const *names, const float *values) {
  for (size_t i = 0; i < n; i++) proto_f32(m, names[i], values[i]);
}

/* y = x * half * gate in the four bracketings. */
static void outer_product(proto_model *m, const char *gate, unsigned *way) {
  switch (digit(way, 4)) {
    case 0:
      pair(m, "Mul", "x", "half", "inner", way);
      pair(m, "Mul", "inner", gate, "y", way);
      break;
    case 1:
      pair(m, "Mul", "x", gate, "inner", way);
      pair(m, "Mul", "inner", "half", "y", way);
      break;
    case 2:
      pair(m, "Mul", gate, "half", "inner", way);
      pair(m, "Mul", "x", "inner", "y", way);
      break;
    default:
      proto_node(m, "", "Div", "inner", "x two", "inner");
      pair(m, "Mul", "inner", gate, "y", way);
      break;
  }
}

static const char *const gelu_names[] = {"half", "one", "two", "sqrt2", "sqrt_half", "cubic", "sqrt_2_pi", "three"};
static const float gelu_values[] = {0.5f, 1.0f, 2.0f, 1.41421356f, 0.70710678f, 0.044715f, 0.79788456f, 3.0f};

static void erf_gelu(proto_model *m, unsigned way, const float *values) {
  open_float(m);
  constants(m, 8, gelu_names, values);
  if (digit(&way, 2) == 0) proto_node(m, "", "Div", "arg", "x sqrt2", "arg");
  else pair(m, "Mul", "x", "sqrt_half", "arg", &way);
  proto_node(m, "", "Erf", "erf", "arg", "erf");
  pair(m, "Add", "erf", "one", "gate", &way);
  outer_product(m, "gate", &way);
}

static void tanh_gelu(proto_model *m, unsigned way, const float *values) {
  open_float(m);
  constants(m, 8, gelu_names, values);
  const unsigned cube = digit(&way, 3);
  if (cube < 2) {
    if (cube == 0) {
      proto_node(m, "", "Pow", "cube", "x three", "cube");
    } else {
      proto_node(m, "", "Mul", "square", "x x", "square");
      pair(m, "Mul", "square", "x", "cube", &way);
    }
    pair(m, "Mul", "cube", "cubic", "term", &way);
    pair(m, "Add", "x", "term", "sum", &way);
    pair(m, "Mul", "sum", "sqrt_2_pi", "arg", &way);
  } else { /* (sqrt(2 / pi) * x) * (1 + (0.044715 * x) * x) */
    pair(m, "Mul", "x", "cubic", "scaled", &way);
    pair(m, "Mul", "scaled", "x", "term", &way);
    pair(m, "Add", "one", "term", "sum", &way);
    pair(m, "Mul", "x", "sqrt_2_pi", "scaled_x", &way);
    pair(m, "Mul", "scaled_x", "sum", "arg", &way);
  }
  proto_node(m, "", "Tanh", "tanh", "arg", "tanh");
  pair(m, "Add", "tanh", "one", "gate", &way);
  outer_product(m, "gate", &way);
}

static void expect_gelu(proto_model *m, const char *approximate, unsigned way, unsigned merged) {
  qe__graph *g;
  OK(proto_import(m, &g));
  cr_assert_eq(g->n_nodes, 1u, "way %u: %u nodes, the first is %s", way, (unsigned)g->n_nodes, g->nodes[0]->op->name);
  const qe__node *n = g->nodes[0];
  cr_assert_str_eq(n->op->name, "Gelu", "way %u", way);
  cr_assert_str_eq(qe__node_string(n, "approximate", ""), approximate, "way %u", way);
  cr_assert_eq(n->n_in, 1u);
  cr_assert_str_eq(g->values[n->in[0]].name, "x");
  cr_assert_str_eq(n->name, "y");
  unsigned names = 1;
  for (const char *at = n->origin; (at = strchr(at, ',')) != NULL; at++) names++;
  cr_assert_eq(names, merged, "way %u: %s", way, n->origin);
  qe__graph_destroy(&g);
}

Test(onnx_recognize, gelu_by_erf_in_every_order) {
  for (unsigned way = 0; way < 2 * 2 * 2 * 4 * 4; way++) {
    proto_model m;
    erf_gelu(&m, way, gelu_values);
    expect_gelu(&m, "none", way, 5);
  }
}

Test(onnx_recognize, gelu_by_tanh_in_every_order) {
  for (unsigned way = 0; way < 3 * 32 * 2 * 4 * 4; way++) {
    proto_model m;
    tanh_gelu(&m, way, gelu_values);
    expect_gelu(&m, "tanh", way, way % 3 == 0 ? 8 : 9);
  }
}

static unsigned gelus(proto_model *m) {
  qe__graph *g;
  OK(proto_import(m, &g));
  const unsigned n = count_nodes(g, "Gelu");
  qe__graph_destroy(&g);
  return n;
}

Test(onnx_recognize, gelu_needs_the_exact_constants) {
  for (size_t c = 0; c < 8; c++) {
    float values[8];
    memcpy(values, gelu_values, sizeof values);
    values[c] = nextafterf(values[c], 10.0f);
    for (unsigned way = 0; way < 64; way++) {
      proto_model m;
      /* way 0, 2, ... divide by sqrt2, the others multiply; two is read by the fourth bracketing only */
      const bool read_by_erf = c <= 1 || (c == 3 && way % 2 == 0) || (c == 4 && way % 2 == 1);
      erf_gelu(&m, way, values);
      const unsigned erf = gelus(&m);
      if (read_by_erf && c != 0) cr_assert_eq(erf, 0u, "%s, way %u", gelu_names[c], way);
      tanh_gelu(&m, way, values);
      const unsigned tanh = gelus(&m);
      if (c == 1 || c == 5 || c == 6 || (c == 7 && way % 3 == 0)) {
        cr_assert_eq(tanh, 0u, "%s, way %u", gelu_names[c], way);
      }
    }
  }
}

Test(onnx_recognize, gelu_whose_pieces_are_read_elsewhere_stays) {
  static const char *const pieces[] = {"arg", "erf", "gate", "inner"};
  for (size_t i = 0; i < 4; i++) {
    for (int output = 0; output < 2; output++) {
      proto_model m;
      erf_gelu(&m, 0, gelu_values);
      if (output) {
        proto_output(&m, pieces[i]);
      } else {
        proto_node(&m, "", "Neg", "other", pieces[i], "z");
        proto_output(&m, "z");
      }
      cr_assert_eq(gelus(&m), 0u, "%s", pieces[i]);
    }
  }
}

Test(onnx_recognize, gelu_of_two_values_is_none) {
  proto_model m;
  open_float(&m);
  proto_input(&m, "z", QE_FLOAT32, 3, shape);
  constants(&m, 8, gelu_names, gelu_values);
  proto_node(&m, "", "Div", "arg", "z sqrt2", "arg");
  proto_node(&m, "", "Erf", "erf", "arg", "erf");
  proto_node(&m, "", "Add", "gate", "erf one", "gate");
  proto_node(&m, "", "Mul", "inner", "x half", "inner");
  proto_node(&m, "", "Mul", "y", "inner gate", "y");
  cr_assert_eq(gelus(&m), 0u);
}

/* A product is looked into only so far: neither the stack nor the time grows with a chain's square. */
Test(onnx_recognize, a_long_chain_of_products) {
  enum { LENGTH = 100000 };
  proto_model m;
  qe__graph *g;
  char in[32], out[16];
  open_float(&m);
  for (unsigned i = 0; i < LENGTH; i++) {
    snprintf(in, sizeof in, i == 0 ? "x x" : "v%u x", i);
    snprintf(out, sizeof out, i == LENGTH - 1 ? "y" : "v%u", i + 1);
    proto_node(&m, "", "Mul", out, in, out);
  }
  OK(proto_import(&m, &g));
  cr_assert_eq(g->n_nodes, (uint32_t)LENGTH);
  qe__graph_destroy(&g);
}

/* ---- LayerNormalization ---- */

typedef struct norm_case {
  int64_t axes[2];
  size_t n_axes;
  int64_t other_axis; /* of the second mean, when not 0 */
  bool attribute_keepdims;
  const char *extra;  /* a value that something else reads too */
  size_t scale_elements;
  bool column_scale;
} norm_case;

static void norm_parameters(proto_model *m, const norm_case *c) {
  static const float numbers[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const int64_t flat[1] = {(int64_t)c->scale_elements}, square[2] = {3, 4}, column[2] = {3, 1};
  const size_t rank = c->column_scale || c->n_axes == 2 ? 2 : 1;
  const int64_t *dims = c->column_scale ? column : c->n_axes == 2 ? square : flat;
  proto_const(m, "scale", QE_FLOAT32, rank, dims, numbers);
  proto_const(m, "bias", QE_FLOAT32, rank, dims, numbers);
  proto_f32(m, "eps", 1e-5f);
  proto_f32(m, "two", 2.0f);
}

static void mean_node(proto_model *m, const char *in, const char *out, const norm_case *c, bool second) {
  Onnx__NodeProto *n = proto_node(m, "", "ReduceMean", out, in, out);
  const int64_t other[1] = {c->other_axis};
  if (second && c->other_axis != 0) proto_ints(m, n, "axes", 1, other);
  else proto_ints(m, n, "axes", c->n_axes, c->axes);
  if (c->attribute_keepdims) proto_int(m, n, "keepdims", 0);
}

static void norm_model(proto_model *m, unsigned way, const norm_case *c, bool *has_bias, unsigned *nodes) {
  open_float(m);
  norm_parameters(m, c);
  mean_node(m, "x", "mean", c, false);
  proto_node(m, "", "Sub", "d", "x mean", "d");
  const bool two_subs = digit(&way, 2) != 0;
  if (two_subs) proto_node(m, "", "Sub", "d2", "x mean", "d2");
  const bool multiply = digit(&way, 2) != 0;
  const char *for_square = two_subs ? "d2" : "d";
  char in[16];
  snprintf(in, sizeof in, "%s %s", for_square, multiply ? for_square : "two");
  proto_node(m, "", multiply ? "Mul" : "Pow", "squares", in, "squares");
  mean_node(m, "squares", "var", c, true);
  pair(m, "Add", "var", "eps", "sum", &way);
  proto_node(m, "", "Sqrt", "root", "sum", "root");
  const bool reciprocal = digit(&way, 2) != 0;
  if (reciprocal) {
    proto_node(m, "", "Reciprocal", "inverse", "root", "inverse");
    pair(m, "Mul", "d", "inverse", "normal", &way);
  } else {
    proto_node(m, "", "Div", "normal", "d root", "normal");
  }
  *has_bias = digit(&way, 2) != 0;
  pair(m, "Mul", "normal", "scale", *has_bias ? "scaled" : "y", &way);
  if (*has_bias) pair(m, "Add", "scaled", "bias", "y", &way);
  if (c->extra != NULL) {
    proto_node(m, "", "Neg", "other", c->extra, "z");
    proto_output(m, "z");
  }
  *nodes = 8u + (two_subs ? 1u : 0u) + (reciprocal ? 1u : 0u) + (*has_bias ? 1u : 0u);
}

Test(onnx_recognize, layer_normalization_in_every_order) {
  static const norm_case cases[] = {
    {.axes = {-1}, .n_axes = 1, .scale_elements = 4},
    {.axes = {2}, .n_axes = 1, .scale_elements = 4},
    {.axes = {-2, -1}, .n_axes = 2, .scale_elements = 12},
    {.axes = {2, 1}, .n_axes = 2, .scale_elements = 12},
  };
  for (size_t i = 0; i < 4; i++) {
    for (unsigned way = 0; way < 256; way++) {
      proto_model m;
      qe__graph *g;
      bool has_bias;
      unsigned nodes, names = 1;
      norm_model(&m, way, &cases[i], &has_bias, &nodes);
      OK(proto_import(&m, &g));
      cr_assert_eq(g->n_nodes, 1u, "case %zu, way %u: %u nodes", i, way, (unsigned)g->n_nodes);
      const qe__node *n = g->nodes[0];
      cr_assert_str_eq(n->op->name, "LayerNormalization");
      cr_assert_eq(n->n_in, has_bias ? 3u : 2u);
      cr_assert_eq(qe__node_int(n, "axis", 0), -(int64_t)cases[i].n_axes);
      cr_assert_eq(qe__node_float(n, "epsilon", 0.0f), 1e-5f);
      cr_assert_str_eq(g->values[n->in[1]].name, "scale");
      for (const char *at = n->origin; (at = strchr(at, ',')) != NULL; at++) names++;
      cr_assert_eq(names, nodes, "case %zu, way %u: %s", i, way, n->origin);
      qe__graph_destroy(&g);
    }
  }
}

static unsigned norms(proto_model *m) {
  qe__graph *g;
  OK(proto_import(m, &g));
  const unsigned n = count_nodes(g, "LayerNormalization");
  qe__graph_destroy(&g);
  return n;
}

Test(onnx_recognize, what_is_no_layer_normalization_stays) {
  static const norm_case cases[] = {
    {.axes = {1}, .n_axes = 1, .scale_elements = 4},                                /* not the last axis */
    {.axes = {0, 2}, .n_axes = 2, .scale_elements = 12},                            /* a gap */
    {.axes = {-1}, .n_axes = 1, .other_axis = 1, .scale_elements = 4},              /* two different means */
    {.axes = {-1}, .n_axes = 1, .scale_elements = 1},                               /* one scale for all */
    {.axes = {-1}, .n_axes = 1, .scale_elements = 4, .column_scale = true},
    {.axes = {-2, -1}, .n_axes = 2, .scale_elements = 3, .column_scale = true},     /* GroupNorm of one group */
    {.axes = {-1}, .n_axes = 1, .scale_elements = 4, .extra = "mean"},
    {.axes = {-1}, .n_axes = 1, .scale_elements = 4, .extra = "d"},
    {.axes = {-1}, .n_axes = 1, .scale_elements = 4, .extra = "squares"},
    {.axes = {-1}, .n_axes = 1, .scale_elements = 4, .extra = "var"},
    {.axes = {-1}, .n_axes = 1, .scale_elements = 4, .extra = "sum"},
    {.axes = {-1}, .n_axes = 1, .scale_elements = 4, .extra = "root"},
    {.axes = {-1}, .n_axes = 1, .scale_elements = 4, .extra = "normal"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    for (unsigned way = 0; way < 256; way++) {
      proto_model m;
      bool has_bias;
      unsigned nodes;
      norm_model(&m, way, &cases[i], &has_bias, &nodes);
      cr_assert_eq(norms(&m), 0u, "case %zu, way %u", i, way);
    }
  }
}

/* x * r + (bias - mean * r), r = scale / sqrt(var + eps) */
Test(onnx_recognize, layer_normalization_gathered_as_tensorflow_does) {
  const norm_case c = {.axes = {-1}, .n_axes = 1, .scale_elements = 4};
  for (unsigned start = 0; start < 64; start++) {
    for (int broken = 0; broken < 3; broken++) {
      proto_model m;
      unsigned way = start;
      open_float(&m);
      norm_parameters(&m, &c);
      mean_node(&m, "x", "mean", &c, false);
      proto_node(&m, "", "Sub", "d", "x mean", "d");
      if (digit(&way, 2) != 0) proto_node(&m, "", "Mul", "squares", "d d", "squares");
      else proto_node(&m, "", "Pow", "squares", "d two", "squares");
      mean_node(&m, "squares", "var", &c, true);
      pair(&m, "Add", "var", "eps", "sum", &way);
      proto_node(&m, "", "Sqrt", "root", "sum", "root");
      proto_node(&m, "", "Reciprocal", "inverse", "root", "inverse");
      pair(&m, "Mul", "inverse", "scale", "r", &way);
      pair(&m, "Mul", broken == 1 ? "mean" : "x", "r", "scaled", &way);
      pair(&m, "Mul", broken == 2 ? "x" : "mean", "r", "shift", &way);
      proto_node(&m, "", "Sub", "rest", "bias shift", "rest");
      pair(&m, "Add", "scaled", "rest", "y", &way);
      cr_assert_eq(norms(&m), broken ? 0u : 1u, "way %u, broken %d", start, broken);
    }
  }
}
