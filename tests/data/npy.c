/* .npy: every type, version, byte and element order; headers that are not what numpy writes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "data/bytes.h"
#include "data/formats.h"
#include "qengine/data.h"
#include "support/scratch.h"

static bytes b;

static qe_status_t parse(qe_tensor_t **out) {
  /* An exact copy, so that the sanitizer sees every read past the end. */
  uint8_t *copy = malloc(b.size == 0 ? 1 : b.size);
  memcpy(copy, b.data, b.size);
  const qe_status_t status = qe__npy_parse(copy, b.size, "test.npy", out);
  free(copy);
  return status;
}

Test(npy, every_version) {
  const float x[] = {1, 2, 3, 4, 5, 6};
  for (int version = 1; version <= 3; version++) {
    qe_tensor_t *t;
    bytes_npy(&b, version, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", x, sizeof x);
    cr_assert_eq(parse(&t), QE_OK, "%s", qe_last_error());
    cr_assert_eq(qe_tensor_dtype(t), QE_FLOAT32);
    cr_assert_eq(qe_tensor_rank(t), 2u);
    cr_assert_eq(qe_tensor_dims(t)[0], 2);
    cr_assert_eq(qe_tensor_dims(t)[1], 3);
    cr_assert_arr_eq(qe_tensor_data(t), x, sizeof x);
    qe_tensor_release(&t);
  }
}

Test(npy, every_type_in_both_byte_orders) {
  static const struct { const char *code; qe_dtype_t dtype; size_t size;
  } types[] = {
      {"f4", QE_FLOAT32, 4},
      {"f8", QE_FLOAT64, 8},
      {"f2", QE_FLOAT16, 2},
      {"i1", QE_INT8,    1},
      {"u1", QE_UINT8,   1},
      {"i2", QE_INT16,   2},
      {"u2", QE_UINT16,  2},
      {"i4", QE_INT32,   4},
      {"u4", QE_UINT32,  4},
      {"i8", QE_INT64,   8},
      {"u8", QE_UINT64,  8},
      {"b1", QE_BOOL,    1},
  };
  static const uint8_t pattern[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    for (const char *order = "<>|="; *order != 0; order++) {
      char header[100];
      qe_tensor_t *t;
      snprintf(header, sizeof header, "{'descr': '%c%s', 'fortran_order': False, 'shape': (2,), }\n", *order,
               types[i].code);
      bytes_npy(&b, 1, header, pattern, 2 * types[i].size);
      cr_assert_eq(parse(&t), QE_OK, "%s: %s", header, qe_last_error());
      cr_assert_eq(qe_tensor_dtype(t), types[i].dtype);
      const uint8_t *p = qe_tensor_const_data(t);
      for (size_t k = 0; k < types[i].size; k++) {
        const size_t from = *order == '>' ? types[i].size - 1 - k : k;
        const uint8_t expected = types[i].dtype == QE_BOOL ? 1 : pattern[types[i].size + from];
        cr_assert_eq(p[types[i].size + k], expected, "%s byte %zu", header, k);
      }
      qe_tensor_release(&t);
    }
  }
}

Test(npy, fortran_order) {
  int16_t x[24];
  qe_tensor_t *t;
  for (int16_t i = 0; i < 24; i++) x[i] = i;
  bytes_npy(&b, 1, "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3, 4), }\n", x, sizeof x);
  cr_assert_eq(parse(&t), QE_OK, "%s", qe_last_error());
  for (int i = 0; i < 2; i++) {
    for (int j = 0; j < 3; j++) {
      for (int k = 0; k < 4; k++) cr_assert_eq(((int16_t *)qe_tensor_data(t))[(i * 3 + j) * 4 + k], i + 2 * j + 6 * k);
    }
  }
  qe_tensor_release(&t);
}

Test(npy, headers_that_numpy_would_read) {
  static const char *const headers[] = {
      "{'shape': (), 'fortran_order': False, 'descr': '<f4'}",
      "{\"descr\":\"<f4\",\"fortran_order\":True,\"shape\":(1L,)}",
      "  { 'descr' : '<f4' , 'shape' : ( 1 , 1 , ) , 'fortran_order' : False , }  \n",
      "{'descr':'f4','fortran_order':False,'shape':(1,)}",
  };
  const float x = 3;
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
    qe_tensor_t *t;
    bytes_npy(&b, 1, headers[i], &x, sizeof x);
    cr_assert_eq(parse(&t), QE_OK, "%s: %s", headers[i], qe_last_error());
    cr_assert_eq(qe_tensor_count(t), 1);
    qe_tensor_release(&t);
  }
}

