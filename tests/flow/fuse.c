/* Fusion: the same function with fewer nodes; and torch's folded weights. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "flow/flow_internal.h"
#include "graph/model.h"
#include "qengine.h"
#include "support/golden.h"
#include "support/models.h"

static uint32_t count_ops(const qe_model_t *m, const char *op) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < qe_model_node_count(m); i++) {
    qe_node_info_t info;
    cr_assert_eq(qe_model_node(m, i, &info), QE_OK);
    n += strcmp(info.op, op) == 0;
  }
  return n;
}

static float largest_difference(const qe_tensor_t *a, const qe_tensor_t *b) {
  float worst = 0.0f;
  cr_assert_eq(qe_tensor_count(a), qe_tensor_count(b));
  for (int64_t i = 0; i < qe_tensor_count(a); i++) {
    const float d = fabsf(((const float *)qe_tensor_const_data(a))[i] - ((const float *)qe_tensor_const_data(b))[i]);
    worst = d > worst ? d : worst;
  }
  return worst;
}

Test(fuse, batch_norm_and_activations_disappear_into_the_ops_before_them) {
  qe_model_t *m = test_cnn(11);
  qe_tensor_t *x = test_random(4, (int64_t[]){2, 3, 8, 8}, 1.0f, 3), *before = test_run(m, x, 0);
  cr_assert_eq(qe_fuse(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(count_ops(m, "BatchNormalization"), 0u);
  cr_assert_eq(count_ops(m, "Relu"), 0u);
  cr_assert_eq(count_ops(m, "Clip"), 0u);
  cr_assert_eq(count_ops(m, "Conv"), 5u);
  qe_tensor_t *after = test_run(m, x, 0);
  cr_assert_lt(largest_difference(before, after), 1e-5f);
  qe_tensor_release(&x);
  qe_tensor_release(&before);
  qe_tensor_release(&after);
  qe_model_destroy(&m);
}

Test(fuse, a_value_with_other_readers_is_not_fused_away) {
  qe_model_t *m = NULL;
  qe_tensor_t *w = test_random(4, (int64_t[]){2, 1, 1, 1}, 1.0f, 1);
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){1, 1, 2, 2});
  const qe_value_t c = qe_conv2d(m, "conv", x, w, NULL, NULL), r = qe_relu(m, "relu", c);
  qe_output(m, "y", qe_add(m, "add", c, r));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_fuse(m), QE_OK);
  cr_assert_eq(count_ops(m, "Relu"), 1u);
  qe_tensor_release(&w);
  qe_model_destroy(&m);
}

Test(fuse, equalization_keeps_every_bit_of_the_float_model) {
  qe_model_t *m = NULL;
  qe_tensor_t *w = test_random(4, (int64_t[]){8, 3, 1, 1}, 0.3f, 1), *dw = test_random(4, (int64_t[]){8, 1, 3, 3}, 0.3f, 2);
  qe_tensor_t *gamma = test_filled(8, 0.01f, 0.05f), *beta = test_filled(8, 0.01f, 0.03f), *mean = test_filled(8, 0, 0), *var = test_filled(8, 0.3f, 0.01f);
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){-1, 3, 6, 6});
  x = qe_conv2d(m, "expand", x, w, NULL, NULL);
  x = qe_batch_norm(m, "bn", x, gamma, beta, mean, var, 1e-5f);
  x = qe_relu6(m, "relu6", x);
  const qe_value_t mid = qe_conv2d(m, "dw", x, dw, NULL, &(qe_conv_options_t){.padding = {1, 1}, .groups = 8});
  qe_output(m, "y", mid);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_fuse(m), QE_OK);
  qe_tensor_t *input = test_random(4, (int64_t[]){2, 3, 6, 6}, 1.0f, 3), *before = test_run(m, input, 0);
  const float *expand = qe_tensor_const_data(m->graph->values[m->graph->nodes[0]->in[1]].data);
  const float old = expand[0];
  cr_assert_eq(qe__equalize(m->graph), QE_OK, "%s", qe_last_error());
  expand = qe_tensor_const_data(m->graph->values[m->graph->nodes[0]->in[1]].data);
  cr_assert_gt(fabsf(expand[0]), fabsf(old) * 1.5f, "the small first channel was not scaled up: %g then %g", (double)old, (double)expand[0]);
  const char *scaled = qe_model_metadata(m, "qengine.equalization");
  cr_assert(scaled && strstr(scaled, m->graph->values[m->graph->nodes[0]->out[0]].name), "the scaled value is not recorded: %s", scaled ? scaled : "nothing");
  qe_tensor_t *after = test_run(m, input, 0);
  cr_assert_eq(memcmp(qe_tensor_const_data(before), qe_tensor_const_data(after), qe_tensor_bytes(before)), 0);
  qe_tensor_t *all[] = {w, dw, gamma, beta, mean, var, input, before, after};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) qe_tensor_release(&all[i]);
  qe_model_destroy(&m);
}

Test(fuse, a_weight_behind_a_transpose_becomes_a_constant) {
  qe_model_t *m = NULL;
  qe_tensor_t *w = test_random(2, (int64_t[]){4, 6}, 0.5f, 1), *b = test_random(1, (int64_t[]){4}, 0.5f, 2), *input = test_random(3, (int64_t[]){2, 3, 6}, 1.0f, 3);
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 3, (int64_t[]){-1, 3, 6});
  const qe_value_t wt = qe_transpose(m, "t", qe_constant(m, "w", w), 2, (int64_t[]){1, 0});
  qe_output(m, "y", qe_relu(m, "relu", qe_add(m, "add", qe_matmul(m, "mm", x, wt), qe_constant(m, "b", b))));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_tensor_t *before = test_run(m, input, 0);
  cr_assert_eq(qe_fuse(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_model_node_count(m), 1u, "%u nodes are left", qe_model_node_count(m));
  qe_tensor_t *after = test_run(m, input, 0);
  cr_assert_eq(memcmp(qe_tensor_const_data(before), qe_tensor_const_data(after), qe_tensor_bytes(before)), 0);
  qe_tensor_t *all[] = {w, b, input, before, after};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) qe_tensor_release(&all[i]);
  qe_model_destroy(&m);
}

/* ---- what looks like a pattern and is none: the result must stay what it was ---- */

