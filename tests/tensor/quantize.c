/* The scalar arithmetic of quantization: rounding, saturation, special values, properties that hold for every code. */
#include <criterion/criterion.h>
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/tensor.h"

static const qe_dtype_t kinds[] = {QE_INT8, QE_UINT8, QE_INT16, QE_UINT16, QE_INT32, QE_INT4, QE_UINT4};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

Test(quantize, values) {
  static const struct { float x, s; int32_t z, lo, hi, q;
  } cases[] = {
      {0.5f,           1,            0,         -128,      127,       0        },
      {1.5f,           1,            0,         -128,      127,       2        },
      {2.5f,           1,            0,         -128,      127,       2        },
      {-0.5f,          1,            0,         -128,      127,       0        },
      {-1.5f,          1,            0,         -128,      127,       -2       },
      {0.5f,           1,            3,         0,         255,       3        },
      {1e30f,          1,            3,         0,         255,       255      },
      {-1e30f,         1e-30f,       3,         0,         255,       0        },
      {FLT_MAX,        FLT_MIN,      0,         INT32_MIN, INT32_MAX, INT32_MAX},
      {-FLT_MAX,       FLT_TRUE_MIN, 0,         INT32_MIN, INT32_MAX, INT32_MIN},
      {FLT_TRUE_MIN,   FLT_MAX,      7,         -128,      127,       7        },
      {4294967296.0f,  1,            INT32_MIN, INT32_MIN, INT32_MAX, INT32_MAX},
      {2147483648.0f,  1,            INT32_MIN, INT32_MIN, INT32_MAX, 0        },
      {-2147483648.0f, 1,            INT32_MAX, INT32_MIN, INT32_MAX, -1       },
      {-127.6f,        1,            0,         -127,      127,       -127     },
      {INFINITY,       1,            0,         -128,      127,       127      },
      {-INFINITY,      1,            0,         -128,      127,       -128     },
      {INFINITY,       1,            INT32_MIN, INT32_MIN, INT32_MAX, INT32_MAX},
      {NAN,            1,            5,         -128,      127,       5        },
      {-NAN,           0.1f,         -128,      -128,      127,       -128     },
      {-0.0f,          0.1f,         9,         0,         255,       9        },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const int32_t q = qe__quantize_value(cases[i].x, cases[i].s, cases[i].z, cases[i].lo, cases[i].hi);
    cr_assert_eq(q, cases[i].q, "case %zu: %g / %g + %d -> %d, expected %d", i, (double)cases[i].x, (double)cases[i].s,
                 cases[i].z, q, cases[i].q);
  }
}

/* A spread of scales: powers of two, their neighbours, decimals, tiny and huge. */
static float scale_at(unsigned i) {
  static const float extra[] = {0.1f, 0.003921569f, 1.0f / 3, 0x1p-23f, 1e-20f, 1e20f, 0.7071068f, 12345.678f};
  if (i < 8) return extra[i];
  srand(i);
  return ldexpf(1.0f + (float)rand() / (float)RAND_MAX, (int)(i % 60) - 30);
}

Test(quantize, every_code_survives_dequantize_and_quantize) {
  for (unsigned i = 0; i < 300; i++) {
    const float s = scale_at(i);
    for (size_t k = 0; k < N_KINDS; k++) {
      int32_t lo, hi;
      cr_assert(qe__dtype_integer_range(kinds[k], &lo, &hi));
      /* Of int32, only codes within 2^24 of the zero point are exact floats. */
      const int64_t from = kinds[k] == QE_INT32 ? -1000 : lo, to = kinds[k] == QE_INT32 ? 1000 : hi;
      const int64_t step = to - from > 1000 && i > 4 ? 97 : 1;
      const int32_t zs[] = {(int32_t)from, (int32_t)to, (int32_t)((from + to) / 2), (int32_t)((from + 3 * to) / 4)};
      for (size_t j = 0; j < 4; j++) {
        for (int64_t q = from; q <= to; q += step) {
          const float x = (float)(q - zs[j]) * s;
          const int32_t back = qe__quantize_value(x, s, zs[j], lo, hi);
          cr_assert_eq(back, q, "scale #%u = %a, zero point %d, code %lld -> %d", i, (double)s, zs[j], (long long)q,
                       back);
        }
      }
    }
  }
}

