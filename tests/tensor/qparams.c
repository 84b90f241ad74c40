/* choose_qparams as docs/numerics.md writes it. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tensor/tensor.h"

typedef struct choice {
  float min, max;
  qe_dtype_t dtype;
  int32_t lo, hi;
  int symmetric;
  float eps, scale;
  int32_t zero_point;
} choice;

Test(choose_qparams, values) {
  static const choice cases[] = {
    {-1, 3, QE_UINT8, 0, 255, 0, 0, 4.0f / 255, 64},
    {-1, 3, QE_INT8, -128, 127, 0, 0, 4.0f / 255, -64},
    {1, 3, QE_UINT8, 0, 255, 0, 0, 3.0f / 255, 0},
    {-3, -1, QE_UINT8, 0, 255, 0, 0, 3.0f / 255, 255},
    {0, 0, QE_UINT8, 0, 255, 0, 0, 0x1p-23f, 0},
    {0, 0, QE_INT8, -128, 127, 0, 0, 0x1p-23f, -128},
    {0, 0, QE_INT8, -128, 127, 1, 0, 0x1p-23f, 0},
    {-1, 1, QE_INT8, -128, 127, 1, 0, 1.0f / 127.5f, 0},
    {-1, 0.5f, QE_INT8, -127, 127, 1, 0, 1.0f / 127.0f, 0},
    {-1, 2, QE_UINT8, 0, 255, 1, 0, 2.0f / 127.5f, 128},
    {-1, 2, QE_UINT8, 0, 127, 1, 0, 2.0f / 63.5f, 63},
    {-1, 2, QE_UINT16, 0, 65535, 1, 0, 2.0f / 32767.5f, 32768},
    {-1, 2, QE_UINT4, 0, 15, 1, 0, 2.0f / 7.5f, 8},
    {-1, 1, QE_INT8, -64, 63, 0, 0, 2.0f / 127, 0},
    {-1e-30f, 1e-30f, QE_INT8, -128, 127, 0, 0.125f, 0.125f, -128},
    {-1, 1, QE_INT32, INT32_MIN, INT32_MAX, 0, 1e-12f, 2.0f / 4294967295.0f, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const choice *c = &cases[i];
    float s;
    int32_t z;
    cr_assert_eq(qe_choose_qparams(c->min, c->max, c->dtype, c->lo, c->hi, c->symmetric, c->eps, &s, &z), QE_OK,
                 "case %zu: %s", i, qe_last_error());
    cr_assert_eq(s, c->scale, "case %zu: scale %a, expected %a", i, (double)s, (double)c->scale);
    cr_assert_eq(z, c->zero_point, "case %zu: zero point %d, expected %d", i, z, c->zero_point);
  }
}

Test(choose_qparams, the_widest_range_has_a_finite_scale) {
  float s;
  int32_t z;
  cr_assert_eq(qe_choose_qparams(-FLT_MAX, FLT_MAX, QE_INT8, -128, 127, 0, 0, &s, &z), QE_OK);
  cr_assert(isfinite(s) && s > 0, "%g", (double)s);
  cr_assert_eq(z, 0);
  cr_assert_eq(qe_choose_qparams(-FLT_MAX, FLT_MAX, QE_INT8, -128, 127, 1, 0, &s, &z), QE_OK);
  cr_assert(isfinite(s) && s > 0, "%g", (double)s);
}

Test(choose_qparams, properties) {
  srand(20240);
  for (int i = 0; i < 20000; i++) {
    float a = ldexpf((float)rand() / (float)RAND_MAX - 0.5f, rand() % 80 - 40),
          b = ldexpf((float)rand() / (float)RAND_MAX - 0.5f, rand() % 80 - 40);
    if (a > b) {
      const float t = a;
      a = b;
      b = t;
    }
    float s;
    int32_t z;
    cr_assert_eq(qe_choose_qparams(a, b, QE_UINT8, 0, 255, 0, 0, &s, &z), QE_OK);
    cr_assert(isfinite(s) && s >= 0x1p-23f, "[%a, %a]: scale %a", (double)a, (double)b, (double)s);
    cr_assert(z >= 0 && z <= 255);
    cr_assert_eq(qe__quantize_value(0, s, z, 0, 255), z, "zero is exact");
    /* Both ends are representable within one step (half a step plus the rounding of the zero point). */
    const float lo = (float)(0 - z) * s, hi = (float)(255 - z) * s;
    cr_assert(lo <= fminf(a, 0) + s && hi >= fmaxf(b, 0) - s, "[%a, %a] -> [%a, %a]", (double)a, (double)b, (double)lo,
              (double)hi);
  }
}

Test(choose_qparams, misuse_is_an_error) {
  float s;
  int32_t z;
  cr_assert_eq(qe_choose_qparams(1, -1, QE_INT8, -128, 127, 0, 0, &s, &z), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_choose_qparams(INFINITY, -INFINITY, QE_INT8, -128, 127, 0, 0, &s, &z), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_choose_qparams(0, NAN, QE_INT8, -128, 127, 0, 0, &s, &z), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_choose_qparams(0, 1, QE_INT8, -129, 127, 0, 0, &s, &z), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_choose_qparams(0, 1, QE_INT8, 5, 5, 0, 0, &s, &z), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_choose_qparams(0, 1, QE_FLOAT32, 0, 5, 0, 0, &s, &z), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_choose_qparams(0, 1, QE_INT8, -128, 127, 0, -1, &s, &z), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_choose_qparams(0, 1, QE_INT8, -128, 127, 0, 0, NULL, &z), QE_ERROR_INVALID_ARGUMENT);
}
