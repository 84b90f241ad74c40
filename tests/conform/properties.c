/*
 * Every metamorphic property catches a kernel that breaks it, without a reference: the broken kernel is its own oracle.
 * The breakage depends on what the property changes (position, zero point, scale, ...), so that nothing else can tell.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "conform/conform.h"

static const qe__kernel *real;

static int first_row_run(void *self, const qe_call *c, int64_t begin, int64_t end) { /* wrong by position: row 0 */
  const int result = real->row.run(self, c, begin, end);
  const int64_t n = c->problem->out[0]->count / c->problem->out[0]->dims[0];
  for (int64_t i = 0; i < n; i++) ((uint8_t *)c->out[0])[i] = (uint8_t)(255 - i % 7);
  return result;
}

static int first_byte_run(void *self, const qe_call *c, int64_t begin, int64_t end) { /* of a float, whatever strides */
  const int result = real->row.run(self, c, begin, end);
  ((uint8_t *)c->out[0])[0] = 77;
  return result;
}

static int first_column_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = real->row.run(self, c, begin, end);
  const int64_t n = c->problem->out[0]->dims[1];
  for (int64_t i = 0; i < c->problem->out[0]->dims[0]; i++) ((uint8_t *)c->out[0])[i * n] = 77;
  return result;
}

static int last_row_run(void *self, const qe_call *c, int64_t begin, int64_t end) { /* the same value in the last row */
  const int result = real->row.run(self, c, begin, end);
  const int64_t m = c->problem->out[0]->dims[0], n = c->problem->out[0]->dims[1];
  if (m == 2) memset((uint8_t *)c->out[0] + (m - 1) * n, 5, (size_t)n);
  return result;
}

static int by_zero_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = real->row.run(self, c, begin, end);
  ((uint8_t *)c->out[0])[0] = (uint8_t)(c->problem->in[0]->zero_points[0] & 1 ? 10 : 20);
  return result;
}

static int by_scale_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = real->row.run(self, c, begin, end);
  uint32_t bits;
  memcpy(&bits, c->problem->in[0]->scales, sizeof bits);
  memset(c->out[0], (int)(bits >> 23 & 0xFF), (size_t)c->problem->out[0]->count);
  return result;
}

static int falling_run(void *self, const qe_call *c, int64_t begin, int64_t end) { /* less for a larger bias */
  const int result = real->row.run(self, c, begin, end);
  const int32_t *bias = c->in[2];
  memset(c->out[0], 100 - (bias[0] & 63), (size_t)c->problem->out[0]->count);
  return result;
}

static int by_clamp_run(void *self, const qe_call *c, int64_t begin, int64_t end) { /* a fused activation goes wrong */
  const int result = real->row.run(self, c, begin, end);
  if (c->problem->act_lo == 0.0f) memset(c->out[0], 3, (size_t)c->problem->out[0]->count * 4);
  return result;
}

static int by_stride_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = real->row.run(self, c, begin, end);
  const qe_operand *y = c->problem->out[0];
  if (y->strides[y->rank - 1] != 1) ((uint8_t *)c->out[0])[0] ^= 1;
  return result;
}

static int no_groups_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = real->row.run(self, c, begin, end);
  if (c->problem->params->groups > 1) ((uint8_t *)c->out[0])[0] ^= 1;
  return result;
}

typedef int (*run_fn)(void *, const qe_call *, int64_t, int64_t);

static const qe__kernel *kernel_named(const qe__engine *engine, const char *name) {
  for (uint32_t i = 0; i < engine->n_kernels; i++) {
    if (strcmp(engine->kernels[i].row.name, name) == 0) return &engine->kernels[i];
  }
  cr_assert_fail("no kernel %s", name);
  return NULL;
}

/* helper: a kernel as it is beside the broken one, for what is compared with another op; NULL: none. */
static void expect_broken_beside(const char *kernel, const char *helper, run_fn run, const char *text,
                                 const char *check) {
  const qe__engine *engine = NULL;
  qe__case c;
  qe__case_result r;
  cr_assert_eq(qe__engines_ready(), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__engine_resolve("reference", &engine), QE_OK, "%s", qe_last_error());
  real = kernel_named(engine, kernel);
  qe__engine wrong = *engine;
  qe__kernel rows[2] = {*real, helper ? *kernel_named(engine, helper) : *real};
  rows[0].row.run = run;
  rows[0].engine = &wrong;
  wrong.n_kernels = helper ? 2 : 1;
  wrong.kernels = rows;
  const qe__conform_options options = {.seed = 1, .against = &wrong, .memory = true, .properties = true};
  cr_assert_eq(qe__case_parse(text, &c), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__conform_case(&rows[0], &c, &options, &r), QE_OK, "%s", qe_last_error());
  cr_assert_eq((int)r.verdict, (int)QE__FAIL, "%s: %s, expected %s", text, qe__verdict_name(r.verdict), check);
  cr_assert_str_eq(r.check, check, "%s: %s, expected %s\n%s", text, r.check, check, r.detail);
}