static qe_value_t constant(qe_model_t *m, const char *name, uint32_t rank, const int64_t *dims) {
  qe_tensor_t *t = test_random(rank, dims, 1.0f, 91);
  const qe_value_t v = qe_constant(m, name, t);
  qe_tensor_release(&t);
  return v;
}

/* Finishes m with output y, and compares it before and after fusing. */
static void stays_the_same(qe_model_t *m, qe_value_t y, uint32_t rank, const int64_t *dims, const char *what) {
  qe_output(m, "y", y);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s: %s", what, qe_last_error());
  qe_tensor_t *x = test_random(rank, dims, 1.0f, 3), *before = test_run(m, x, 0);
  cr_assert_eq(qe_fuse(m), QE_OK, "%s: %s", what, qe_last_error());
  qe_tensor_t *after = test_run(m, x, 0);
  cr_assert_eq(qe_tensor_rank(after), qe_tensor_rank(before), "%s: rank %u, was %u", what, qe_tensor_rank(after), qe_tensor_rank(before));
  const float worst = largest_difference(before, after);
  cr_assert_lt(worst, 1e-5f, "%s: differs by %g", what, (double)worst);
  qe_tensor_release(&x);
  qe_tensor_release(&before);
  qe_tensor_release(&after);
  qe_model_destroy(&m);
}

Test(fuse, a_constant_along_the_rows_is_no_bias) {
  qe_model_t *m = NULL;
  const int64_t dims[4] = {1, 2, 4, 3};
  qe_tensor_t *w = test_random(4, (int64_t[]){4, 2, 1, 1}, 1.0f, 1);
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  const qe_value_t c = qe_conv2d(m, "conv", qe_input(m, "x", QE_FLOAT32, 4, dims), w, NULL, NULL);
  qe_tensor_release(&w);
  stays_the_same(m, qe_add(m, "add", c, constant(m, "c", 2, (int64_t[]){4, 1})), 4, dims, "[H,1] with as many rows as channels");
}

Test(fuse, a_constant_that_raises_the_rank_is_no_bias) {
  qe_model_t *m = NULL;
  const int64_t dims[2] = {2, 3};
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 2, dims), p = qe_matmul(m, "product", x, constant(m, "w", 2, (int64_t[]){3, 4}));
  stays_the_same(m, qe_add(m, "add", p, constant(m, "c", 3, (int64_t[]){1, 1, 4})), 2, dims, "[1,1,N] after a matrix");
}

Test(fuse, a_batch_norm_along_another_dimension_stays) {
  qe_model_t *m = NULL;
  const int64_t dims[3] = {2, 4, 3};
  qe_tensor_t *t[4] = {test_filled(4, 0.7f, 0.3f), test_filled(4, -0.3f, 0.2f), test_filled(4, 0.0f, 0.1f), test_filled(4, 0.5f, 0.5f)};
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 3, dims), p = qe_matmul(m, "product", x, constant(m, "w", 2, (int64_t[]){3, 4}));
  const qe_value_t y = qe_batch_norm(m, "bn", p, t[0], t[1], t[2], t[3], 1e-5f);
  for (int i = 0; i < 4; i++) qe_tensor_release(&t[i]);
  stays_the_same(m, y, 3, dims, "BatchNorm of [B,4,4]: channels are rows");
}

Test(fuse, integer_products_keep_their_activation) {
  qe_model_t *m = NULL;
  const int64_t dims[2] = {2, 2};
  qe_tensor_t *x = NULL, *w = NULL;
  cr_assert_eq(qe_tensor_from_data(QE_INT32, 2, dims, (int32_t[]){1, -2, 3, -4}, &x), QE_OK);
  cr_assert_eq(qe_tensor_from_data(QE_INT32, 2, dims, (int32_t[]){1, 1, 1, 1}, &w), QE_OK);
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  const qe_value_t p = qe_matmul(m, "product", qe_input(m, "x", QE_INT32, 2, dims), qe_constant(m, "w", w));
  qe_output(m, "y", qe_relu(m, "relu", p));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_fuse(m), QE_OK, "%s", qe_last_error());
  qe_tensor_t *y = test_run(m, x, 0);
  for (int i = 0; i < 4; i++) cr_assert_eq(((const int32_t *)qe_tensor_const_data(y))[i], 0, "element %d is %d, expected 0", i, ((const int32_t *)qe_tensor_const_data(y))[i]);
  qe_tensor_release(&x);
  qe_tensor_release(&w);
  qe_tensor_release(&y);
  qe_model_destroy(&m);
}
