/* Normalizations and softmax, exactly in the order of the contract. */
#include "naive.h"
#include "support/kernel_host.h"

static float terms[200000];

static float mean_of(int64_t n) { return naive_sum(terms, n) / (float)n; }

/* Mean and variance of terms[0..n). */
static float variance_of(int64_t n, float mean) {
  for (int64_t i = 0; i < n; ++i)
    terms[i] = (terms[i] - mean) * (terms[i] - mean);
  return mean_of(n);
}

Test(reference_norm, batch) {
  for (int constant = 0; constant < 2; ++constant) {
    float x[2 * 5 * 3 * 7], y[210], expected[210], p[4][5];
    uint64_t seed = 3;
    kh_fill_f32(&seed, x, 210, -1.0f, 1.0f);
    for (int i = 0; i < 4; ++i)
      kh_fill_f32(&seed, p[i], 5, i == 3 ? 0.1f : -1.0f, 1.0f);
    kh_case c = kh_new("BatchNormalization");
    kh_in(&c, KH_F32(x, 2, 5, 3, 7));
    for (int i = 0; i < 4; ++i) {
      kh_in(&c, KH_F32(p[i], 5));
      c.in[i + 1].constant = constant;
    }
    kh_out(&c, KH_F32(y, 2, 5, 3, 7));
    c.params.epsilon = 1e-3f;
    c.act_lo = 0.0f;
    kh_run(&c);
    for (int i = 0; i < 210; ++i) {
      const int k = i / 21 % 5;
      const float f = p[0][k] / sqrtf(p[3][k] + 1e-3f);
      float v = x[i] - p[2][k];
      v = v * f;
      v = v + p[1][k];
      expected[i] = naive_act(v, 0.0f, INFINITY);
    }
    kh_same_f32(expected, y, 210, "BatchNormalization");
    kh_case two = kh_new("BatchNormalization"); /* rank 2: channels are the last dimension */
    kh_in(&two, KH_F32(x, 42, 5));
    for (int i = 0; i < 4; ++i)
      kh_in(&two, KH_F32(p[i], 5));
    kh_out(&two, KH_F32(y, 42, 5));
    two.params.epsilon = 1e-3f;
    kh_run(&two);
    for (int i = 0; i < 210; ++i) {
      const float f = p[0][i % 5] / sqrtf(p[3][i % 5] + 1e-3f);
      expected[i] = (x[i] - p[2][i % 5]) * f + p[1][i % 5];
    }
    kh_same_f32(expected, y, 210, "BatchNormalization of rank 2");
  }
}

/* groups 0: InstanceNormalization */
static void check_groups(int64_t n, int64_t channels, int64_t plane, int64_t groups, uint64_t seed) {
  const int64_t total = n * channels * plane, g = groups ? groups : channels, each = groups ? channels / groups : 1;
  float *x = calloc((size_t)(total + 1), sizeof(float)), *y = calloc((size_t)(total + 1), sizeof(float));
  float *expected = calloc((size_t)(total + 1), sizeof(float)), scale[64], bias[64];
  cr_assert(x && y && expected && channels <= 64 && each * plane <= 200000);
  kh_fill_f32(&seed, x, total, -1.0f, 3.0f);
  kh_fill_f32(&seed, scale, channels, -1.0f, 1.0f);
  kh_fill_f32(&seed, bias, channels, -1.0f, 1.0f);
  kh_case c = kh_new(groups ? "GroupNormalization" : "InstanceNormalization");
  kh_in(&c, KH_F32(x, n, channels, plane / 2, 2));
  kh_in(&c, KH_F32(scale, channels));
  kh_in(&c, KH_F32(bias, channels));
  kh_out(&c, KH_F32(y, n, channels, plane / 2, 2));
  c.params.groups = groups;
  c.params.epsilon = 1e-5f;
  c.act_hi = 1.5f;
  kh_run(&c);
  for (int64_t b = 0; b < n * g; ++b) {
    const float *from = x + b * each * plane;
    memcpy(terms, from, sizeof(float) * (size_t)(each * plane));
    const float mean = mean_of(each * plane), var = variance_of(each * plane, mean);
    for (int64_t i = 0; i < each * plane; ++i) {
      const int64_t k = b % g * each + i / plane;
      const float f = scale[k] / sqrtf(var + 1e-5f);
      const float v = (from[i] - mean) * f;
      expected[b * each * plane + i] = naive_act(v + bias[k], -INFINITY, 1.5f);
    }
  }
  kh_same_f32(expected, y, total, c.op);
  free(x);
  free(y);
  free(expected);
}

