/*
 * Sums to outputs for the core of q8/list.h. Sums come by columns, outputs go by rows: a transpose is part of it.
 *
 * Codes are cut by saturating packs, after conversions to int32; these go wrong only for numbers of 2^31 or more, so
 * floats are cut first where a multiplier is so large (or no number at all) that there can be such numbers. What is
 * too small becomes INT32_MIN, as it should.
 */
#include <float.h>
#include <immintrin.h>
#include <string.h>

#include "q8/list.h"
#include "q8/turn.h"

enum { ROWS = 8, CODES = 16 }; /* rows and codes (columns) worked on at a time */

/*
 * For codes a multiplier that is not a number stands for 0, an infinite one for the largest number: no product is NaN,
 * and codes are those that NaN and infinity would have given.
 */
void fb_list_find_constants(const fb_q8_block *b, int64_t n0, int64_t n1, fb_list_constants *c) {
  const fb_q8_finish *f = b->finish;
  const size_t size = (size_t)(n1 - n0) * 4;
  memset(c, 0, sizeof *c);
  if (f->col_zero) memcpy(c->zero, f->col_zero + n0, size);
  if (f->to == FB_Q8_SUMS) return;
  memcpy(c->m, f->m + n0, size);
  for (int64_t n = 0; n < FB_LIST_COLS; n++) c->real_bias[n] = -0.0f; /* changes no number that it is added to */
  if (f->real_bias) memcpy(c->real_bias, f->real_bias + n0, size);
  if (f->to == FB_Q8_REAL) return;
  const float depth = (float)(b->taps * b->kc), most = depth * 255.0f * (f->col_zero ? 512.0f : 128.0f);
  int large = 0;
  for (int64_t n = n0; n < n1; n++) {
    const float bias = (float)f->bias[n], m = f->m[n], number = m == m ? m : 0.0f;
    const float cut = number > FLT_MAX ? FLT_MAX : number;
    c->m[n - n0] = cut < -FLT_MAX ? -FLT_MAX : cut;
    large |= !((most + (bias < 0.0f ? -bias : bias)) * (m < 0.0f ? -m : m) < 0x1p30f);
  }
  c->bounded = !large;
}

/* 8 sums of a column, after the correction for its zero point. */
static inline __m256i load_sums(const fb_q8_block *b, const fb_list_constants *c, const int32_t *sums, __m256i row_sums,
                                int64_t column, int64_t step) {
  const __m256i v = _mm256_load_si256((const __m256i *)(sums + column * step));
  if (!b->finish->col_zero) return v;
  return _mm256_sub_epi32(v, _mm256_mullo_epi32(row_sums, _mm256_set1_epi32(c->zero[column])));
}

/* The sums of codes of 8 rows (of which `rows` are there). */
static inline __m256i load_row_sums(const fb_q8_block *b, int64_t row, int64_t rows) {
  int32_t sums[ROWS] = {0};
  if (!b->finish->col_zero) return _mm256_setzero_si256();
  memcpy(sums, b->row_sum + row, (size_t)rows * sizeof *sums);
  return _mm256_loadu_si256((const __m256i *)sums);
}

typedef struct scale {
  __m256 most;          /* the largest code, less the zero point */
  __m256i zero;         /* in int16, of codes that `flip` makes unsigned */
  __m256i lo, hi, flip; /* in uint8 */
} scale;

static scale make_scale(const fb_q8_finish *f) {
  const int32_t flip = f->lo < 0 ? 0x80 : 0;
  return (scale){_mm256_set1_ps((float)(f->hi - f->zero)), _mm256_set1_epi16((int16_t)(f->zero + flip)),
                 _mm256_set1_epi8((char)(f->lo + flip)), _mm256_set1_epi8((char)(f->hi + flip)),
                 _mm256_set1_epi8((char)flip)};
}

/* Codes of 4 columns and 8 rows: a dword for each row. */
static inline __m256i codes4(const __m256i q[4], const scale *s) {
  const __m256i order = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8, 12, 1, 5, 9, 13,
                                         2, 6, 10, 14, 3, 7, 11, 15);
  const __m256i a = _mm256_adds_epi16(_mm256_packs_epi32(q[0], q[1]), s->zero);
  const __m256i b = _mm256_adds_epi16(_mm256_packs_epi32(q[2], q[3]), s->zero);
  const __m256i cut = _mm256_min_epu8(_mm256_max_epu8(_mm256_packus_epi16(a, b), s->lo), s->hi);
  return _mm256_shuffle_epi8(_mm256_xor_si256(cut, s->flip), order);
}

/* 16 codes of each of 8 rows; row i + 4 is the upper half of rows[i]. */
static inline void turn(const __m256i c[4], __m256i rows[4]) {
  const __m256i a0 = _mm256_unpacklo_epi32(c[0], c[1]), a1 = _mm256_unpackhi_epi32(c[0], c[1]);
  const __m256i b0 = _mm256_unpacklo_epi32(c[2], c[3]), b1 = _mm256_unpackhi_epi32(c[2], c[3]);
  rows[0] = _mm256_unpacklo_epi64(a0, b0);
  rows[1] = _mm256_unpackhi_epi64(a0, b0);
  rows[2] = _mm256_unpacklo_epi64(a1, b1);
  rows[3] = _mm256_unpackhi_epi64(a1, b1);
}

