/* Shapes of a graph with concrete inputs, and what depends on shapes only. */
#include "train/shapes.h"

#include <string.h>

#include "graph/model.h"
#include "support/models.h"

static void concrete(qe_model_t *m, int64_t batch) {
  for (uint32_t i = 0; i < m->graph->n_inputs; i++) {
    qe__value *v = &m->graph->values[m->graph->inputs[i]];
    for (int32_t d = 0; d < v->rank; d++) {
      if (v->dims[d] < 0) v->dims[d] = batch;
    }
  }
}

static void all_known(const qe_model_t *m) {
  for (uint32_t k = 0; k < m->graph->n_nodes; k++) {
    const qe__node *n = m->graph->nodes[k];
    for (uint32_t i = 0; i < n->n_out; i++) {
      if (n->out[i] == QE__NO_VALUE) continue;
      const qe__value *v = &m->graph->values[n->out[i]];
      cr_assert_geq(v->rank, 0, "%s", v->name);
      for (int32_t d = 0; d < v->rank; d++) cr_assert_geq(v->dims[d], 0, "%s", v->name);
    }
  }
}

static qe_value_t ints(qe_model_t *m, int64_t n, const int64_t *values) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_INT64, 1, &n, values, &t), QE_OK);
  const qe_value_t v = qe_constant(m, NULL, t);
  qe_tensor_release(&t);
  return v;
}

/* [batch, 4, 6] flattened by the batch it has, twice over: Shape -> Gather -> Concat -> Reshape. */
static qe_value_t flatten_by_shape(qe_model_t *m, qe_value_t x, int64_t columns) {
  const qe_value_t shape = qe_op(m, "Shape", NULL, 1, &x, NULL);
  const qe_value_t batch = qe_op(m, "Gather", NULL, 2, (qe_value_t[]){shape, ints(m, 1, &(int64_t){0})}, NULL);
  const qe_value_t target = qe_op(m, "Concat", NULL, 2, (qe_value_t[]){batch, ints(m, 2, (int64_t[]){-1, columns})}, "{\"axis\": 0}");
  return qe_op(m, "Reshape", NULL, 2, (qe_value_t[]){x, target}, NULL);
}

Test(train_shapes, reshape_by_shape) {
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 3, (int64_t[]){-1, 4, 6});
  for (int i = 0; i < 4; i++) {
    x = flatten_by_shape(m, x, i % 2 ? 6 : 8);
    x = qe_relu(m, NULL, x);
  }
  qe_output(m, "y", x);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  concrete(m, 5);
  cr_assert_eq(qe__train_shapes(m->graph), QE_OK, "%s", qe_last_error());
  all_known(m);
  cr_assert_eq(m->graph->n_nodes, 8, "only Reshape and Relu are left");
  const qe__value *y = &m->graph->values[m->graph->outputs[0]];
  cr_assert(y->rank == 3 && y->dims[0] == 5 && y->dims[1] == 4 && y->dims[2] == 6);
  cr_assert_eq(qe__graph_verify(m->graph), QE_OK, "%s", qe_last_error());
  qe_model_destroy(&m);
}

Test(train_shapes, convolutional_network) {
  qe_model_t *m = test_cnn(3);
  concrete(m, 7);
  const uint32_t nodes = m->graph->n_nodes;
  cr_assert_eq(qe__train_shapes(m->graph), QE_OK, "%s", qe_last_error());
  all_known(m);
  cr_assert_eq(m->graph->n_nodes, nodes);
  cr_assert_eq(m->graph->values[m->graph->outputs[0]].dims[0], 7);
  qe_model_destroy(&m);
}

Test(train_shapes, depends_on_data) {
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 2, (int64_t[]){2, 3}), shape = qe_input(m, "shape", QE_INT64, 1, (int64_t[]){1});
  const qe_value_t y = qe_op(m, "Reshape", "turn", 2, (qe_value_t[]){x, shape}, NULL);
  qe_output(m, "y", y);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__train_shapes(m->graph), QE_ERROR_UNSUPPORTED);
  cr_assert_not_null(strstr(qe_last_error(), "'turn'"), "%s", qe_last_error());
  qe_model_destroy(&m);
}

Test(train_shapes, open_input) {
  qe_model_t *m = test_cnn(3);
  cr_assert_eq(qe__train_shapes(m->graph), QE_ERROR_SHAPE);
  cr_assert_not_null(strstr(qe_last_error(), "'x'"), "%s", qe_last_error());
  qe_model_destroy(&m);
}
