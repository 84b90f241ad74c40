/* Vectors of float/vec.h: 8 lanes with AVX2, 16 with AVX-512. Included by vec.h only. */
#include <immintrin.h>

#if defined(__AVX512BW__)
#define FB_RUN(stem)    fb_##stem##__avx512bw_run
#define FB_NAME(stem)   stem##__avx512bw
#define FB_LANES        16
#define FBV_SLEEF(name) Sleef_finz_##name##f16_u10avx512f
typedef __m512 fb_f;
typedef __m512i fb_i;
typedef __mmask16 fb_m;
#else
#define FB_RUN(stem)    fb_##stem##__avx2_run
#define FB_NAME(stem)   stem##__avx2
#define FB_LANES        8
#define FBV_SLEEF(name) Sleef_finz_##name##f8_u10avx2
typedef __m256 fb_f;
typedef __m256i fb_i;
typedef __m256 fb_m;
#endif

/* How int32 become 8-bit codes: plus zero (16-bit lanes), cut to lo and hi (bytes; all as if unsigned), then flipped. */
typedef struct fbv_coder {
  fb_i zero, lo, hi, flip;
} fbv_coder;

#if defined(__AVX512BW__)

static inline __mmask16 fbv_first(int64_t n) { return (__mmask16)((1u << n) - 1u); }

static inline fb_f fbv_load(const float *p) { return _mm512_loadu_ps(p); }
static inline fb_f fbv_load_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(fbv_first(n), p); }
static inline fb_f fbv_load_or(const float *p, int64_t n, fb_f other) { return _mm512_mask_loadu_ps(other, fbv_first(n), p); }
static inline fb_f fbv_keep_n(fb_f v, int64_t n) { return _mm512_maskz_mov_ps(fbv_first(n), v); }
static inline void fbv_store(float *p, fb_f v) { _mm512_storeu_ps(p, v); }
static inline void fbv_store_n(float *p, fb_f v, int64_t n) { _mm512_mask_storeu_ps(p, fbv_first(n), v); }
static inline fb_f fbv_set1(float v) { return _mm512_set1_ps(v); }
static inline fb_i fbv_set1_i(int32_t v) { return _mm512_set1_epi32(v); }
static inline fb_i fbv_load_i(const int32_t *p) { return _mm512_loadu_si512(p); }
static inline fb_i fbv_load_i_n(const int32_t *p, int64_t n) { return _mm512_maskz_loadu_epi32(fbv_first(n), p); }
static inline void fbv_store_i(int32_t *p, fb_i v) { _mm512_storeu_si512(p, v); }

/* a > b ? a : b and a < b ? a : b: b when either is NaN, and of two zeros. */
static inline fb_f fbv_max(fb_f a, fb_f b) { return _mm512_max_ps(a, b); }
static inline fb_f fbv_min(fb_f a, fb_f b) { return _mm512_min_ps(a, b); }
static inline fb_f fbv_fma(fb_f a, fb_f b, fb_f c) { return _mm512_fmadd_ps(a, b, c); }
static inline fb_f fbv_fnma(fb_f a, fb_f b, fb_f c) { return _mm512_fnmadd_ps(a, b, c); }
static inline fb_f fbv_sqrt(fb_f a) { return _mm512_sqrt_ps(a); }
static inline fb_f fbv_round(fb_f a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline fb_f fbv_floor(fb_f a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
static inline fb_f fbv_ceil(fb_f a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC); }
static inline fb_m fbv_lt(fb_f a, fb_f b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline fb_m fbv_le(fb_f a, fb_f b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
static inline fb_m fbv_eq(fb_f a, fb_f b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline fb_m fbv_is_nan(fb_f a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
static inline fb_f fbv_select(fb_m m, fb_f yes, fb_f no) { return _mm512_mask_blend_ps(m, no, yes); }
/* v, or +0 where it is NaN. */
static inline fb_f fbv_no_nan(fb_f v) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), v); }
static inline fb_f fbv_abs(fb_f a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
static inline fb_f fbv_neg(fb_f a) { return _mm512_xor_ps(_mm512_set1_ps(-0.0f), a); }
static inline fb_i fbv_rne(fb_f v) { return _mm512_cvtps_epi32(v); }
static inline fb_f fbv_float(fb_i v) { return _mm512_cvtepi32_ps(v); }
static inline fb_f fbv_as_f(fb_i v) { return _mm512_castsi512_ps(v); }
static inline fb_i fbv_as_i(fb_f v) { return _mm512_castps_si512(v); }
/* t[i mod 8] in each lane */
static inline fb_f fbv_lookup(const float t[8], fb_i i) {
  return _mm512_permutexvar_ps(i, _mm512_broadcast_f32x8(_mm256_loadu_ps(t)));
}
static inline fb_i fbv_xor_i(fb_i a, fb_i b) { return _mm512_xor_si512(a, b); }
static inline fb_i fbv_add_i(fb_i a, fb_i b) { return _mm512_add_epi32(a, b); }

static inline fb_i fbv_and_i(fb_i a, fb_i b) { return _mm512_and_si512(a, b); }
static inline fb_i fbv_shift_right_i(fb_i a, int n) { return _mm512_srli_epi32(a, (unsigned)n); } /* zeros come in */
/* (a & mask) | bits */
static inline fb_i fbv_and_or_i(fb_i a, fb_i mask, fb_i bits) { return _mm512_ternarylogic_epi32(a, mask, bits, 0xEA); }

/* One byte per lane, zero-extended; stored: the low byte of each lane. */
static inline fb_i fbv_load_u8(const uint8_t *p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
static inline fb_i fbv_load_u8_n(const uint8_t *p, int64_t n) {
  return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(fbv_first(n), p));
}
/* 4 bits per lane, the low half of a byte first. */
static inline fb_i fbv_spread_u4(uint64_t v) {
  const __m128i x = _mm_cvtsi64_si128((long long)v), half = _mm_set1_epi8(15);
  return _mm512_cvtepu8_epi32(_mm_unpacklo_epi8(_mm_and_si128(x, half), _mm_and_si128(_mm_srli_epi16(x, 4), half)));
}
static inline fb_i fbv_load_u4(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return fbv_spread_u4(v);
}
static inline fb_i fbv_load_u4_n(const uint8_t *p, int64_t n) {
  if (n < 15) return fbv_spread_u4(fbv_bytes_n(p, (n + 1) / 2));
  return fbv_load_u4(p);
}
static inline void fbv_store_u8(uint8_t *p, fb_i v) {
  _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(v));
}
static inline void fbv_store_u8_n(uint8_t *p, fb_i v, int64_t n) {
  _mm_mask_storeu_epi8(p, fbv_first(n), _mm512_cvtepi32_epi8(v));
}
/* Four vectors; any values. */
static inline void fbv_store_u8_x4(uint8_t *p, const fb_i v[4], const fbv_coder *c) {
  const fb_i a = _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), c->zero);
  const fb_i b = _mm512_adds_epi16(_mm512_packs_epi32(v[2], v[3]), c->zero);
  const fb_i packed = _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(a, b), c->lo), c->hi);
  const fb_i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const fb_i bytes = _mm512_permutexvar_epi32(order, packed);
  _mm512_storeu_si512(p, _mm512_xor_si512(bytes, c->flip));
}
static inline fb_i fbv_set1_i16(int32_t v) { return _mm512_set1_epi16((short)v); }
static inline fb_i fbv_set1_u8(uint8_t v) { return _mm512_set1_epi8((char)v); }