static void expect_broken(const char *kernel, run_fn run, const char *text, const char *check) {
  expect_broken_beside(kernel, NULL, run, text, check);
}

Test(properties, rows_and_columns_are_permuted) {
  expect_broken("qgemm__c", first_row_run, "Gemm:u8s8u8/m3/n5/k9", "property:permute_rows");
  expect_broken("qgemm__c", first_column_run, "Gemm:u8s8u8/m3/n5/k9", "property:permute_columns");
  expect_broken("qconv__c", first_row_run, "Conv:u8s8u8/n2/hw3x3/c4>5/k3x3/p1x1", "property:permute_batch");
}

Test(properties, gradients_are_permuted) {
  expect_broken("max_pool_grad_f32__c", first_row_run, "MaxPoolGrad:f32/n2/hw4x4/c3/k2x2/s2x2", "property:permute_batch");
  expect_broken("average_pool_grad_f32__c", first_row_run, "AveragePoolGrad:f32/n1/hw4x4/c3/k2x2/s2x2",
                "property:permute_channels");
  expect_broken("batch_norm_train_f32__c", first_byte_run, "BatchNormTrain:f32/x=3x5/flag=1", "property:permute_channels");
  expect_broken("batch_norm_grad_f32__c", first_byte_run, "BatchNormGrad:f32/x=3x5", "property:permute_channels");
  expect_broken("layer_norm_grad_f32__c", first_row_run, "LayerNormGrad:f32/x=3x5", "property:permute_rows");
  expect_broken("conv_weight_grad_f32__c", first_row_run, "ConvWeightGrad:f32/n1/hw4x4/c2>3/k2x2",
                "property:permute_channels");
  expect_broken("softmax_cross_entropy_grad_f32__c", first_row_run, "SoftmaxCrossEntropyGrad:f32s64/x=3x5",
                "property:permute_rows");
}

Test(properties, a_convolution_by_1x1_is_a_product) {
  expect_broken_beside("conv_f32__c", "gemm_f32__c", first_row_run, "Conv:f32/n1/hw3x3/c4>1/k1x1", "property:conv_gemm");
  expect_broken_beside("conv_weight_grad_f32__c", "gemm_f32__c", first_row_run, "ConvWeightGrad:f32/n1/hw3x3/c4>1/k1x1",
                       "property:conv_gemm");
}

Test(properties, a_part_of_the_batch_is_computed_alone) {
  expect_broken("qgemm__c", last_row_run, "Gemm:u8s8u8/m4/n5/k9", "property:split");
}

Test(properties, parameters_are_shifted_and_scaled) {
  expect_broken("qgemm__c", by_zero_run, "Gemm:u8s8u8/m1/n1/k9", "property:zero_point");
  expect_broken("qgemm__c", falling_run, "Gemm:u8s8u8/m1/n1/k9", "property:monotone");
  expect_broken("qgemm__c", by_scale_run, "Gemm:u8s8u8/m1/n1/k9", "property:rescale");
}

Test(properties, activations_strides_and_groups_do_not_matter) {
  expect_broken("relu_f32__c", by_clamp_run, "Relu:f32/x=50/act=relu", "property:unfused");
  expect_broken("transpose__c", by_stride_run, "Transpose:u8/x=3x4", "property:strided");
  expect_broken("qconv__c", no_groups_run, "Conv:u8s8u8/n1/hw3x3/c4>4/g4/k3x3/p1x1", "property:grouped");
}

Test(properties, without_an_oracle_a_case_is_mistrusted) {
  const qe__engine *engine = NULL;
  qe__case c;
  qe__case_result r;
  cr_assert_eq(qe__engines_ready(), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__engine_resolve("reference", &engine), QE_OK, "%s", qe_last_error());
  const qe__conform_options options = {.seed = 1};
  const qe__kernel *relu = NULL;
  for (uint32_t i = 0; i < engine->n_kernels; i++) {
    if (strcmp(engine->kernels[i].row.name, "relu_f32__c") == 0) relu = &engine->kernels[i];
  }
  cr_assert_eq(qe__case_parse("Relu:f32/x=50", &c), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__conform_case(relu, &c, &options, &r), QE_OK, "%s", qe_last_error());
  cr_assert_eq((int)r.verdict, (int)QE__MISTRUSTED, "%s", qe__verdict_name(r.verdict));
  cr_assert_str_eq(r.check, "oracle");
}
