/* Gradients of pooling, reductions and cumulative sums. */
#include "gradient_case.h"

#include <string.h>

static qe__value_id pool(gradient_case *t, uint16_t op) {
  const uint32_t spatial = 1 + (uint32_t)case_below(t, 3);
  int64_t x[5] = {1 + case_below(t, 2), 1 + case_below(t, 2)}, kernel[3], stride[3], dilation[3], pads[6];
  for (uint32_t i = 0; i < spatial; i++) {
    x[2 + i] = spatial == 3 ? 2 + case_below(t, 2) : 3 + case_below(t, 3);
    kernel[i] = 1 + case_below(t, 3);
    stride[i] = 1 + case_below(t, 2);
    dilation[i] = 1 + case_below(t, 2);
    if ((kernel[i] - 1) * dilation[i] + 1 > x[2 + i]) dilation[i] = kernel[i] = 1;
    pads[i] = case_below(t, kernel[i]);
    pads[spatial + i] = case_below(t, kernel[i]);
  }
  char same[12];
  strcpy(same, "SAME_UPPER");
  const qe__attr attr[6] = {QE__INTS("kernel_shape", spatial, kernel), QE__INTS("strides", spatial, stride),
                            QE__INTS("dilations", spatial, dilation),
                            case_below(t, 4) ? QE__INTS("pads", 2 * (size_t)spatial, pads) : QE__STRING("auto_pad", same),
                            QE__INT("ceil_mode", case_coin(t)), QE__INT("count_include_pad", case_coin(t))};
  const qe__value_id in = case_input(t, 2 + spatial, x);
  return qe__emit_node(&t->e, op, 1, &in, op == QE__OP_MaxPool ? 5 : 6, attr);
}

static qe__value_id build_MaxPool(gradient_case *t) { return pool(t, QE__OP_MaxPool); }
static qe__value_id build_AveragePool(gradient_case *t) { return pool(t, QE__OP_AveragePool); }

static qe__value_id global(gradient_case *t, uint16_t op) {
  int64_t x[6];
  const uint32_t rank = case_dims(t, 3, 6, 3, x);
  return qe__emit_unary(&t->e, op, case_input(t, rank, x));
}

static qe__value_id build_GlobalMaxPool(gradient_case *t) { return global(t, QE__OP_GlobalMaxPool); }
static qe__value_id build_GlobalAveragePool(gradient_case *t) { return global(t, QE__OP_GlobalAveragePool); }

static qe__value_id reduction(gradient_case *t, uint16_t op) {
  int64_t x[4], axes[4];
  const uint32_t rank = case_dims(t, 1, 4, 4, x);
  uint32_t n = 0;
  for (uint32_t d = 0; d < rank; d++) {
    if (case_coin(t)) axes[n++] = (int64_t)d - (case_coin(t) ? (int64_t)rank : 0);
  }
  const qe__attr attr[2] = {QE__INT("keepdims", case_coin(t)), QE__INT("noop_with_empty_axes", case_coin(t))};
  qe__value_id in[2] = {case_input(t, rank, x)};
  if (n > 0) in[1] = qe__emit_ints(&t->e, n, axes);
  return qe__emit_node(&t->e, op, n > 0 ? 2 : 1, in, 2, attr);
}

#define REDUCTION(op) \
  static qe__value_id build_##op(gradient_case *t) { return reduction(t, QE__OP_##op); }
REDUCTION(ReduceMean)
REDUCTION(ReduceSum)
REDUCTION(ReduceMax)
REDUCTION(ReduceMin)
REDUCTION(ReduceL2)
REDUCTION(ReduceSumSquare)

static qe__value_id build_CumSum(gradient_case *t) {
  int64_t x[4];
  const uint32_t rank = case_dims(t, 1, 4, 4, x);
  const int64_t axis = case_below(t, rank);
  const qe__attr attr[2] = {QE__INT("exclusive", case_coin(t)), QE__INT("reverse", case_coin(t))};
  qe__value_id in[2] = {case_input(t, rank, x)};
  in[1] = qe__emit_ints(&t->e, 1, &axis);
  return qe__emit_node(&t->e, QE__OP_CumSum, 2, in, 2, attr);
}

static const gradient_test reductions[] = {{"ReduceMean", build_ReduceMean}, {"ReduceSum", build_ReduceSum}, {"ReduceMax", build_ReduceMax},
                                           {"ReduceMin", build_ReduceMin},   {"ReduceL2", build_ReduceL2},   {"ReduceSumSquare", build_ReduceSumSquare},
                                           {"CumSum", build_CumSum}};
static const gradient_test pools[] = {{"MaxPool", build_MaxPool}, {"AveragePool", build_AveragePool}, {"GlobalMaxPool", build_GlobalMaxPool},
                                      {"GlobalAveragePool", build_GlobalAveragePool}};

Test(gradients_reduce, reductions) { CHECK_GRADIENTS(reductions, 14); }
Test(gradients_reduce, pools) { CHECK_GRADIENTS(pools, 20); }
