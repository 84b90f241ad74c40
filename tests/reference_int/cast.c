/* Cast between all element types. */
#include "int_support.h"

static void cast(uint8_t from, const void *x, uint8_t to, void *y, int64_t n) {
  kh_case c = kh_new("Cast");
  kh_in(&c, KH(from, x, n));
  kh_out(&c, KH(to, y, n));
  kh_run(&c);
}

Test(reference_cast, float_to_integer_truncates_and_saturates) {
  const float x[9] = {1.9f, -1.9f, 300.0f, -300.0f, NAN, INFINITY, -INFINITY, 3e9f, -0.5f};
  int8_t i8[9];
  uint8_t u8[9];
  int32_t i32[9];
  uint64_t u64[9];
  int64_t i64[9];
  cast(QE_DT_F32, x, QE_DT_I8, i8, 9);
  cast(QE_DT_F32, x, QE_DT_U8, u8, 9);
  cast(QE_DT_F32, x, QE_DT_I32, i32, 9);
  cast(QE_DT_F32, x, QE_DT_U64, u64, 9);
  cast(QE_DT_F32, x, QE_DT_I64, i64, 9);
  const int8_t e8[9] = {1, -1, 127, -128, 0, 127, -128, 127, 0};
  const uint8_t eu8[9] = {1, 0, 255, 0, 0, 255, 0, 255, 0};
  const int32_t e32[9] = {1, -1, 300, -300, 0, INT32_MAX, INT32_MIN, INT32_MAX, 0};
  const uint64_t eu64[9] = {1, 0, 300, 0, 0, UINT64_MAX, 0, 3000000000u, 0};
  const int64_t e64[9] = {1, -1, 300, -300, 0, INT64_MAX, INT64_MIN, 3000000000, 0};
  ti_same_bytes(e8, i8, 9, "int8", 0);
  ti_same_bytes(eu8, u8, 9, "uint8", 0);
  ti_same_bytes(e32, i32, 36, "int32", 0);
  ti_same_bytes(eu64, u64, 72, "uint64", 0);
  ti_same_bytes(e64, i64, 72, "int64", 0);
}

Test(reference_cast, integers_keep_their_low_bits) {
  const int64_t x[5] = {-1, 255, 256, INT64_MIN, 70000};
  uint8_t u8[5], b[5];
  int16_t i16[5];
  uint32_t u32[5];
  cast(QE_DT_I64, x, QE_DT_U8, u8, 5);
  cast(QE_DT_I64, x, QE_DT_I16, i16, 5);
  cast(QE_DT_I64, x, QE_DT_U32, u32, 5);
  cast(QE_DT_I64, x, QE_DT_BOOL, b, 5);
  for (int i = 0; i < 5; ++i) {
    cr_assert_eq(u8[i], (uint8_t)x[i]);
    cr_assert_eq(i16[i], (int16_t)x[i]);
    cr_assert_eq(u32[i], (uint32_t)x[i]);
    cr_assert_eq(b[i], 1);
  }
  const uint64_t big[2] = {UINT64_MAX, UINT64_C(1) << 63};
  float f[2];
  double d[2];
  cast(QE_DT_U64, big, QE_DT_F32, f, 2);
  cast(QE_DT_U64, big, QE_DT_F64, d, 2);
  cr_assert(f[0] == 0x1p64f && f[1] == 0x1p63f && d[0] == 0x1p64 && d[1] == 0x1p63, "%g %g %g %g", (double)f[0],
            (double)f[1], d[0], d[1]);
}

Test(reference_cast, bool_both_ways) {
  const float x[5] = {0.0f, -0.0f, 0.25f, NAN, -3.0f};
  uint8_t b[5];
  cast(QE_DT_F32, x, QE_DT_BOOL, b, 5);
  ti_same_bytes((const uint8_t[]){0, 0, 1, 1, 1}, b, 5, "to bool", 0);
  float y[5];
  cast(QE_DT_BOOL, b, QE_DT_F32, y, 5);
  kh_same_f32((const float[]){0, 0, 1, 1, 1}, y, 5, "from bool");
  const uint16_t half_one = 0x3c00;
  uint16_t h[5];
  cast(QE_DT_BOOL, b, QE_DT_F16, h, 5);
  cr_assert(h[0] == 0 && h[2] == half_one, "%x %x", h[0], h[2]);
}

Test(reference_cast, same_type_keeps_every_bit) {
  const uint32_t x[3] = {0x7fc12345, 0xff812345, 0x80000000};
  uint32_t y[3];
  cast(QE_DT_F32, x, QE_DT_F32, y, 3);
  ti_same_bytes(x, y, 12, "float32", 0);
}

