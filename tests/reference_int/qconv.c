/* Conv, ConvTranspose and ConvInteger on codes against plain loops with int64 sums. */
#include "int_support.h"

typedef struct conv_case {
  int64_t n, c, o, groups;
  uint32_t spatial;
  int64_t in[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
  bool transposed, per_tensor, no_bias, real, variable_weight, shrink_clamp;
} conv_case;

typedef struct conv_data {
  conv_case k;
  uint64_t seed;
  int64_t out[3], x_count, w_count, y_count;
  uint8_t x_type, w_type, y_type;
  uint8_t *x, *w;
  int32_t *bias;
  float *real_bias;
  float x_scale, y_scale, *w_scales;
  int32_t x_zero, y_zero, *w_zeros, lo, hi;
  uint32_t w_params;
  int64_t *sums; /* exact */
} conv_data;

static int64_t product(const int64_t *dims, uint32_t n) {
  int64_t p = 1;
  for (uint32_t i = 0; i < n; ++i)
    p *= dims[i];
  return p;
}

/* Fields left 0 that must not be. */
static conv_case completed(conv_case k) {
  k.groups = k.groups ? k.groups : 1;
  for (uint32_t d = 0; d < k.spatial; ++d) {
    k.stride[d] = k.stride[d] ? k.stride[d] : 1;
    k.dilation[d] = k.dilation[d] ? k.dilation[d] : 1;
  }
  return k;
}

/* Coordinates of linear index i. */
static void unravel(int64_t i, const int64_t *dims, uint32_t n, int64_t *at) {
  for (uint32_t d = n; d-- > 0;) {
    at[d] = i % dims[d];
    i /= dims[d];
  }
}
static int64_t ravel(const int64_t *at, const int64_t *dims, uint32_t n) {
  int64_t i = 0;
  for (uint32_t d = 0; d < n; ++d)
    i = i * dims[d] + at[d];
  return i;
}

/* Scatters every product x * w to where it belongs: the same loop for Conv and ConvTranspose. */
static void exact_sums(conv_data *t) {
  const conv_case *k = &t->k;
  const uint32_t s = k->spatial;
  const int64_t in_px = product(k->in, s), out_px = product(t->out, s), taps = product(k->kernel, s);
  const int64_t ic = k->c / k->groups, oc = k->o / k->groups;
  for (int64_t n = 0; n < k->n; ++n)
    for (int64_t g = 0; g < k->groups; ++g)
      for (int64_t i = 0; i < ic; ++i)
        for (int64_t o = 0; o < oc; ++o)
          for (int64_t a = 0; a < (k->transposed ? in_px : out_px); ++a)
            for (int64_t tap = 0; tap < taps; ++tap) {
              int64_t anchor[3], tp[3], moved[3];
              unravel(a, k->transposed ? k->in : t->out, s, anchor);
              unravel(tap, k->kernel, s, tp);
              bool inside = true;
              for (uint32_t d = 0; d < s; ++d) {
                moved[d] = anchor[d] * k->stride[d] - k->pad[d] + tp[d] * k->dilation[d];
                inside = inside && moved[d] >= 0 && moved[d] < (k->transposed ? t->out[d] : k->in[d]);
              }
              if (!inside)
                continue;
              const int64_t m = ravel(moved, k->transposed ? t->out : k->in, s);
              const int64_t xp = k->transposed ? a : m, yp = k->transposed ? m : a;
              const int64_t wi =
                  k->transposed ? ((g * ic + i) * oc + o) * taps + tap : ((g * oc + o) * ic + i) * taps + tap;
              const int64_t channel = k->transposed ? o : g * oc + o;
              const int64_t xv = ti_code(t->x, t->x_type, (n * k->c + g * ic + i) * in_px + xp) - t->x_zero;
              const int64_t wv = ti_code(t->w, t->w_type, wi) - t->w_zeros[t->w_params > 1 ? channel : 0];
              t->sums[(n * k->o + g * oc + o) * out_px + yp] += xv * wv;
            }
}

static conv_data make(const conv_case *given, uint64_t seed) {
  conv_data t = {.k = completed(*given), .seed = seed};
  const conv_case *k = &t.k;
  uint64_t *s = &seed;
  const int64_t taps = product(k->kernel, k->spatial);
  for (uint32_t d = 0; d < k->spatial; ++d) {
    const int64_t reach = (k->kernel[d] - 1) * k->dilation[d] + 1;
    t.out[d] = k->transposed ? (k->in[d] - 1) * k->stride[d] + reach - k->pad[d] - k->pad_end[d]
                             : (k->in[d] + k->pad[d] + k->pad_end[d] - reach) / k->stride[d] + 1;
    cr_assert_geq(t.out[d], 0);
  }
  t.x_type = ti_pick8(s);
  t.w_type = kh_int(s, 0, 3) ? QE_DT_I8 : QE_DT_U8;
  t.y_type = k->real ? QE_DT_F32 : ti_pick8(s);
  t.x_count = k->n * k->c * product(k->in, k->spatial);
  t.w_count = k->c * k->o / k->groups * taps;
  t.y_count = k->n * k->o * product(t.out, k->spatial);
  t.x = ti_alloc(t.x_count);
  t.w = ti_alloc(t.w_count);
  ti_bytes(s, t.x, t.x_count);
  ti_bytes(s, t.w, t.w_count);
  t.x_scale = kh_float(s, 0.01f, 0.1f);
  t.x_zero = ti_zero(s, t.x_type);
  t.w_params = !k->per_tensor ? (uint32_t)(k->transposed ? k->o / k->groups : k->o) : 1;
  t.w_scales = ti_alloc((int64_t)t.w_params * 4);
  t.w_zeros = ti_alloc((int64_t)t.w_params * 4);
  for (uint32_t i = 0; i < t.w_params; ++i) {
    t.w_scales[i] = kh_float(s, 0.001f, 0.02f);
    t.w_zeros[i] = kh_int(s, 0, 1) ? 0 : ti_zero(s, t.w_type);
  }
  t.y_scale = kh_float(s, 0.5f, 1.0f) * t.x_scale * 0.01f * sqrtf((float)(taps * k->c / k->groups + 1)) * 30.0f;
  t.y_zero = k->real ? 0 : ti_zero(s, t.y_type);
  t.lo = ti_min(t.y_type);
  t.hi = ti_max(t.y_type);
  if (k->shrink_clamp && !k->real) {
    t.lo = (int32_t)kh_int(s, t.lo, t.hi);
    t.hi = (int32_t)kh_int(s, t.lo, t.hi);
  }
  if (!k->no_bias) {
    t.bias = ti_alloc(k->o * 4);
    t.real_bias = ti_alloc(k->o * 4);
    for (int64_t i = 0; i < k->o; ++i) {
      t.bias[i] = (int32_t)kh_int(s, -20000, 20000);
      t.real_bias[i] = kh_float(s, -2.0f, 2.0f);
    }
  }
  t.sums = ti_alloc(t.y_count * 8);
  exact_sums(&t);
  return t;
}

static void drop(conv_data *t) {
  free(t->x);
  free(t->w);
  free(t->bias);
  free(t->real_bias);
  free(t->w_scales);
  free(t->w_zeros);
  free(t->sums);
}

static kh_tensor tensor(uint8_t type, const void *data, int64_t d0, int64_t d1, const int64_t *rest, uint32_t n) {
  int64_t dims[5] = {d0, d1};
  for (uint32_t i = 0; i < n; ++i)
    dims[2 + i] = rest[i];
  return kh_tensor_make(type, (void *)(uintptr_t)data, n + 2, dims);
}

static kh_case case_of(const conv_data *t, const char *op, void *y) {
  const conv_case *k = &t->k;
  kh_case c = kh_new(op);
  c.seed = t->seed;
  c.params.spatial = k->spatial;
  c.params.groups = k->groups;
  for (uint32_t d = 0; d < k->spatial; ++d) {
    c.params.kernel[d] = k->kernel[d];
    c.params.stride[d] = k->stride[d];
    c.params.dilation[d] = k->dilation[d];
    c.params.pad_begin[d] = k->pad[d];
    c.params.pad_end[d] = k->pad_end[d];
  }
  kh_in(&c, tensor(t->x_type, t->x, k->n, k->c, k->in, k->spatial));
  kh_tensor w = k->transposed ? tensor(t->w_type, t->w, k->c, k->o / k->groups, k->kernel, k->spatial)
                              : tensor(t->w_type, t->w, k->o, k->c / k->groups, k->kernel, k->spatial);
  w.constant = !k->variable_weight;
  kh_in(&c, w);
  kh_out(&c, tensor(t->y_type, y, k->n, k->o, t->out, k->spatial));
  return c;
}

static void run_quantized(const conv_data *t, void *y) {
  const conv_case *k = &t->k;
  kh_case c = case_of(t, k->transposed ? "ConvTranspose" : "Conv", y);
  c.quantized = true;
  c.in[0] = kh_quantized(c.in[0], 1, -1, &t->x_scale, &t->x_zero);
  c.in[1] = kh_quantized(c.in[1], t->w_params, t->w_params > 1 ? (k->transposed ? 1 : 0) : -1, t->w_scales, t->w_zeros);
  if (!k->real)
    c.out[0] = kh_quantized(c.out[0], 1, -1, &t->y_scale, &t->y_zero);
  if (!k->no_bias)
    kh_in(&c, k->real ? kh_const(KH_F32(t->real_bias, k->o)) : kh_const(KH(QE_DT_I32, t->bias, k->o)));
  if (k->shrink_clamp) {
    c.clamp_lo = t->lo;
    c.clamp_hi = t->hi;
  }
  kh_run(&c);
}

static void check(const conv_case *given, uint64_t seed, const char *what) {
  conv_data t = make(given, seed);
  const conv_case *k = &t.k;
  const int64_t px = product(t.out, k->spatial);
  const int64_t size = k->real ? 4 : 1;
  void *y = ti_alloc(t.y_count * size), *expected = ti_alloc(t.y_count * size);
  for (int64_t i = 0; i < t.y_count; ++i) {
    const int64_t channel = px ? i / px % k->o : 0;
    const float product_scale = t.x_scale * t.w_scales[t.w_params > 1 ? channel % t.w_params : 0];
    if (k->real) {
      float v = (float)t.sums[i] * product_scale;
      if (!k->no_bias)
        v = v + t.real_bias[channel];
      ((float *)expected)[i] = v;
    } else {
      const float m = product_scale / t.y_scale;
      ti_store8(expected, i,
                ti_round((float)(t.sums[i] + (!k->no_bias ? t.bias[channel] : 0)) * m, t.y_zero, t.lo, t.hi));
    }
  }
  run_quantized(&t, y);
  ti_same_bytes(expected, y, t.y_count * size, what, seed);
  free(y);
  free(expected);
  drop(&t);
}

#define CASE_2D(...) {.spatial = 2, __VA_ARGS__}

Test(reference_qconv, many_shapes) {
  static const struct { const char *name; conv_case k; } cases[] = {
      {"3x3", CASE_2D(.n = 2, .c = 5, .o = 7, .in = {6, 7}, .kernel = {3, 3}, .pad = {1, 1}, .pad_end = {1, 1})},
      {"1x1", CASE_2D(.n = 1, .c = 33, .o = 70, .in = {4, 5}, .kernel = {1, 1})},
      {"stem", CASE_2D(.n = 2, .c = 3, .o = 16, .in = {13, 11}, .kernel = {3, 3}, .stride = {2, 2}, .pad = {1, 1},
                       .pad_end = {1, 1})},
      {"per tensor", CASE_2D(.n = 1, .c = 4, .o = 8, .in = {5, 5}, .kernel = {3, 3}, .per_tensor = true)},
      {"no bias", CASE_2D(.n = 1, .c = 4, .o = 8, .in = {5, 5}, .kernel = {3, 3}, .no_bias = true)},
      {"clamped", CASE_2D(.n = 1, .c = 4, .o = 9, .in = {5, 5}, .kernel = {3, 3}, .shrink_clamp = true)},
      {"real output", CASE_2D(.n = 1, .c = 4, .o = 9, .in = {5, 5}, .kernel = {3, 3}, .real = true)},
      {"real output without bias", CASE_2D(.n = 1, .c = 4, .o = 9, .in = {5, 5}, .kernel = {2, 2}, .real = true,
                                           .no_bias = true)},
      {"groups", CASE_2D(.n = 2, .c = 6, .o = 9, .groups = 3, .in = {5, 4}, .kernel = {3, 2}, .pad = {1, 0},
                         .pad_end = {0, 1})},
      {"depthwise", CASE_2D(.n = 2, .c = 19, .o = 19, .groups = 19, .in = {6, 5}, .kernel = {3, 3}, .pad = {1, 1},
                            .pad_end = {1, 1})},
      {"depthwise stride 2", CASE_2D(.n = 1, .c = 8, .o = 8, .groups = 8, .in = {9, 9}, .kernel = {3, 3},
                                     .stride = {2, 2}, .pad = {1, 1})},
      {"depth multiplier", CASE_2D(.n = 1, .c = 5, .o = 10, .groups = 5, .in = {5, 5}, .kernel = {3, 3},
                                   .pad = {1, 1}, .pad_end = {1, 1})},
      {"dilated", CASE_2D(.n = 1, .c = 3, .o = 5, .in = {9, 8}, .kernel = {3, 3}, .dilation = {2, 3}, .pad = {2, 3},
                          .pad_end = {2, 3})},
      {"pad beyond the kernel", CASE_2D(.n = 1, .c = 2, .o = 3, .in = {3, 3}, .kernel = {2, 2}, .pad = {4, 3},
                                        .pad_end = {3, 4})},
      {"computed weight", CASE_2D(.n = 1, .c = 4, .o = 9, .in = {5, 5}, .kernel = {3, 3}, .variable_weight = true)},
      {"empty batch", CASE_2D(.n = 0, .c = 4, .o = 9, .in = {5, 5}, .kernel = {3, 3})},
      {"long reduction", CASE_2D(.n = 1, .c = 200, .o = 3, .in = {3, 3}, .kernel = {3, 3}, .pad = {1, 1},
                                 .pad_end = {1, 1})},
      {"1d", {.n = 2, .c = 3, .o = 6, .groups = 1, .spatial = 1, .in = {12}, .kernel = {4}, .stride = {3},
              .dilation = {2}, .pad = {2},
              .pad_end = {3}}},
      {"3d", {.n = 1, .c = 3, .o = 4, .groups = 1, .spatial = 3, .in = {4, 3, 5}, .kernel = {2, 3, 2},
              .stride = {1, 2, 1},
              .dilation = {1, 1, 2}, .pad = {1, 1, 0}, .pad_end = {0, 1, 1}}},
      {"transposed", CASE_2D(.n = 2, .c = 4, .o = 6, .in = {4, 5}, .kernel = {3, 3}, .stride = {2, 2},
                             .pad = {1, 1}, .pad_end = {0, 0},
                             .transposed = true)},
      {"transposed groups", CASE_2D(.n = 1, .c = 6, .o = 4, .groups = 2, .in = {4, 5}, .kernel = {2, 3},
                                    .stride = {3, 2},
                                    .dilation = {2, 1}, .transposed = true)},
      {"transposed per tensor", CASE_2D(.n = 1, .c = 3, .o = 11, .in = {4, 3}, .kernel = {4, 4}, .stride = {2, 2},
                                        .pad = {1, 1},
                                        .pad_end = {1, 1}, .transposed = true, .per_tensor = true)},
      {"transposed depthwise", CASE_2D(.n = 1, .c = 5, .o = 5, .groups = 5, .in = {4, 3}, .kernel = {3, 3},
                                       .stride = {2, 2},
                                       .transposed = true, .shrink_clamp = true)},
      {"transposed real", CASE_2D(.n = 1, .c = 5, .o = 5, .in = {4, 3}, .kernel = {3, 3}, .stride = {2, 2},
                                  .transposed = true, .real = true)},
      {"transposed 1d", {.n = 2, .c = 3, .o = 6, .groups = 1, .spatial = 1, .in = {5}, .kernel = {4}, .stride = {3},
              .dilation = {2},
                         .pad = {2}, .pad_end = {1}, .transposed = true}},
      {"transposed 3d", {.n = 1, .c = 2, .o = 3, .groups = 1, .spatial = 3, .in = {2, 3, 2}, .kernel = {2, 2, 3},
              .stride = {2, 1, 2},
                         .dilation = {1, 1, 1}, .transposed = true}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i)
    for (uint64_t seed = 1; seed <= 3; ++seed)
      check(&cases[i].k, seed * 1000 + i, cases[i].name);
}

Test(reference_qconv, random_shapes) {
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    uint64_t s = seed;
    conv_case k = {.groups = kh_int(&s, 1, 3), .n = kh_int(&s, 1, 2), .spatial = (uint32_t)kh_int(&s, 1, 3)};
    k.c = k.groups * kh_int(&s, 1, 6);
    k.o = k.groups * kh_int(&s, 1, 12);
    k.transposed = kh_int(&s, 0, 2) == 0;
    for (uint32_t d = 0; d < k.spatial; ++d) {
      k.kernel[d] = kh_int(&s, 1, 3);
      k.stride[d] = kh_int(&s, 1, 3);
      k.dilation[d] = kh_int(&s, 1, 2);
      const int64_t reach = (k.kernel[d] - 1) * k.dilation[d] + 1;
      k.pad[d] = kh_int(&s, 0, reach - 1) / (k.transposed ? 2 : 1);
      k.pad_end[d] = kh_int(&s, 0, reach - 1) / (k.transposed ? 2 : 1);
      k.in[d] = reach + kh_int(&s, 0, 3);
    }
    k.no_bias = kh_int(&s, 0, 1);
    k.per_tensor = kh_int(&s, 0, 1);
    k.real = kh_int(&s, 0, 4) == 0;
    k.shrink_clamp = !k.real && kh_int(&s, 0, 2) == 0;
    k.variable_weight = !k.transposed && kh_int(&s, 0, 4) == 0;
    check(&k, seed, "random");
  }
}

Test(reference_qconv, conv_integer) {
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    conv_case k = CASE_2D(.n = 2, .c = 4, .o = 10, .in = {5, 6}, .kernel = {3, 2}, .pad = {1, 1}, .pad_end = {1, 0});
    if (seed % 3 == 0)
      k.groups = 2;
    if (seed % 6 == 1)
      k.groups = k.o = k.c;
    k.per_tensor = seed % 2;
    k.variable_weight = seed % 4 == 0;
    conv_data t = make(&k, seed);
    int32_t *y = ti_alloc(t.y_count * 4);
    uint8_t x_zero = (uint8_t)t.x_zero, w_zeros[16];
    for (uint32_t i = 0; i < t.w_params; ++i)
      w_zeros[i] = (uint8_t)t.w_zeros[i];
    t.y_type = QE_DT_I32;
    kh_case c = case_of(&t, "ConvInteger", y);
    kh_in(&c, KH_SCALAR(t.x_type, &x_zero));
    kh_tensor zeros = t.w_params > 1 ? KH(t.w_type, w_zeros, t.w_params) : KH_SCALAR(t.w_type, w_zeros);
    zeros.constant = seed % 5 != 0;
    kh_in(&c, zeros);
    kh_run(&c);
    for (int64_t i = 0; i < t.y_count; ++i)
      cr_assert_eq(y[i], t.sums[i], "element %ld: expected %ld, got %d (seed %llu)", (long)i, (long)t.sums[i], y[i],
                   (unsigned long long)seed);
    free(y);
    drop(&t);
  }
}

