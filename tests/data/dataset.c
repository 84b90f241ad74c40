/* Data sets: several files, batches, normalisation, fitting to a model's input. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "data/bytes.h"
#include "data/fit.h"
#include "qengine/data.h"
#include "support/scratch.h"
#include "tensor/tensor.h"

static scratch dir;
static bytes b;
static void setup(void) { scratch_open(&dir); }
static void teardown(void) { scratch_close(&dir); }
TestSuite(dataset, .init = setup, .fini = teardown);

/* images-N: N images of 2x2 whose bytes go on from `from`. */
static const char *images(const char *name, uint32_t n, uint8_t from) {
  const char *path = scratch_file(&dir, name);
  uint8_t pixels[256];
  const uint32_t dims[] = {n, 2, 2};
  for (size_t i = 0; i < 4 * n; i++) pixels[i] = (uint8_t)(from + i);
  bytes_idx(&b, 0x08, 3, dims, pixels, 4 * n);
  scratch_write(path, b.data, b.size);
  return path;
}

Test(dataset, files_follow_one_another) {
  const char *paths[] = {images("a", 3, 0), images("b", 0, 0), images("c", 2, 12)};
  qe_dataset_t *d;
  cr_assert_eq(qe_dataset_open(3, paths, NULL, &d), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_dataset_count(d), 5);
  cr_assert_eq(qe_dataset_dtype(d), QE_UINT8);
  cr_assert_eq(qe_dataset_sample_rank(d), 2u);
  for (int64_t first = 0; first <= 5; first++) {
    for (int64_t count = 0; count <= 5 - first; count++) {
      qe_tensor_t *t;
      cr_assert_eq(qe_dataset_batch(d, first, count, &t), QE_OK, "%s", qe_last_error());
      cr_assert_eq(qe_tensor_dims(t)[0], count);
      for (int64_t i = 0; i < 4 * count; i++) cr_assert_eq(((uint8_t *)qe_tensor_data(t))[i], 4 * first + i);
      qe_tensor_release(&t);
    }
  }
  qe_tensor_t *t;
  cr_assert_eq(qe_dataset_batch(d, 4, 2, &t), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_dataset_batch(d, -1, 2, &t), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_dataset_batch(d, 1, -1, &t), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_dataset_batch(d, 1, INT64_MAX, &t), QE_ERROR_INVALID_ARGUMENT);
  qe_dataset_destroy(&d);
  cr_assert_null(d);
  qe_dataset_destroy(&d);
}

Test(dataset, normalisation_is_as_written) {
  const char *paths[] = {images("a", 16, 0)};
  const qe_dataset_options_t options = {.struct_size = sizeof options, .normalize = 1, .mean = 0.1307f, .std = 0.3081f};
  qe_dataset_t *d;
  qe_tensor_t *t;
  cr_assert_eq(qe_dataset_open(1, paths, &options, &d), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_dataset_dtype(d), QE_FLOAT32);
  cr_assert_eq(qe_dataset_batch(d, 1, 15, &t), QE_OK);
  for (int i = 0; i < 60; i++) {
    const volatile float scaled = (float)(i + 4) / 255.0f, centred = scaled - 0.1307f, expected = centred / 0.3081f;
    cr_assert_eq(((float *)qe_tensor_data(t))[i], expected);
  }
  qe_tensor_release(&t);
  qe_dataset_destroy(&d);
}

