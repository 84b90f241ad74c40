/* qe_model_initialize: which inputs become constants, within which bounds, the same bytes twice, errors by name. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "graph/model.h"
#include "qengine.h"

#define DIMS(...) (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}
#define OK(call) cr_assert_eq(call, QE_OK, "%s", qe_last_error())

static qe_value_t op(qe_model_t *m, const char *name, const char *type, uint32_t n, const qe_value_t *in,
                     const char *attributes) {
  const qe_value_t v = qe_op(m, type, name, n, in, attributes);
  cr_assert_geq(v, 0, "%s: %s", name, qe_last_error());
  return v;
}
#define OP(name, type, attributes, ...)                                                                       \
  op(m, name, type, (uint32_t)(sizeof((qe_value_t[]){__VA_ARGS__}) / sizeof(qe_value_t)), (qe_value_t[]){__VA_ARGS__}, \
     attributes)
#define MISSING(name, ...) qe_input(m, name, QE_FLOAT32, DIMS(__VA_ARGS__))

/*
 * x [batch,8,9,9] -> conv (groups 2) -> bn -> relu -> up (transposed) -> prelu -> pool, flatten -> gemm (transB) -> matmul
 * + bias -> layer norm -> y, all parameters missing.
 */
static qe_model_t *without_weights(void) {
  qe_model_t *m = NULL;
  OK(qe_model_create("missing", &m));
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(-1, 8, 9, 9));
  x = OP("conv", "Conv", "{\"group\": 2, \"pads\": [1, 1, 1, 1]}", x, MISSING("conv.w", 32, 4, 3, 3), MISSING("conv.b", 32));
  x = OP("bn", "BatchNormalization", NULL, x, MISSING("bn.w", 32), MISSING("bn.b", 32), MISSING("bn.mean", 32), MISSING("bn.var", 32));
  x = OP("relu", "Relu", NULL, x);
  x = OP("up", "ConvTranspose", NULL, x, MISSING("up.w", 32, 16, 2, 2));
  x = OP("prelu", "PRelu", NULL, x, MISSING("slope", 16, 1, 1));
  x = OP("flat", "Flatten", NULL, OP("gap", "GlobalAveragePool", NULL, x));
  x = OP("gemm", "Gemm", "{\"transB\": 1}", x, MISSING("gemm.w", 40, 16), MISSING("gemm.b", 40));
  x = OP("matmul", "MatMul", NULL, x, MISSING("matmul.w", 40, 24));
  x = OP("add", "Add", NULL, x, MISSING("matmul.b", 24));
  x = OP("ln", "LayerNormalization", NULL, x, MISSING("ln.w", 24), MISSING("ln.b", 24));
  qe_output(m, "y", x);
  OK(qe_model_finish(m));
  return m;
}

static const qe_tensor_t *constant(const qe_model_t *m, const char *name) {
  const qe__value_id v = qe__graph_find_value(m->graph, name);
  cr_assert_geq(v, 0, "%s", name);
  cr_assert_not_null(m->graph->values[v].data, "%s is no constant", name);
  return m->graph->values[v].data;
}

/* Uniform within the bound: nothing beyond it, the largest close to it, the middle near 0, deviation bound / sqrt(3). */
static void expect_uniform(const qe_model_t *m, const char *name, double bound) {
  const qe_tensor_t *t = constant(m, name);
  const float *x = t->data;
  double most = 0.0, sum = 0.0, squares = 0.0;
  for (int64_t i = 0; i < t->count; i++) {
    most = fmax(most, fabs((double)x[i]));
    sum += (double)x[i];
    squares += (double)x[i] * (double)x[i];
  }
  const double n = (double)t->count;
  cr_expect_leq(most, bound * (1.0 + 1e-6), "%s reaches %g, bound %g", name, most, bound);
  cr_expect_gt(most, bound * (1.0 - 12.0 / n), "%s reaches only %g of %g", name, most, bound);
  cr_expect_lt(fabs(sum / n), 4.0 * bound / sqrt(3.0 * n), "%s: mean %g", name, sum / n);
  cr_expect_float_eq(sqrt(squares / n), bound / sqrt(3.0), bound * 3.0 / sqrt(n), "%s: deviation %g", name, sqrt(squares / n));
}

