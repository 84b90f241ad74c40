/* Reading whole files: sizes, limits, and what is not a file. */
#include "base/file.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "support/scratch.h"

static scratch dir;
static void setup(void) { scratch_open(&dir); }
static void teardown(void) { scratch_close(&dir); }
TestSuite(file, .init = setup, .fini = teardown);

Test(file, reads_everything_and_ends_with_a_zero) {
  void *data;
  size_t size;
  const char *path = scratch_file(&dir, "a");
  scratch_write(path, "hello", 5);
  cr_assert_eq(qe__read_file(path, 5, &data, &size), QE_OK, "%s", qe_last_error());
  cr_assert_eq(size, 5u);
  cr_assert_arr_eq((char *)data, "hello\0", 6);
  cr_assert_eq((uintptr_t)data % 64, 0u);
  qe__free_aligned(data);
  scratch_write(path, "", 0);
  cr_assert_eq(qe__read_file(path, 0, &data, &size), QE_OK);
  cr_assert_eq(size, 0u);
  qe__free_aligned(data);
}

Test(file, refuses_more_than_the_limit) {
  void *data = &dir;
  size_t size = 9;
  const char *path = scratch_file(&dir, "a");
  scratch_write(path, "hello", 5);
  cr_assert_eq(qe__read_file(path, 4, &data, &size), QE_ERROR_FORMAT);
  cr_assert_null(data);
  cr_assert_eq(size, 0u);
}

Test(file, ranges) {
  void *data;
  const char *path = scratch_file(&dir, "a");
  scratch_write(path, "hello", 5);
  cr_assert_eq(qe__read_file_range(path, 1, 3, &data), QE_OK);
  cr_assert_str_eq(data, "ell");
  qe__free_aligned(data);
  cr_assert_eq(qe__read_file_range(path, 5, 0, &data), QE_OK);
  qe__free_aligned(data);
  cr_assert_eq(qe__read_file_range(path, 3, 3, &data), QE_ERROR_FORMAT);
  cr_assert_eq(qe__read_file_range(path, 6, 0, &data), QE_ERROR_FORMAT);
  cr_assert_eq(qe__read_file_range(path, UINT64_MAX, SIZE_MAX, &data), QE_ERROR_FORMAT);
}

Test(file, what_is_not_a_file, .timeout = 10) {
  void *data;
  size_t size;
  const char *fifo = scratch_file(&dir, "fifo");
  cr_assert_eq(mkfifo(fifo, 0600), 0);
  cr_assert_eq(qe__read_file(fifo, SIZE_MAX, &data, &size), QE_ERROR_IO);
  cr_assert_not_null(strstr(qe_last_error(), "pipe"), "%s", qe_last_error());
  cr_assert_eq(qe__read_file(dir.path, SIZE_MAX, &data, &size), QE_ERROR_IO);
  cr_assert_not_null(strstr(qe_last_error(), "directory"), "%s", qe_last_error());
  cr_assert_eq(qe__read_file("/dev/zero", SIZE_MAX, &data, &size), QE_ERROR_IO);
  cr_assert_eq(qe__read_file(scratch_file(&dir, "absent"), SIZE_MAX, &data, &size), QE_ERROR_NOT_FOUND);
  cr_assert_not_null(strstr(qe_last_error(), "absent"), "%s", qe_last_error());
}
