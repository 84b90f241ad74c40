/* Tensors: shapes, memory, ownership, quantization parameters. */
#include "tensor/tensor.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const qe_dtype_t all_dtypes[] = {
#define X(name, value, bits, text) QE_##name,
  QE_DTYPE_LIST(X)
#undef X
};
enum { N_DTYPES = sizeof all_dtypes / sizeof all_dtypes[0] };

Test(tensor, new_tensors_are_zero) {
  const int64_t dims[] = {3, 5, 7};
  for (size_t i = 0; i < N_DTYPES; i++) {
    qe_tensor_t *t;
    cr_assert_eq(qe_tensor_create(all_dtypes[i], 3, dims, &t), QE_OK);
    const size_t bytes = (105 * qe_dtype_bits(all_dtypes[i]) + 7) / 8;
    cr_assert_eq(qe_tensor_bytes(t), bytes, "%s: %zu", qe_dtype_name(all_dtypes[i]), qe_tensor_bytes(t));
    cr_assert_eq(qe_tensor_count(t), 105);
    cr_assert_eq(qe_tensor_rank(t), 3u);
    cr_assert_eq((uintptr_t)qe_tensor_data(t) % 64, 0u);
    for (size_t b = 0; b < bytes; b++) cr_assert_eq(((uint8_t *)qe_tensor_data(t))[b], 0);
    cr_assert_eq(qe__tensor_int_at(t, 104), 0);
    qe_tensor_release(&t);
    cr_assert_null(t);
  }
}

Test(tensor, shapes) {
  qe_tensor_t *t;
  const int64_t negative[] = {2, -1}, huge[] = {1ll << 40, 1ll << 40}, empty[] = {1ll << 62, 0, 1ll << 62},
                many[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  const int64_t bytes_overflow[] = {INT64_MAX / 4};
  cr_assert_eq(qe_tensor_create(QE_INT8, 2, negative, &t), QE_ERROR_SHAPE);
  cr_assert_null(t);
  cr_assert_eq(qe_tensor_create(QE_INT8, 2, huge, &t), QE_ERROR_SHAPE);
  cr_assert_eq(qe_tensor_create(QE_INT8, 9, many, &t), QE_ERROR_SHAPE);
  cr_assert_eq(qe_tensor_create(QE_FLOAT64, 1, bytes_overflow, &t), QE_ERROR_SHAPE);
  cr_assert_eq(qe_tensor_create((qe_dtype_t)77, 0, NULL, &t), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_tensor_create(QE_INT8, 2, NULL, &t), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_tensor_create(QE_INT8, 8, many, NULL), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 3, empty, &t), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_tensor_count(t), 0);
  cr_assert_eq(qe_tensor_bytes(t), 0u);
  qe_tensor_release(&t);
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 0, NULL, &t), QE_OK);
  cr_assert_eq(qe_tensor_count(t), 1);
  qe_tensor_release(&t);
}

Test(tensor, an_impossible_size_is_an_error) {
  qe_tensor_t *t;
  const int64_t dims[] = {1ll << 46};
  qe__fail_allocations_after(0);
  cr_assert_eq(qe_tensor_create(QE_INT8, 1, dims, &t), QE_ERROR_OUT_OF_MEMORY);
  qe__fail_allocations_after(-1);
  cr_assert_null(t);
}

static int released;
static void count_release(void *data, void *arg) {
  (void)data;
  released += *(int *)arg;
}

Test(tensor, owners) {
  int32_t data[] = {1, 2, 3};
  const int64_t dims[] = {3};
  int one = 1;
  qe_tensor_t *t, *second;
  cr_assert_eq(qe__tensor_wrap(QE_INT32, 1, dims, data, count_release, &one, &t), QE_OK);
  second = qe_tensor_retain(t);
  cr_assert_eq(second, t);
  qe_tensor_release(&t);
  cr_assert_eq(released, 0);
  cr_assert_eq(((int32_t *)qe_tensor_data(second))[2], 3);
  qe_tensor_release(&second);
  cr_assert_eq(released, 1);
  qe_tensor_release(&second);
  qe_tensor_release(NULL);
}

Test(tensor, accessors_take_null) {
  cr_assert_eq(qe_tensor_dtype(NULL), QE_DTYPE_NONE);
  cr_assert_eq(qe_tensor_count(NULL), 0);
  cr_assert_null(qe_tensor_data(NULL));
  cr_assert_null(qe_tensor_qparams(NULL));
  cr_assert_null(qe_tensor_retain(NULL));
}

