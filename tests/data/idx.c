/* idx files, plain and gzipped. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "data/bytes.h"
#include "data/formats.h"
#include "qengine/data.h"

static bytes b, packed;

Test(idx, every_type_is_big_endian) {
  static const struct { uint8_t code; qe_dtype_t dtype; } types[] = {
    {0x08, QE_UINT8}, {0x09, QE_INT8}, {0x0B, QE_INT16}, {0x0C, QE_INT32}, {0x0D, QE_FLOAT32}, {0x0E, QE_FLOAT64},
  };
  const uint32_t dims[] = {2, 1};
  const uint8_t elements[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    const size_t size = qe_dtype_bits(types[i].dtype) / 8;
    qe_tensor_t *t;
    bytes_idx(&b, types[i].code, 2, dims, elements, 2 * size);
    cr_assert_eq(qe__idx_parse(b.data, b.size, "t", &t), QE_OK, "%s", qe_last_error());
    cr_assert_eq(qe_tensor_dtype(t), types[i].dtype);
    cr_assert_eq(qe_tensor_dims(t)[0], 2);
    for (size_t k = 0; k < size; k++)
      cr_assert_eq(((uint8_t *)qe_tensor_data(t))[size + k], elements[2 * size - 1 - k]);
    qe_tensor_release(&t);
  }
}

Test(idx, bad_files) {
  const uint32_t huge[] = {0xffffffffu, 0xffffffffu, 0xffffffffu}, two[] = {2}, many[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  const uint8_t elements[8] = {0};
  qe_tensor_t *t;
  bytes_idx(&b, 0x08, 3, huge, elements, 8);
  cr_assert_eq(qe__idx_parse(b.data, b.size, "t", &t), QE_ERROR_FORMAT);
  bytes_idx(&b, 0x0E, 2, huge, elements, 8);
  cr_assert_eq(qe__idx_parse(b.data, b.size, "t", &t), QE_ERROR_FORMAT);
  bytes_idx(&b, 0x08, 1, two, elements, 1);
  cr_assert_eq(qe__idx_parse(b.data, b.size, "t", &t), QE_ERROR_FORMAT);
  bytes_idx(&b, 0x08, 1, two, elements, 3);
  cr_assert_eq(qe__idx_parse(b.data, b.size, "t", &t), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "follow"), "%s", qe_last_error());
  bytes_idx(&b, 0x08, 9, many, elements, 1);
  cr_assert_eq(qe__idx_parse(b.data, b.size, "t", &t), QE_ERROR_UNSUPPORTED);
  bytes_idx(&b, 0x0A, 1, two, elements, 2);
  cr_assert_eq(qe__idx_parse(b.data, b.size, "t", &t), QE_ERROR_FORMAT);
  cr_assert_null(t);
}

Test(gzip, idx_and_npy) {
  const uint32_t dims[] = {3};
  const uint8_t elements[] = {7, 8, 9};
  qe_tensor_t *t;
  bytes_idx(&b, 0x08, 1, dims, elements, 3);
  packed.size = 0;
  bytes_gzip(&packed, b.data, b.size);
  cr_assert_eq(qe__gzip_parse(packed.data, packed.size, "t", &t), QE_OK, "%s", qe_last_error());
  cr_assert_arr_eq(qe_tensor_data(t), elements, 3);
  qe_tensor_release(&t);
  bytes_npy(&b, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n", elements, 3);
  packed.size = 0;
  bytes_gzip(&packed, b.data, b.size);
  cr_assert_eq(qe__gzip_parse(packed.data, packed.size, "t", &t), QE_OK, "%s", qe_last_error());
  cr_assert_arr_eq(qe_tensor_data(t), elements, 3);
  qe_tensor_release(&t);
}

Test(gzip, several_streams_and_large_arrays) {
  enum { SIDE = 500 };
  static uint8_t image[16 + SIDE * SIDE];
  const uint32_t dims[] = {SIDE, SIDE};
  qe_tensor_t *t;
  bytes_idx(&b, 0x08, 2, dims, NULL, 0);
  memcpy(image, b.data, b.size);
  for (size_t i = 0; i < SIDE * SIDE; i++) image[b.size + i] = (uint8_t)(i / 100);
  const size_t total = b.size + SIDE * SIDE;
  packed.size = 0;
  bytes_gzip(&packed, image, 7);
  bytes_gzip(&packed, image + 7, 100000);
  bytes_gzip(&packed, image + 100007, total - 100007);
  cr_assert_eq(qe__gzip_parse(packed.data, packed.size, "t", &t), QE_OK, "%s", qe_last_error());
  cr_assert_arr_eq(qe_tensor_data(t), image + b.size, SIDE * SIDE);
  qe_tensor_release(&t);
}

Test(gzip, sizes_that_lie) {
  static uint8_t zeros[60000];
  const uint32_t dims[] = {3}, many[] = {4000000000u}, some[] = {100000};
  qe_tensor_t *t;
  /* Unpacks to more than the header says, before and after the part that is looked at first. */
  bytes_idx(&b, 0x08, 1, dims, zeros, 4);
  packed.size = 0;
  bytes_gzip(&packed, b.data, b.size);
  cr_assert_eq(qe__gzip_parse(packed.data, packed.size, "t", &t), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "more than"), "%s", qe_last_error());
  bytes_idx(&b, 0x08, 1, some, zeros, 60000);
  packed.size = 0;
  bytes_gzip(&packed, b.data, b.size);
  bytes_gzip(&packed, zeros, 60000);
  cr_assert_eq(qe__gzip_parse(packed.data, packed.size, "t", &t), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "more than"), "%s", qe_last_error());
  /* Less than the header says. */
  packed.size = 0;
  bytes_gzip(&packed, b.data, b.size);
  cr_assert_eq(qe__gzip_parse(packed.data, packed.size, "t", &t), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "promises"), "%s", qe_last_error());
  /* More than deflate could ever hold: refused before memory is asked for. */
  bytes_idx(&b, 0x08, 1, many, zeros, 10);
  packed.size = 0;
  bytes_gzip(&packed, b.data, b.size);
  cr_assert_eq(qe__gzip_parse(packed.data, packed.size, "t", &t), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "cannot hold"), "%s", qe_last_error());
  packed.size = 0;
  bytes_gzip(&packed, "hello", 5);
  cr_assert_eq(qe__gzip_parse(packed.data, packed.size, "t", &t), QE_ERROR_UNSUPPORTED);
}
