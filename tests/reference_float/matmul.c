/* Gemm and MatMul against plain loops in the canonical order. */
#include "naive.h"
#include "support/kernel_host.h"

static void check_gemm(int64_t m, int64_t n, int64_t k, bool ta, bool tb, int c_shape, float alpha, float beta,
                       bool constant, uint64_t seed) {
  float *a = malloc(sizeof(float) * (size_t)(m * k + 1)), *b = malloc(sizeof(float) * (size_t)(k * n + 1));
  float *c = malloc(sizeof(float) * (size_t)(m * n + m + n + 1)), *y = malloc(sizeof(float) * (size_t)(m * n + 1));
  float *expected = malloc(sizeof(float) * (size_t)(m * n + 1));
  cr_assert(a && b && c && y && expected);
  kh_fill_f32(&seed, a, m * k, -1.0f, 1.0f);
  kh_fill_f32(&seed, b, n * k, -1.0f, 1.0f);
  kh_fill_f32(&seed, c, m * n + m + n + 1, -1.0f, 1.0f);
  kh_case t = kh_new("Gemm");
  kh_in(&t, ta ? KH_F32(a, k, m) : KH_F32(a, m, k));
  kh_in(&t, tb ? KH_F32(b, n, k) : KH_F32(b, k, n));
  t.in[1].constant = constant;
  switch (c_shape) {
  case 1: kh_in(&t, KH_F32(c, n)); break;
  case 2: kh_in(&t, KH_F32(c, m, 1)); break;
  case 3: kh_in(&t, KH_F32(c, m, n)); break;
  case 4: kh_in(&t, KH_SCALAR(QE_DT_F32, c)); break;
  case 5: kh_in(&t, KH_F32(c, 1, n)); break;
  default: break;
  }
  kh_out(&t, KH_F32(y, m, n));
  t.params.alpha = alpha;
  t.params.beta = beta;
  t.params.trans_a = ta;
  t.params.trans_b = tb;
  t.act_lo = seed % 2 ? 0.0f : -INFINITY;
  t.seed = seed;
  kh_run(&t);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      naive_dot sum = {{0}};
      for (int64_t l = 0; l < k; ++l)
        naive_add(&sum, l, ta ? a[l * m + i] : a[i * k + l], tb ? b[j * k + l] : b[l * n + j]);
      float v = naive_total(&sum, k);
      if (alpha != 1.0f)
        v = alpha * v;
      if (c_shape) {
        float add = c[c_shape == 1 || c_shape == 5 ? j : c_shape == 2 ? i : c_shape == 3 ? i * n + j : 0];
        if (beta != 1.0f)
          add = beta * add;
        v = v + add;
      }
      expected[i * n + j] = naive_act(v, t.act_lo, t.act_hi);
    }
  kh_same_f32(expected, y, m * n, "Gemm");
  free(a);
  free(b);
  free(c);
  free(y);
  free(expected);
}

Test(reference_gemm, shapes_flags_and_factors) {
  for (uint64_t seed = 1; seed <= 80; ++seed) {
    uint64_t s = seed;
    cr_log_info("seed %llu", (unsigned long long)seed);
    check_gemm(kh_int(&s, 1, 40), kh_int(&s, 1, 3) == 1 ? kh_int(&s, 200, 600) : kh_int(&s, 1, 80), kh_int(&s, 1, 50),
               seed & 1, seed & 2, (int)(seed % 6), seed % 3 ? 1.0f : 0.7f, seed % 4 ? 1.0f : -1.3f, seed & 4, s);
  }
}

Test(reference_gemm, long_reduction) {
  check_gemm(2, 33, 9000, false, true, 1, 1.0f, 1.0f, true, 3);
  check_gemm(2, 3, 4096, true, false, 1, 1.0f, 1.0f, true, 4);
  check_gemm(1, 3, 4097, false, false, 0, 1.0f, 1.0f, false, 5);
}

Test(reference_gemm, empty_reduction_and_empty_output) {
  check_gemm(3, 4, 0, false, false, 1, 1.0f, 1.0f, true, 6);
  check_gemm(0, 4, 5, false, true, 1, 1.0f, 1.0f, true, 7);
  check_gemm(3, 0, 5, false, true, 0, 1.0f, 1.0f, true, 8);
}

