/* Values, names, nodes, attributes, copies. */
#include "graph/graph.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "graph_util.h"

Test(graph, names_are_unique_and_found) {
  qe__graph *g = small_graph();
  qe__value_id v;
  cr_assert_eq(qe__graph_find_value(g, "b"), 3);
  cr_assert_eq(qe__graph_find_value(g, "nothing"), QE__NO_VALUE);
  cr_assert_eq(qe__graph_add_value(g, "a", QE_FLOAT32, &v), QE_ERROR_EXISTS);
  cr_assert_eq(v, QE__NO_VALUE);
  cr_assert_not_null(strstr(qe_last_error(), "'a'"), "%s", qe_last_error());
  cr_assert_eq(qe__graph_add_node(g, "Relu", "relu", 1, &(qe__value_id){0}, 1, &(qe__value_id){3}, NULL),
               QE_ERROR_EXISTS);
  cr_assert_eq(qe__graph_add_node(g, "Nonsense", NULL, 0, NULL, 0, NULL, NULL), QE_ERROR_NOT_FOUND);
  cr_assert_not_null(strstr(qe_last_error(), "Nonsense"), "%s", qe_last_error());
  /* node names and value names do not clash with one another */
  cr_assert_eq(qe__graph_add_value(g, "relu", QE_FLOAT32, &v), QE_OK);
  qe__graph_destroy(&g);
  cr_assert_null(g);
  qe__graph_destroy(&g);
}

Test(graph, fresh_names) {
  qe__graph *g = small_graph();
  qe__value_id v;
  char *name = qe__graph_fresh_name(g, "conv");
  cr_assert_str_eq(name, "conv");
  qe__free(name);
  name = qe__graph_fresh_name(g, "relu"); /* a node has it */
  cr_assert_str_eq(name, "relu_1");
  cr_assert_eq(qe__graph_add_value(g, name, QE_FLOAT32, &v), QE_OK);
  qe__free(name);
  name = qe__graph_fresh_name(g, "relu");
  cr_assert_str_eq(name, "relu_2");
  qe__free(name);
  cr_assert_eq(qe__graph_add_value(g, NULL, QE_FLOAT32, &v), QE_OK);
  cr_assert_str_eq(g->values[v].name, "value");
  cr_assert_eq(qe__graph_add_value(g, NULL, QE_FLOAT32, &v), QE_OK);
  cr_assert_str_eq(g->values[v].name, "value_1");
  qe__graph_destroy(&g);
}

Test(graph, rename) {
  qe__graph *g = small_graph();
  const qe__value_id b = qe__graph_find_value(g, "b");
  qe__value_id v;
  cr_assert_eq(qe__graph_rename_value(g, b, "y"), QE_OK);
  cr_assert_eq(qe__graph_rename_value(g, b, "y"), QE_OK);
  cr_assert_eq(qe__graph_find_value(g, "y"), b);
  cr_assert_eq(qe__graph_find_value(g, "b"), QE__NO_VALUE);
  cr_assert_eq(qe__graph_rename_value(g, b, "a"), QE_ERROR_EXISTS);
  cr_assert_eq(qe__graph_rename_value(g, 99, "z"), QE_ERROR_INTERNAL);
  cr_assert_eq(qe__graph_add_value(g, "b", QE_FLOAT32, &v), QE_OK, "the old name is free");
  cr_assert_eq(qe__graph_verify(g), QE_OK, "%s", qe_last_error());
  qe__graph_destroy(&g);
}

