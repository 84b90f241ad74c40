/* Gradients of ops on one input, element by element. */
#include "gradient_case.h"

#include <math.h>
#include <string.h>

static qe__value_id any_shape(gradient_case *t, float scale) {
  int64_t dims[QE_MAX_RANK];
  const uint32_t rank = case_dims(t, 1, 4, 4, dims);
  return case_input_at(t, rank, dims, scale, 0.0f);
}

static qe__value_id positive(gradient_case *t) {
  int64_t dims[QE_MAX_RANK];
  const uint32_t rank = case_dims(t, 1, 4, 4, dims);
  return case_positive(t, rank, dims);
}

static qe__value_id with(gradient_case *t, uint16_t op, qe__value_id x, const qe__attr *attr, uint32_t n) {
  return qe__emit_node(&t->e, op, 1, &x, n, attr);
}

#define PLAIN(op, scale) \
  static qe__value_id build_##op(gradient_case *t) { return qe__emit_unary(&t->e, QE__OP_##op, any_shape(t, scale)); }
#define POSITIVE(op) \
  static qe__value_id build_##op(gradient_case *t) { return qe__emit_unary(&t->e, QE__OP_##op, positive(t)); }
#define ALPHA(op, value) \
  static qe__value_id build_##op(gradient_case *t) { return with(t, QE__OP_##op, any_shape(t, 1.0f), &QE__FLOAT("alpha", value), 1); }

PLAIN(Relu, 1.0f)
PLAIN(Sigmoid, 2.0f)
PLAIN(Tanh, 1.0f)
PLAIN(HardSwish, 3.0f)
PLAIN(Silu, 2.0f)
PLAIN(Mish, 2.0f)
PLAIN(Softplus, 2.0f)
PLAIN(Softsign, 1.0f)
PLAIN(Erf, 1.0f)
PLAIN(Exp, 1.0f)
PLAIN(Neg, 1.0f)
PLAIN(Abs, 1.0f)
PLAIN(Sin, 2.0f)
PLAIN(Cos, 2.0f)
PLAIN(Selu, 1.0f)
PLAIN(Identity, 1.0f)
PLAIN(Dropout, 1.0f)
POSITIVE(Log)
POSITIVE(Sqrt)
POSITIVE(Reciprocal)
ALPHA(LeakyRelu, 0.2f)
ALPHA(Elu, 0.8f)
ALPHA(Celu, 0.7f)
ALPHA(ThresholdedRelu, 42 * 3.0f / 256)

static qe__value_id build_Clip(gradient_case *t) {
  qe__value_id in[3] = {any_shape(t, 1.0f)};
  in[1] = case_coin(t) ? qe__emit_scalar(&t->e, -60 * 3.0f / 256) : QE__NO_VALUE;
  in[2] = case_coin(t) || in[1] == QE__NO_VALUE ? qe__emit_scalar(&t->e, 50 * 3.0f / 256) : QE__NO_VALUE;
  return qe__emit_node(&t->e, QE__OP_Clip, 3, in, 0, NULL);
}

static qe__value_id build_HardSigmoid(gradient_case *t) {
  const qe__attr line[2] = {QE__FLOAT("alpha", 256 / 240.0f), QE__FLOAT("beta", 0.5f)};
  return with(t, QE__OP_HardSigmoid, any_shape(t, 1.0f), line, 2);
}

static qe__value_id build_Gelu(gradient_case *t) {
  char kind[8];
  strcpy(kind, t->seed % 2 ? "tanh" : "none");
  return with(t, QE__OP_Gelu, any_shape(t, 2.0f), &QE__STRING("approximate", kind), 1);
}

static qe__value_id build_Cast(gradient_case *t) { return with(t, QE__OP_Cast, any_shape(t, 1.0f), &QE__INT("to", QE_FLOAT32), 1); }

/* A fused activation on an op whose rule reads the result. */
static qe__value_id build_fused(gradient_case *t) {
  const qe__value_id y = qe__emit_unary(&t->e, QE__OP_Tanh, any_shape(t, 1.0f));
  t->e.g->nodes[t->e.g->n_nodes - 1]->act = (qe__act){tanhf(-44 * 3.0f / 256), tanhf(28 * 3.0f / 256)};
  return y;
}

static const gradient_test smooth[] = {
    {"Sigmoid", build_Sigmoid}, {"Tanh", build_Tanh}, {"Silu", build_Silu}, {"Mish", build_Mish}, {"Softplus", build_Softplus},
    {"Softsign", build_Softsign}, {"Erf", build_Erf}, {"Exp", build_Exp}, {"Neg", build_Neg}, {"Abs", build_Abs}, {"Sin", build_Sin},
    {"Cos", build_Cos}, {"Selu", build_Selu}, {"Identity", build_Identity}, {"Dropout", build_Dropout}, {"Log", build_Log},
    {"Sqrt", build_Sqrt}, {"Reciprocal", build_Reciprocal}, {"LeakyRelu", build_LeakyRelu}, {"Elu", build_Elu}, {"Celu", build_Celu},
    {"ThresholdedRelu", build_ThresholdedRelu}, {"Gelu", build_Gelu}, {"Cast", build_Cast}};
static const gradient_test clipped[] = {{"Relu", build_Relu}, {"Clip", build_Clip}, {"HardSigmoid", build_HardSigmoid},
                                        {"HardSwish", build_HardSwish}, {"fused", build_fused}};

Test(gradients_unary, smooth) { CHECK_GRADIENTS(smooth, 6); }
Test(gradients_unary, clipped) { CHECK_GRADIENTS(clipped, 6); }