Test(quantize, tensors_of_every_type_round_trip) {
  const int64_t dims[] = {2, 3, 5};
  for (size_t k = 0; k < N_KINDS; k++) {
    for (int32_t axis = -1; axis < 3; axis++) {
      float s[5];
      int32_t z[5];
      const uint32_t n = axis < 0 ? 1 : (uint32_t)dims[axis];
      for (uint32_t i = 0; i < n; i++) s[i] = 0.25f * (float)(i + 1), z[i] = kinds[k] == QE_UINT4 ? 7 : (int32_t)i;
      const qe_qparams_t qp = {n, axis, s, z};
      float x[30];
      for (int i = 0; i < 30; i++) x[i] = (float)(i % 7 - 3) * 0.3f;
      qe_tensor_t *t, *q, *d, *q2, *plain;
      cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 3, dims, x, &t), QE_OK);
      cr_assert_eq(qe_quantize(t, kinds[k], &qp, &q), QE_OK, "%s", qe_last_error());
      int32_t lo = 0, hi = 0;
      qe__dtype_integer_range(kinds[k], &lo, &hi);
      for (int64_t i = 0; i < 30; i++) {
        const int64_t c = axis < 0 ? 0 : axis == 0 ? i / 15 : axis == 1 ? i / 5 % 3 : i % 5;
        const int32_t expected = qe__quantize_value(x[i], s[c], z[c], lo, hi);
        cr_assert_eq(qe__tensor_int_at(q, i), expected, "%s axis %d element %lld: %lld, expected %d",
                     qe_dtype_name(kinds[k]), axis, (long long)i, (long long)qe__tensor_int_at(q, i), expected);
      }
      cr_assert_eq(qe_dequantize(q, &d), QE_OK);
      cr_assert_eq(qe_quantize(d, kinds[k], &qp, &q2), QE_OK);
      cr_assert_arr_eq(q->data, q2->data, q->bytes);
      cr_assert_eq(qe_int_repr(q, &plain), QE_OK);
      cr_assert_null(qe_tensor_qparams(plain));
      cr_assert_eq(qe_tensor_dtype(plain), kinds[k]);
      cr_assert_arr_eq(q->data, plain->data, q->bytes);
      qe_tensor_release(&t);
      qe_tensor_release(&q);
      qe_tensor_release(&d);
      qe_tensor_release(&q2);
      qe_tensor_release(&plain);
    }
  }
}

Test(quantize, requantize_is_dequantize_then_quantize) {
  const int64_t dims[] = {4, 700};
  float s1[4] = {0.1f, 0.2f, 0.03f, 1.7f}, s2[1] = {0.13f};
  int32_t z1[4] = {-3, 0, 90, -128}, z2[1] = {100};
  qe_tensor_t *q, *d, *expected, *found;
  cr_assert_eq(qe_tensor_create(QE_INT8, 2, dims, &q), QE_OK);
  for (int64_t i = 0; i < q->count; i++) ((int8_t *)q->data)[i] = (int8_t)(i * 37);
  cr_assert_eq(qe_tensor_set_qparams(q, &(qe_qparams_t){4, 0, s1, z1}), QE_OK);
  const qe_qparams_t to = {1, -1, s2, z2};
  cr_assert_eq(qe_dequantize(q, &d), QE_OK);
  cr_assert_eq(qe_quantize(d, QE_UINT8, &to, &expected), QE_OK);
  cr_assert_eq(qe_requantize(q, QE_UINT8, &to, &found), QE_OK);
  cr_assert_arr_eq(expected->data, found->data, found->bytes);
  cr_assert(qe__qparams_equal(qe_tensor_qparams(found), &to));
  qe_tensor_release(&q);
  qe_tensor_release(&d);
  qe_tensor_release(&expected);
  qe_tensor_release(&found);
}

