/* Uses, replacing, sweeping, sorting, verifying. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/names.h"
#include "graph_util.h"

Test(graph_edit, uses) {
  qe__graph *g = small_graph();
  qe__uses u;
  cr_assert_eq(qe__graph_uses(g, &u), QE_OK, "%s", qe_last_error());
  const qe__value_id x = 0, a = 1, c = 2, b = 3, d = 4;
  cr_assert_eq(u.producer[x], -1);
  cr_assert_eq(u.producer[a], 0);
  cr_assert_eq(u.producer[c], -1);
  cr_assert_eq(u.producer[b], 1);
  cr_assert(u.is_output[b]);
  cr_assert_not(u.is_output[a]);
  cr_assert_eq(u.start[a + 1] - u.start[a], 2);
  cr_assert_eq(u.node[u.start[a]], 1);
  cr_assert_eq(u.input[u.start[a]], 0);
  cr_assert_eq(u.node[u.start[a] + 1], 2);
  cr_assert_eq(u.node[u.start[c]], 1);
  cr_assert_eq(u.input[u.start[c]], 1);
  cr_assert_eq(u.start[d + 1] - u.start[d], 0);
  qe__uses_free(&u);
  qe__node_kill(g->nodes[2]);
  cr_assert_eq(qe__graph_uses(g, &u), QE_OK);
  cr_assert_eq(u.start[a + 1] - u.start[a], 1, "a killed node reads nothing");
  cr_assert_eq(u.producer[d], -1, "and writes nothing");
  qe__uses_free(&u);
  g->nodes[0]->in[0] = 77;
  cr_assert_eq(qe__graph_uses(g, &u), QE_ERROR_INTERNAL);
  cr_assert_null(u.start);
  qe__graph_destroy(&g);
}

Test(graph_edit, replace_and_sweep) {
  qe__graph *g = small_graph();
  const qe__value_id a = 1, c = 2, b = 3;
  cr_assert_eq(qe__graph_sweep(g), QE_OK);
  cr_assert_eq(g->n_nodes, 2, "the side node goes");
  cr_assert_eq(qe__graph_verify(g), QE_OK, "%s", qe_last_error());
  qe__graph_replace_uses(g, b, a);
  cr_assert_eq(g->outputs[0], a);
  cr_assert_eq(qe__graph_sweep(g), QE_OK);
  cr_assert_eq(g->n_nodes, 1);
  cr_assert_null(g->values[c].data, "a constant that nothing reads is let go");
  cr_assert_eq(qe__graph_find_value(g, "c"), c, "ids and names stay");
  cr_assert_eq(qe__graph_verify(g), QE_OK, "%s", qe_last_error());
  char *name = qe__graph_fresh_name(g, "add");
  cr_assert_str_eq(name, "add", "a swept node's name is free");
  qe__free(name);
  qe__node_kill(g->nodes[0]);
  qe__graph_replace_uses(g, a, 0);
  cr_assert_eq(qe__graph_sweep(g), QE_OK);
  cr_assert_eq(g->n_nodes, 0);
  cr_assert_eq(qe__graph_verify(g), QE_OK, "an input may be an output: %s", qe_last_error());
  qe__graph_destroy(&g);
}

Test(graph_edit, sort_is_stable_and_finds_cycles) {
  qe__graph *g = small_graph();
  qe__node *first = g->nodes[0], *second = g->nodes[1], *third = g->nodes[2];
  cr_assert_eq(qe__graph_sort(g), QE_OK);
  cr_assert(g->nodes[0] == first && g->nodes[1] == second && g->nodes[2] == third, "an order that is right stays");
  g->nodes[0] = third;
  g->nodes[2] = first;
  cr_assert_eq(qe__graph_verify(g), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "not in order"), "%s", qe_last_error());
  cr_assert_eq(qe__graph_sort(g), QE_OK);
  cr_assert(g->nodes[0] == first && g->nodes[1] == third && g->nodes[2] == second);
  cr_assert_eq(qe__graph_verify(g), QE_OK, "%s", qe_last_error());
  first->in[0] = second->out[0];
  cr_assert_eq(qe__graph_sort(g), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "cycle of 2 nodes"), "%s", qe_last_error());
  cr_assert_not_null(strstr(qe_last_error(), ": add -> relu -> add;"), "%s", qe_last_error());
  cr_assert_eq(g->n_nodes, 3, "a failed sort changes nothing");
  first->in[0] = first->out[0];
  cr_assert_eq(qe__graph_sort(g), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "cycle of 1 nodes: relu -> relu;"), "%s", qe_last_error());
  qe__graph_destroy(&g);
}

Test(graph_edit, long_cycle) {
  qe__graph *g = chain(100);
  g->nodes[0]->in[0] = g->nodes[99]->out[0];
  cr_assert_eq(qe__graph_sort(g), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "cycle of 100 nodes"), "%s", qe_last_error());
  qe__graph_destroy(&g);
}

/* Each row breaks one invariant of the small graph. */
static void two_producers(qe__graph *g) { g->nodes[2]->out[0] = g->nodes[0]->out[0]; }
static void too_many_inputs(qe__graph *g) {
  qe__value_id v;
  (void)qe__graph_add_value(g, "z", QE_FLOAT32, &v);
  (void)qe__graph_add_node(g, "Relu", "wide", 2, (qe__value_id[]){0, 1}, 1, &v, NULL);
}
static void missing_input(qe__graph *g) { g->nodes[1]->in[1] = QE__NO_VALUE; }
static void no_outputs_wanted(qe__graph *g) { g->nodes[2]->out[0] = QE__NO_VALUE; }
static void unknown_read(qe__graph *g) {
  qe__value_id v;
  (void)qe__graph_add_value(g, "ghost", QE_FLOAT32, &v);
  g->nodes[2]->in[0] = v;
}
static void written_input(qe__graph *g) { g->nodes[2]->out[0] = 0; }
static void written_constant(qe__graph *g) { g->nodes[2]->out[0] = 2; }
static void input_twice(qe__graph *g) { (void)qe__graph_add_input(g, 0); }
static void constant_input(qe__graph *g) { (void)qe__graph_add_input(g, 2); }
static void unknown_output(qe__graph *g) {
  qe__value_id v;
  (void)qe__graph_add_value(g, "ghost", QE_FLOAT32, &v);
  (void)qe__graph_add_output(g, v);
}
static void no_outputs(qe__graph *g) { g->n_outputs = 0; }
static void quantized_without_parameters(qe__graph *g) { g->nodes[0]->quantized = true; }
static void empty_activation(qe__graph *g) { g->nodes[0]->act = (qe__act){1.0f, 0.0f}; }
static void nan_activation(qe__graph *g) { g->nodes[0]->act.lo = NAN; }
static void constant_of_other_type(qe__graph *g) { g->values[2].dtype = QE_INT8; }
static void constant_of_other_shape(qe__graph *g) { g->values[2].dims[0] = 5; }
static void parameters_on_float(qe__graph *g) {
  (void)qe__qparams_set(&g->values[1].q, &(qe_qparams_t){1, -1, &(float){1.0f}, &(int32_t){0}}, QE_INT8, 0, NULL);
}
static void parameters_past_rank(qe__graph *g) {
  parameters_on_float(g);
  g->values[1].dtype = QE_INT8;
  g->values[1].rank = 1;
  g->values[1].q.view.axis = 1;
}
static void scale_of_zero(qe__graph *g) {
  parameters_on_float(g);
  g->values[1].dtype = QE_INT8;
  g->values[1].q.scales[0] = 0.0f;
}
static void zero_point_out_of_range(qe__graph *g) {
  parameters_on_float(g);
  g->values[1].dtype = QE_INT8;
  g->values[1].q.zero_points[0] = 200;
}

