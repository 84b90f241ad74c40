/* --augment: pictures [..., height, width] are moved and turned over at random, each by random bits of its own. */
#include <stdlib.h>
#include <string.h>

#include "train.h"

int cli_train_check_augment(const qe_model_t *model, const char *model_path) {
  bool found = false;
  for (uint32_t i = 0; i < qe_model_input_count(model); i++) {
    qe_value_info_t info;
    const qe_status_t status = qe_model_input(model, i, &info);
    if (status != QE_OK) return cli_fail(status, "%s", model_path);
    if (info.dtype == QE_FLOAT32 && info.rank >= 3) found = true;
  }
  return found ? CLI_OK : cli_error(CLI_FAILED, "--augment: %s has no input [batch, ..., height, width] of float32", model_path);
}

static void flip_row(float *row, int64_t width) {
  for (int64_t x = 0; x < width / 2; x++) {
    const float left = row[x];
    row[x] = row[width - 1 - x];
    row[width - 1 - x] = left;
  }
}

static int64_t within(int64_t at, int64_t size) {
  return at < 0 ? 0 : at >= size ? size - 1 : at;
}

/* row[x] = row[x - dx], the edge where there is none. */
static void shift_row(float *row, int64_t width, int64_t dx) {
  for (int64_t i = 0; i < width; i++) {
    const int64_t x = dx > 0 ? width - 1 - i : i; /* what is read later is not overwritten yet */
    row[x] = row[within(x - dx, width)];
  }
}

static void shift_rows(float *plane, int64_t height, int64_t width, int64_t dy) {
  for (int64_t i = 0; i < height; i++) {
    const int64_t y = dy > 0 ? height - 1 - i : i;
    const int64_t from = within(y - dy, height);
    if (from != y) memcpy(plane + y * width, plane + from * width, (size_t)width * sizeof *plane);
  }
}

/* -shift .. shift from 16 random bits. */
static int64_t distance(uint64_t bits, uint32_t shift) {
  return (int64_t)((bits & 0xffff) * (2 * (uint64_t)shift + 1) >> 16) - (int64_t)shift;
}

void cli_train_augment(const cli_train_args *a, uint64_t random, uint32_t rank, const int64_t *dims, float *sample) {
  if (rank < 2) return;
  int64_t planes = 1;
  const int64_t height = dims[rank - 2], width = dims[rank - 1];
  for (uint32_t d = 0; d + 2 < rank; d++) planes *= dims[d];
  const int64_t dx = distance(random, a->shift), dy = distance(random >> 16, a->shift);
  const bool flips = a->flip && (random >> 32 & 1) != 0;
  if (height < 1 || width < 1) return;
  for (int64_t p = 0; p < planes; p++) {
    float *plane = sample + p * height * width;
    for (int64_t y = 0; y < height; y++) {
      if (flips) flip_row(plane + y * width, width);
      shift_row(plane + y * width, width, dx);
    }
    shift_rows(plane, height, width, dy);
  }
}
