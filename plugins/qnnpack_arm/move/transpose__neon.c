/*
 * Transposing blocks of bytes (16 by 16) and of 4-byte elements (4 by 4) in registers, and planes of images of 3 or 4
 * channels; other sizes and the rims element by element.
 */
#include <arm_neon.h>
#include <string.h>

#include "move/copy.h"

/* For the rims: rows r0.., columns c0... */
static void plain(size_t size, char *y, int64_t y_row, const char *x, int64_t x_col, int64_t r0, int64_t rows,
                  int64_t c0, int64_t cols) {
#define MOVE(bytes)                                                                     \
  for (int64_t r = r0; r < rows; ++r)                                                   \
    for (int64_t c = c0; c < cols; ++c)                                                 \
      memcpy(y + (r * y_row + c) * (bytes), x + (r + c * x_col) * (bytes), (bytes));    \
  break
  switch (size) {
  case 1: MOVE(1);
  case 2: MOVE(2);
  case 4: MOVE(4);
  default: MOVE(8);
  }
}

/* Four perfect shuffles: each interleaves v[i] and v[i + 8] into v[2i] and v[2i + 1]. */
static void bytes_16x16(uint8_t *y, int64_t y_row, const uint8_t *x, int64_t x_col) {
  uint8x16_t v[16], t[16];
  for (int i = 0; i < 16; ++i) v[i] = vld1q_u8(x + i * x_col);
  for (int step = 0; step < 4; ++step) {
    for (int i = 0; i < 8; ++i) {
      t[2 * i] = vzip1q_u8(v[i], v[i + 8]);
      t[2 * i + 1] = vzip2q_u8(v[i], v[i + 8]);
    }
    for (int i = 0; i < 16; ++i) v[i] = t[i];
  }
  for (int i = 0; i < 16; ++i) vst1q_u8(y + i * y_row, v[i]);
}

/* Two of them. */
static void floats_4x4(uint32_t *y, int64_t y_row, const uint32_t *x, int64_t x_col) {
  uint32x4_t v[4], t[4];
  for (int i = 0; i < 4; ++i) v[i] = vld1q_u32(x + i * x_col);
  for (int step = 0; step < 2; ++step) {
    for (int i = 0; i < 2; ++i) {
      t[2 * i] = vzip1q_u32(v[i], v[i + 2]);
      t[2 * i + 1] = vzip2q_u32(v[i], v[i + 2]);
    }
    for (int i = 0; i < 4; ++i) v[i] = t[i];
  }
  for (int i = 0; i < 4; ++i) vst1q_u32(y + i * y_row, v[i]);
}

#define BLOCKS(type, side, block)                                                                                  \
  static void block##s(type *y, int64_t y_row, const type *x, int64_t x_col, int64_t rows, int64_t cols) {         \
    const int64_t whole_rows = rows / (side) * (side), whole_cols = cols / (side) * (side);                        \
    for (int64_t c = 0; c < whole_cols; c += (side))                                                               \
      for (int64_t r = 0; r < whole_rows; r += (side)) block(y + r * y_row + c, y_row, x + r + c * x_col, x_col);  \
    plain(sizeof(type), (char *)y, y_row, (const char *)x, x_col, 0, whole_rows, whole_cols, cols);                \
    plain(sizeof(type), (char *)y, y_row, (const char *)x, x_col, whole_rows, rows, 0, cols);                      \
  }
BLOCKS(uint8_t, 16, bytes_16x16)
BLOCKS(uint32_t, 4, floats_4x4)

/* Dense rows of 3 or 4 elements, `lanes` at a time; returns how many rows are done. */
#define PIXELS(type, lanes, suffix)                                                                             \
  static int64_t pixels_##suffix(type *y, const type *x, int64_t x_col, int64_t rows, int64_t cols) {           \
    int64_t r = 0;                                                                                              \
    for (; rows - r >= (lanes); r += (lanes), x += (lanes), y += (lanes)*cols) {                                \
      if (cols == 3)                                                                                            \
        vst3q_##suffix(y, ((type##x##lanes##x3_t){{vld1q_##suffix(x), vld1q_##suffix(x + x_col),                \
                                                   vld1q_##suffix(x + 2 * x_col)}}));                           \
      else                                                                                                      \
        vst4q_##suffix(y, ((type##x##lanes##x4_t){{vld1q_##suffix(x), vld1q_##suffix(x + x_col),                \
                                                   vld1q_##suffix(x + 2 * x_col), vld1q_##suffix(x + 3 * x_col)}})); \
    }                                                                                                           \
    return r;                                                                                                   \
  }
typedef uint8_t uint8;
typedef uint32_t uint32;
PIXELS(uint8, 16, u8)
PIXELS(uint32, 4, u32)

void fb_transpose(size_t size, void *y, int64_t y_row, const void *x, int64_t x_col, int64_t rows, int64_t cols) {
  if (y_row == cols && (cols == 3 || cols == 4) && (size == 1 || size == 4)) {
    const int64_t done = size == 1 ? pixels_u8(y, x, x_col, rows, cols) : pixels_u32(y, x, x_col, rows, cols);
    plain(size, y, y_row, x, x_col, done, rows, 0, cols);
  } else if (size == 1)
    bytes_16x16s(y, y_row, x, x_col, rows, cols);
  else if (size == 4)
    floats_4x4s(y, y_row, x, x_col, rows, cols);
  else
    plain(size, y, y_row, x, x_col, 0, rows, 0, cols);
}