Test(reference_qconv, pair_sum_beyond_int16) {
  const uint8_t x[2] = {211, 171};
  const int8_t w[2] = {71, 107};
  const float one = 1.0f, y_scale = 33278.0f / 200.0f;
  const int32_t zero = 0;
  uint8_t y;
  kh_case c = kh_new("Conv");
  c.quantized = true;
  c.params.spatial = 1;
  c.params.groups = c.params.kernel[0] = c.params.stride[0] = c.params.dilation[0] = 1;
  kh_in(&c, kh_quantized(KH(QE_DT_U8, x, 1, 2, 1), 1, -1, &one, &zero));
  kh_in(&c, kh_const(kh_quantized(KH(QE_DT_I8, w, 1, 2, 1), 1, -1, &one, &zero)));
  kh_out(&c, kh_quantized(KH(QE_DT_U8, &y, 1, 1, 1), 1, -1, &y_scale, &zero));
  kh_run(&c);
  cr_assert_eq(y, 200, "211*71 + 171*107 = 33278 became %d", y);
}

/* -- consequences -------------------------------------------------------------------------------------------------- */

Test(reference_qconv, depthwise_equals_dense_with_zeros) {
  conv_case k =
      CASE_2D(.n = 1, .c = 6, .o = 6, .groups = 6, .in = {5, 5}, .kernel = {3, 3}, .pad = {1, 1}, .pad_end = {1, 1});
  conv_data t = make(&k, 77);
  uint8_t *y = ti_alloc(t.y_count), *dense = ti_alloc(t.y_count), *w = ti_alloc(6 * 6 * 9), *narrow = t.w;
  run_quantized(&t, y);
  for (int64_t o = 0; o < 6; ++o)
    for (int64_t i = 0; i < 6; ++i)
      for (int64_t j = 0; j < 9; ++j)
        w[(o * 6 + i) * 9 + j] = o == i ? t.w[o * 9 + j] : (uint8_t)t.w_zeros[o];
  t.k.groups = 1;
  t.w = w;
  run_quantized(&t, dense);
  ti_same_bytes(y, dense, t.y_count, "dense", 77);
  free(narrow);
  free(y);
  free(dense);
  drop(&t);
}

