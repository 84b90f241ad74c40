/* Gradients of normalizations and softmax. */
#include "gradient_case.h"

#include "registry/op_schema.h"

static qe__value_id build_BatchNormalization(gradient_case *t) {
  int64_t x[4];
  const uint32_t rank = case_dims(t, 2, 4, 4, x);
  qe__value_id in[5] = {case_input(t, rank, x)};
  for (uint32_t i = 1; i < 4; i++) in[i] = case_input(t, 1, &x[1]);
  in[4] = case_positive(t, 1, &x[1]);
  return qe__emit_node(&t->e, QE__OP_BatchNormalization, 5, in, 1, &QE__FLOAT("epsilon", 0.01f));
}

/* Statistics of few numbers make steep functions: there are some, and epsilon is large. */
static qe__value_id build_BatchNormTrain(gradient_case *t) {
  int64_t x[4] = {3 + case_below(t, 3), 1 + case_below(t, 3), 1 + case_below(t, 3), 1 + case_below(t, 3)};
  const bool multiplier = case_coin(t);
  qe__value_id in[4] = {case_input(t, 2 + (uint32_t)case_below(t, 3), x)}, out[3];
  in[1] = case_input(t, 1, &x[1]);
  in[2] = case_input(t, 1, &x[1]);
  if (multiplier) in[3] = case_positive(t, 1, &x[1]);
  const bool wanted[3] = {true, case_coin(t), case_coin(t)};
  qe__emit_outputs(&t->e, QE__OP_BatchNormTrain, multiplier ? 4 : 3, in, 1, &QE__FLOAT("epsilon", 0.1f), 3, wanted, out);
  return out[0];
}

static qe__value_id build_LayerNormalization(gradient_case *t) {
  int64_t x[4];
  const uint32_t rank = case_dims(t, 2, 4, 5, x), axis = (uint32_t)case_below(t, rank);
  const qe__attr attr[2] = {QE__FLOAT("epsilon", 0.1f), QE__INT("axis", (int64_t)axis - (case_coin(t) ? (int64_t)rank : 0))};
  int64_t ones[4] = {1, 1, 1, 1};
  for (uint32_t d = axis; d < rank; d++) ones[d] = x[d];
  const uint32_t skip = case_coin(t) ? axis : 0; /* the scale's leading ones are left out, or not */
  const uint32_t n = case_coin(t) ? 3 : 2;
  qe__value_id in[3] = {case_input(t, rank, x)};
  in[1] = case_input(t, rank - skip, ones + skip);
  if (n == 3) in[2] = case_input(t, rank - axis, x + axis);
  return qe__emit_node(&t->e, QE__OP_LayerNormalization, n, in, 2, attr);
}

static qe__value_id per_group(gradient_case *t, uint16_t op) {
  const int64_t groups = 1 + case_below(t, 3);
  int64_t x[4] = {1 + case_below(t, 2), groups * (1 + case_below(t, 2)), 2 + case_below(t, 3), 1 + case_below(t, 3)};
  const qe__attr attr[2] = {QE__FLOAT("epsilon", 0.1f), QE__INT("num_groups", groups)};
  qe__value_id in[3] = {case_input(t, 3 + (uint32_t)case_below(t, 2), x)};
  in[1] = case_input(t, 1, &x[1]);
  in[2] = case_input(t, 1, &x[1]);
  return qe__emit_node(&t->e, op, 3, in, op == QE__OP_GroupNormalization ? 2 : 1, attr);
}

static qe__value_id build_GroupNormalization(gradient_case *t) { return per_group(t, QE__OP_GroupNormalization); }
static qe__value_id build_InstanceNormalization(gradient_case *t) { return per_group(t, QE__OP_InstanceNormalization); }

static qe__value_id along_axis(gradient_case *t, uint16_t op) {
  int64_t x[4];
  const uint32_t rank = case_dims(t, 1, 4, 5, x);
  const qe__attr axis = QE__INT("axis", case_below(t, 2 * (int64_t)rank) - (int64_t)rank);
  const qe__value_id in = case_input(t, rank, x);
  return qe__emit_node(&t->e, op, 1, &in, 1, &axis);
}

static qe__value_id build_Softmax(gradient_case *t) { return along_axis(t, QE__OP_Softmax); }
static qe__value_id build_LogSoftmax(gradient_case *t) { return along_axis(t, QE__OP_LogSoftmax); }

static qe__value_id build_fused_softmax(gradient_case *t) {
  const qe__value_id y = along_axis(t, QE__OP_Softmax);
  t->e.g->nodes[t->e.g->n_nodes - 1]->act = (qe__act){0.05f, 0.61803f};
  return y;
}

static const gradient_test with_statistics[] = {{"BatchNormalization", build_BatchNormalization}};
static const gradient_test composed[] = {{"Softmax", build_Softmax}, {"LogSoftmax", build_LogSoftmax}};
static const gradient_test statistics[] = {{"BatchNormTrain", build_BatchNormTrain},
                                           {"LayerNormalization", build_LayerNormalization},
                                           {"GroupNormalization", build_GroupNormalization},
                                           {"InstanceNormalization", build_InstanceNormalization},
                                           {"fused softmax", build_fused_softmax}};

Test(gradients_norm, constant_statistics) { CHECK_GRADIENTS(with_statistics, 12); }
Test(gradients_norm, softmax) { CHECK_GRADIENTS(composed, 16); }
Test(gradients_norm, batch_statistics) { CHECK_GRADIENTS(statistics, 16); }