Test(reference_gemm, misfits_are_refused) {
  float a[6] = {0}, b[6] = {0}, y[9];
  kh_case t = kh_new("Gemm");
  kh_in(&t, KH_F32(a, 2, 3));
  kh_in(&t, KH_F32(b, 2, 3));
  kh_out(&t, KH_F32(y, 2, 3));
  t.params.alpha = t.params.beta = 1.0f;
  kh_refused(&t, "does not give");
}

/* Products by double loops over broadcast batches. */
static void naive_matmul(const kh_tensor *a, const kh_tensor *b, const kh_tensor *y, const float *bias, float *out) {
  const int64_t k = a->dims[a->rank - 1], m = a->rank > 1 ? a->dims[a->rank - 2] : 1,
                n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
  const int64_t total = kh_count(y), batches = m * n > 0 ? total / (m * n) : 0;
  const int64_t batch_rank = (int64_t)y->rank - (a->rank > 1) - (b->rank > 1);
  for (int64_t batch = 0; batch < batches; ++batch) {
    int64_t index[QE_MAX_RANK], rest = batch, offset[2] = {0, 0};
    for (int64_t d = batch_rank; d-- > 0;) {
      index[d] = rest % y->dims[d];
      rest /= y->dims[d];
    }
    const kh_tensor *both[2] = {a, b};
    for (int o = 0; o < 2; ++o) {
      const int64_t lead = both[o]->rank > 2 ? (int64_t)both[o]->rank - 2 : 0;
      for (int64_t d = 0; d < lead; ++d)
        offset[o] = offset[o] * both[o]->dims[d] + (both[o]->dims[d] == 1 ? 0 : index[batch_rank - lead + d]);
    }
    const float *pa = (const float *)a->data + offset[0] * m * k, *pb = (const float *)b->data + offset[1] * k * n;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        naive_dot sum = {{0}};
        for (int64_t l = 0; l < k; ++l)
          naive_add(&sum, l, pa[i * k + l], pb[l * n + j]);
        out[(batch * m + i) * n + j] = naive_total(&sum, k) + (bias ? bias[j] : 0.0f);
      }
  }
}

static void check_matmul(kh_tensor a, kh_tensor b, kh_tensor y, bool with_bias, uint64_t seed) {
  static float da[20000], db[20000], dy[20000], bias[1000], expected[20000];
  cr_assert(kh_count(&a) <= 20000 && kh_count(&b) <= 20000 && kh_count(&y) <= 20000);
  kh_fill_f32(&seed, da, 20000, -1.0f, 1.0f);
  kh_fill_f32(&seed, db, 20000, -1.0f, 1.0f);
  kh_fill_f32(&seed, bias, 1000, -1.0f, 1.0f);
  a.data = da;
  b.data = db;
  y.data = dy;
  kh_case t = kh_new("MatMul");
  kh_in(&t, a);
  kh_in(&t, b);
  if (with_bias)
    kh_in(&t, KH_F32(bias, b.dims[b.rank - 1]));
  kh_out(&t, y);
  kh_run(&t);
  naive_matmul(&a, &b, &y, with_bias ? bias : NULL, expected);
  kh_same_f32(expected, dy, kh_count(&y), "MatMul");
}

Test(reference_matmul, batches_broadcast_and_vectors) {
  float none[1];
  check_matmul(KH_F32(none, 3, 5), KH_F32(none, 5, 7), KH_F32(none, 3, 7), false, 1);
  check_matmul(KH_F32(none, 3, 5), KH_F32(none, 5, 300), KH_F32(none, 3, 300), true, 2);
  check_matmul(KH_F32(none, 2, 3, 4, 5), KH_F32(none, 5, 6), KH_F32(none, 2, 3, 4, 6), true, 3);
  check_matmul(KH_F32(none, 2, 1, 4, 5), KH_F32(none, 3, 5, 6), KH_F32(none, 2, 3, 4, 6), false, 4);
  check_matmul(KH_F32(none, 4, 5), KH_F32(none, 2, 3, 5, 6), KH_F32(none, 2, 3, 4, 6), false, 5);
  check_matmul(KH_F32(none, 5), KH_F32(none, 5), KH_SCALAR(QE_DT_F32, none), false, 6);
  check_matmul(KH_F32(none, 5), KH_F32(none, 5, 4), KH_F32(none, 4), false, 7);
  check_matmul(KH_F32(none, 3, 5), KH_F32(none, 5), KH_F32(none, 3), false, 8);
  check_matmul(KH_F32(none, 2, 3, 5), KH_F32(none, 5), KH_F32(none, 2, 3), false, 9);
  check_matmul(KH_F32(none, 5), KH_F32(none, 2, 5, 4), KH_F32(none, 2, 4), false, 10);
  check_matmul(KH_F32(none, 2, 0), KH_F32(none, 0, 3), KH_F32(none, 2, 3), false, 11);
  check_matmul(KH_F32(none, 0, 2, 3), KH_F32(none, 3, 2), KH_F32(none, 0, 2, 2), false, 12);
}