static void expect_all(const qe_model_t *m, const char *name, float value) {
  const qe_tensor_t *t = constant(m, name);
  for (int64_t i = 0; i < t->count; i++) cr_assert_eq(((const float *)t->data)[i], value, "%s[%d]", name, (int)i);
}

Test(initialize, parameters_become_constants_of_their_kind) {
  qe_model_t *m = without_weights();
  uint32_t count = 99;
  OK(qe_model_initialize(m, 7, 0, &count));
  cr_expect_eq(count, 14u, "%u", count);
  cr_expect_eq(qe_model_input_count(m), 1u);
  cr_expect_str_eq(m->graph->values[m->graph->inputs[0]].name, "x");
  OK(qe__graph_verify(m->graph));
  expect_uniform(m, "conv.w", sqrt(6.0 / 36.0));                  /* 4 * 3 * 3, a Relu behind the BatchNorm */
  expect_uniform(m, "up.w", sqrt(6.0 / 128.0));                   /* 32 * 2 * 2, a PRelu */
  expect_uniform(m, "gemm.w", sqrt(6.0 / (16.0 + 40.0)));         /* no activation */
  expect_uniform(m, "matmul.w", sqrt(6.0 / (40.0 + 24.0)));
  expect_all(m, "conv.b", 0.0f);
  expect_all(m, "gemm.b", 0.0f);
  expect_all(m, "matmul.b", 0.0f);
  expect_all(m, "bn.w", 1.0f);
  expect_all(m, "bn.b", 0.0f);
  expect_all(m, "bn.mean", 0.0f);
  expect_all(m, "bn.var", 1.0f);
  expect_all(m, "slope", 0.25f);
  expect_all(m, "ln.w", 1.0f);
  expect_all(m, "ln.b", 0.0f);
  OK(qe_model_initialize(m, 8, 0, &count)); /* nothing is missing any more */
  cr_expect_eq(count, 0u);
  qe_model_destroy(&m);
}

Test(initialize, a_table_is_normal_and_recurrent_weights_go_by_the_hidden_size) {
  qe_model_t *m = NULL;
  OK(qe_model_create("language", &m));
  qe_value_t x = qe_input(m, "tokens", QE_INT64, DIMS(-1, -1));
  x = OP("embedding", "Gather", NULL, MISSING("table", 300, 40), x);
  x = OP("lstm", "LSTM", "{\"hidden_size\": 25}", x, MISSING("w", 1, 100, 40), MISSING("r", 1, 100, 25), MISSING("b", 1, 200));
  qe_output(m, "y", x);
  OK(qe_model_finish(m));
  OK(qe_model_initialize(m, 1, 0, NULL));
  expect_uniform(m, "w", 0.2);
  expect_uniform(m, "r", 0.2);
  expect_all(m, "b", 0.0f);
  const qe_tensor_t *t = constant(m, "table");
  double sum = 0.0, squares = 0.0, fourth = 0.0;
  for (int64_t i = 0; i < t->count; i++) {
    const double v = (double)((const float *)t->data)[i];
    sum += v;
    squares += v * v;
    fourth += v * v * v * v;
  }
  const double n = (double)t->count;
  cr_expect_lt(fabs(sum / n), 4.0 / sqrt(n));
  cr_expect_float_eq(squares / n, 1.0, 0.06, "variance %g", squares / n);
  cr_expect_float_eq(fourth / n, 2.9, 0.3, "fourth moment %g", fourth / n); /* 3 of a normal deviate, 2.9 of the sum of 12 */
  qe_model_destroy(&m);
}

/* These bytes are part of what "the same seed gives the same model" promises. */
Test(initialize, same_seed_same_bytes_other_seed_other_bytes) {
  qe_model_t *a = without_weights(), *b = without_weights(), *c = without_weights();
  OK(qe_model_initialize(a, 5, 0, NULL));
  OK(qe_model_initialize(b, 5, 0, NULL));
  OK(qe_model_initialize(c, 6, 0, NULL));
  for (uint32_t v = 0; v < a->graph->n_values; v++) {
    const qe_tensor_t *x = a->graph->values[v].data, *y = b->graph->values[v].data, *z = c->graph->values[v].data;
    if (x == NULL) continue;
    cr_assert_eq(memcmp(x->data, y->data, x->bytes), 0, "%s", a->graph->values[v].name);
    const bool random = strstr(a->graph->values[v].name, ".w") && x->rank > 1;
    if (random) cr_assert_neq(memcmp(x->data, z->data, x->bytes), 0, "%s", a->graph->values[v].name);
  }
  static const uint32_t first[4] = {0x3e982eb3, 0xbea6339e, 0x3d162776, 0xbeb197f8};
  cr_expect_eq(memcmp(constant(a, "conv.w")->data, first, sizeof first), 0, "%#x %#x %#x %#x",
               ((const uint32_t *)constant(a, "conv.w")->data)[0], ((const uint32_t *)constant(a, "conv.w")->data)[1],
               ((const uint32_t *)constant(a, "conv.w")->data)[2], ((const uint32_t *)constant(a, "conv.w")->data)[3]);
  qe_model_destroy(&a);
  qe_model_destroy(&b);
  qe_model_destroy(&c);
}

