/* QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear. */
#include "int_support.h"

static const uint8_t types[] = {QE_DT_U8, QE_DT_I8, QE_DT_U16, QE_DT_I16, QE_DT_I32};

static void store_code(void *x, uint8_t type, int64_t i, int32_t v) {
  if (kh_size(type) == 1)
    ((uint8_t *)x)[i] = (uint8_t)v;
  else if (kh_size(type) == 2)
    ((uint16_t *)x)[i] = (uint16_t)v;
  else
    ((int32_t *)x)[i] = v;
}

/* Constant and computed parameters, per tensor and per channel, against the formulas. */
static void check(uint8_t type, int32_t axis, bool computed, uint64_t seed) {
  enum { N = 2 * 3 * 4 };
  static const int64_t dims[3] = {2, 3, 4};
  uint64_t s = seed;
  const uint32_t count = axis < 0 ? 1 : (uint32_t)dims[axis];
  float x[N], scales[4], back[N];
  int32_t zeros[4], y[N], zero_codes[4];
  for (uint32_t i = 0; i < 4; ++i) {
    scales[i] = kh_float(&s, 0.01f, 0.3f);
    zeros[i] = type == QE_DT_I32 ? 0 : ti_zero(&s, type);
    store_code(zero_codes, type, i, zeros[i]);
  }
  for (int i = 0; i < N; ++i)
    x[i] = kh_int(&s, 0, 3) ? kh_float(&s, -40.0f, 40.0f) : (float)kh_int(&s, -200, 200) * 0.5f * scales[0];
  x[0] = NAN;
  x[1] = INFINITY;
  x[2] = -INFINITY;
  x[3] = 3e38f;
  kh_case q = kh_new("QuantizeLinear"), d = kh_new("DequantizeLinear");
  q.seed = d.seed = seed;
  kh_in(&q, KH_F32(x, 2, 3, 4));
  kh_out(&q, KH(type, y, 2, 3, 4));
  kh_in(&d, KH(type, y, 2, 3, 4));
  kh_out(&d, KH_F32(back, 2, 3, 4));
  if (computed) {
    const kh_tensor scale = count > 1 ? KH_F32(scales, count) : KH_SCALAR(QE_DT_F32, scales);
    const kh_tensor zero = count > 1 ? KH(type, zero_codes, count) : KH_SCALAR(type, zero_codes);
    kh_in(&q, scale);
    kh_in(&q, zero);
    kh_in(&d, scale);
    kh_in(&d, zero);
    q.params.axis = d.params.axis = axis < 0 ? 1 : axis;
    q.clamp_lo = q.clamp_hi = 0; /* a plan leaves these 0 for ops that are not quantized: they must not matter */
  } else {
    q.quantized = d.quantized = true;
    q.out[0] = kh_quantized(q.out[0], count, axis, scales, zeros);
    d.in[0] = kh_quantized(d.in[0], count, axis, scales, zeros);
  }
  kh_run(&q);
  kh_run(&d);
  for (int64_t i = 0; i < N; ++i) {
    const int64_t c = axis == 0 ? i / 12 : axis == 1 ? i / 4 % 3 : axis == 2 ? i % 4 : 0;
    const int32_t e = ti_round(x[i] / scales[c], zeros[c], ti_min(type), ti_max(type));
    cr_assert_eq(e, ti_code(y, type, i), "type %d axis %d: element %ld: expected %d, got %ld (seed %llu)", type, axis,
                 (long)i, e, (long)ti_code(y, type, i), (unsigned long long)seed);
    const float r = (float)((int64_t)e - zeros[c]) * scales[c];
    cr_assert_eq(r, back[i], "type %d axis %d: element %ld: expected %g, got %g", type, axis, (long)i, (double)r,
                 (double)back[i]);
  }
}

Test(reference_quantize, all_forms) {
  for (size_t t = 0; t < sizeof types; ++t)
    for (int32_t axis = -1; axis < 3; ++axis)
      for (uint64_t seed = 1; seed <= 4; ++seed) {
        check(types[t], axis, false, seed);
        check(types[t], axis, true, seed);
      }
}

Test(reference_quantize, every_code_survives_the_round_trip) {
  for (int type = 0; type < 2; ++type)
    for (uint64_t seed = 1; seed <= 50; ++seed) {
      uint64_t s = seed;
      const uint8_t dtype = type ? QE_DT_I8 : QE_DT_U8;
      const float scale = kh_float(&s, 1e-6f, 10.0f);
      const int32_t zero = ti_zero(&s, dtype);
      uint8_t q[256], again[256];
      float x[256];
      for (int i = 0; i < 256; ++i)
        q[i] = (uint8_t)i;
      kh_case d = kh_new("DequantizeLinear"), c = kh_new("QuantizeLinear");
      d.quantized = c.quantized = true;
      kh_in(&d, kh_quantized(KH(dtype, q, 256), 1, -1, &scale, &zero));
      kh_out(&d, KH_F32(x, 256));
      kh_run(&d);
      kh_in(&c, KH_F32(x, 256));
      kh_out(&c, kh_quantized(KH(dtype, again, 256), 1, -1, &scale, &zero));
      kh_run(&c);
      ti_same_bytes(q, again, 256, "round trip", seed);
    }
}

