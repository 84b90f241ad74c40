/* Small graphs for tests. */
#include "graph_util.h"

#include <criterion/criterion.h>
#include <stdio.h>

qe_tensor_t *ramp(uint32_t rank, const int64_t *dims, float step) {
  qe_tensor_t *t;
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, rank, dims, &t), QE_OK, "%s", qe_last_error());
  for (int64_t i = 0; i < t->count; i++) ((float *)t->data)[i] = step * (float)i;
  return t;
}

qe__graph *small_graph(void) {
  qe__graph *g;
  qe__value_id x, a, b, c, d;
  qe_tensor_t *t = RAMP(1.0f, 4);
  cr_assert_eq(qe__graph_create(&g), QE_OK);
  cr_assert_eq(qe__graph_add_value(g, "x", QE_FLOAT32, &x), QE_OK);
  g->values[x].rank = 1;
  g->values[x].symbols[0] = qe__strdup("batch");
  cr_assert_eq(qe__graph_add_input(g, x), QE_OK);
  cr_assert_eq(qe__graph_add_value(g, "a", QE_FLOAT32, &a), QE_OK);
  cr_assert_eq(qe__graph_add_constant(g, "c", t, &c), QE_OK);
  cr_assert_eq(qe__graph_add_value(g, "b", QE_FLOAT32, &b), QE_OK);
  cr_assert_eq(qe__graph_add_value(g, "unused", QE_FLOAT32, &d), QE_OK);
  cr_assert_eq(qe__graph_add_node(g, "Relu", "relu", 1, &x, 1, &a, NULL), QE_OK);
  cr_assert_eq(qe__graph_add_node(g, "Add", "add", 2, (qe__value_id[]){a, c}, 1, &b, NULL), QE_OK);
  cr_assert_eq(qe__graph_add_node(g, "Sigmoid", "side", 1, &a, 1, &d, NULL), QE_OK);
  cr_assert_eq(qe__graph_add_output(g, b), QE_OK);
  qe_tensor_release(&t);
  return g;
}

qe__graph *chain(uint32_t n) {
  qe__graph *g;
  qe__value_id last, next;
  char name[32];
  cr_assert_eq(qe__graph_create(&g), QE_OK);
  cr_assert_eq(qe__graph_add_value(g, "v0", QE_FLOAT32, &last), QE_OK);
  cr_assert_eq(qe__graph_add_input(g, last), QE_OK);
  for (uint32_t i = 1; i <= n; i++) {
    snprintf(name, sizeof name, "v%u", (unsigned)i);
    cr_assert_eq(qe__graph_add_value(g, name, QE_FLOAT32, &next), QE_OK);
    cr_assert_eq(qe__graph_add_node(g, "Relu", NULL, 1, &last, 1, &next, NULL), QE_OK, "%s", qe_last_error());
    last = next;
  }
  cr_assert_eq(qe__graph_add_output(g, last), QE_OK);
  return g;
}