Test(reference_qconv, padding_equals_an_input_padded_with_the_zero_point) {
  conv_case k = CASE_2D(.n = 2, .c = 3, .o = 9, .in = {4, 5}, .kernel = {3, 3}, .pad = {1, 2}, .pad_end = {2, 1});
  conv_data t = make(&k, 78);
  uint8_t *y = ti_alloc(t.y_count), *again = ti_alloc(t.y_count), *small = t.x, *x = ti_alloc(2 * 3 * 7 * 8);
  run_quantized(&t, y);
  memset(x, (uint8_t)t.x_zero, 2 * 3 * 7 * 8);
  for (int64_t p = 0; p < 6; ++p)
    for (int64_t i = 0; i < 4; ++i)
      memcpy(x + (p * 7 + i + 1) * 8 + 2, small + (p * 4 + i) * 5, 5);
  t.x = x;
  t.k.in[0] = 7;
  t.k.in[1] = 8;
  memset(t.k.pad, 0, sizeof t.k.pad);
  memset(t.k.pad_end, 0, sizeof t.k.pad_end);
  run_quantized(&t, again);
  ti_same_bytes(y, again, t.y_count, "padded", 78);
  free(small);
  free(y);
  free(again);
  drop(&t);
}

Test(reference_qconv, fused_clamp_equals_clamping_afterwards) {
  conv_case k = CASE_2D(.n = 1, .c = 3, .o = 9, .in = {4, 5}, .kernel = {3, 3});
  conv_data t = make(&k, 79);
  uint8_t *y = ti_alloc(t.y_count), *fused = ti_alloc(t.y_count);
  run_quantized(&t, y);
  t.k.shrink_clamp = true;
  t.lo = t.y_zero;
  t.hi = t.y_zero + (ti_max(t.y_type) - t.y_zero) / 2;
  run_quantized(&t, fused);
  for (int64_t i = 0; i < t.y_count; ++i) {
    const int64_t v = ti_code(y, t.y_type, i), clamped = v < t.lo ? t.lo : v > t.hi ? t.hi : v;
    cr_assert_eq(clamped, ti_code(fused, t.y_type, i), "element %ld: expected %ld, got %ld", (long)i, (long)clamped,
                 (long)ti_code(fused, t.y_type, i));
  }
  free(y);
  free(fused);
  drop(&t);
}