Test(reference_quantize, fused_clamp_and_missing_zero_point) {
  const float x[4] = {-1.0f, 0.5f, 1.5f, 300.0f}, one = 1.0f;
  const int32_t zero = 0;
  uint8_t y[4];
  kh_case c = kh_new("QuantizeLinear");
  c.quantized = true;
  c.clamp_lo = 1;
  c.clamp_hi = 6;
  kh_in(&c, KH_F32(x, 4));
  kh_out(&c, kh_quantized(KH(QE_DT_U8, y, 4), 1, -1, &one, &zero));
  kh_run(&c);
  ti_same_bytes((const uint8_t[]){1, 1, 2, 6}, y, 4, "clamped", 0);
  kh_case m = kh_new("QuantizeLinear");
  kh_in(&m, KH_F32(x, 4));
  kh_in(&m, KH_SCALAR(QE_DT_F32, &one));
  kh_out(&m, KH(QE_DT_U8, y, 4));
  kh_run(&m);
  ti_same_bytes((const uint8_t[]){0, 0, 2, 255}, y, 4, "no zero point", 0);
}

Test(reference_quantize, other_inputs) {
  const uint16_t half[4] = {0x3c00, 0xc000, 0x7c00, 0x7e00}; /* 1, -2, inf, nan */
  const int32_t whole[4] = {3, -3, 1000, INT32_MIN};
  const float scale = 0.5f;
  const int32_t zero = 10;
  int8_t y[4];
  kh_case c = kh_new("QuantizeLinear");
  c.quantized = true;
  kh_in(&c, KH(QE_DT_F16, half, 4));
  kh_out(&c, kh_quantized(KH(QE_DT_I8, y, 4), 1, -1, &scale, &zero));
  kh_run(&c);
  ti_same_bytes((const int8_t[]){12, 6, 127, 10}, y, 4, "float16", 0);
  c.in[0] = KH(QE_DT_I32, whole, 4);
  kh_run(&c);
  ti_same_bytes((const int8_t[]){16, 4, 127, -128}, y, 4, "int32", 0);
}

/* -- DynamicQuantizeLinear ----------------------------------------------------------------------------------------- */

static void dynamic(const float *x, int64_t n, uint8_t *y, float *scale, uint8_t *zero) {
  kh_case c = kh_new("DynamicQuantizeLinear");
  kh_in(&c, KH_F32(x, n));
  kh_out(&c, KH(QE_DT_U8, y, n));
  kh_out(&c, KH_SCALAR(QE_DT_F32, scale));
  kh_out(&c, KH_SCALAR(QE_DT_U8, zero));
  kh_run(&c);
}

Test(reference_dynamic_quantize, onnx_examples) {
  static const struct { float x[12]; int n; } cases[] = {
      {{0.0f, 2.0f, -3.0f, -2.5f, 1.34f, 0.5f}, 6},
      {{-1.0f, -2.1f, -1.3f, -2.5f, -3.34f, -4.0f}, 6},
      {{1.0f, 2.1f, 1.3f, 2.5f, 3.34f, 4.0f, 1.5f, 2.6f, 3.9f, 4.0f, 3.0f, 2.345f}, 12},
  };
  static const struct { float scale; uint8_t zero, y[12]; } expected[] = {
      {0.0196078438f, 153, {153, 255, 0, 26, 221, 179}},
      {0.0156862754f, 255, {191, 121, 172, 96, 42, 0}},
      {0.0156862754f, 0, {64, 134, 83, 159, 213, 255, 96, 166, 249, 255, 191, 149}},
  };
  for (int i = 0; i < 3; ++i) {
    float scale;
    uint8_t zero, y[12];
    dynamic(cases[i].x, cases[i].n, y, &scale, &zero);
    cr_assert_eq(scale, expected[i].scale, "case %d: scale %.9g, expected %.9g", i, (double)scale,
                 (double)expected[i].scale);
    cr_assert_eq(zero, expected[i].zero, "case %d: zero point %d, expected %d", i, zero, expected[i].zero);
    ti_same_bytes(expected[i].y, y, cases[i].n, "codes", (uint64_t)i);
  }
}

Test(reference_dynamic_quantize, degenerate_ranges) {
  float scale;
  uint8_t zero, y[4];
  dynamic((const float[]){0.0f, -0.0f, 0.0f}, 3, y, &scale, &zero);
  cr_assert(scale == 1.0f && zero == 0 && y[0] == 0, "all zero: scale %g, zero point %d, code %d", (double)scale, zero,
            y[0]);
  dynamic((const float[]){NAN, 1.0f, NAN}, 3, y, &scale, &zero);
  cr_assert(scale == 1.0f / 255.0f && zero == 0 && y[0] == 0 && y[1] == 255,
            "NaN: scale %g, zero point %d, codes %d %d", (double)scale, zero, y[0], y[1]);
  dynamic((const float[]){1e-45f, 0.0f}, 2, y, &scale, &zero);
  cr_assert(scale == 1.0f && zero == 0, "denormal: scale %g, zero point %d", (double)scale, zero);
  dynamic((const float[]){-INFINITY, INFINITY, 1.0f}, 3, y, &scale, &zero); /* no number is asked for, only order */
  dynamic(NULL, 0, y, &scale, &zero);
  cr_assert(scale == 1.0f && zero == 0, "empty: scale %g, zero point %d", (double)scale, zero);
}