Test(npy, bad_headers) {
  static const struct { const char *header; qe_status_t status; const char *says; } cases[] = {
    {"", QE_ERROR_FORMAT, "expected"},
    {"{}", QE_ERROR_FORMAT, "no 'descr'"},
    {"{'descr': '<f4', 'fortran_order': False}", QE_ERROR_FORMAT, "no 'shape'"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", QE_ERROR_FORMAT, "unknown"},
    {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", QE_ERROR_FORMAT, "twice"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} junk", QE_ERROR_FORMAT, "the end"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", QE_ERROR_FORMAT, "dimension"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}", QE_ERROR_FORMAT, "','"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,", QE_ERROR_FORMAT, "dimension"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': 1}", QE_ERROR_FORMAT, "tuple"},
    {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", QE_ERROR_FORMAT, "True or False"},
    {"{'descr': '<f4, 'fortran_order': False", QE_ERROR_UNSUPPORTED, "expected"},
    {"{'descr", QE_ERROR_FORMAT, "string"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", QE_ERROR_FORMAT, "2^63"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", QE_ERROR_FORMAT, "address space"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}", QE_ERROR_FORMAT, "address space"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}", QE_ERROR_FORMAT, "truncated"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", QE_ERROR_UNSUPPORTED, "dimensions"},
    {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", QE_ERROR_UNSUPPORTED, "pickle"},
    {"{'descr': 'O8', 'fortran_order': False, 'shape': (1,)}", QE_ERROR_UNSUPPORTED, "pickle"},
    {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", QE_ERROR_UNSUPPORTED, "structured"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", QE_ERROR_UNSUPPORTED, "<c8"},
    {"{'descr': '<U5', 'fortran_order': False, 'shape': (1,)}", QE_ERROR_UNSUPPORTED, "<U5"},
    {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", QE_ERROR_UNSUPPORTED, "expected"},
    {"{'descr': '<', 'fortran_order': False, 'shape': (1,)}", QE_ERROR_UNSUPPORTED, "expected"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qe_tensor_t *t;
    const float x = 1;
    bytes_npy(&b, 1, cases[i].header, &x, sizeof x);
    cr_assert_eq(parse(&t), cases[i].status, "%s: %s", cases[i].header, qe_last_error());
    cr_assert_null(t);
    cr_assert_not_null(strstr(qe_last_error(), cases[i].says), "%s: %s", cases[i].header, qe_last_error());
    cr_assert_not_null(strstr(qe_last_error(), "test.npy"), "%s", qe_last_error());
  }
}

Test(npy, versions_and_lengths) {
  qe_tensor_t *t;
  bytes_npy(&b, 4, "{}", NULL, 0);
  cr_assert_eq(parse(&t), QE_ERROR_UNSUPPORTED);
  bytes_npy(&b, 2, "{}", NULL, 0);
  b.data[11] = 0xff; /* a header of 4 GB */
  cr_assert_eq(parse(&t), QE_ERROR_UNSUPPORTED);
  bytes_npy(&b, 1, "{}", NULL, 0);
  b.data[8] = 0xff;
  cr_assert_eq(parse(&t), QE_ERROR_FORMAT);
}

Test(npy, empty_arrays) {
  qe_tensor_t *t;
  bytes_npy(&b, 1, "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 0, 5), }\n", NULL, 0);
  cr_assert_eq(parse(&t), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_tensor_count(t), 0);
  qe_tensor_release(&t);
}

Test(npy, save_and_load) {
  scratch dir;
  scratch_open(&dir);
  static const qe_dtype_t types[] = {QE_FLOAT32, QE_FLOAT64, QE_FLOAT16, QE_INT8,  QE_UINT8,  QE_INT16,
                                     QE_UINT16,  QE_INT32,   QE_UINT32,  QE_INT64, QE_UINT64, QE_BOOL};
  static const int64_t dims[8] = {2, 1, 3, 1, 1, 2, 1, 1};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    for (uint32_t rank = 0; rank <= 8; rank++) {
      qe_tensor_t *t, *back;
      cr_assert_eq(qe_tensor_create(types[i], rank, dims, &t), QE_OK);
      for (size_t k = 0; k < qe_tensor_bytes(t); k++)
        ((uint8_t *)qe_tensor_data(t))[k] = types[i] == QE_BOOL ? k % 2 : (uint8_t)(k * 7 + 1);
      const char *path = scratch_file(&dir, "t.npy");
      cr_assert_eq(qe_tensor_save_npy(t, path, 1), QE_OK, "%s", qe_last_error());
      cr_assert_eq(qe_tensor_load(path, NULL, &back), QE_OK, "%s", qe_last_error());
      cr_assert_eq(qe_tensor_dtype(back), types[i]);
      cr_assert_eq(qe_tensor_rank(back), rank);
      cr_assert_arr_eq(qe_tensor_dims(back), dims, rank * sizeof dims[0]);
      cr_assert_arr_eq(qe_tensor_data(back), qe_tensor_data(t), qe_tensor_bytes(t));
      struct stat st;
      stat(path, &st);
      cr_assert_eq((size_t)st.st_size % 64, qe_tensor_bytes(t) % 64, "the header is padded to 64 bytes");
      qe_tensor_release(&t);
      qe_tensor_release(&back);
    }
  }
  scratch_close(&dir);
}

Test(npy, the_header_is_numpy_s_own) {
  qe_tensor_t *t;
  const int64_t dims[] = {5, 7};
  char header[QE__NPY_HEADER_MAX];
  size_t size;
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 2, dims, &t), QE_OK);
  cr_assert_eq(qe__npy_write_header(t, header, &size), QE_OK);
  cr_assert_eq(size, 128u);
  cr_assert_arr_eq(header, "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (5, 7), }", 68);
  cr_assert_eq(header[127], '\n');
  qe_tensor_release(&t);
}

Test(npy, saving_refuses) {
  scratch dir;
  scratch_open(&dir);
  qe_tensor_t *t;
  const int64_t dims[] = {2};
  cr_assert_eq(qe_tensor_create(QE_BFLOAT16, 1, dims, &t), QE_OK);
  cr_assert_eq(qe_tensor_save_npy(t, scratch_file(&dir, "a.npy"), 0), QE_ERROR_UNSUPPORTED);
  qe_tensor_release(&t);
  cr_assert_eq(qe_tensor_create(QE_INT8, 1, dims, &t), QE_OK);
  cr_assert_eq(qe_tensor_save_npy(t, scratch_file(&dir, "no/a.npy"), 0), QE_ERROR_IO);
  cr_assert_eq(qe_tensor_save_npy(t, dir.path, 1), QE_ERROR_IO);
  cr_assert_eq(qe_tensor_save_npy(t, scratch_file(&dir, "a.npy"), 0), QE_OK);
  cr_assert_eq(qe_tensor_save_npy(t, scratch_file(&dir, "a.npy"), 0), QE_ERROR_EXISTS);
  cr_assert_eq(scratch_entries(&dir), 1);
  qe_tensor_release(&t);
  scratch_close(&dir);
}