Test(graph, attributes) {
  qe__graph *g = small_graph();
  qe__node *n = g->nodes[0];
  const int64_t ints[3] = {1, -2, 3};
  const float floats[2] = {0.5f, INFINITY};
  const char *strings[2] = {"a", ""};
  qe_tensor_t *t = RAMP(1.0f, 2);
  cr_assert_eq(qe__node_set_int(n, "i", 7), QE_OK);
  cr_assert_eq(qe__node_set_float(n, "f", 1.5f), QE_OK);
  cr_assert_eq(qe__node_set_string(n, "s", "text"), QE_OK);
  cr_assert_eq(qe__node_set_ints(n, "ints", ints, 3), QE_OK);
  cr_assert_eq(qe__node_set_ints(n, "none", NULL, 0), QE_OK);
  cr_assert_eq(qe__node_set_floats(n, "floats", floats, 2), QE_OK);
  cr_assert_eq(qe__node_set_strings(n, "strings", strings, 2), QE_OK);
  cr_assert_eq(qe__node_set_tensor(n, "t", t), QE_OK);
  qe_tensor_release(&t);
  cr_assert_eq(qe__node_set_int(n, "i", 8), QE_OK, "a second value replaces the first");
  cr_assert_eq(n->n_attr, 8);
  cr_assert_eq(qe__node_int(n, "i", 0), 8);
  cr_assert_eq(qe__node_int(n, "f", 5), 5, "of another kind: the fallback");
  cr_assert_eq(qe__node_float(n, "f", 0), 1.5f);
  cr_assert_eq(qe__node_float(n, "i", 0), 8.0f);
  cr_assert_eq(qe__node_float(n, "absent", 2.0f), 2.0f);
  cr_assert_str_eq(qe__node_string(n, "s", ""), "text");
  cr_assert_str_eq(qe__node_string(n, "i", "fallback"), "fallback");
  cr_assert_eq(qe__node_attr(n, "ints")->ints[1], -2);
  cr_assert_eq(qe__node_attr(n, "none")->count, 0);
  cr_assert_eq(qe__node_attr(n, "floats")->floats[1], INFINITY);
  cr_assert_str_eq(qe__node_attr(n, "strings")->strings[0], "a");
  cr_assert_eq(qe__node_attr(n, "t")->tensor->count, 2);
  qe__node_remove_attr(n, "s");
  qe__node_remove_attr(n, "s");
  cr_assert_null(qe__node_attr(n, "s"));
  cr_assert_eq(n->n_attr, 7);
  qe__graph_destroy(&g);
}

Test(graph, clone_shares_constants_only) {
  qe__graph *g = small_graph(), *copy;
  const float scales[4] = {1, 2, 3, 4};
  const int32_t zeros[4] = {0, 0, 0, 0};
  qe__value *c = &g->values[qe__graph_find_value(g, "c")];
  g->model_hash[3] = 9;
  cr_assert_eq(qe__graph_set_metadata(g, "key", "value"), QE_OK);
  cr_assert_eq(qe__graph_set_metadata(g, "key", "other"), QE_OK);
  g->nodes[1]->act = (qe__act){0.0f, 6.0f};
  g->nodes[1]->quantized = true;
  g->nodes[1]->origin = qe__strdup("add, clip");
  cr_assert_eq(qe__node_set_int(g->nodes[1], "axis", 2), QE_OK);
  g->values[3].dtype = QE_INT8;
  g->values[3].rank = 1;
  cr_assert_eq(qe__qparams_set(&g->values[3].q, &(qe_qparams_t){4, 0, scales, zeros}, QE_INT8, 1, NULL), QE_OK, "%s",
               qe_last_error());
  cr_assert_eq(qe__graph_clone(g, &copy), QE_OK, "%s", qe_last_error());
  cr_assert_eq(copy->values[qe__graph_find_value(copy, "c")].data, c->data, "constants are shared");
  qe__graph_destroy(&g);
  cr_assert_eq(copy->n_nodes, 3);
  cr_assert_eq(copy->n_values, 5);
  cr_assert_str_eq(copy->values[0].symbols[0], "batch");
  cr_assert_str_eq(copy->nodes[1]->origin, "add, clip");
  cr_assert_eq(copy->nodes[1]->act.hi, 6.0f);
  cr_assert(copy->nodes[1]->quantized);
  cr_assert_eq(qe__node_int(copy->nodes[1], "axis", 0), 2);
  cr_assert_eq(copy->values[3].q.view.count, 4);
  cr_assert_eq(copy->values[3].q.view.scales[2], 3.0f);
  cr_assert_eq(copy->model_hash[3], 9);
  cr_assert_eq(copy->n_metadata, 1);
  cr_assert_str_eq(qe__graph_get_metadata(copy, "key"), "other");
  cr_assert_null(qe__graph_get_metadata(copy, "nothing"));
  cr_assert_eq(qe__graph_verify(copy), QE_OK, "%s", qe_last_error());
  qe__graph_destroy(&copy);
}
