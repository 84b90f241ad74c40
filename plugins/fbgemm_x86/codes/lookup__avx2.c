/*
 * Lookup on AVX2: rows of 16 entries, chosen by pshufb. Row k holds entry XOR the entry of row k - 1, so that the XOR of
 * rows 0..k is the entry; an index below the row, made negative by subtracting 16 per row, gives 0. Signed saturation
 * keeps indices of 128 and more negative: they have their own eight rows, and the others give 0 for them.
 */
#include <immintrin.h>

#include "codes/lookup.h"

#define SMALL 128 /* bytes up to which the rows do not pay */

typedef struct rows {
  __m256i row[16];
} rows;

static rows rows_of(const uint8_t *table) {
  rows t;
  __m128i before = _mm_setzero_si128();
  for (int k = 0; k < 16; ++k) {
    const __m128i row = _mm_loadu_si128((const __m128i *)(const void *)(table + 16 * k));
    t.row[k] = _mm256_broadcastsi128_si256(k % 8 ? _mm_xor_si128(row, before) : row);
    before = row;
  }
  return t;
}

static inline void look_up(uint8_t *y, const uint8_t *x, const rows *t) {
  __m256i low[2], high[2], value[2];
  for (int i = 0; i < 2; ++i) {
    low[i] = _mm256_loadu_si256((const __m256i *)(const void *)(x + 32 * i));
    high[i] = _mm256_xor_si256(low[i], _mm256_set1_epi8((char)0x80));
    value[i] = _mm256_setzero_si256();
  }
  for (int k = 0; k < 8; ++k)
    for (int i = 0; i < 2; ++i) {
      const __m256i a = _mm256_shuffle_epi8(t->row[k], low[i]), b = _mm256_shuffle_epi8(t->row[k + 8], high[i]);
      value[i] = _mm256_xor_si256(value[i], _mm256_xor_si256(a, b));
      low[i] = _mm256_subs_epi8(low[i], _mm256_set1_epi8(16));
      high[i] = _mm256_subs_epi8(high[i], _mm256_set1_epi8(16));
    }
  for (int i = 0; i < 2; ++i) _mm256_storeu_si256((__m256i *)(void *)(y + 32 * i), value[i]);
}

int fb_lookup__avx2_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const uint8_t *x = call->in[0], *table = call->in[1];
  uint8_t *y = call->out[0];
  int64_t i = tile_begin * FB_LOOKUP_TILE;
  const int64_t end = fb_min64(tile_end * FB_LOOKUP_TILE, call->problem->out[0]->count);
  if (end - i > SMALL) {
    const rows t = rows_of(table);
    for (; end - i >= 64; i += 64) look_up(y + i, x + i, &t);
  }
  for (; i < end; ++i) y[i] = table[x[i]];
  return 0;
}
