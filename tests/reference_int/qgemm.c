/* Gemm, MatMul and MatMulInteger on codes against plain loops with int64 sums. */
#include "int_support.h"

/* One product [m,k] x [k,n]; the weight's parameters are one or n. */
typedef struct product {
  int64_t m, n, k;
  uint8_t a_type, b_type, y_type;
  uint8_t *a, *b; /* row-major */
  float a_scale, y_scale, *b_scales;
  int32_t a_zero, y_zero, *b_zeros, *bias;
  uint32_t b_params;
  uint8_t *y, *expected;
  uint64_t seed;
} product;

static int64_t exact(const product *t, int64_t i, int64_t j) {
  int64_t sum = 0;
  for (int64_t k = 0; k < t->k; ++k)
    sum += (ti_code(t->a, t->a_type, i * t->k + k) - t->a_zero) *
           (ti_code(t->b, t->b_type, k * t->n + j) - t->b_zeros[t->b_params > 1 ? j : 0]);
  return sum;
}

static product make(int64_t m, int64_t n, int64_t k, bool per_channel, bool bias, uint64_t seed) {
  uint64_t s = seed;
  product t = {.m = m, .n = n, .k = k, .seed = seed, .b_params = per_channel ? (uint32_t)n : 1};
  t.a_type = ti_pick8(&s);
  t.b_type = ti_pick8(&s);
  t.y_type = ti_pick8(&s);
  t.a = ti_alloc(m * k);
  t.b = ti_alloc(k * n);
  ti_bytes(&s, t.a, m * k);
  ti_bytes(&s, t.b, k * n);
  t.a_scale = kh_float(&s, 0.01f, 0.1f);
  t.y_scale = kh_float(&s, 0.1f, 1.0f) * sqrtf((float)(k + 1));
  t.a_zero = ti_zero(&s, t.a_type);
  t.y_zero = ti_zero(&s, t.y_type);
  t.b_scales = ti_alloc(t.b_params * 4);
  t.b_zeros = ti_alloc(t.b_params * 4);
  for (uint32_t i = 0; i < t.b_params; ++i) {
    t.b_scales[i] = kh_float(&s, 0.01f, 0.05f);
    t.b_zeros[i] = ti_zero(&s, t.b_type);
  }
  t.bias = bias ? ti_alloc(n * 4) : NULL;
  for (int64_t i = 0; bias && i < n; ++i)
    t.bias[i] = (int32_t)kh_int(&s, -100000, 100000);
  t.y = ti_alloc(m * n);
  t.expected = ti_alloc(m * n);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const float multiplier = (t.a_scale * t.b_scales[t.b_params > 1 ? j : 0]) / t.y_scale;
      ti_store8(t.expected, i * n + j,
                ti_round((float)(exact(&t, i, j) + (bias ? t.bias[j] : 0)) * multiplier, t.y_zero, ti_min(t.y_type),
                         ti_max(t.y_type)));
    }
  return t;
}

static void drop(product *t) {
  free(t->a);
  free(t->b);
  free(t->b_scales);
  free(t->b_zeros);
  free(t->bias);
  free(t->y);
  free(t->expected);
}

static uint8_t *transposed(const uint8_t *x, int64_t rows, int64_t cols) {
  uint8_t *y = ti_alloc(rows * cols);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j)
      y[j * rows + i] = x[i * cols + j];
  return y;
}

static void run_gemm(const product *t, bool trans_a, bool trans_b, bool constant) {
  uint8_t *a = trans_a ? transposed(t->a, t->m, t->k) : NULL, *b = trans_b ? transposed(t->b, t->k, t->n) : NULL;
  kh_case c = kh_new("Gemm");
  c.seed = t->seed;
  c.quantized = true;
  c.params.alpha = c.params.beta = 1.0f;
  c.params.trans_a = trans_a;
  c.params.trans_b = trans_b;
  kh_in(&c, kh_quantized(trans_a ? KH(t->a_type, a, t->k, t->m) : KH(t->a_type, t->a, t->m, t->k), 1, -1, &t->a_scale,
                         &t->a_zero));
  kh_tensor w = kh_quantized(trans_b ? KH(t->b_type, b, t->n, t->k) : KH(t->b_type, t->b, t->k, t->n), t->b_params,
                             t->b_params > 1 ? (trans_b ? 0 : 1) : -1, t->b_scales, t->b_zeros);
  w.constant = constant;
  kh_in(&c, w);
  kh_out(&c, kh_quantized(KH(t->y_type, t->y, t->m, t->n), 1, -1, &t->y_scale, &t->y_zero));
  if (t->bias)
    kh_in(&c, KH(QE_DT_I32, t->bias, t->n));
  kh_run(&c);
  free(a);
  free(b);
}

