/* Gradients of the ops that only training has: losses, dropout, fake quantization. */
#include "gradient_case.h"

#include <math.h>
#include <string.h>

#include "graph/model.h"
#include "train/differentiate.h"

static qe__value_id build_SoftmaxCrossEntropy(gradient_case *t) {
  int64_t x[3], labels[64];
  const uint32_t rank = case_dims(t, 2, 3, 5, x);
  const int64_t classes = x[rank - 1];
  int64_t rows = 1;
  for (uint32_t d = 0; d + 1 < rank; d++) rows *= x[d];
  const bool ignores = case_coin(t);
  for (int64_t i = 0; i < rows; i++) labels[i] = ignores && case_below(t, 3) == 0 ? -100 : case_below(t, classes);
  const qe__attr attr[2] = {QE__FLOAT("label_smoothing", case_coin(t) ? 0.2f : 0.0f), QE__INT("ignore_index", -100)};
  qe_tensor_t *data = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_INT64, rank - 1, x, labels, &data), QE_OK);
  qe__value_id in[2] = {case_input(t, rank, x)};
  in[1] = case_given(t, data);
  return qe__emit_node(&t->e, QE__OP_SoftmaxCrossEntropy, 2, in, ignores ? 2 : 1, attr);
}

static qe__value_id build_RandomDropout(gradient_case *t) {
  int64_t x[3], key[2] = {case_below(t, 1000), case_below(t, 1000)};
  const uint32_t rank = case_dims(t, 1, 3, 4, x);
  qe_tensor_t *data = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_INT64, 1, &(int64_t){2}, key, &data), QE_OK);
  const qe__attr attr[2] = {QE__FLOAT("ratio", 0.4f), QE__INT("stream", case_below(t, 9))};
  qe__value_id in[2] = {case_input(t, rank, x)};
  in[1] = case_given(t, data);
  return qe__emit_node(&t->e, QE__OP_RandomDropout, 2, in, 2, attr);
}

static const gradient_test tests[] = {{"SoftmaxCrossEntropy", build_SoftmaxCrossEntropy}, {"RandomDropout", build_RandomDropout}};

Test(gradients_loss, differences) { CHECK_GRADIENTS(tests, 12); }

/* FakeQuantize is a staircase: its gradient is the op FakeQuantizeGrad by definition, with the node's own attributes. */
Test(gradients_loss, fake_quantize) {
  for (int per_channel = 0; per_channel < 2; per_channel++) {
    for (int learned = 0; learned < 2; learned++) {
      gradient_case t = {.state = 5};
      qe__value_id out, loss, grad[3];
      cr_assert_eq(qe__graph_create(&t.e.g), QE_OK);
      const int64_t n = per_channel ? 3 : 1;
      qe__value_id in[3] = {case_input(&t, 3, (int64_t[]){2, 3, 4})};
      in[1] = case_positive(&t, 1, &n);
      in[2] = case_input(&t, 1, &n);
      const qe__attr attr[4] = {QE__INT("axis", per_channel ? 1 : -1), QE__INT("quant_min", -8), QE__INT("quant_max", 7), QE__FLOAT("grad_factor", 0.25f)};
      out = qe__emit_node(&t.e, QE__OP_FakeQuantize, 3, in, 4, attr);
      loss = qe__emit_sum(&t.e, out, 7u, false);
      cr_assert_eq(t.e.status, QE_OK, "%s", qe_last_error());
      cr_assert_eq(qe__differentiate(t.e.g, loss, learned ? 3 : 1, in, grad), QE_OK, "%s", qe_last_error());
      const qe__node *node = NULL;
      for (uint32_t k = 0; k < t.e.g->n_nodes; k++) {
        if (t.e.g->nodes[k]->op->id == QE__OP_FakeQuantizeGrad) node = t.e.g->nodes[k];
      }
      cr_assert_not_null(node);
      for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(node->in[i + 1], in[i]);
        cr_assert_eq(node->out[i] == QE__NO_VALUE, i > 0 && !learned);
        if (i == 0 || learned) cr_assert_eq(grad[i], node->out[i]);
      }
      cr_assert_eq(qe__node_int(node, "axis", 9), per_channel ? 1 : -1);
      cr_assert_eq(qe__node_int(node, "quant_min", 9), -8);
      cr_assert_eq(qe__node_int(node, "quant_max", 9), 7);
      cr_assert_eq(qe__node_float(node, "grad_factor", 9.0f), 0.25f);
      for (uint32_t i = 0; i < t.n_in; i++) qe_tensor_release(&t.data[i]);
      qe__graph_destroy(&t.e.g);
    }
  }
}