Test(tensor, odd_numbers_of_half_bytes) {
  const uint8_t data[] = {0x21, 0xf3};
  const int64_t dims[] = {3};
  qe_tensor_t *t;
  cr_assert_eq(qe_tensor_from_data(QE_INT4, 1, dims, data, &t), QE_OK);
  cr_assert_eq(((uint8_t *)qe_tensor_data(t))[1], 0x03, "the unused half is cleared");
  cr_assert_eq(qe__tensor_int_at(t, 0), 1);
  cr_assert_eq(qe__tensor_int_at(t, 1), 2);
  cr_assert_eq(qe__tensor_int_at(t, 2), 3);
  qe_tensor_release(&t);
  const uint8_t negative[] = {0x8f};
  const int64_t two[] = {2};
  cr_assert_eq(qe_tensor_from_data(QE_INT4, 1, two, negative, &t), QE_OK);
  cr_assert_eq(qe__tensor_int_at(t, 0), -1);
  cr_assert_eq(qe__tensor_int_at(t, 1), -8);
  qe_tensor_release(&t);
  cr_assert_eq(qe_tensor_from_data(QE_UINT4, 1, two, negative, &t), QE_OK);
  cr_assert_eq(qe__tensor_int_at(t, 0), 15);
  cr_assert_eq(qe__tensor_int_at(t, 1), 8);
  qe_tensor_release(&t);
}

Test(tensor, quantization_parameters_are_checked) {
  const int64_t dims[] = {2, 3};
  const float good[] = {0.5f, 1.0f, 2.0f}, zero[] = {0}, negative[] = {-1}, infinite[] = {INFINITY}, nan[] = {NAN};
  const int32_t z[] = {0, 1, -128}, out_of_range[] = {128};
  qe_tensor_t *t, *f;
  cr_assert_eq(qe_tensor_create(QE_INT8, 2, dims, &t), QE_OK);
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 2, dims, &f), QE_OK);
  const struct { qe_qparams_t q; qe_status_t status; } cases[] = {
    {{1, -1, good, z}, QE_OK},
    {{3, 1, good, z}, QE_OK},
    {{2, 0, good, z}, QE_OK},
    {{3, 0, good, z}, QE_ERROR_INVALID_ARGUMENT},
    {{3, -1, good, z}, QE_ERROR_INVALID_ARGUMENT},
    {{3, 2, good, z}, QE_ERROR_INVALID_ARGUMENT},
    {{3, -2, good, z}, QE_ERROR_INVALID_ARGUMENT},
    {{1, 1, good, z}, QE_ERROR_INVALID_ARGUMENT},
    {{1, -1, zero, z}, QE_ERROR_INVALID_ARGUMENT},
    {{1, -1, negative, z}, QE_ERROR_INVALID_ARGUMENT},
    {{1, -1, infinite, z}, QE_ERROR_INVALID_ARGUMENT},
    {{1, -1, nan, z}, QE_ERROR_INVALID_ARGUMENT},
    {{1, -1, good, out_of_range}, QE_ERROR_INVALID_ARGUMENT},
    {{1, -1, NULL, z}, QE_ERROR_INVALID_ARGUMENT},
    {{1, -1, good, NULL}, QE_ERROR_INVALID_ARGUMENT},
    {{0, -1, NULL, NULL}, QE_OK},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const qe_status_t status = qe_tensor_set_qparams(t, &cases[i].q);
    cr_assert_eq(status, cases[i].status, "case %zu: %s", i, qe_last_error());
    if (status == QE_OK) cr_assert(qe__qparams_equal(qe_tensor_qparams(t), &cases[i].q), "case %zu", i);
  }
  cr_assert_eq(qe_tensor_set_qparams(f, &cases[0].q), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_tensor_set_qparams(t, &cases[1].q), QE_OK);
  cr_assert_eq(qe_tensor_set_qparams(t, &cases[9].q), QE_ERROR_INVALID_ARGUMENT);
  cr_assert(qe__qparams_equal(qe_tensor_qparams(t), &cases[1].q), "a refused change changes nothing");
  cr_assert_eq(qe_tensor_set_qparams(t, qe_tensor_qparams(t)), QE_OK, "its own parameters");
  cr_assert(qe__qparams_equal(qe_tensor_qparams(t), &cases[1].q));
  qe_tensor_t *copy;
  cr_assert_eq(qe__tensor_copy(t, &copy), QE_OK);
  cr_assert(qe__qparams_equal(qe_tensor_qparams(copy), &cases[1].q));
  cr_assert_eq(qe_tensor_set_qparams(t, NULL), QE_OK);
  cr_assert_null(qe_tensor_qparams(t));
  qe_tensor_release(&copy);
  qe_tensor_release(&t);
  qe_tensor_release(&f);
}