Test(reference_matmul, other_types) {
  uint64_t seed = 5;
  double a[6], b[12], y[8];
  for (int i = 0; i < 6; ++i)
    a[i] = (double)kh_float(&seed, -1.0f, 1.0f);
  for (int i = 0; i < 12; ++i)
    b[i] = (double)kh_float(&seed, -1.0f, 1.0f);
  kh_case t = kh_new("MatMul");
  kh_in(&t, KH(QE_DT_F64, a, 2, 3));
  kh_in(&t, KH(QE_DT_F64, b, 3, 4));
  kh_out(&t, KH(QE_DT_F64, y, 2, 4));
  kh_run(&t);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 4; ++j) {
      double v = 0.0;
      for (int k = 0; k < 3; ++k)
        v = fma(a[i * 3 + k], b[k * 4 + j], v);
      cr_assert(v == y[i * 4 + j], "expected %g, got %g", v, y[i * 4 + j]);
    }
  int32_t ia[2] = {INT32_MAX, 2}, ib[2] = {3, -5}, iy[1];
  kh_case i = kh_new("MatMul");
  kh_in(&i, KH(QE_DT_I32, ia, 1, 2));
  kh_in(&i, KH(QE_DT_I32, ib, 2, 1));
  kh_out(&i, KH(QE_DT_I32, iy, 1, 1));
  kh_run(&i);
  cr_assert_eq(iy[0], (int32_t)(uint32_t)(3 * (int64_t)INT32_MAX - 10), "wraps: got %d", iy[0]);
  uint64_t ua[2] = {UINT64_MAX, 2}, ub[2] = {2, 7}, uy[1];
  kh_case u = kh_new("MatMul");
  kh_in(&u, KH(QE_DT_U64, ua, 2));
  kh_in(&u, KH(QE_DT_U64, ub, 2));
  kh_out(&u, KH_SCALAR(QE_DT_U64, uy));
  kh_run(&u);
  cr_assert_eq(uy[0], UINT64_MAX * 2u + 14u);
}

/* conv1x1 == gemm: the same sums under another name. */
Test(reference_matmul, conv_1x1_equals_matmul) {
  enum { P = 12, C = 70, O = 45 };
  static float x[C * P], xt[P * C], w[O * C], wt[C * O], y[O * P], yt[P * O];
  uint64_t seed = 3;
  kh_fill_f32(&seed, x, C * P, -1.0f, 1.0f);
  kh_fill_f32(&seed, w, O * C, -1.0f, 1.0f);
  for (int c = 0; c < C; ++c) {
    for (int p = 0; p < P; ++p)
      xt[p * C + c] = x[c * P + p];
    for (int o = 0; o < O; ++o)
      wt[c * O + o] = w[o * C + c];
  }
  kh_case t = kh_new("Conv");
  kh_in(&t, KH_F32(x, 1, C, P));
  kh_in(&t, kh_const(KH_F32(w, O, C, 1)));
  kh_out(&t, KH_F32(y, 1, O, P));
  t.params.spatial = 1;
  t.params.groups = t.params.kernel[0] = t.params.stride[0] = t.params.dilation[0] = 1;
  kh_run(&t);
  kh_case g = kh_new("MatMul");
  kh_in(&g, KH_F32(xt, P, C));
  kh_in(&g, KH_F32(wt, C, O));
  kh_out(&g, KH_F32(yt, P, O));
  kh_run(&g);
  for (int o = 0; o < O; ++o)
    for (int p = 0; p < P; ++p)
      cr_assert(y[o * P + p] == yt[p * O + o], "%.9g and %.9g", (double)y[o * P + p], (double)yt[p * O + o]);
}
