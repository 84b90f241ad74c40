/*
 * What finishing the sums of the core of q8/list.h needs: constants for all outputs, and the outputs of four bytes.
 * Sums come by columns, outputs go by rows: a transpose is part of it.
 */
#include <float.h>
#include <immintrin.h>
#include <string.h>

#include "q8/list.h"
#include "q8/turn.h"

enum { ROWS = 8 }; /* worked on at a time */

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

void fb_list_finish_wide(const fb_q8_block *b, const fb_list_constants *c, const int32_t *sums, int64_t step,
                         int64_t row, int64_t rows, int64_t n0, int64_t n1) {
  const bool real = b->finish->to == FB_Q8_REAL, zeros = b->finish->col_zero != NULL;
  if (real && !zeros)
    finish_wide(b, c, sums, step, row, rows, n0, n1, true, false);
  else
    finish_wide(b, c, sums, step, row, rows, n0, n1, real, zeros);
}
