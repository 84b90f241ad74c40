/*
 * The inner loops of loops.h in plain C. loops_avx2.c includes this file with REF_LOOPS_TABLE set, so the source is
 * the same for both; fmaf has one rounding wherever it is computed, hence one answer.
 */
#include "loops.h"

#include <math.h>

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

#define PANEL_I16_BLOCK(width)                                                                                       \
  static void panel_i16_##width(int32_t *restrict acc, const int16_t *restrict x, const int16_t *restrict w,         \
                                int64_t w_step, int64_t k) {                                                         \
    uint32_t sum[width];                                                                                             \
    for (int i = 0; i < width; ++i)                                                                                  \
      sum[i] = (uint32_t)acc[i];                                                                                     \
    for (int64_t j = 0; j < k; ++j) {                                                                                \
      const int16_t xj = x[j];                                                                                       \
      const int16_t *wj = w + j * w_step;                                                                            \
      for (int i = 0; i < width; ++i)                                                                                \
        sum[i] += (uint32_t)(xj * wj[i]);                                                                            \
    }                                                                                                                \
    for (int i = 0; i < width; ++i)                                                                                  \
      acc[i] = (int32_t)sum[i];                                                                                      \
  }
PANEL_I16_BLOCK(32)
PANEL_I16_BLOCK(16)
PANEL_I16_BLOCK(8)

static void panel_i16(int32_t *restrict acc, int64_t n, const int16_t *restrict x, const int16_t *restrict w,
                      int64_t w_step, int64_t k) {
  int64_t i = 0;
  for (; n - i >= 32; i += 32)
    panel_i16_32(acc + i, x, w + i, w_step, k);
  for (; n - i >= 16; i += 16)
    panel_i16_16(acc + i, x, w + i, w_step, k);
  for (; n - i >= 8; i += 8)
    panel_i16_8(acc + i, x, w + i, w_step, k);
  for (; i < n; ++i) {
    uint32_t sum = (uint32_t)acc[i];
    for (int64_t j = 0; j < k; ++j)
      sum += (uint32_t)(x[j] * w[j * w_step + i]);
    acc[i] = (int32_t)sum;
  }
}

static void products_i16(int32_t *restrict acc, const int16_t *restrict x, const int16_t *restrict w, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    acc[i] = (int32_t)((uint32_t)acc[i] + (uint32_t)(x[i] * w[i]));
}

/* Adding and subtracting 1.5 * 2^23 rounds half to even below 2^22. Clamping first is the same: bounds are whole. */
static void requantize_i32(uint8_t *restrict q, const int32_t *restrict acc, const float *restrict m, int32_t z,
                           int32_t lo, int32_t hi, int64_t n) {
  const float magic = 12582912.0f, flo = (float)(lo - z), fhi = (float)(hi - z);
  for (int64_t i = 0; i < n; ++i) {
    float v = (float)acc[i] * m[i];
    v = v == v ? v : 0.0f;
    v = v < flo ? flo : v;
    v = v > fhi ? fhi : v;
    q[i] = (uint8_t)((int32_t)((v + magic) - magic) + z);
  }
}

const ref_loops REF_LOOPS_TABLE = {
    .name = REF_LOOPS_NAME,
    .fma_f32 = fma_f32,
    .panel_f32 = panel_f32,
    .add_f32 = add_f32,
    .max_f32 = max_f32,
    .finish_f32 = finish_f32,
    .panel_i16 = panel_i16,
    .products_i16 = products_i16,
    .requantize_i32 = requantize_i32,
};