Test(tensor, reshape) {
  const int64_t dims[] = {2, 3, 4}, flat[] = {2, 12}, moved[] = {4, 6}, wrong[] = {5, 5};
  const float s[] = {1, 2};
  const int32_t z[] = {0, 0};
  qe_tensor_t *t, *r;
  cr_assert_eq(qe_tensor_create(QE_INT8, 3, dims, &t), QE_OK);
  for (int i = 0; i < 24; i++) ((int8_t *)t->data)[i] = (int8_t)i;
  cr_assert_eq(qe__tensor_reshape(t, 2, moved, &r), QE_OK);
  cr_assert_eq(qe__tensor_int_at(r, 23), 23);
  qe_tensor_release(&r);
  cr_assert_eq(qe__tensor_reshape(t, 2, wrong, &r), QE_ERROR_SHAPE);
  cr_assert_null(r);
  cr_assert_eq(qe_tensor_set_qparams(t, &(qe_qparams_t){2, 0, s, z}), QE_OK);
  cr_assert_eq(qe__tensor_reshape(t, 2, flat, &r), QE_OK);
  cr_assert(qe__qparams_equal(qe_tensor_qparams(t), qe_tensor_qparams(r)));
  qe_tensor_release(&r);
  cr_assert_eq(qe__tensor_reshape(t, 2, moved, &r), QE_ERROR_SHAPE);
  qe_tensor_release(&t);
}

Test(tensor, elements_of_every_type) {
  const int64_t one[] = {1};
  qe_tensor_t *t;
  const uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000};
  const double values[] = {1, -2, 0x1p-24, 65504, -0.0};
  for (size_t i = 0; i < 5; i++) {
    cr_assert_eq(qe_tensor_from_data(QE_FLOAT16, 1, one, &halves[i], &t), QE_OK);
    cr_assert_eq(qe__tensor_float_at(t, 0), values[i], "%04x: %g", halves[i], qe__tensor_float_at(t, 0));
    qe_tensor_release(&t);
  }
  const uint16_t infinite = 0xfc00, bfloat = 0xc020;
  cr_assert_eq(qe_tensor_from_data(QE_FLOAT16, 1, one, &infinite, &t), QE_OK);
  cr_assert_eq(qe__tensor_float_at(t, 0), -(double)INFINITY);
  cr_assert_eq(qe__tensor_int_at(t, 0), INT64_MIN);
  qe_tensor_release(&t);
  cr_assert_eq(qe_tensor_from_data(QE_BFLOAT16, 1, one, &bfloat, &t), QE_OK);
  cr_assert_eq(qe__tensor_float_at(t, 0), -2.5);
  cr_assert_eq(qe__tensor_int_at(t, 0), -2);
  qe_tensor_release(&t);
  const uint64_t large = UINT64_MAX;
  cr_assert_eq(qe_tensor_from_data(QE_UINT64, 1, one, &large, &t), QE_OK);
  cr_assert_eq(qe__tensor_int_at(t, 0), INT64_MAX);
  cr_assert_eq(qe__tensor_float_at(t, 0), 0x1p64);
  qe_tensor_release(&t);
  const uint8_t truth = 7;
  cr_assert_eq(qe_tensor_from_data(QE_BOOL, 1, one, &truth, &t), QE_OK);
  cr_assert_eq(qe__tensor_int_at(t, 0), 1);
  qe_tensor_release(&t);
}

Test(tensor, names_and_text) {
  char text[64], small[6];
  const int64_t dims[] = {1, 3, 224};
  cr_assert_str_eq(qe__dims_text(3, dims, text, sizeof text), "[1,3,224]");
  cr_assert_str_eq(qe__dims_text(0, NULL, text, sizeof text), "[]");
  cr_assert_lt(strlen(qe__dims_text(3, dims, small, sizeof small)), sizeof small);
  cr_assert_eq(qe__dtype_from_name("qint8"), QE_INT8);
  cr_assert_eq(qe__dtype_from_name("quint8"), QE_UINT8);
  cr_assert_eq(qe__dtype_from_name("qint32"), QE_INT32);
  cr_assert_eq(qe__dtype_from_name("float32"), QE_FLOAT32);
  cr_assert_eq(qe__dtype_from_name("float"), QE_DTYPE_NONE);
  cr_assert(qe__dtype_valid(22));
  cr_assert_not(qe__dtype_valid(8));
  cr_assert_not(qe__dtype_valid(-1));
  cr_assert_not(qe__dtype_valid((1ll << 32) + 1));
}