Test(graph_edit, verify_names_what_is_wrong) {
  static const struct {
    void (*breaks)(qe__graph *g);
    const char *message;
  } rows[] = {
    {two_producers, "value 'a' is written by node 'relu' and by node 'side'"},
    {too_many_inputs, "node 'wide' (Relu) has 2 inputs; Relu takes 1 to 1"},
    {missing_input, "node 'add' (Add): input 1 is missing"},
    {no_outputs_wanted, "node 'side' (Sigmoid): none of its outputs"},
    {unknown_read, "node 'side' (Sigmoid) reads 'ghost', which is no input"},
    {written_input, "value 'x' is an input and also written by node 'side'"},
    {written_constant, "value 'c' is a constant and also written by node 'side'"},
    {input_twice, "value 'x' is listed twice"},
    {constant_input, "value 'c' is both an input and a constant"},
    {unknown_output, "output 'ghost'"},
    {no_outputs, "it has no outputs"},
    {quantized_without_parameters, "node 'relu' (Relu) is marked quantized"},
    {empty_activation, "fused activation [1, 0] is empty"},
    {nan_activation, "fused activation"},
    {constant_of_other_type, "constant 'c'"},
    {constant_of_other_shape, "constant 'c'"},
    {parameters_on_float, "value 'a' has quantization parameters but its type is float32"},
    {parameters_past_rank, "value 'a' is quantized along dimension 1 but has rank 1"},
    {scale_of_zero, "value 'a': scale 0 is 0"},
    {zero_point_out_of_range, "value 'a': zero point 0 is 200, outside int8"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    qe__graph *g = small_graph();
    cr_assert_eq(qe__graph_verify(g), QE_OK, "%s", qe_last_error());
    rows[i].breaks(g);
    cr_assert_neq(qe__graph_verify(g), QE_OK, "row %zu passed", i);
    cr_assert_not_null(strstr(qe_last_error(), rows[i].message), "row %zu: '%s' is not in '%s'", i, rows[i].message,
                       qe_last_error());
    qe__graph_destroy(&g);
  }
}

/* No timing is asserted: something quadratic would run into the suite's time limit. */
Test(graph_edit, twenty_thousand_nodes) {
  enum { N = 20000 };
  qe__graph *g = chain(N), *copy;
  qe__uses u;
  cr_assert_eq(qe__graph_verify(g), QE_OK, "%s", qe_last_error());
  for (uint32_t i = 0; i < N / 2; i++) { /* back to front: the worst order for the search */
    qe__node *t = g->nodes[i];
    g->nodes[i] = g->nodes[N - 1 - i];
    g->nodes[N - 1 - i] = t;
  }
  cr_assert_eq(qe__graph_sort(g), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__graph_clone(g, &copy), QE_OK);
  cr_assert_eq(qe__graph_uses(copy, &u), QE_OK);
  qe__uses_free(&u);
  copy->outputs[0] = copy->nodes[N / 2 - 1]->out[0];
  cr_assert_eq(qe__graph_sweep(copy), QE_OK);
  cr_assert_eq(copy->n_nodes, N / 2);
  cr_assert_eq(qe__graph_verify(copy), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__graph_find_value(copy, "v20000"), 20000);
  qe__graph_destroy(&copy);
  qe__graph_destroy(&g);
}
