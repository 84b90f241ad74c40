/*
 * Transposing blocks of bytes (16 by 32) and of 4-byte elements (8 by 8) in registers, and planes of images of 3 or 4
 * channels; other sizes and the rims element by element.
 */
#include <immintrin.h>
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

/* One step of the byte transposition: element pairs of v[i] and v[i + 8] are interleaved into v[2i] and v[2i + 1]. */
static inline void interleave(__m256i v[16]) {
  __m256i t[16];
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm256_unpacklo_epi8(v[i], v[i + 8]);
    t[2 * i + 1] = _mm256_unpackhi_epi8(v[i], v[i + 8]);
  }
  for (int i = 0; i < 16; ++i) v[i] = t[i];
}

/* 16 rows, 32 columns: the lanes are two blocks of 16 by 16. Four perfect shuffles transpose one. */
static void bytes_16x32(uint8_t *y, int64_t y_row, const uint8_t *x, int64_t x_col) {
  __m256i v[16];
  for (int i = 0; i < 16; ++i) {
    const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)(x + i * x_col));
    const __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(x + (i + 16) * x_col));
    v[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  }
  for (int step = 0; step < 4; ++step) interleave(v);
  for (int i = 0; i < 16; ++i) _mm256_storeu_si256((__m256i *)(void *)(y + i * y_row), v[i]);
}

static void bytes(uint8_t *y, int64_t y_row, const uint8_t *x, int64_t x_col, int64_t rows, int64_t cols) {
  const int64_t whole_rows = rows / 16 * 16, whole_cols = cols / 32 * 32;
  for (int64_t c = 0; c < whole_cols; c += 64) { /* y by whole cache lines */
    const int64_t c_end = fb_min64(c + 64, whole_cols);
    for (int64_t k = c + 64; k < c + 128 && k < whole_cols; ++k)
      for (int64_t r = 0; r < whole_rows; r += 64) _mm_prefetch((const char *)(x + r + k * x_col), _MM_HINT_T0);
    for (int64_t r = 0; r < whole_rows; r += 16)
      for (int64_t d = c; d < c_end; d += 32) bytes_16x32(y + r * y_row + d, y_row, x + r + d * x_col, x_col);
  }
  plain(1, (char *)y, y_row, (const char *)x, x_col, 0, whole_rows, whole_cols, cols);
  plain(1, (char *)y, y_row, (const char *)x, x_col, whole_rows, rows, 0, cols);
}

static void floats_8x8(float *y, int64_t y_row, const float *x, int64_t x_col) {
  __m256 v[8], t[8];
  for (int i = 0; i < 4; ++i) { /* lanes: columns i and i + 4 */
    const __m256 a = _mm256_castps128_ps256(_mm_loadu_ps(x + i * x_col));
    const __m256 b = _mm256_castps128_ps256(_mm_loadu_ps(x + i * x_col + 4));
    v[i] = _mm256_insertf128_ps(a, _mm_loadu_ps(x + (i + 4) * x_col), 1);
    v[i + 4] = _mm256_insertf128_ps(b, _mm_loadu_ps(x + (i + 4) * x_col + 4), 1);
  }
  for (int h = 0; h < 8; h += 4) {
    t[h] = _mm256_unpacklo_ps(v[h], v[h + 1]);
    t[h + 1] = _mm256_unpackhi_ps(v[h], v[h + 1]);
    t[h + 2] = _mm256_unpacklo_ps(v[h + 2], v[h + 3]);
    t[h + 3] = _mm256_unpackhi_ps(v[h + 2], v[h + 3]);
    v[h] = _mm256_shuffle_ps(t[h], t[h + 2], 0x44);
    v[h + 1] = _mm256_shuffle_ps(t[h], t[h + 2], 0xEE);
    v[h + 2] = _mm256_shuffle_ps(t[h + 1], t[h + 3], 0x44);
    v[h + 3] = _mm256_shuffle_ps(t[h + 1], t[h + 3], 0xEE);
  }
  for (int i = 0; i < 8; ++i) _mm256_storeu_ps(y + i * y_row, v[i]);
}