static inline void store_codes(uint8_t *y, int64_t step, const __m256i v[4], int64_t rows, int64_t columns) {
  if (rows == ROWS && columns == CODES) {
    for (int i = 0; i < 4; i++) {
      _mm_storeu_si128((__m128i *)(y + i * step), _mm256_castsi256_si128(v[i]));
      _mm_storeu_si128((__m128i *)(y + (i + 4) * step), _mm256_extracti128_si256(v[i], 1));
    }
    return;
  }
  uint8_t room[ROWS][CODES];
  for (int i = 0; i < 4; i++) {
    _mm_storeu_si128((__m128i *)room[i], _mm256_castsi256_si128(v[i]));
    _mm_storeu_si128((__m128i *)room[i + 4], _mm256_extracti128_si256(v[i], 1));
  }
  for (int64_t i = 0; i < rows; i++) memcpy(y + i * step, room[i], (size_t)columns);
}

static inline __attribute__((always_inline)) void finish_codes(const fb_q8_block *b, const fb_list_constants *c,
                                                               const int32_t *sums, int64_t step, int64_t row,
                                                               int64_t rows, int64_t n0, int64_t n1, bool simple) {
  const scale s = make_scale(b->finish);
  for (int64_t n = 0; n < n1 - n0; n += CODES)
    for (int64_t r = 0; r < rows; r += ROWS) {
      const __m256i row_sums = simple ? _mm256_setzero_si256() : load_row_sums(b, row + r, fb_min64(ROWS, rows - r));
      __m256i codes[4], out[4];
      for (int j = 0; j < 4; j++) {
        __m256i q[4];
        for (int i = 0; i < 4; i++) {
          const int64_t at = n + 4 * j + i;
          const __m256i v = simple ? _mm256_load_si256((const __m256i *)(sums + at * step + r))
                                   : load_sums(b, c, sums + r, row_sums, at, step);
          const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(v), _mm256_set1_ps(c->m[at]));
          q[i] = _mm256_cvtps_epi32(simple ? product : _mm256_min_ps(product, s.most));
        }
        codes[j] = codes4(q, &s);
      }
      turn(codes, out);
      store_codes((uint8_t *)b->y + (row + r) * b->y_step + n0 + n, b->y_step, out, fb_min64(ROWS, rows - r),
                  fb_min64(CODES, n1 - n0 - n));
    }
}

/* What all outputs of four bytes have in common, in registers. */
typedef struct wide {
  bool real, zeros;
  __m256 lo, hi;
} wide;

/* Eight columns of a row. */
static inline __m256i wide8(const wide *w, const fb_list_constants *c, __m256i sums, int64_t n) {
  if (!w->real) return sums;
  const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_loadu_ps(c->m + n));
  const __m256 y = _mm256_add_ps(product, _mm256_loadu_ps(c->real_bias + n));
  /* of two numbers of which one is NaN, or of two zeros, max and min give the second */
  return _mm256_castps_si256(_mm256_min_ps(w->hi, _mm256_max_ps(w->lo, y)));
}

/* Outputs of four bytes: real numbers or sums. Rows are written along, as whole lines of the cache. */
static inline __attribute__((always_inline)) void finish_wide(const fb_q8_block *b, const fb_list_constants *c,
                                                              const int32_t *sums, int64_t step, int64_t row,
                                                              int64_t rows, int64_t n0, int64_t n1, bool real,
                                                              bool zeros) {
  const wide w = {real, zeros, _mm256_set1_ps(b->finish->act_lo), _mm256_set1_ps(b->finish->act_hi)};
  for (int64_t r = 0; r < rows; r += ROWS)
    for (int64_t n = 0; n < n1 - n0; n += 8) {
      const int64_t here = fb_min64(ROWS, rows - r), columns = fb_min64(8, n1 - n0 - n);
      __m256i v[8];
      for (int i = 0; i < 8; i++) v[i] = _mm256_load_si256((const __m256i *)(sums + r + (n + i) * step));
      fb_turn8(v);
      if (w.zeros)
        for (int64_t i = 0; i < here; i++)
          v[i] = _mm256_sub_epi32(v[i], _mm256_mullo_epi32(_mm256_set1_epi32(b->row_sum[row + r + i]),
                                                           _mm256_loadu_si256((const __m256i *)(c->zero + n))));
      for (int i = 0; i < 8; i++) v[i] = wide8(&w, c, v[i], n);
      int32_t *y = (int32_t *)b->y + (row + r) * b->y_step + n0 + n;
      if (here == ROWS && columns == 8) {
        for (int i = 0; i < 8; i++) _mm256_storeu_si256((__m256i *)(y + i * b->y_step), v[i]);
        continue;
      }
      for (int64_t i = 0; i < here; i++) memcpy(y + i * b->y_step, &v[i], (size_t)columns * sizeof *y);
    }
}

void fb_list_finish(const fb_q8_block *b, const fb_list_constants *c, const int32_t *sums, int64_t step, int64_t row,
                    int64_t rows, int64_t n0, int64_t n1) {
  const fb_q8_finish *f = b->finish;
  const bool zeros = f->col_zero != NULL;
  if (f->to == FB_Q8_REAL && !zeros)
    finish_wide(b, c, sums, step, row, rows, n0, n1, true, false);
  else if (f->to != FB_Q8_CODES)
    finish_wide(b, c, sums, step, row, rows, n0, n1, f->to == FB_Q8_REAL, zeros);
  else if (c->bounded && !zeros)
    finish_codes(b, c, sums, step, row, rows, n0, n1, true);
  else
    finish_codes(b, c, sums, step, row, rows, n0, n1, false);
}