#else

static inline __m256i fbv_first(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline fb_f fbv_load(const float *p) { return _mm256_loadu_ps(p); }
static inline fb_f fbv_load_n(const float *p, int64_t n) { return _mm256_maskload_ps(p, fbv_first(n)); }
static inline fb_f fbv_load_or(const float *p, int64_t n, fb_f other) {
  const __m256i some = fbv_first(n);
  return _mm256_blendv_ps(other, _mm256_maskload_ps(p, some), _mm256_castsi256_ps(some));
}
static inline fb_f fbv_keep_n(fb_f v, int64_t n) { return _mm256_and_ps(v, _mm256_castsi256_ps(fbv_first(n))); }
static inline void fbv_store(float *p, fb_f v) { _mm256_storeu_ps(p, v); }
static inline void fbv_store_n(float *p, fb_f v, int64_t n) { _mm256_maskstore_ps(p, fbv_first(n), v); }
static inline fb_f fbv_set1(float v) { return _mm256_set1_ps(v); }
static inline fb_i fbv_set1_i(int32_t v) { return _mm256_set1_epi32(v); }
static inline fb_i fbv_load_i(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
static inline fb_i fbv_load_i_n(const int32_t *p, int64_t n) { return _mm256_maskload_epi32(p, fbv_first(n)); }
static inline void fbv_store_i(int32_t *p, fb_i v) { _mm256_storeu_si256((__m256i *)(void *)p, v); }

static inline fb_f fbv_max(fb_f a, fb_f b) { return _mm256_max_ps(a, b); }
static inline fb_f fbv_min(fb_f a, fb_f b) { return _mm256_min_ps(a, b); }
static inline fb_f fbv_fma(fb_f a, fb_f b, fb_f c) { return _mm256_fmadd_ps(a, b, c); }
static inline fb_f fbv_fnma(fb_f a, fb_f b, fb_f c) { return _mm256_fnmadd_ps(a, b, c); }
static inline fb_f fbv_sqrt(fb_f a) { return _mm256_sqrt_ps(a); }
static inline fb_f fbv_round(fb_f a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline fb_f fbv_floor(fb_f a) { return _mm256_floor_ps(a); }
static inline fb_f fbv_ceil(fb_f a) { return _mm256_ceil_ps(a); }
static inline fb_m fbv_lt(fb_f a, fb_f b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline fb_m fbv_le(fb_f a, fb_f b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
static inline fb_m fbv_eq(fb_f a, fb_f b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
static inline fb_m fbv_is_nan(fb_f a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
static inline fb_f fbv_select(fb_m m, fb_f yes, fb_f no) { return _mm256_blendv_ps(no, yes, m); }
static inline fb_f fbv_no_nan(fb_f v) { return _mm256_and_ps(_mm256_cmp_ps(v, v, _CMP_ORD_Q), v); }
static inline fb_f fbv_abs(fb_f a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
static inline fb_f fbv_neg(fb_f a) { return _mm256_xor_ps(_mm256_set1_ps(-0.0f), a); }
static inline fb_i fbv_rne(fb_f v) { return _mm256_cvtps_epi32(v); }
static inline fb_f fbv_float(fb_i v) { return _mm256_cvtepi32_ps(v); }
static inline fb_f fbv_as_f(fb_i v) { return _mm256_castsi256_ps(v); }
static inline fb_i fbv_as_i(fb_f v) { return _mm256_castps_si256(v); }
static inline fb_f fbv_lookup(const float t[8], fb_i i) { return _mm256_permutevar8x32_ps(_mm256_loadu_ps(t), i); }
static inline fb_i fbv_xor_i(fb_i a, fb_i b) { return _mm256_xor_si256(a, b); }
static inline fb_i fbv_add_i(fb_i a, fb_i b) { return _mm256_add_epi32(a, b); }
static inline fb_i fbv_and_i(fb_i a, fb_i b) { return _mm256_and_si256(a, b); }
static inline fb_i fbv_shift_right_i(fb_i a, int n) { return _mm256_srli_epi32(a, n); }
static inline fb_i fbv_and_or_i(fb_i a, fb_i mask, fb_i bits) { return _mm256_or_si256(_mm256_and_si256(a, mask), bits); }

static inline fb_i fbv_load_u8(const uint8_t *p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
static inline fb_i fbv_load_u8_n(const uint8_t *p, int64_t n) {
  return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)fbv_bytes_n(p, n)));
}
static inline fb_i fbv_spread_u4(uint64_t v) {
  const __m128i x = _mm_cvtsi64_si128((long long)v), half = _mm_set1_epi8(15);
  return _mm256_cvtepu8_epi32(_mm_unpacklo_epi8(_mm_and_si128(x, half), _mm_and_si128(_mm_srli_epi16(x, 4), half)));
}
static inline fb_i fbv_load_u4(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return fbv_spread_u4(v);
}
static inline fb_i fbv_load_u4_n(const uint8_t *p, int64_t n) { return fbv_spread_u4(fbv_bytes_n(p, (n + 1) / 2)); }
static inline uint64_t fbv_low_bytes(fb_i v) {
  const __m128i pick = _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m128i lo = _mm_shuffle_epi8(_mm256_castsi256_si128(v), pick);
  const __m128i hi = _mm_shuffle_epi8(_mm256_extracti128_si256(v, 1), pick);
  return (uint64_t)_mm_cvtsi128_si64(_mm_unpacklo_epi32(lo, hi));
}
static inline void fbv_store_u8(uint8_t *p, fb_i v) {
  const uint64_t bytes = fbv_low_bytes(v);
  memcpy(p, &bytes, 8);
}
static inline void fbv_store_u8_n(uint8_t *p, fb_i v, int64_t n) { fbv_put_bytes_n(p, fbv_low_bytes(v), n); }
static inline void fbv_store_u8_x4(uint8_t *p, const fb_i v[4], const fbv_coder *c) {
  const fb_i a = _mm256_adds_epi16(_mm256_packs_epi32(v[0], v[1]), c->zero);
  const fb_i b = _mm256_adds_epi16(_mm256_packs_epi32(v[2], v[3]), c->zero);
  const fb_i packed = _mm256_min_epu8(_mm256_max_epu8(_mm256_packus_epi16(a, b), c->lo), c->hi);
  const fb_i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const fb_i bytes = _mm256_permutevar8x32_epi32(packed, order);
  _mm256_storeu_si256((__m256i *)(void *)p, _mm256_xor_si256(bytes, c->flip));
}
static inline fb_i fbv_set1_i16(int32_t v) { return _mm256_set1_epi16((short)v); }
static inline fb_i fbv_set1_u8(uint8_t v) { return _mm256_set1_epi8((char)v); }

#endif

/* a[0..7] + a[8..15], then 4 + 4, 2 + 2, 1 + 1: how the contract adds 16 lanes. */
static inline float fbv_tree(__m256 low, __m256 high) {
  const __m256 eight = low + high;
  const __m128 four = _mm256_castps256_ps128(eight) + _mm256_extractf128_ps(eight, 1);
  const __m128 two = four + _mm_movehl_ps(four, four);
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
static inline float fbv_sum16(const fb_f part[FBV_PARTS]) {
#if FB_LANES == 16
  return fbv_tree(_mm512_castps512_ps256(part[0]), _mm512_extractf32x8_ps(part[0], 1));
#else
  return fbv_tree(part[0], part[1]);
#endif
}

/* The largest lane of v, where there is no NaN. */
static inline float fbv_largest(fb_f v) {
#if FB_LANES == 16
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
#else
  const __m256 eight = v;
#endif
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