static void floats(float *y, int64_t y_row, const float *x, int64_t x_col, int64_t rows, int64_t cols) {
  const int64_t whole_rows = rows / 8 * 8, whole_cols = cols / 8 * 8;
  for (int64_t c = 0; c < whole_cols; c += 16) {
    const int64_t c_end = fb_min64(c + 16, whole_cols);
    for (int64_t k = c + 16; k < c + 32 && k < whole_cols; ++k)
      for (int64_t r = 0; r < whole_rows; r += 16) _mm_prefetch((const char *)(x + r + k * x_col), _MM_HINT_T0);
    for (int64_t r = 0; r < whole_rows; r += 8)
      for (int64_t d = c; d < c_end; d += 8) floats_8x8(y + r * y_row + d, y_row, x + r + d * x_col, x_col);
  }
  plain(4, (char *)y, y_row, (const char *)x, x_col, 0, whole_rows, whole_cols, cols);
  plain(4, (char *)y, y_row, (const char *)x, x_col, whole_rows, rows, 0, cols);
}

/* Dense rows of 3 or 4 bytes, 16 at a time; returns how many rows are done. */
static int64_t byte_pixels(uint8_t *y, const uint8_t *x, int64_t x_col, int64_t rows, int64_t cols) {
  const __m128i three = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  int64_t r = 0;
  for (; rows - r >= 16 + 2 * (cols == 3); r += 16, y += 16 * cols) { /* the last store of 3 channels is 4 bytes too long */
    __m128i v[4];
    for (int i = 0; i < 4; ++i)
      v[i] = i < cols ? _mm_loadu_si128((const __m128i *)(const void *)(x + r + i * x_col)) : _mm_setzero_si128();
    const __m128i a[2] = {_mm_unpacklo_epi8(v[0], v[1]), _mm_unpackhi_epi8(v[0], v[1])};
    const __m128i b[2] = {_mm_unpacklo_epi8(v[2], v[3]), _mm_unpackhi_epi8(v[2], v[3])};
    for (int i = 0; i < 4; ++i) {
      const __m128i four = i % 2 ? _mm_unpackhi_epi16(a[i / 2], b[i / 2]) : _mm_unpacklo_epi16(a[i / 2], b[i / 2]);
      _mm_storeu_si128((__m128i *)(void *)(y + 4 * i * cols), cols == 3 ? _mm_shuffle_epi8(four, three) : four);
    }
  }
  return r;
}

/* The same of 4-byte elements, 4 rows at a time. */
static int64_t float_pixels(float *y, const float *x, int64_t x_col, int64_t rows, int64_t cols) {
  int64_t r = 0;
  for (; rows - r >= 4 + (cols == 3); r += 4, y += 4 * cols) {
    __m128 v[4];
    for (int i = 0; i < 4; ++i) v[i] = i < cols ? _mm_loadu_ps(x + r + i * x_col) : _mm_setzero_ps();
    _MM_TRANSPOSE4_PS(v[0], v[1], v[2], v[3]);
    for (int i = 0; i < 4; ++i) _mm_storeu_ps(y + i * cols, v[i]);
  }
  return r;
}

void fb_transpose(size_t size, void *y, int64_t y_row, const void *x, int64_t x_col, int64_t rows, int64_t cols) {
  if (y_row == cols && (cols == 3 || cols == 4) && (size == 1 || size == 4)) {
    const int64_t done = size == 1 ? byte_pixels(y, x, x_col, rows, cols) : float_pixels(y, x, x_col, rows, cols);
    plain(size, y, y_row, x, x_col, done, rows, 0, cols);
  } else if (size == 1)
    bytes(y, y_row, x, x_col, rows, cols);
  else if (size == 4)
    floats(y, y_row, x, x_col, rows, cols);
  else
    plain(size, y, y_row, x, x_col, 0, rows, 0, cols);
}