Test(initialize, all_replaces_what_is_there_and_leaves_clones_alone) {
  qe_model_t *m = NULL, *clone = NULL;
  qe_tensor_t *w = NULL, *b = NULL;
  uint32_t count;
  OK(qe_model_create("zeros", &m));
  OK(qe_tensor_create(QE_FLOAT32, DIMS(12, 3, 5), &w));
  OK(qe_tensor_create(QE_FLOAT32, DIMS(12), &b));
  ((float *)b->data)[3] = 2.0f;
  qe_output(m, "y", qe_conv1d(m, "conv", qe_input(m, "x", QE_FLOAT32, DIMS(-1, 3, 20)), w, b, NULL));
  OK(qe_model_finish(m));
  OK(qe_model_clone(m, &clone));
  OK(qe_model_initialize(m, 1, 0, &count));
  cr_expect_eq(count, 0u);
  OK(qe_model_initialize(m, 1, 1, &count));
  cr_expect_eq(count, 2u);
  expect_uniform(m, "conv.weight", sqrt(6.0 / (15.0 + 60.0)));
  expect_all(m, "conv.bias", 0.0f);
  expect_all(clone, "conv.weight", 0.0f);
  cr_expect_eq(((const float *)w->data)[0], 0.0f);
  qe_tensor_release(&w);
  qe_tensor_release(&b);
  qe_model_destroy(&m);
  qe_model_destroy(&clone);
}

/* Products of two inputs, and rows of an input, are data where dimensions are open; a turned weight is still a weight. */
Test(initialize, data_stays_data) {
  qe_model_t *m = NULL;
  uint32_t count;
  OK(qe_model_create("attention", &m));
  const qe_value_t q = qe_input(m, "q", QE_FLOAT32, DIMS(-1, 16)), k = qe_input(m, "k", QE_FLOAT32, DIMS(16, -1));
  const qe_value_t w = MISSING("w", 30, 16);
  const qe_value_t turned = OP("turn", "Transpose", "{\"perm\": [1, 0]}", w);
  qe_output(m, "scores", OP("scores", "MatMul", NULL, q, k));
  qe_output(m, "y", OP("linear", "MatMul", NULL, q, turned));
  OK(qe_model_finish(m));
  OK(qe_model_initialize(m, 3, 0, &count));
  cr_expect_eq(count, 1u);
  cr_expect_eq(qe_model_input_count(m), 2u);
  expect_uniform(m, "w", sqrt(6.0 / 46.0));
  qe_model_destroy(&m);
}

Test(initialize, an_open_dimension_is_an_error_that_names_the_input_and_changes_nothing) {
  qe_model_t *m = NULL;
  uint32_t count = 5;
  OK(qe_model_create("open", &m));
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, DIMS(-1, 3, 8, 8));
  x = OP("bn", "BatchNormalization", NULL, x, MISSING("s", 3), MISSING("t", 3), MISSING("mean", 3), MISSING("var", 3));
  qe_output(m, "y", OP("conv", "Conv", NULL, x, MISSING("kernel", -1, 3, 3, 3)));
  OK(qe_model_finish(m));
  cr_assert_eq(qe_model_initialize(m, 1, 0, &count), QE_ERROR_SHAPE);
  cr_expect(strstr(qe_last_error(), "'kernel'") && strstr(qe_last_error(), "'conv'"), "%s", qe_last_error());
  cr_expect_eq(count, 0u);
  cr_expect_eq(qe_model_input_count(m), 6u);
  qe_model_destroy(&m);
  cr_expect_eq(qe_model_initialize(NULL, 1, 0, NULL), QE_ERROR_INVALID_ARGUMENT);
}