Test(dataset, what_does_not_belong_together) {
  const char *first = images("a", 2, 0), *other_shape = scratch_file(&dir, "shape"),
             *other_type = scratch_file(&dir, "type"), *number = scratch_file(&dir, "number");
  const uint32_t dims[] = {2, 3};
  const uint8_t zeros[64] = {0};
  qe_dataset_t *d;
  bytes_idx(&b, 0x08, 2, dims, zeros, 6);
  scratch_write(other_shape, b.data, b.size);
  const uint32_t same[] = {1, 2, 2};
  bytes_idx(&b, 0x0D, 3, same, zeros, 16);
  scratch_write(other_type, b.data, b.size);
  bytes_npy(&b, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", zeros, 4);
  scratch_write(number, b.data, b.size);
  cr_assert_eq(qe_dataset_open(2, (const char *[]){first, other_shape}, NULL, &d), QE_ERROR_SHAPE);
  cr_assert_null(d);
  cr_assert(strstr(qe_last_error(), first) != NULL && strstr(qe_last_error(), other_shape) != NULL, "%s",
            qe_last_error());
  cr_assert_eq(qe_dataset_open(2, (const char *[]){first, other_type}, NULL, &d), QE_ERROR_DTYPE);
  cr_assert(strstr(qe_last_error(), "uint8") != NULL && strstr(qe_last_error(), "float32") != NULL, "%s",
            qe_last_error());
  cr_assert_eq(qe_dataset_open(1, &number, NULL, &d), QE_ERROR_SHAPE);
  const qe_dataset_options_t normalize = {.struct_size = sizeof normalize, .normalize = 1, .mean = 0, .std = 1};
  const qe_dataset_options_t no_std = {.struct_size = sizeof no_std, .normalize = 1, .mean = 0, .std = 0};
  cr_assert_eq(qe_dataset_open(1, &other_type, &normalize, &d), QE_ERROR_DTYPE);
  cr_assert_eq(qe_dataset_open(1, &first, &no_std, &d), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_dataset_open(0, &first, NULL, &d), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_eq(qe_dataset_open(1, (const char *[]){"/no/such/file"}, NULL, &d), QE_ERROR_NOT_FOUND);
}

Test(dataset, members_of_archives) {
  const char *path = scratch_file(&dir, "t.npz");
  bytes_npy(&b, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n", "ab", 2);
  zip_add(path, 0, "x.npy", b.data, b.size, 9, 0);
  bytes_npy(&b, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }\n", "c", 1);
  zip_add(path, 1, "y.npy", b.data, b.size, 9, 0);
  qe_dataset_t *d;
  qe_tensor_t *t;
  cr_assert_eq(
      qe_dataset_open(2, (const char *[]){scratch_file(&dir, "t.npz:y"), scratch_file(&dir, "t.npz:x")}, NULL, &d),
      QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_dataset_batch(d, 0, 3, &t), QE_OK);
  cr_assert_arr_eq(qe_tensor_data(t), "cab", 3);
  cr_assert_eq(qe_tensor_rank(t), 1u);
  qe_tensor_release(&t);
  qe_dataset_destroy(&d);
}

Test(dataset, fit) {
  static const struct {
    uint32_t have_rank;
    int64_t have[4];
    uint32_t want_rank;
    int64_t want[4];
    uint32_t ways;
    int64_t fitted[4];
  } cases[] = {
      {2, {28, 28},    3, {1, 28, 28},  1, {1, 28, 28}},
      {2, {28, 28},    3, {-1, 28, 28}, 1, {1, 28, 28}},
      {2, {28, 28},    3, {1, -1, -1},  1, {1, 28, 28}},
      {2, {28, 28},    3, {28, 28, 1},  1, {28, 28, 1}},
      {3, {1, 28, 28}, 2, {28, 28},     1, {28, 28}   },
      {3, {28, 28, 1}, 3, {1, 28, 28},  1, {1, 28, 28}},
      {0, {0},         1, {1},          1, {1}        },
      {1, {1},         0, {0},          1, {0}        },
      {0, {0},         0, {0},          1, {0}        },
      {2, {28, 28},    2, {-1, -1},     1, {28, 28}   },
      {3, {1, 5, 1},   3, {-1, -1, -1}, 1, {1, 5, 1}  },
      {2, {28, 28},    3, {-1, -1, -1}, 2, {0}        },
      {2, {28, 28},    1, {784},        0, {0}        },
      {1, {784},       3, {1, 28, 28},  0, {0}        },
      {2, {28, 28},    3, {3, 28, 28},  0, {0}        },
      {2, {28, 27},    2, {27, 28},     0, {0}        },
      {1, {0},         2, {1, 0},       1, {1, 0}     },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t fitted[8];
    const uint32_t ways = qe__fit_dims(cases[i].have_rank, cases[i].have, cases[i].want_rank, cases[i].want, fitted);
    cr_assert_eq(ways, cases[i].ways, "case %zu: %u", i, ways);
    if (ways == 1) {
      for (uint32_t k = 0; k < cases[i].want_rank; k++)
        cr_assert_eq(fitted[k], cases[i].fitted[k], "case %zu dimension %u", i, k);
    }
  }
}

Test(dataset, fit_shapes_the_batches) {
  const char *path = images("a", 3, 0);
  qe_dataset_t *d;
  qe_tensor_t *t;
  cr_assert_eq(qe_dataset_open(1, &path, NULL, &d), QE_OK);
  cr_assert_eq(qe_dataset_fit(d, 3, (int64_t[]){1, 2, 3}), QE_ERROR_SHAPE);
  cr_assert(strstr(qe_last_error(), "[2,2]") != NULL && strstr(qe_last_error(), "[1,2,3]") != NULL, "%s",
            qe_last_error());
  cr_assert_eq(qe_dataset_fit(d, 8, (int64_t[]){1, 1, 1, 1, 1, 1, 2, 2}), QE_ERROR_SHAPE,
               "axis 0 needs a dimension too");
  cr_assert_eq(qe_dataset_sample_rank(d), 2u);
  cr_assert_eq(qe_dataset_fit(d, 3, (int64_t[]){1, 2, 2}), QE_OK);
  cr_assert_eq(qe_dataset_batch(d, 1, 2, &t), QE_OK);
  cr_assert_eq(qe_tensor_rank(t), 4u);
  cr_assert_eq(qe_tensor_dims(t)[1], 1);
  cr_assert_eq(((uint8_t *)qe_tensor_data(t))[0], 4);
  qe_tensor_release(&t);
  qe_dataset_destroy(&d);
}

/* The digits that the sample models were trained on. */
Test(dataset, mnist) {
  const char *images_path = QE_SOURCE_DIR "/../shared/data/t10k-images-idx3-ubyte.gz";
  const char *labels_path = QE_SOURCE_DIR "/../shared/data/t10k-labels-idx1-ubyte.gz";
  if (access(images_path, R_OK) != 0) {
    fprintf(stderr, "skipped: no %s\n", images_path);
    cr_skip_test("no %s", images_path);
  }
  qe_dataset_t *x, *y;
  qe_tensor_t *t;
  cr_assert_eq(qe_dataset_open(1, &images_path, NULL, &x), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_dataset_open(1, &labels_path, NULL, &y), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_dataset_count(x), 10000);
  cr_assert_eq(qe_dataset_count(y), 10000);
  cr_assert_eq(qe_dataset_fit(x, 3, (int64_t[]){1, 28, 28}), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_dataset_batch(y, 0, 10, &t), QE_OK);
  for (int i = 0; i < 10; i++) cr_assert_leq(((uint8_t *)qe_tensor_data(t))[i], 9);
  qe_tensor_release(&t);
  qe_dataset_destroy(&x);
  qe_dataset_destroy(&y);
}

Test(dataset, over_a_tensor) {
  const uint8_t pixels[6] = {0, 51, 102, 153, 204, 255};
  const qe_dataset_options_t options = {.struct_size = sizeof options, .normalize = 1, .mean = 0.0f, .std = 1.0f};
  qe_tensor_t *t, *batch;
  qe_dataset_t *d;
  cr_assert_eq(qe_tensor_from_data(QE_UINT8, 2, (int64_t[]){3, 2}, pixels, &t), QE_OK);
  cr_assert_eq(qe_dataset_from_tensor(t, &options, &d), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&t); /* the data set holds it */
  cr_assert_eq(qe_dataset_count(d), 3);
  cr_assert_eq(qe_dataset_batch(d, 1, 2, &batch), QE_OK);
  for (int i = 0; i < 4; i++) cr_assert_eq(((float *)qe_tensor_data(batch))[i], (float)pixels[i + 2] / 255.0f);
  qe_tensor_release(&batch);
  qe_dataset_destroy(&d);
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, 0, NULL, &t), QE_OK);
  cr_assert_eq(qe_dataset_from_tensor(t, NULL, &d), QE_ERROR_SHAPE);
  cr_assert_null(d);
  qe_tensor_release(&t);
  cr_assert_eq(qe_dataset_from_tensor(NULL, NULL, &d), QE_ERROR_INVALID_ARGUMENT);
}
