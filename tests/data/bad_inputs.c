/* Files cut at every byte, things that are not files, and memory that runs out, for every reader. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "data/bytes.h"
#include "data/formats.h"
#include "qengine/data.h"
#include "support/scratch.h"

static scratch dir;
static void setup(void) { scratch_open(&dir); }
static void teardown(void) { scratch_close(&dir); }
TestSuite(bad_inputs, .init = setup, .fini = teardown, .timeout = 120);

enum { NPY, NPY_BIG_FORTRAN, IDX, GZIP, NPZ_STORED, NPZ_DEFLATED, KINDS };

static void make(int kind, bytes *out) {
  static bytes inner;
  const uint8_t elements[48] = {1, 2, 3};
  const uint32_t dims[] = {2, 3, 4};
  const char *path = scratch_file(&dir, "make.npz");
  bytes_npy(&inner, 1, "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3, 4), }\n", elements, 48);
  switch (kind) {
  case NPY: *out = inner; break;
  case NPY_BIG_FORTRAN:
    bytes_npy(out, 2, "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3, 4), }\n", elements, 48);
    break;
  case IDX: bytes_idx(out, 0x0B, 3, dims, elements, 48); break;
  case GZIP: out->size = 0, bytes_gzip(out, inner.data, inner.size); break;
  default:
    unlink(path);
    zip_add(path, 0, "a.npy", inner.data, inner.size, kind == NPZ_STORED ? 0 : 9, 0);
    out->size = scratch_read(path, out->data, sizeof out->data);
    break;
  }
}

Test(bad_inputs, cut_at_every_byte) {
  static bytes b;
  for (int kind = 0; kind < KINDS; kind++) {
    qe_tensor_t *t;
    make(kind, &b);
    cr_assert_eq(qe__data_parse(b.data, b.size, "t", NULL, &t), QE_OK, "kind %d: %s", kind, qe_last_error());
    cr_assert_eq(qe_tensor_count(t), 24);
    qe_tensor_release(&t);
    for (size_t size = 0; size < b.size; size++) {
      uint8_t *copy = malloc(size == 0 ? 1 : size);
      memcpy(copy, b.data, size);
      cr_assert_neq(qe__data_parse(copy, size, "t", NULL, &t), QE_OK, "kind %d cut to %zu of %zu bytes", kind, size,
                    b.size);
      cr_assert_null(t);
      cr_assert_neq(qe_last_error()[0], 0);
      free(copy);
    }
  }
}

Test(bad_inputs, any_byte_changed) {
  static bytes b;
  for (int kind = 0; kind < KINDS; kind++) {
    make(kind, &b);
    uint8_t *copy = malloc(b.size);
    memcpy(copy, b.data, b.size);
    for (size_t i = 0; i < b.size; i++) {
      for (unsigned change = 1; change < 256; change = change * 2 + 1) {
        qe_tensor_t *t;
        copy[i] = (uint8_t)(b.data[i] ^ change);
        if (qe__data_parse(copy, b.size, "t", NULL, &t) != QE_OK) cr_assert_null(t);
        qe_tensor_release(&t);
      }
      copy[i] = b.data[i];
    }
    free(copy);
  }
}

Test(bad_inputs, what_is_not_a_data_file) {
  qe_tensor_t *t;
  qe_dataset_t *d;
  const char *fifo = scratch_file(&dir, "fifo"), *text = scratch_file(&dir, "text"),
             *empty = scratch_file(&dir, "empty");
  cr_assert_eq(mkfifo(fifo, 0600), 0);
  scratch_write(text, "hello", 5);
  scratch_write(empty, "", 0);
  cr_assert_eq(qe_tensor_load(fifo, NULL, &t), QE_ERROR_IO);
  cr_assert_eq(qe_tensor_load(dir.path, NULL, &t), QE_ERROR_IO);
  cr_assert_eq(qe_tensor_load(text, NULL, &t), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "68 65 6c 6c"), "%s", qe_last_error());
  cr_assert_eq(qe_tensor_load(empty, NULL, &t), QE_ERROR_FORMAT);
  cr_assert_eq(qe_tensor_load("", NULL, &t), QE_ERROR_NOT_FOUND);
  cr_assert_eq(qe_tensor_load(NULL, NULL, &t), QE_ERROR_INVALID_ARGUMENT);
  cr_assert_null(t);
  cr_assert_eq(qe_dataset_open(1, (const char *[]){fifo}, NULL, &d), QE_ERROR_IO);
  cr_assert_null(d);
}

Test(bad_inputs, memory_that_runs_out) {
  static bytes b;
  for (int kind = 0; kind < KINDS; kind++) {
    const char *path = scratch_file(&dir, "t");
    make(kind, &b);
    scratch_write(path, b.data, b.size);
    for (long n = 0;; n++) {
      qe_dataset_t *d = NULL;
      qe_tensor_t *t = NULL;
      const qe_dataset_options_t options = {.struct_size = sizeof options, .normalize = 1, .mean = 0, .std = 1};
      qe__fail_allocations_after(n);
      qe_status_t status = qe_dataset_open(1, &path, &options, &d);
      if (status == QE_OK) status = qe_dataset_batch(d, 0, 2, &t);
      qe__fail_allocations_after(-1);
      qe_tensor_release(&t);
      qe_dataset_destroy(&d);
      if (status == QE_OK) break;
      cr_assert_eq(status, QE_ERROR_OUT_OF_MEMORY, "kind %d, allocation %ld: %s", kind, n, qe_last_error());
      cr_assert_lt(n, 100);
    }
  }
}
