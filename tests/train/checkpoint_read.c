/* A checkpoint's bytes: what is damaged, cut off or foreign is refused by name. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "support/scratch.h"
#include "train/checkpoint.h"

#define WHOLE QE_SOURCE_DIR "/tests/fuzz/corpus/fuzz_checkpoint/whole"

static uint8_t file[4096];

static size_t load(void) {
  const size_t size = scratch_read(WHOLE, file, sizeof file);
  cr_assert(size > 200 && size < sizeof file);
  return size;
}

static qe_status_t parse(const void *data, size_t size) {
  qe__checkpoint c;
  const qe_status_t status = qe__checkpoint_parse(data, size, "file", &c);
  qe__free(c.entries);
  return status;
}

Test(checkpoint_read, what_is_in_it) {
  const size_t size = load();
  qe__checkpoint c;
  cr_assert_eq(qe__checkpoint_parse(file, size, "file", &c), QE_OK, "%s", qe_last_error());
  cr_assert(c.at.step == 12 && c.at.epoch == 1 && c.at.batch == 2 && c.at.loss_sum == 3.5 && c.at.rows == 64);
  cr_assert(c.at.right == 32 && c.at.best == 0.5 && c.at.bad_epochs == 0);
  cr_assert(c.steps_per_epoch == 10 && c.metrics_lines == 333 && c.count == 3 && c.model[31] == 31);
  cr_assert_eq(c.options[QE__OPTION_COUNT - 1], (uint64_t)QE__OPTION_COUNT - 1);
  cr_assert(c.entries[0].kind_length == 9 && memcmp(c.entries[0].kind, "parameter", 9) == 0);
  cr_assert(c.entries[0].rank == 2 && c.entries[0].dims[1] == 3 && c.entries[0].bytes == 24);
  float first = 1.0f;
  memcpy(&first, c.entries[0].data, sizeof first); /* where it lies in the file */
  cr_assert_eq(first, 0.0f);
  qe__free(c.entries);
}

Test(checkpoint_read, every_beginning_is_refused) {
  const size_t size = load();
  for (size_t n = 0; n < size; n++) {
    uint8_t *exact = malloc(n > 0 ? n : 1); /* so that a sanitizer sees a read past the end */
    memcpy(exact, file, n);
    cr_assert_eq(parse(exact, n), QE_ERROR_FORMAT, "%zu bytes", n);
    cr_assert_not_null(strstr(qe_last_error(), n < 8 ? "no checkpoint" : "truncated"), "%zu: %s", n, qe_last_error());
    free(exact);
  }
  file[size] = 0;
  cr_assert_eq(parse(file, size + 1), QE_ERROR_FORMAT);
}

Test(checkpoint_read, every_flipped_bit_is_refused) {
  const size_t size = load();
  for (size_t i = 0; i < size * 8; i++) {
    file[i / 8] ^= (uint8_t)(1u << i % 8);
    cr_assert_eq(parse(file, size), QE_ERROR_FORMAT, "bit %zu", i);
    file[i / 8] ^= (uint8_t)(1u << i % 8);
  }
  cr_assert_eq(parse(file, size), QE_OK);
  file[8] = 2;
  cr_assert_eq(parse(file, size), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "version 2"), "%s", qe_last_error());
}
