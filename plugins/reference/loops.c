/*
 * The inner loops of loops.h in plain C but for two steps of integer products. loops_avx2.c includes this file with
 * REF_LOOPS_TABLE set, so the source is the same for both; fmaf has one rounding wherever it is computed and integers
 * have none, hence one answer.
 */
#include "loops.h"

#include "quant.h"

#include <math.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#ifndef REF_LOOPS_TABLE
#define REF_LOOPS_TABLE ref_loops_baseline
#define REF_LOOPS_NAME  "baseline"
#endif

static void fma_f32(float *restrict acc, const float *restrict x, const float *restrict w, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    acc[i] = fmaf(x[i], w[i], acc[i]);
}

/* A block of fixed width lets the compiler keep the accumulators in registers over the whole reduction. */
#define PANEL_BLOCK(width)                                                                                          \
  static void panel_##width(float *restrict acc, const float *restrict x, int64_t x_step, const float *restrict w, \
                            int64_t w_step, int64_t k) {                                                           \
    float sum[width];                                                                                               \
    for (int i = 0; i < width; ++i)                                                                                 \
      sum[i] = acc[i];                                                                                              \
    for (int64_t j = 0; j < k; ++j) {                                                                               \
      const float xj = x[j * x_step];                                                                               \
      const float *wj = w + j * w_step;                                                                             \
      for (int i = 0; i < width; ++i)                                                                               \
        sum[i] = fmaf(xj, wj[i], sum[i]);                                                                           \
    }                                                                                                               \
    for (int i = 0; i < width; ++i)                                                                                 \
      acc[i] = sum[i];                                                                                              \
  }
PANEL_BLOCK(64)
PANEL_BLOCK(32)
PANEL_BLOCK(16)
PANEL_BLOCK(8)

static void panel_f32(float *restrict acc, int64_t n, const float *restrict x, int64_t x_step, const float *restrict w,
                      int64_t w_step, int64_t k) {
  int64_t i = 0;
  for (; n - i >= 64; i += 64)
    panel_64(acc + i, x, x_step, w + i, w_step, k);
  for (; n - i >= 32; i += 32)
    panel_32(acc + i, x, x_step, w + i, w_step, k);
  for (; n - i >= 16; i += 16)
    panel_16(acc + i, x, x_step, w + i, w_step, k);
  for (; n - i >= 8; i += 8)
    panel_8(acc + i, x, x_step, w + i, w_step, k);
  for (; i < n; ++i) {
    float sum = acc[i];
    for (int64_t j = 0; j < k; ++j)
      sum = fmaf(x[j * x_step], w[j * w_step + i], sum);
    acc[i] = sum;
  }
}

static void add_f32(float *restrict acc, const float *restrict x, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    acc[i] += x[i];
}

static void max_f32(float *restrict acc, const float *restrict x, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    acc[i] = x[i] > acc[i] || x[i] != x[i] ? x[i] : acc[i];
}

static void finish_f32(float *y, const float *acc, const float *bias, float lo, float hi, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float v = bias ? acc[i] + bias[i] : acc[i];
    y[i] = v < lo ? lo : v > hi ? hi : v;
  }
}

static void widen_u8(int16_t *restrict y, const uint8_t *restrict x, uint8_t flip, int32_t zero, int64_t n) {
  const int16_t z = (int16_t)zero;
  for (int64_t i = 0; i < n; ++i)
    y[i] = (int16_t)((uint8_t)(x[i] ^ flip) - z);
}

/*
 * Eight sums, to which eight sums of two products are added at a time: vpmaddwd, which compilers do not find by
 * themselves.
 */