/*
 * Every 16-bit pattern survives the way through float32 and float64; the middle between neighbours goes to the even
 * one.
 */
static void check_narrow(uint8_t type, uint16_t infinity) {
  static uint16_t bits[65536], back[65536];
  static float f[65536];
  static double d[65536], between[3 * 65536];
  static uint16_t rounded[3 * 65536];
  for (int i = 0; i < 65536; ++i)
    bits[i] = (uint16_t)i;
  cast(type, bits, QE_DT_F32, f, 65536);
  cast(QE_DT_F32, f, type, back, 65536);
  cast(type, bits, QE_DT_F64, d, 65536);
  for (int i = 0; i < 65536; ++i) {
    const bool nan = (i & 0x7fff) > infinity;
    cr_assert_eq(isnan(f[i]) != 0, nan, "%04x is %g", i, (double)f[i]);
    cr_assert(nan || (double)f[i] == d[i], "%04x: %g and %g", i, (double)f[i], d[i]);
    cr_assert(nan ? (back[i] & 0x7fff) > infinity : back[i] == bits[i], "%04x became %04x", i, back[i]);
  }
  for (int i = 0; i < infinity - 1; ++i) { /* positive, finite neighbours */
    const double middle = (d[i] + d[i + 1]) / 2;
    between[3 * i] = nextafter(middle, 0.0);
    between[3 * i + 1] = middle;
    between[3 * i + 2] = nextafter(middle, HUGE_VAL);
  }
  const int64_t n = 3 * (infinity - 1);
  cast(QE_DT_F64, between, type, rounded, n);
  for (int i = 0; i < infinity - 1; ++i) {
    cr_assert_eq(rounded[3 * i], i, "below the middle after %04x: %04x", i, rounded[3 * i]);
    cr_assert_eq(rounded[3 * i + 1], i + (i & 1), "the middle after %04x: %04x", i, rounded[3 * i + 1]);
    cr_assert_eq(rounded[3 * i + 2], i + 1, "above the middle after %04x: %04x", i, rounded[3 * i + 2]);
  }
}

Test(reference_cast, float16) {
  check_narrow(QE_DT_F16, 0x7c00);
  const float x[5] = {65519.996f, 65520.0f, -1e30f, 1.0f, 2.9802322e-8f};
  const uint16_t expected[5] = {0x7bff, 0x7c00, 0xfc00, 0x3c00, 0x0000};
  uint16_t y[5];
  cast(QE_DT_F32, x, QE_DT_F16, y, 5);
  ti_same_bytes(expected, y, 10, "float16", 0);
}

Test(reference_cast, bfloat16) {
  check_narrow(QE_DT_BF16, 0x7f80);
  const int64_t x[3] = {(INT64_C(1) << 60) + (INT64_C(1) << 52), (INT64_C(1) << 60) + (INT64_C(1) << 52) + 1,
                        -((INT64_C(1) << 60) + (INT64_C(1) << 52) + 1)};
  const uint16_t expected[3] = {0x5d80, 0x5d81, 0xdd81}; /* half a unit: to even; a bit more: up, in one rounding */
  uint16_t y[3];
  cast(QE_DT_I64, x, QE_DT_BF16, y, 3);
  ti_same_bytes(expected, y, 6, "bfloat16", 0);
}

Test(reference_cast, every_pair_runs) {
  static const uint8_t types[] = {QE_DT_F32, QE_DT_F64, QE_DT_F16, QE_DT_BF16, QE_DT_BOOL, QE_DT_U8, QE_DT_I8,
                                  QE_DT_U16, QE_DT_I16, QE_DT_U32, QE_DT_I32,  QE_DT_U64, QE_DT_I64};
  const float x[6] = {0.0f, 1.0f, 2.0f, 100.0f, 64.0f, 1.0f};
  for (size_t a = 0; a < sizeof types; ++a)
    for (size_t b = 0; b < sizeof types; ++b) {
      uint64_t u[6], v[6];
      float y[6];
      cast(QE_DT_F32, x, types[a], u, 6);
      cast(types[a], u, types[b], v, 6);
      cast(types[b], v, QE_DT_F32, y, 6);
      for (int i = 0; i < 6; ++i) {
        const bool through_bool = types[a] == QE_DT_BOOL || types[b] == QE_DT_BOOL;
        const float e = through_bool ? (x[i] != 0.0f ? 1.0f : 0.0f) : x[i];
        cr_assert_eq(y[i], e, "%d -> %d: expected %g, got %g", types[a], types[b], (double)e, (double)y[i]);
      }
    }
}
