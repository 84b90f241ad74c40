/*
 * What the cores need of integer vectors beyond float/vec.h, under the same rules; functions that end in _n touch the
 * first n lanes or bytes only and may be given fewer than there are.
 */
#ifndef QE_FBGEMM_Q8_LANES_H
#define QE_FBGEMM_Q8_LANES_H

#include "float/vec.h"

#if FB_LANES == 16

static inline void fbq_store_i_n(int32_t *p, fb_i v, int64_t n) { _mm512_mask_storeu_epi32(p, fbv_first(n), v); }
static inline fb_i fbq_sub_i(fb_i a, fb_i b) { return _mm512_sub_epi32(a, b); }
static inline fb_i fbq_mul_i(fb_i a, fb_i b) { return _mm512_mullo_epi32(a, b); }
static inline fb_i fbq_shift_up(fb_i v, int64_t bits) { return _mm512_sll_epi32(v, _mm_cvtsi64_si128(bits)); }
static inline fb_i fbq_packs32(fb_i a, fb_i b) { return _mm512_packs_epi32(a, b); }
static inline fb_i fbq_packus16(fb_i a, fb_i b) { return _mm512_packus_epi16(a, b); }
static inline fb_i fbq_adds16(fb_i a, fb_i b) { return _mm512_adds_epi16(a, b); }
static inline fb_i fbq_max_u8(fb_i a, fb_i b) { return _mm512_max_epu8(a, b); }
static inline fb_i fbq_min_u8(fb_i a, fb_i b) { return _mm512_min_epu8(a, b); }
/* Dwords 0, 4, 8, .. then 1, 5, 9, ..: undoes what packing does to the order. */
static inline fb_i fbq_unshuffle(fb_i v) {
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), v);
}
static inline fb_i fbq_as_i(fb_f v) { return _mm512_castps_si512(v); }
static inline bool fbq_all_below(fb_f v, float most) { return fbv_lt(v, fbv_set1(most)) == 0xffff; }

/* Halves of the bytes of a vector, to two places. */
static inline void fbq_store_halves(uint8_t *p0, uint8_t *p1, fb_i v) {
  _mm256_storeu_si256((__m256i *)(void *)p0, _mm512_castsi512_si256(v));
  _mm256_storeu_si256((__m256i *)(void *)p1, _mm512_extracti64x4_epi64(v, 1));
}
static inline void fbq_store_half_n(uint8_t *p, fb_i v, int half, int64_t n) {
  const __m256i bytes = half ? _mm512_extracti64x4_epi64(v, 1) : _mm512_castsi512_si256(v);
  _mm256_mask_storeu_epi8(p, (__mmask32)((UINT64_C(1) << n) - 1), bytes);
}

#else

static inline void fbq_store_i_n(int32_t *p, fb_i v, int64_t n) { _mm256_maskstore_epi32(p, fbv_first(n), v); }
static inline fb_i fbq_sub_i(fb_i a, fb_i b) { return _mm256_sub_epi32(a, b); }
static inline fb_i fbq_mul_i(fb_i a, fb_i b) { return _mm256_mullo_epi32(a, b); }
static inline fb_i fbq_shift_up(fb_i v, int64_t bits) { return _mm256_sll_epi32(v, _mm_cvtsi64_si128(bits)); }
static inline fb_i fbq_packs32(fb_i a, fb_i b) { return _mm256_packs_epi32(a, b); }
static inline fb_i fbq_packus16(fb_i a, fb_i b) { return _mm256_packus_epi16(a, b); }
static inline fb_i fbq_adds16(fb_i a, fb_i b) { return _mm256_adds_epi16(a, b); }
static inline fb_i fbq_max_u8(fb_i a, fb_i b) { return _mm256_max_epu8(a, b); }
static inline fb_i fbq_min_u8(fb_i a, fb_i b) { return _mm256_min_epu8(a, b); }
static inline fb_i fbq_unshuffle(fb_i v) {
  return _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
static inline fb_i fbq_as_i(fb_f v) { return _mm256_castps_si256(v); }
static inline bool fbq_all_below(fb_f v, float most) { return _mm256_movemask_ps(fbv_lt(v, fbv_set1(most))) == 0xff; }

static inline void fbq_store_halves(uint8_t *p0, uint8_t *p1, fb_i v) {
  _mm_storeu_si128((__m128i *)(void *)p0, _mm256_castsi256_si128(v));
  _mm_storeu_si128((__m128i *)(void *)p1, _mm256_extracti128_si256(v, 1));
}
static inline void fbq_store_half_n(uint8_t *p, fb_i v, int half, int64_t n) {
  const __m128i bytes = half ? _mm256_extracti128_si256(v, 1) : _mm256_castsi256_si128(v);
  const uint64_t low = (uint64_t)_mm_cvtsi128_si64(bytes), high = (uint64_t)_mm_extract_epi64(bytes, 1);
  if (n < 8) {
    fbv_put_bytes_n(p, low, n);
  } else if (n == 16) {
    _mm_storeu_si128((__m128i *)(void *)p, bytes);
  } else {
    memcpy(p, &low, 8);
    fbv_put_bytes_n(p + 8, high, n - 8);
  }
}

#endif
#endif