#if defined(__AVX2__)
typedef __m256i sums8;
static inline sums8 load_sums(const int32_t *from) { return _mm256_loadu_si256((const void *)from); }
static inline void store_sums(int32_t *to, sums8 s) { _mm256_storeu_si256((void *)to, s); }
static inline sums8 add_pairs(sums8 s, const int16_t x[2], const int16_t w[16]) {
  int32_t both;
  memcpy(&both, x, sizeof both);
  return _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_set1_epi32(both), _mm256_loadu_si256((const void *)w)));
}
/* w: one pair for each channel; x0, x1: the channels' codes at the two taps. */
static inline sums8 add_taps(sums8 s, const uint8_t x0[8], const uint8_t x1[8], uint8_t flip, int16_t zero,
                             const int16_t w[16]) {
  const __m128i codes = _mm_unpacklo_epi8(_mm_loadl_epi64((const void *)x0), _mm_loadl_epi64((const void *)x1));
  const __m256i x = _mm256_cvtepu8_epi16(_mm_xor_si128(codes, _mm_set1_epi8((char)flip)));
  const __m256i real = _mm256_sub_epi16(x, _mm256_set1_epi16(zero));
  return _mm256_add_epi32(s, _mm256_madd_epi16(real, _mm256_loadu_si256((const void *)w)));
}
#else
typedef struct sums8 {
  uint32_t v[8];
} sums8;
static inline sums8 load_sums(const int32_t *from) {
  sums8 s;
  memcpy(&s, from, sizeof s);
  return s;
}
static inline void store_sums(int32_t *to, sums8 s) { memcpy(to, &s, sizeof s); }
static inline sums8 add_pairs(sums8 s, const int16_t x[2], const int16_t w[16]) {
  for (int i = 0; i < 8; ++i)
    s.v[i] += (uint32_t)(x[0] * w[2 * i] + x[1] * w[2 * i + 1]);
  return s;
}
static inline sums8 add_taps(sums8 s, const uint8_t x0[8], const uint8_t x1[8], uint8_t flip, int16_t zero,
                             const int16_t w[16]) {
  for (int i = 0; i < 8; ++i)
    s.v[i] += (uint32_t)(((uint8_t)(x0[i] ^ flip) - zero) * w[2 * i] + ((uint8_t)(x1[i] ^ flip) - zero) * w[2 * i + 1]);
  return s;
}
#endif

/* A block of fixed size, whose sums the compiler keeps in registers over the whole reduction. */
#define PANEL_I16_BLOCK(rows, eights)                                                                                \
  static void panel_i16_##rows##x##eights(int32_t *restrict acc, int64_t acc_step, const int16_t *restrict x,        \
                                          int64_t x_step, const int16_t *restrict w, int64_t w_step, int64_t pairs) {\
    sums8 sum[rows][eights];                                                                                         \
    for (int r = 0; r < (rows); ++r)                                                                                 \
      for (int i = 0; i < (eights); ++i)                                                                             \
        sum[r][i] = load_sums(acc + r * acc_step + 8 * i);                                                           \
    for (int64_t j = 0; j < pairs; ++j)                                                                              \
      for (int r = 0; r < (rows); ++r)                                                                               \
        for (int i = 0; i < (eights); ++i)                                                                           \
          sum[r][i] = add_pairs(sum[r][i], x + r * x_step + 2 * j, w + 2 * (j * w_step + 8 * i));                    \
    for (int r = 0; r < (rows); ++r)                                                                                 \
      for (int i = 0; i < (eights); ++i)                                                                             \
        store_sums(acc + r * acc_step + 8 * i, sum[r][i]);                                                           \
  }
PANEL_I16_BLOCK(4, 2)
PANEL_I16_BLOCK(4, 1)
PANEL_I16_BLOCK(1, 4)
PANEL_I16_BLOCK(1, 1)

