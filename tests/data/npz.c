/* .npz archives: members, compression, zip64, damage, bombs. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "data/bytes.h"
#include "data/formats.h"
#include "qengine/data.h"
#include "support/scratch.h"

static scratch dir;
static bytes a, b;

static void setup(void) {
  const int32_t one[] = {1, 2, 3}, two[] = {-4, -5, -6};
  scratch_open(&dir);
  bytes_npy(&a, 1, "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }\n", one, sizeof one);
  bytes_npy(&b, 1, "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }\n", two, sizeof two);
}
static void teardown(void) { scratch_close(&dir); }
TestSuite(npz, .init = setup, .fini = teardown);

static int32_t first_of(const char *path, const char *member) {
  qe_tensor_t *t;
  cr_assert_eq(qe_tensor_load(path, member, &t), QE_OK, "%s", qe_last_error());
  const int32_t value = ((const int32_t *)qe_tensor_const_data(t))[0];
  qe_tensor_release(&t);
  return value;
}

Test(npz, members_stored_deflated_zip64) {
  for (int level = 0; level <= 9; level += 9) {
    for (int zip64 = 0; zip64 <= 1; zip64++) {
      const char *path = scratch_file(&dir, "t.npz"), *named = scratch_file(&dir, "t.npz:two");
      unlink(path);
      zip_add(path, 0, "one.npy", a.data, a.size, level, zip64);
      cr_assert_eq(first_of(path, NULL), 1, "the only array needs no name");
      zip_add(path, 1, "readme.txt", "hi", 2, level, 0);
      cr_assert_eq(first_of(path, NULL), 1, "what is no array does not count");
      zip_add(path, 1, "two.npy", b.data, b.size, level, zip64);
      cr_assert_eq(first_of(path, "one"), 1);
      cr_assert_eq(first_of(path, "two"), -4);
      cr_assert_eq(first_of(path, "two.npy"), -4);
      cr_assert_eq(first_of(named, NULL), -4);
    }
  }
}

Test(npz, names) {
  qe_tensor_t *t;
  const char *path = scratch_file(&dir, "t.npz");
  zip_add(path, 0, "one.npy", a.data, a.size, 9, 0);
  zip_add(path, 1, "two.npy", b.data, b.size, 9, 0);
  cr_assert_eq(qe_tensor_load(path, NULL, &t), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_not_null(strstr(qe_last_error(), "one, two"), "%s", qe_last_error());
  cr_assert_eq(qe_tensor_load(path, "three", &t), QE_ERROR_NOT_FOUND);
  cr_assert_not_null(strstr(qe_last_error(), "one, two"), "%s", qe_last_error());
  cr_assert_eq(qe_tensor_load(scratch_file(&dir, "t.npz:three"), NULL, &t), QE_ERROR_NOT_FOUND);
  cr_assert_eq(qe_tensor_load(scratch_file(&dir, "absent.npz:three"), NULL, &t), QE_ERROR_NOT_FOUND);
  const char *npy = scratch_file(&dir, "a.npy");
  scratch_write(npy, a.data, a.size);
  cr_assert_eq(qe_tensor_load(npy, "one", &t), QE_ERROR_INVALID_ARGUMENT);
  const char *colon = scratch_file(&dir, "x:y");
  scratch_write(colon, a.data, a.size);
  cr_assert_eq(first_of(colon, NULL), 1, "a file of that very name comes first");
}

Test(npz, archives_without_arrays) {
  qe_tensor_t *t;
  const char *path = scratch_file(&dir, "t.npz");
  const uint8_t empty[22] = {'P', 'K', 5, 6};
  scratch_write(path, empty, sizeof empty);
  cr_assert_eq(qe_tensor_load(path, NULL, &t), QE_ERROR_NOT_FOUND, "%s", qe_last_error());
  unlink(path);
  zip_add(path, 0, "one.txt", "hi", 2, 9, 0);
  cr_assert_eq(qe_tensor_load(path, NULL, &t), QE_ERROR_NOT_FOUND, "%s", qe_last_error());
}

Test(npz, a_member_that_is_no_npy) {
  qe_tensor_t *t;
  const char *path = scratch_file(&dir, "t.npz");
  zip_add(path, 0, "one.npy", "hello", 5, 9, 0);
  cr_assert_eq(qe_tensor_load(path, "one", &t), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "t.npz:one"), "%s", qe_last_error());
}

/* Every byte of an archive set to several values: never a crash, and never wrong elements. */
Test(npz, any_damaged_byte, .timeout = 120) {
  static uint8_t file[4096];
  const char *path = scratch_file(&dir, "t.npz");
  for (int level = 0; level <= 9; level += 9) {
    unlink(path);
    zip_add(path, 0, "one.npy", a.data, a.size, level, level != 0);
    const size_t size = scratch_read(path, file, sizeof file);
    unsigned accepted = 0;
    for (size_t i = 0; i < size; i++) {
      const uint8_t old = file[i];
      static const uint8_t changes[] = {0x01, 0x80, 0xff, 0x08};
      for (size_t c = 0; c < sizeof changes; c++) {
        qe_tensor_t *t;
        file[i] = old ^ changes[c];
        uint8_t *copy = malloc(size);
        memcpy(copy, file, size);
        if (qe__npz_parse(copy, size, "t", NULL, &t) == QE_OK) {
          accepted++;
          cr_assert_eq(qe_tensor_bytes(t), 12u, "byte %zu", i);
          cr_assert_arr_eq(qe_tensor_data(t), a.data + a.size - 12, 12, "byte %zu", i);
        } else {
          cr_assert_neq(qe_last_error()[0], 0);
        }
        qe_tensor_release(&t);
        free(copy);
      }
      file[i] = old;
    }
    cr_assert_gt(accepted, 0u, "dates and the like do not matter");
  }
}

Test(npz, a_bomb_is_refused_before_memory_is_asked_for) {
  static uint8_t file[4096];
  const char *path = scratch_file(&dir, "t.npz");
  zip_add(path, 0, "one.npy", a.data, a.size, 9, 0);
  const size_t size = scratch_read(path, file, sizeof file);
  for (size_t i = 0; i + 46 < size; i++) {
    if (memcmp(file + i, "PK\1\2", 4) == 0) memcpy(file + i + 24, "\xf0\xff\xff\x7f", 4); /* declared size: 2 GB */
  }
  qe_tensor_t *t;
  cr_assert_eq(qe__npz_parse(file, size, "t", NULL, &t), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "declares"), "%s", qe_last_error());
}
