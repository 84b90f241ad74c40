/* Sums of the codes of rows, wanted where weights have zero points. */
#include <immintrin.h>
#include <string.h>

#include "q8/product.h"

static int64_t sum_of(const uint8_t *x, int64_t n, uint8_t flip) {
  const __m256i flips = _mm256_set1_epi8((char)flip), zero = _mm256_setzero_si256();
  __m256i acc = zero;
  int64_t i = 0, sum = 0;
  for (; i + 32 <= n; i += 32)
    acc = _mm256_add_epi64(acc, _mm256_sad_epu8(_mm256_xor_si256(_mm256_loadu_si256((const void *)(x + i)), flips), zero));
  const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(acc), _mm256_extracti128_si256(acc, 1));
  sum = _mm_cvtsi128_si64(half) + _mm_extract_epi64(half, 1);
  for (; i < n; ++i) sum += x[i] ^ flip;
  return sum;
}

void fb_q8_row_sums(const uint8_t *const *x, int64_t rows, int64_t taps, int64_t kc, uint8_t flip, int32_t *sums) {
  for (int64_t r = 0; r < rows; ++r) {
    int64_t sum = 0;
    for (int64_t t = 0; t < taps; ++t) sum += sum_of(x[r * taps + t], kc, flip);
    sums[r] = (int32_t)sum;
  }
}