Test(reference_qgemm, shapes) {
  static const int64_t shapes[][3] = {{1, 1, 1},    {1, 10, 32}, {3, 8, 5}, {17, 65, 40}, {5, 300, 7},
                                      {70, 9, 129}, {2, 64, 0},  {0, 5, 3}, {130, 257, 3}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; ++i)
    for (uint64_t seed = 0; seed < 16; ++seed) {
      product t = make(shapes[i][0], shapes[i][1], shapes[i][2], seed & 1, seed & 2, seed * 100 + i + 1);
      run_gemm(&t, seed % 5 == 0, seed & 4, seed & 8);
      ti_same_bytes(t.expected, t.y, t.m * t.n, "Gemm", t.seed);
      drop(&t);
    }
}

Test(reference_qgemm, bias_broadcasts) {
  for (int form = 0; form < 4; ++form) {
    product t = make(4, 9, 12, true, false, 7 + (uint64_t)form);
    int32_t bias[36];
    uint64_t s = 3;
    for (int i = 0; i < 36; ++i)
      bias[i] = (int32_t)kh_int(&s, -50000, 50000);
    kh_case c = kh_new("Gemm");
    c.quantized = true;
    c.params.alpha = c.params.beta = 1.0f;
    kh_in(&c, kh_quantized(KH(t.a_type, t.a, 4, 12), 1, -1, &t.a_scale, &t.a_zero));
    kh_in(&c, kh_const(kh_quantized(KH(t.b_type, t.b, 12, 9), 9, 1, t.b_scales, t.b_zeros)));
    kh_in(&c, form == 0   ? KH_SCALAR(QE_DT_I32, bias)
              : form == 1 ? KH(QE_DT_I32, bias, 4, 1)
              : form == 2 ? KH(QE_DT_I32, bias, 4, 9)
                          : KH(QE_DT_I32, bias, 1, 9));
    kh_out(&c, kh_quantized(KH(t.y_type, t.y, 4, 9), 1, -1, &t.y_scale, &t.y_zero));
    kh_run(&c);
    for (int64_t i = 0; i < 4; ++i)
      for (int64_t j = 0; j < 9; ++j) {
        const int32_t b = bias[form == 0 ? 0 : form == 1 ? i : form == 2 ? i * 9 + j : j];
        const float m = (t.a_scale * t.b_scales[j]) / t.y_scale;
        const int32_t e = ti_round((float)(exact(&t, i, j) + b) * m, t.y_zero, ti_min(t.y_type), ti_max(t.y_type));
        cr_assert_eq(e, ti_code(t.y, t.y_type, i * 9 + j), "form %d [%ld,%ld]: expected %d, got %ld", form, (long)i,
                     (long)j, e, (long)ti_code(t.y, t.y_type, i * 9 + j));
      }
    drop(&t);
  }
}

Test(reference_qgemm, real_output) {
  product t = make(5, 11, 30, true, false, 9);
  float y[55], expected[55], bias[11];
  uint64_t s = 4;
  kh_fill_f32(&s, bias, 11, -1.0f, 1.0f);
  kh_case c = kh_new("Gemm");
  c.quantized = true;
  c.params.alpha = c.params.beta = 1.0f;
  c.act_lo = 0.0f;
  kh_in(&c, kh_quantized(KH(t.a_type, t.a, 5, 30), 1, -1, &t.a_scale, &t.a_zero));
  kh_in(&c, kh_const(kh_quantized(KH(t.b_type, t.b, 30, 11), 11, 1, t.b_scales, t.b_zeros)));
  kh_in(&c, KH_F32(bias, 11));
  kh_out(&c, KH_F32(y, 5, 11));
  kh_run(&c);
  for (int64_t i = 0; i < 55; ++i) {
    const float scaled = (float)exact(&t, i / 11, i % 11) * (t.a_scale * t.b_scales[i % 11]), v = scaled + bias[i % 11];
    expected[i] = v < 0.0f ? 0.0f : v;
  }
  kh_same_f32(expected, y, 55, "real Gemm");
  drop(&t);
}

