/* What lies between a parameter and the loss, what is refused, in which order contributions are added. */
#include "train/differentiate.h"

#include <string.h>

#include "gradient_case.h"

typedef struct net {
  qe__emit e;
  qe__value_id x;
} net;

static net start(void) {
  net n = {0};
  cr_assert_eq(qe__graph_create(&n.e.g), QE_OK);
  cr_assert_eq(qe__graph_add_value(n.e.g, "x", QE_FLOAT32, &n.x), QE_OK);
  qe__value *v = &n.e.g->values[n.x];
  v->rank = 2;
  v->dims[0] = 2;
  v->dims[1] = 3;
  cr_assert_eq(qe__graph_add_input(n.e.g, n.x), QE_OK);
  return n;
}

static qe__value_id total(net *n, qe__value_id v) {
  const qe__value_id loss = qe__emit_sum(&n->e, v, 3u, false);
  cr_assert_eq(n->e.status, QE_OK, "%s", qe_last_error());
  return loss;
}

static void refused(net *n, qe__value_id loss, const char *a, const char *b) {
  qe__value_id grad;
  const uint32_t nodes = n->e.g->n_nodes, values = n->e.g->n_values;
  cr_assert_eq(qe__check_gradients(n->e.g, loss, 1, &n->x), QE_ERROR_UNSUPPORTED);
  cr_assert_eq(qe__differentiate(n->e.g, loss, 1, &n->x, &grad), QE_ERROR_UNSUPPORTED);
  cr_assert(strstr(qe_last_error(), a) && strstr(qe_last_error(), b), "%s", qe_last_error());
  cr_assert_eq(grad, QE__NO_VALUE);
  cr_assert_eq(n->e.g->n_nodes, nodes, "something was added");
  cr_assert_eq(n->e.g->n_values, values, "something was added");
  qe__graph_destroy(&n->e.g);
}

Test(differentiate, op_without_gradient) {
  net n = start();
  n.e.name = "layer";
  const qe__value_id y = qe__emit_unary(&n.e, QE__OP_ReduceProd, n.x), first = qe__emit_reshape(&n.e, y, 2, (int64_t[]){1, 1});
  refused(&n, total(&n, first), "layer/ReduceProd", "no gradient");
}

/* The check comes before layers are unrolled, differentiation after that. */
Test(differentiate, recurrent_layer) {
  net n = start();
  qe__value_id in[3], grad;
  in[0] = qe__emit_reshape(&n.e, n.x, 3, (int64_t[]){2, 1, 3});
  in[1] = qe__emit_filled(&n.e, 3, (int64_t[]){1, 2, 3}, 0.5f);
  in[2] = qe__emit_filled(&n.e, 3, (int64_t[]){1, 2, 2}, 0.5f);
  const qe__value_id y = qe__emit_node(&n.e, QE__OP_RNN, 3, in, 0, NULL), loss = qe__emit_sum(&n.e, y, 15u, false);
  cr_assert_eq(n.e.status, QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__check_gradients(n.e.g, loss, 1, &n.x), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__differentiate(n.e.g, loss, 1, &n.x, &grad), QE_ERROR_UNSUPPORTED);
  qe__graph_destroy(&n.e.g);
}

Test(differentiate, other_types) {
  net n = start();
  const qe__value_id d = qe__emit_node(&n.e, QE__OP_Cast, 1, &n.x, 1, &QE__INT("to", QE_FLOAT64));
  const qe__value_id s = qe__emit_unary(&n.e, QE__OP_Neg, d), y = qe__emit_node(&n.e, QE__OP_Cast, 1, &s, 1, &QE__INT("to", QE_FLOAT32));
  refused(&n, total(&n, y), "Neg", "float32");
}

Test(differentiate, statistics_of_layer_norm) {
  net n = start();
  qe__value_id out[3];
  const qe__value_id in[2] = {n.x, qe__emit_filled(&n.e, 1, (int64_t[]){3}, 1.0f)};
  qe__emit_outputs(&n.e, QE__OP_LayerNormalization, 2, in, 0, NULL, 3, NULL, out);
  refused(&n, total(&n, out[1]), "LayerNormalization", "output 1");
}

/* What stands beside the way may be anything. */
Test(differentiate, beside_the_way) {
  net n = start();
  qe__value_id grad, of = n.x;
  const qe__value_id y = qe__emit_with(&n.e, QE__OP_Mul, n.x, 3.0f), loss = total(&n, y);
  qe__emit_unary(&n.e, QE__OP_ReduceProd, y); /* nothing that the loss reads */
  cr_assert_eq(qe__differentiate(n.e.g, loss, 1, &of, &grad), QE_OK, "%s", qe_last_error());
  cr_assert_neq(grad, QE__NO_VALUE);
  qe__graph_destroy(&n.e.g);
}

