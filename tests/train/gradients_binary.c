/* Gradients of ops of several inputs, broadcast against each other. */
#include "gradient_case.h"

/* n inputs that broadcast to one shape; those whose bit in `above` is set are positive. */
static void operands(gradient_case *t, uint32_t n, uint32_t above, qe__value_id *in) {
  int64_t dims[QE_MAX_RANK], part[QE_MAX_RANK];
  const uint32_t rank = case_dims(t, 1, 4, 3, dims), whole = (uint32_t)case_below(t, n);
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t r = i == whole ? rank : case_broadcast(t, rank, dims, part);
    const int64_t *d = i == whole ? dims : part;
    in[i] = (above >> i & 1u) != 0 ? case_positive(t, r, d) : case_input(t, r, d);
  }
}

#define BINARY(op, above)                                   \
  static qe__value_id build_##op(gradient_case *t) {        \
    qe__value_id in[2];                                     \
    operands(t, 2, above, in);                              \
    return qe__emit_binary(&t->e, QE__OP_##op, in[0], in[1]); \
  }

BINARY(Add, 0)
BINARY(Sub, 0)
BINARY(Mul, 0)
BINARY(Div, 2)
BINARY(Pow, 1)

static qe__value_id several(gradient_case *t, uint16_t op) {
  qe__value_id in[4];
  const uint32_t n = 1 + (uint32_t)case_below(t, 4);
  operands(t, n, 0, in);
  return qe__emit_node(&t->e, op, n, in, 0, NULL);
}

static qe__value_id build_Max(gradient_case *t) { return several(t, QE__OP_Max); }
static qe__value_id build_Min(gradient_case *t) { return several(t, QE__OP_Min); }
static qe__value_id build_Sum(gradient_case *t) { return several(t, QE__OP_Sum); }

/* x * x + x: several contributions of one value. */
static qe__value_id build_reused(gradient_case *t) {
  qe__value_id x;
  operands(t, 1, 0, &x);
  const qe__value_id square = qe__emit_binary(&t->e, QE__OP_Mul, x, x);
  return qe__emit_binary(&t->e, QE__OP_Add, square, x);
}

/* A constant whole exponent, also of an integer type, with bases of both signs. */
static qe__value_id build_power(gradient_case *t) {
  qe__value_id x;
  operands(t, 1, 0, &x);
  const int64_t whole = t->seed % 4;
  const qe__value_id e = case_coin(t) ? qe__emit_ints(&t->e, 1, &whole) : qe__emit_scalar(&t->e, (float)whole);
  return qe__emit_binary(&t->e, QE__OP_Pow, x, e);
}

static qe__value_id build_Where(gradient_case *t) {
  qe__value_id in[3];
  operands(t, 3, 0, in);
  in[0] = qe__emit_with(&t->e, QE__OP_Greater, in[0], 0.0f);
  t->wrt[0] = false;
  return qe__emit_node(&t->e, QE__OP_Where, 3, in, 0, NULL);
}

static qe__value_id build_PRelu(gradient_case *t) {
  int64_t dims[QE_MAX_RANK], part[QE_MAX_RANK];
  const uint32_t rank = case_dims(t, 2, 4, 3, dims), r = case_broadcast(t, rank, dims, part);
  const qe__value_id x = case_input(t, rank, dims);
  return qe__emit_binary(&t->e, QE__OP_PRelu, x, case_input(t, r, part));
}

static const gradient_test tests[] = {{"Add", build_Add},     {"Sub", build_Sub},   {"Mul", build_Mul},     {"Div", build_Div},
                                      {"Pow", build_Pow},     {"Max", build_Max},   {"Min", build_Min},     {"Sum", build_Sum},
                                      {"reused", build_reused}, {"power", build_power}, {"Where", build_Where}, {"PRelu", build_PRelu}};

Test(gradients_binary, broadcasting) { CHECK_GRADIENTS(tests, 12); }