Test(reference_norm, instance_and_group) {
  check_groups(2, 3, 34, 0, 1);
  check_groups(2, 6, 14, 3, 2);
  check_groups(1, 6, 10, 1, 3);
  check_groups(2, 4, 2, 4, 4);
  check_groups(0, 4, 2, 2, 5);
}

Test(reference_norm, chunks_of_65536) {
  check_groups(1, 2, 70000, 0, 6);
  check_groups(1, 2, 70000, 1, 7);
}

static void check_layer(int64_t rows, int64_t a, int64_t b, bool with_bias, bool with_stats, uint64_t seed) {
  static float x[20000], y[20000], expected[20000], scale[500], bias[500], mean[100], inv[100], want_mean[100],
      want_inv[100];
  const int64_t n = a * b;
  kh_fill_f32(&seed, x, rows * n, -1.0f, 2.0f);
  kh_fill_f32(&seed, scale, n, -1.0f, 1.0f);
  kh_fill_f32(&seed, bias, b, -1.0f, 1.0f);
  kh_case c = kh_new("LayerNormalization");
  kh_in(&c, KH_F32(x, rows, a, b));
  kh_in(&c, KH_F32(scale, a, b));
  if (with_bias)
    kh_in(&c, KH_F32(bias, b)); /* broadcast over a */
  kh_out(&c, KH_F32(y, rows, a, b));
  if (with_stats) {
    kh_out(&c, KH_F32(mean, rows, 1, 1));
    kh_out(&c, KH_F32(inv, rows, 1, 1));
  }
  c.params.axis = 1;
  c.params.epsilon = 1e-5f;
  kh_run(&c);
  for (int64_t r = 0; r < rows; ++r) {
    memcpy(terms, x + r * n, sizeof(float) * (size_t)n);
    want_mean[r] = mean_of(n);
    want_inv[r] = 1.0f / sqrtf(variance_of(n, want_mean[r]) + 1e-5f);
    for (int64_t i = 0; i < n; ++i) {
      float v = (x[r * n + i] - want_mean[r]) * want_inv[r];
      v = v * scale[i];
      expected[r * n + i] = with_bias ? v + bias[i % b] : v;
    }
  }
  kh_same_f32(expected, y, rows * n, "LayerNormalization");
  if (with_stats) {
    kh_same_f32(want_mean, mean, rows, "LayerNormalization mean");
    kh_same_f32(want_inv, inv, rows, "LayerNormalization inverse deviation");
  }
}

Test(reference_norm, layer) {
  check_layer(7, 1, 33, true, false, 1);
  check_layer(5, 4, 9, true, true, 2);
  check_layer(1, 1, 1, false, true, 3);
  check_layer(0, 3, 4, true, true, 4);
  check_layer(60, 3, 11, false, true, 5);
  check_layer(70, 2, 125, true, true, 6);
}

