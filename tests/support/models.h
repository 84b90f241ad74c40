/* Small models and data for tests, made by the building API. */
#ifndef TEST_SUPPORT_MODELS_H
#define TEST_SUPPORT_MODELS_H

#include <criterion/criterion.h>

#include "qengine.h"

/* Uniform in -scale..scale, the same for the same seed. */
static inline qe_tensor_t *test_random(uint32_t rank, const int64_t *dims, float scale, uint64_t seed) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, rank, dims, &t), QE_OK, "%s", qe_last_error());
  float *x = qe_tensor_data(t);
  uint64_t s = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
  for (int64_t i = 0; i < qe_tensor_count(t); i++) {
    s = s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    x[i] = scale * ((float)(s >> 40) / 8388608.0f - 1.0f);
  }
  return t;
}

static inline qe_tensor_t *test_filled(int64_t n, float from, float step) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 1, &n, &t), QE_OK, "%s", qe_last_error());
  for (int64_t i = 0; i < n; i++) ((float *)qe_tensor_data(t))[i] = from + step * (float)i;
  return t;
}

/* Tensors that a model under construction needs until it is finished. */
typedef struct test_pool {
  qe_tensor_t *all[32];
  int count;
  uint64_t seed;
} test_pool;

static inline qe_tensor_t *test_keep(test_pool *p, qe_tensor_t *t) {
  cr_assert_lt(p->count, 32);
  p->all[p->count++] = t;
  return t;
}

static inline qe_tensor_t *test_weight(test_pool *p, uint32_t rank, const int64_t *dims) {
  return test_keep(p, test_random(rank, dims, 0.4f, p->seed * 100 + (uint64_t)p->count));
}

static inline void test_pool_free(test_pool *p) {
  while (p->count > 0) qe_tensor_release(&p->all[--p->count]);
}

/*
 * x [batch,3,8,8] -> conv1 3x3 + bn1 + relu1 -> (branch: dw 3x3 + bn2 + relu6, pw 1x1) + skip -> relu2 -> max pool -> concat of two
 * 1x1 convolutions -> global average -> flatten -> fc -> y [batch,5].
 */
static inline qe_model_t *test_cnn(uint64_t seed) {
  qe_model_t *m = NULL;
  test_pool pool = {.seed = seed};
  cr_assert_eq(qe_model_create("cnn", &m), QE_OK);
#define W(...) test_weight(&pool, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})
#define V(count, from, step) test_keep(&pool, test_filled(count, from, step))
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){-1, 3, 8, 8});
  x = qe_conv2d(m, "conv1", x, W(6, 3, 3, 3), NULL, &(qe_conv_options_t){.padding = {1, 1}});
  x = qe_batch_norm(m, "bn1", x, V(6, 0.8f, 0.1f), V(6, -0.2f, 0.1f), V(6, 0.0f, 0.05f), V(6, 0.5f, 0.1f), 1e-5f);
  const qe_value_t skip = x = qe_relu(m, "relu1", x);
  x = qe_conv2d(m, "dw", x, W(6, 1, 3, 3), NULL, &(qe_conv_options_t){.padding = {1, 1}, .groups = 6});
  x = qe_batch_norm(m, "bn2", x, V(6, 1.0f, 0.1f), V(6, 0.1f, 0.1f), V(6, 0.0f, 0.02f), V(6, 0.4f, 0.1f), 1e-5f);
  x = qe_relu6(m, "relu6", x);
  x = qe_conv2d(m, "pw", x, W(6, 6, 1, 1), W(6), NULL);
  x = qe_add(m, "add", x, skip);
  x = qe_relu(m, "relu2", x);
  x = qe_max_pool2d(m, "pool", x, &(qe_pool_options_t){.kernel = {2, 2}});
  const qe_value_t a = qe_conv2d(m, "left", x, W(4, 6, 1, 1), W(4), NULL), b = qe_conv2d(m, "right", x, W(4, 6, 1, 1), W(4), NULL);
  x = qe_concat(m, "cat", 2, (qe_value_t[]){a, b}, 1);
  x = qe_global_avg_pool(m, "gap", x);
  x = qe_flatten(m, "flatten", x, 1);
  x = qe_linear(m, "fc", x, W(5, 8), W(5));
  qe_output(m, "y", x);
#undef W
#undef V
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  test_pool_free(&pool);
  return m;
}

/* Batches from..to - 1 of test_cnn's input. */
static inline void test_calibrate(qe_prepared_t *p, uint64_t from, uint64_t to) {
  for (uint64_t i = from; i < to; i++) {
    qe_named_tensor_t in = {"x", test_random(4, (int64_t[]){4, 3, 8, 8}, 1.0f, 1000 + i)};
    cr_assert_eq(qe_calibrate(p, 1, &in), QE_OK, "%s", qe_last_error());
    qe_tensor_release(&in.tensor);
  }
}

/* One run on the chosen engine; no_fuse: quantized nodes as dequantize, float op, quantize. The caller releases the result. */
static inline qe_tensor_t *test_run(const qe_model_t *m, qe_tensor_t *x, int no_fuse) {
  qe_session_t *s = NULL;
  qe_named_tensor_t in = {NULL, x}, out = {NULL, NULL};
  const qe_session_options_t o = {.struct_size = sizeof o, .no_fuse = no_fuse};
  cr_assert_eq(qe_session_create(m, &o, &s), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_session_run(s, 1, &in, 1, &out), QE_OK, "%s", qe_last_error());
  qe_session_destroy(&s);
  return out.tensor;
}

#endif