/* Rounding, comparisons and integers let nothing pass: the loss does not depend on x then, and nothing is added for it. */
Test(differentiate, stops) {
  net n = start();
  qe__value_id grad[2], wrt[2] = {n.x};
  const qe__value_id stairs = qe__emit_unary(&n.e, QE__OP_Floor, n.x);
  const qe__value_id whole = qe__emit_node(&n.e, QE__OP_Cast, 1, &n.x, 1, &QE__INT("to", QE_INT64));
  const qe__value_id back = qe__emit_node(&n.e, QE__OP_Cast, 1, &whole, 1, &QE__INT("to", QE_FLOAT32));
  wrt[1] = qe__emit_binary(&n.e, QE__OP_Mul, stairs, back);
  const qe__value_id loss = total(&n, qe__emit_unary(&n.e, QE__OP_Exp, wrt[1]));
  cr_assert_eq(qe__differentiate(n.e.g, loss, 2, wrt, grad), QE_OK, "%s", qe_last_error());
  cr_assert_eq(grad[0], QE__NO_VALUE);
  cr_assert_neq(grad[1], QE__NO_VALUE, "a value inside has a gradient of its own");
  for (uint32_t k = 0; k < n.e.g->n_nodes; k++) cr_assert_null(strstr(n.e.g->nodes[k]->name, "Floor/grad"));
  qe__graph_destroy(&n.e.g);
}

Test(differentiate, loss_of_many_elements) {
  net n = start();
  qe__value_id grad;
  cr_assert_eq(qe__differentiate(n.e.g, n.x, 1, &n.x, &grad), QE_ERROR_SHAPE);
  cr_assert_not_null(strstr(qe_last_error(), "[2,3]"), "%s", qe_last_error());
  qe__graph_destroy(&n.e.g);
}

/* A weight that n products share: its gradient is one product when there are four or more, else a sum of n. */
static uint32_t products_for_shared_weight(int64_t count, uint64_t *adds) {
  net n = start();
  qe__value_id sum = QE__NO_VALUE, grad, w = n.x;
  for (int64_t i = 0; i < count; i++) {
    const qe__value_id x = qe__emit_filled(&n.e, 2, (int64_t[]){4, 2}, (float)(i + 1));
    const qe__value_id y = qe__emit_binary(&n.e, QE__OP_Gemm, x, w);
    sum = sum == QE__NO_VALUE ? y : qe__emit_binary(&n.e, QE__OP_Add, sum, y);
  }
  const qe__value_id loss = total(&n, sum);
  cr_assert_eq(qe__differentiate(n.e.g, loss, 1, &w, &grad), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__graph_add_output(n.e.g, loss), QE_OK);
  cr_assert_eq(qe__graph_add_output(n.e.g, grad), QE_OK);
  cr_assert_eq(qe__graph_sweep(n.e.g), QE_OK);
  uint32_t products = 0;
  *adds = 0;
  for (uint32_t k = 0; k < n.e.g->n_nodes; k++) {
    products += n.e.g->nodes[k]->op->id == QE__OP_Gemm;
    *adds += n.e.g->nodes[k]->op->id == QE__OP_Add;
  }
  qe__graph_destroy(&n.e.g);
  return products - (uint32_t)count;
}

Test(differentiate, products_at_once) {
  uint64_t adds;
  cr_assert_eq(products_for_shared_weight(3, &adds), 3);
  cr_assert_eq(adds, 2 + 2);
  cr_assert_eq(products_for_shared_weight(4, &adds), 1);
  cr_assert_eq(adds, 3);
  cr_assert_eq(products_for_shared_weight(70, &adds), 1);
}

/* Three readers a, b, c of x: (a + b) + c, whatever is differentiated first. */
Test(differentiate, order_of_contributions) {
  net n = start();
  qe__value_id grad, parts[3];
  static const uint16_t ops[3] = {QE__OP_Sin, QE__OP_Exp, QE__OP_Tanh};
  for (int i = 0; i < 3; i++) parts[i] = qe__emit_unary(&n.e, ops[i], n.x);
  const qe__value_id some = qe__emit_binary(&n.e, QE__OP_Mul, parts[2], parts[0]), all = qe__emit_binary(&n.e, QE__OP_Add, some, parts[1]);
  cr_assert_eq(qe__differentiate(n.e.g, total(&n, all), 1, &n.x, &grad), QE_OK, "%s", qe_last_error());
  qe__uses uses;
  cr_assert_eq(qe__graph_uses(n.e.g, &uses), QE_OK);
  const qe__node *last = n.e.g->nodes[uses.producer[grad]], *first = n.e.g->nodes[uses.producer[last->in[0]]];
  cr_assert_str_eq(last->op->name, "Add");
  cr_assert_str_eq(first->op->name, "Add");
  const qe__value_id order[3] = {first->in[0], first->in[1], last->in[1]};
  for (int i = 0; i < 3; i++) {
    const char *name = n.e.g->nodes[uses.producer[order[i]]]->name, *op = qe__op_at(ops[i])->name;
    cr_assert(strncmp(name, op, strlen(op)) == 0, "contribution %d comes from %s, not from %s", i, name, op);
  }
  qe__uses_free(&uses);
  qe__graph_destroy(&n.e.g);
}
