/*
 * The inner loop for AVX2: vpmaddwd multiplies 16 pairs of int16 and adds the two products of each pair as int32,
 * exactly. (vpmaddubsw, which multiplies codes as they are, would saturate the pair sums at 32767:
 * 211 * 71 + 171 * 107 = 33278.) This file alone is compiled for AVX2; nothing in it runs on a machine without.
 */
#include <immintrin.h>
#include <string.h>

#include "gemm.h"

/* One row of A for a pair of k, in every lane. */
static __m256i spread(const int16_t *a) {
  int32_t pair;
  memcpy(&pair, a, sizeof pair);
  return _mm256_set1_epi32(pair);
}

void acme_multiply_6x16__avx2(int64_t pairs, const int16_t *a, const int16_t *b, int32_t acc[MR][NR]) {
  __m256i left[MR], right[MR];
  for (int r = 0; r < MR; r++) left[r] = right[r] = _mm256_setzero_si256();
  for (int64_t i = 0; i < pairs; i++, a += KR * MR, b += KR * NR) {
    const __m256i b0 = _mm256_loadu_si256((const void *)b), b1 = _mm256_loadu_si256((const void *)(b + NR));
    for (int r = 0; r < MR; r++) {
      const __m256i row = spread(a + KR * r);
      left[r] = _mm256_add_epi32(left[r], _mm256_madd_epi16(row, b0));
      right[r] = _mm256_add_epi32(right[r], _mm256_madd_epi16(row, b1));
    }
  }
  for (int r = 0; r < MR; r++) {
    _mm256_storeu_si256((void *)acc[r], left[r]);
    _mm256_storeu_si256((void *)(acc[r] + NR / 2), right[r]);
  }
}