Test(reference_qconv, batch_equals_its_samples) {
  conv_case k = CASE_2D(.n = 3, .c = 5, .o = 17, .in = {6, 6}, .kernel = {3, 3}, .pad = {1, 1}, .pad_end = {1, 1});
  conv_data t = make(&k, 80);
  uint8_t *y = ti_alloc(t.y_count), *one = ti_alloc(t.y_count), *x = t.x;
  run_quantized(&t, y);
  t.k.n = 1;
  for (int64_t n = 0; n < 3; ++n) {
    t.x = x + n * t.x_count / 3;
    run_quantized(&t, one);
    ti_same_bytes(y + n * t.y_count / 3, one, t.y_count / 3, "sample", 80);
  }
  t.x = x;
  free(y);
  free(one);
  drop(&t);
}

Test(reference_qconv, refusals) {
  conv_case k = CASE_2D(.n = 1, .c = 4, .o = 8, .in = {5, 5}, .kernel = {3, 3});
  conv_data t = make(&k, 1);
  uint8_t *y = ti_alloc(t.y_count);
  kh_case c = case_of(&t, "Conv", y);
  c.quantized = true;
  kh_refused(&c, "expected uint8 or int8 with one");
  c.in[0] = kh_quantized(c.in[0], 1, -1, &t.x_scale, &t.x_zero);
  kh_refused(&c, "pairs of parameters");
  c.in[1] = kh_quantized(c.in[1], 8, 1, t.w_scales, t.w_zeros);
  kh_refused(&c, "expected 8 along dimension 0");
  c.in[1].q_axis = 0;
  kh_refused(&c, "y is");
  c.out[0] = kh_quantized(c.out[0], 1, -1, &t.y_scale, &t.y_zero);
  kh_in(&c, KH_F32(t.real_bias, 8));
  kh_refused(&c, "the bias is float32");
  c.in[2] = KH(QE_DT_I32, t.bias, 8);
  c.in[1].dims[1] = 3;
  kh_refused(&c, "does not fit");
  free(y);
  drop(&t);
}