static void panel_i16(int32_t *restrict acc, int64_t acc_step, int64_t rows, int64_t n, const int16_t *restrict x,
                      int64_t x_step, const int16_t *restrict w, int64_t w_step, int64_t pairs) {
  for (; rows >= 4; rows -= 4, acc += 4 * acc_step, x += 4 * x_step) {
    int64_t i = 0;
    for (; n - i >= 16; i += 16)
      panel_i16_4x2(acc + i, acc_step, x, x_step, w + 2 * i, w_step, pairs);
    for (; i < n; i += 8)
      panel_i16_4x1(acc + i, acc_step, x, x_step, w + 2 * i, w_step, pairs);
  }
  for (; rows > 0; --rows, acc += acc_step, x += x_step) {
    int64_t i = 0;
    for (; n - i >= 32; i += 32)
      panel_i16_1x4(acc + i, acc_step, x, x_step, w + 2 * i, w_step, pairs);
    for (; i < n; i += 8)
      panel_i16_1x1(acc + i, acc_step, x, x_step, w + 2 * i, w_step, pairs);
  }
}

#define DEPTHWISE_BLOCK(eights)                                                                                      \
  static void depthwise_##eights(int32_t *restrict acc, const uint8_t *const *x, int64_t at, uint8_t flip,           \
                                 int32_t zero, const int16_t *restrict w, int64_t w_step, int64_t pairs) {           \
    sums8 sum[eights];                                                                                               \
    memset(sum, 0, sizeof sum);                                                                                      \
    for (int64_t t = 0; t < pairs; ++t)                                                                              \
      for (int i = 0; i < (eights); ++i)                                                                             \
        sum[i] = add_taps(sum[i], x[2 * t] + at + 8 * i, x[2 * t + 1] + at + 8 * i, flip, (int16_t)zero,             \
                          w + 2 * (t * w_step + 8 * i));                                                             \
    for (int i = 0; i < (eights); ++i)                                                                               \
      store_sums(acc + 8 * i, sum[i]);                                                                               \
  }
DEPTHWISE_BLOCK(4)
DEPTHWISE_BLOCK(1)

static void depthwise_u8(int32_t *restrict acc, const uint8_t *const *x, uint8_t flip, int32_t zero,
                         const int16_t *restrict w, int64_t pairs, int64_t n) {
  int64_t i = 0;
  for (; n - i >= 32; i += 32)
    depthwise_4(acc + i, x, i, flip, zero, w + 2 * i, n, pairs);
  for (; n - i >= 8; i += 8)
    depthwise_1(acc + i, x, i, flip, zero, w + 2 * i, n, pairs);
  for (; i < n; ++i) {
    uint32_t sum = 0;
    for (int64_t t = 0; t < 2 * pairs; ++t)
      sum += (uint32_t)(((uint8_t)(x[t][i] ^ flip) - zero) * w[(t / 2 * n + i) * 2 + t % 2]);
    acc[i] = (int32_t)sum;
  }
}

/* In steps of one element size each: compilers then leave few elements to scalar code, and most layers are narrow. */
static void requantize_i32(uint8_t *restrict q, int32_t *restrict acc, const int32_t *restrict bias,
                           const float *restrict m, int32_t z, int32_t lo, int32_t hi, int64_t n) {
  const float flo = (float)(lo - z), fhi = (float)(hi - z);
  for (int64_t i = 0; bias && i < n; ++i)
    acc[i] = (int32_t)((uint32_t)acc[i] + (uint32_t)bias[i]);
  for (int64_t i = 0; i < n; ++i)
    acc[i] = ref_rne_sat8((float)acc[i] * m[i], z, flo, fhi);
  for (int64_t i = 0; i < n; ++i)
    q[i] = (uint8_t)acc[i];
}

const ref_loops REF_LOOPS_TABLE = {
    .name = REF_LOOPS_NAME,
    .fma_f32 = fma_f32,
    .panel_f32 = panel_f32,
    .add_f32 = add_f32,
    .max_f32 = max_f32,
    .finish_f32 = finish_f32,
    .widen_u8 = widen_u8,
    .panel_i16 = panel_i16,
    .depthwise_u8 = depthwise_u8,
    .requantize_i32 = requantize_i32,
};