Test(quantize, extreme_int32_codes) {
  const int64_t dims[] = {2};
  const int32_t codes[] = {INT32_MIN, INT32_MAX};
  const float s = 1;
  const int32_t z = INT32_MAX;
  qe_tensor_t *q, *d;
  cr_assert_eq(qe_tensor_from_data(QE_INT32, 1, dims, codes, &q), QE_OK);
  cr_assert_eq(qe_tensor_set_qparams(q, &(qe_qparams_t){1, -1, &s, &z}), QE_OK);
  cr_assert_eq(qe_dequantize(q, &d), QE_OK);
  cr_assert_eq(((float *)d->data)[0], -4294967296.0f);
  cr_assert_eq(((float *)d->data)[1], 0.0f);
  qe_tensor_release(&q);
  qe_tensor_release(&d);
}

Test(quantize, empty_and_scalar) {
  const int64_t dims[] = {0, 3};
  const float s[] = {1, 2, 3};
  const int32_t z[] = {0, 0, 0};
  qe_tensor_t *t, *q, *d;
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 2, dims, &t), QE_OK);
  cr_assert_eq(qe_quantize(t, QE_INT8, &(qe_qparams_t){3, 1, s, z}, &q), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_dequantize(q, &d), QE_OK);
  cr_assert_eq(qe_tensor_count(d), 0);
  qe_tensor_release(&t);
  qe_tensor_release(&q);
  qe_tensor_release(&d);
  const float x = 7;
  cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 0, NULL, &x, &t), QE_OK);
  cr_assert_eq(qe_quantize(t, QE_INT4, &(qe_qparams_t){1, -1, s, z}, &q), QE_OK);
  cr_assert_eq(qe__tensor_int_at(q, 0), 7);
  qe_tensor_release(&t);
  qe_tensor_release(&q);
}

Test(quantize, misuse_is_an_error) {
  const int64_t dims[] = {2};
  const float s = 1;
  const int32_t z = 0;
  const qe_qparams_t qp = {1, -1, &s, &z};
  qe_tensor_t *f, *i, *out;
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 1, dims, &f), QE_OK);
  cr_assert_eq(qe_tensor_create(QE_INT8, 1, dims, &i), QE_OK);
  cr_assert_eq(qe_quantize(i, QE_INT8, &qp, &out), QE_ERROR_DTYPE);
  cr_assert_eq(qe_quantize(f, QE_INT64, &qp, &out), QE_ERROR_DTYPE);
  cr_assert_eq(qe_quantize(f, QE_FLOAT32, &qp, &out), QE_ERROR_DTYPE);
  cr_assert_eq(qe_quantize(f, QE_INT8, NULL, &out), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_quantize(NULL, QE_INT8, &qp, &out), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_dequantize(i, &out), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_requantize(i, QE_INT8, &qp, &out), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_int_repr(i, &out), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_null(out);
  qe_tensor_release(&f);
  qe_tensor_release(&i);
}

Test(quantize, failing_allocations_leak_nothing) {
  const int64_t dims[] = {3, 4};
  const float s[] = {1, 2, 3};
  const int32_t z[] = {0, 1, 2};
  const qe_qparams_t qp = {3, 0, s, z};
  for (long n = 0;; n++) {
    qe_tensor_t *t = NULL, *q = NULL, *d = NULL, *r = NULL, *c = NULL;
    qe__fail_allocations_after(n);
    qe_status_t status = qe_tensor_create(QE_FLOAT32, 2, dims, &t);
    if (status == QE_OK) status = qe_quantize(t, QE_INT8, &qp, &q);
    if (status == QE_OK) status = qe_dequantize(q, &d);
    if (status == QE_OK) status = qe_requantize(q, QE_UINT8, &qp, &r);
    if (status == QE_OK) status = qe__tensor_copy(r, &c);
    qe__fail_allocations_after(-1);
    qe_tensor_release(&t);
    qe_tensor_release(&q);
    qe_tensor_release(&d);
    qe_tensor_release(&r);
    qe_tensor_release(&c);
    if (status == QE_OK) break;
    cr_assert_eq(status, QE_ERROR_OUT_OF_MEMORY, "allocation %ld: %s", n, qe_last_error());
    cr_assert_lt(n, 100);
  }
}