static void check_softmax(const char *op, int64_t outer, int64_t length, int64_t inner, uint64_t seed) {
  const int64_t total = outer * length * inner;
  float *x = calloc((size_t)(total + 1), sizeof(float)), *y = calloc((size_t)(total + 1), sizeof(float));
  float *expected = calloc((size_t)(total + 1), sizeof(float));
  double *ideal = calloc((size_t)(total + 1), sizeof(double));
  float *e = calloc((size_t)(length + 1), sizeof(float)), *shifted = calloc((size_t)(length + 1), sizeof(float));
  cr_assert(x && y && expected && ideal && e && shifted);
  kh_fill_f32(&seed, x, total, -5.0f, 5.0f);
  kh_case c = kh_new(op);
  kh_in(&c, KH_F32(x, outer, length, inner));
  kh_out(&c, KH_F32(y, outer, length, inner));
  c.params.axis = 1;
  kh_run(&c);
  const bool logarithm = strcmp(op, "LogSoftmax") == 0;
  for (int64_t r = 0; r < outer * inner; ++r) {
    const int64_t first = r / inner * length * inner + r % inner;
    float m = x[first];
    for (int64_t i = 0; i < length; ++i)
      m = fmaxf(m, x[first + i * inner]);
    double sum = 0.0;
    for (int64_t i = 0; i < length; ++i) {
      shifted[i] = x[first + i * inner] - m;
      sum += exp((double)shifted[i]);
    }
    /* exp through the engine's own op, so that the comparison below is exact. */
    kh_case exponent = kh_new("Exp");
    kh_in(&exponent, KH_F32(shifted, length));
    kh_out(&exponent, KH_F32(e, length));
    kh_run(&exponent);
    float lanes = naive_sum(e, length), log_lanes[1];
    kh_case log_case = kh_new("Log");
    kh_in(&log_case, KH_SCALAR(QE_DT_F32, &lanes));
    kh_out(&log_case, KH_SCALAR(QE_DT_F32, log_lanes));
    kh_run(&log_case);
    for (int64_t i = 0; i < length; ++i) {
      const double p = exp((double)shifted[i]) / sum;
      ideal[first + i * inner] = logarithm ? log(p) : p;
      expected[first + i * inner] = logarithm ? shifted[i] - log_lanes[0] : e[i] / lanes;
    }
  }
  kh_same_f32(expected, y, total, op);
  kh_close_f32(ideal, y, total, 2e-6, op);
  free(x);
  free(y);
  free(expected);
  free(ideal);
  free(e);
  free(shifted);
}

Test(reference_norm, softmax) {
  const char *const ops[2] = {"Softmax", "LogSoftmax"};
  for (uint64_t i = 0; i < 2; ++i) {
    check_softmax(ops[i], 7, 10, 1, i);
    check_softmax(ops[i], 2, 37, 3, i);
    check_softmax(ops[i], 1, 1, 1, i);
    check_softmax(ops[i], 90, 150, 1, i);
    check_softmax(ops[i], 1, 66000, 1, i);
    check_softmax(ops[i], 0, 3, 1, i);
  }
}

Test(reference_norm, softmax_of_special_rows) {
  float x[9] = {INFINITY, 1.0f, 2.0f, NAN, 1.0f, 2.0f, -INFINITY, 0.0f, 0.0f}, y[9];
  kh_case c = kh_new("Softmax");
  kh_in(&c, KH_F32(x, 3, 3));
  kh_out(&c, KH_F32(y, 3, 3));
  c.params.axis = 1;
  kh_run(&c);
  const float expected[9] = {NAN, 0.0f, 0.0f, NAN, NAN, NAN, 0.0f, 0.5f, 0.5f};
  cr_assert(isnan(y[0]));
  kh_same_f32(expected + 3, y + 3, 6, "Softmax");
}

Test(reference_norm, misfits_are_refused) {
  float x[12] = {0}, s[4] = {0}, y[12];
  kh_case c = kh_new("GroupNormalization");
  kh_in(&c, KH_F32(x, 1, 4, 3));
  kh_in(&c, KH_F32(s, 4));
  kh_in(&c, KH_F32(s, 4));
  kh_out(&c, KH_F32(y, 1, 4, 3));
  c.params.groups = 3;
  kh_refused(&c, "3 groups");
  c.params.groups = 2;
  c.in[2].dims[0] = 3;
  kh_refused(&c, "input 2");
  kh_case l = kh_new("LayerNormalization");
  kh_in(&l, KH_F32(x, 4, 3));
  kh_in(&l, KH_F32(s, 2));
  kh_out(&l, KH_F32(y, 4, 3));
  l.params.axis = 1;
  kh_refused(&l, "broadcast");
}