Test(reference_qgemm, conv_1x1_is_a_gemm) {
  product t = make(6, 13, 20, true, true, 21); /* 6 pixels, 20 -> 13 channels */
  run_gemm(&t, false, false, true);
  uint8_t *x = transposed(t.a, 6, 20), *w = transposed(t.b, 20, 13), *y = ti_alloc(6 * 13), *back;
  kh_case c = kh_new("Conv");
  c.quantized = true;
  c.params.spatial = 1;
  c.params.groups = c.params.kernel[0] = c.params.stride[0] = c.params.dilation[0] = 1;
  kh_in(&c, kh_quantized(KH(t.a_type, x, 1, 20, 6), 1, -1, &t.a_scale, &t.a_zero));
  kh_in(&c, kh_const(kh_quantized(KH(t.b_type, w, 13, 20, 1), 13, 0, t.b_scales, t.b_zeros)));
  kh_in(&c, kh_const(KH(QE_DT_I32, t.bias, 13)));
  kh_out(&c, kh_quantized(KH(t.y_type, y, 1, 13, 6), 1, -1, &t.y_scale, &t.y_zero));
  kh_run(&c);
  back = transposed(y, 13, 6);
  ti_same_bytes(t.y, back, 6 * 13, "1x1 convolution", 21);
  free(x);
  free(w);
  free(y);
  free(back);
  drop(&t);
}

/* -- MatMul -------------------------------------------------------------------------------------------------------- */

Test(reference_qmatmul, matrix_weight) {
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    product t = make(6, 19, 23, seed & 1, seed & 2, seed);
    kh_case c = kh_new("MatMul");
    c.quantized = true;
    c.seed = seed;
    const int64_t dims[3] = {2, 3, 23}, out[3] = {2, 3, 19};
    const bool batched = seed & 8;
    kh_in(&c, kh_quantized(kh_tensor_make(t.a_type, t.a, batched ? 3 : 2, batched ? dims : (const int64_t[]){6, 23}), 1,
                           -1, &t.a_scale, &t.a_zero));
    kh_tensor w = kh_quantized(KH(t.b_type, t.b, 23, 19), t.b_params, t.b_params > 1 ? 1 : -1, t.b_scales, t.b_zeros);
    w.constant = seed & 4;
    kh_in(&c, w);
    kh_out(&c, kh_quantized(kh_tensor_make(t.y_type, t.y, batched ? 3 : 2, batched ? out : (const int64_t[]){6, 19}), 1,
                            -1, &t.y_scale, &t.y_zero));
    if (t.bias)
      kh_in(&c, KH(QE_DT_I32, t.bias, 19));
    kh_run(&c);
    ti_same_bytes(t.expected, t.y, 6 * 19, "MatMul", seed);
    drop(&t);
  }
}

Test(reference_qmatmul, two_activations_with_broadcast_batches) {
  enum { M = 4, N = 9, K = 6 };
  uint64_t s = 11;
  uint8_t a[3 * M * K], b[2 * K * N], y[6 * M * N];
  ti_bytes(&s, a, sizeof a);
  ti_bytes(&s, b, sizeof b);
  const float sa = 0.02f, sb = 0.03f, sy = 0.5f;
  const int32_t za = 200, zb = -7, zy = 3;
  kh_case c = kh_new("MatMul");
  c.quantized = true;
  kh_in(&c, kh_quantized(KH(QE_DT_U8, a, 1, 3, M, K), 1, -1, &sa, &za));
  kh_in(&c, kh_quantized(KH(QE_DT_I8, b, 2, 1, K, N), 1, -1, &sb, &zb));
  kh_out(&c, kh_quantized(KH(QE_DT_I8, y, 2, 3, M, N), 1, -1, &sy, &zy));
  kh_run(&c);
  for (int64_t u = 0; u < 2; ++u)
    for (int64_t v = 0; v < 3; ++v)
      for (int64_t i = 0; i < M; ++i)
        for (int64_t j = 0; j < N; ++j) {
          int64_t sum = 0;
          for (int64_t k = 0; k < K; ++k)
            sum += (a[(v * M + i) * K + k] - za) * ((int8_t)b[(u * K + k) * N + j] - zb);
          const int32_t e = ti_round((float)sum * ((sa * sb) / sy), zy, -128, 127);
          const int64_t at = ((u * 3 + v) * M + i) * N + j;
          cr_assert_eq(e, (int8_t)y[at], "element %ld: expected %d, got %d", (long)at, e, (int8_t)y[at]);
        }
}

Test(reference_qmatmul, vectors) {
  const uint8_t a[3] = {1, 2, 255}, b[3] = {4, 0, 255};
  uint8_t y;
  const float one = 1.0f, sy = 1000.0f;
  const int32_t zero = 0;
  kh_case c = kh_new("MatMul");
  c.quantized = true;
  kh_in(&c, kh_quantized(KH(QE_DT_U8, a, 3), 1, -1, &one, &zero));
  kh_in(&c, kh_quantized(KH(QE_DT_U8, b, 3), 1, -1, &one, &zero));
  kh_out(&c, kh_quantized(KH_SCALAR(QE_DT_U8, &y), 1, -1, &sy, &zero));
  kh_run(&c);
  cr_assert_eq(y, 65, "4 + 0 + 65025 in thousands became %d", y);
}

Test(reference_qmatmul, refuses_sums_that_could_overflow) {
  uint8_t *a = ti_alloc(40000), *b = ti_alloc(40000), y;
  const float one = 1.0f;
  const int32_t zero = 0;
  kh_case c = kh_new("MatMul");
  c.quantized = true;
  kh_in(&c, kh_quantized(KH(QE_DT_U8, a, 1, 40000), 1, -1, &one, &zero));
  kh_in(&c, kh_quantized(KH(QE_DT_U8, b, 40000, 1), 1, -1, &one, &zero));
  kh_out(&c, kh_quantized(KH(QE_DT_U8, &y, 1, 1), 1, -1, &one, &zero));
  kh_refused(&c, "could reach 2^31");
  free(a);
  free(b);
}

/* -- MatMulInteger ------------------------------------------------------------------------------------------------- */

Test(reference_matmul_integer, zero_points_of_all_kinds) {
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    product t = make(6, 19, 23, seed & 1, false, seed);
    const bool per_row = seed & 2;
    uint8_t a_zeros[6], b_zeros[19];
    for (int i = 0; i < 6; ++i)
      a_zeros[i] = (uint8_t)(per_row && i ? (uint64_t)(i * 37) + seed : (uint64_t)(int64_t)t.a_zero);
    for (uint32_t i = 0; i < t.b_params; ++i)
      b_zeros[i] = (uint8_t)t.b_zeros[i];
    int32_t y[6 * 19];
    kh_case c = kh_new("MatMulInteger");
    c.seed = seed;
    kh_in(&c, KH(t.a_type, t.a, 6, 23));
    kh_tensor w = KH(t.b_type, t.b, 23, 19);
    w.constant = seed & 4;
    kh_in(&c, w);
    kh_in(&c, per_row ? KH(t.a_type, a_zeros, 6) : KH_SCALAR(t.a_type, a_zeros));
    kh_tensor z = t.b_params > 1 ? KH(t.b_type, b_zeros, 19) : KH_SCALAR(t.b_type, b_zeros);
    z.constant = !(seed & 8);
    kh_in(&c, z);
    kh_out(&c, KH(QE_DT_I32, y, 6, 19));
    kh_run(&c);
    for (int64_t i = 0; i < 6; ++i)
      for (int64_t j = 0; j < 19; ++j) {
        product row = t;
        row.a_zero = (int32_t)ti_code(a_zeros, t.a_type, per_row ? i : 0);
        cr_assert_eq(y[i * 19 + j], exact(&row, i, j), "[%ld,%ld]: expected %ld, got %d (seed %llu)", (long)i, (long)j,
                     (long)exact(&row, i, j), y[i * 19 + j], (unsigned long long)seed);
      }
    drop(&t);
  }
}

Test(reference_matmul_integer, without_zero_points_and_empty) {
  const int8_t a[4] = {1, -128, 3, 127}, b[4] = {-128, 2, 127, -1};
  int32_t y[4];
  kh_case c = kh_new("MatMulInteger");
  kh_in(&c, KH(QE_DT_I8, a, 2, 2));
  kh_in(&c, KH(QE_DT_I8, b, 2, 2));
  kh_out(&c, KH(QE_DT_I32, y, 2, 2));
  kh_run(&c);
  const int32_t expected[4] = {-128 - 128 * 127, 2 + 128, -3 * 128 + 127 * 127, 6 - 127};
  for (int i = 0; i < 4; ++i)
    cr_assert_eq(y[i], expected[i], "element %d: expected %d, got %d", i, expected[i], y[i]);
  c.in[0] = KH(QE_DT_I8, a, 2, 0);
  c.in[1] = kh_const(KH(QE_DT_I8, b, 0, 2));
  kh_run(&c);
  for (int i = 0; i < 4; ++i)
    cr_assert_eq(y[i], 0, "an empty sum gave %d", y[i]);
}
