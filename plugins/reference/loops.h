/*
 * The hot inner loops, each vectorizable across outputs (never across a reduction), so that every build of them gives
 * the same bits. loops.c is compiled twice: as it is, and by loops_avx2.c for AVX2+FMA.
 */
#ifndef QE_REFERENCE_LOOPS_H
#define QE_REFERENCE_LOOPS_H

#include <stdint.h>

typedef struct ref_loops {
  const char *name;
  /* acc[i] = fma(x[i], w[i], acc[i]) */
  void (*fma_f32)(float *acc, const float *x, const float *w, int64_t n);
  /* for k ascending: acc[i] = fma(x[k * x_step], w[k * w_step + i], acc[i]); i < n */
  void (*panel_f32)(float *acc, int64_t n, const float *x, int64_t x_step, const float *w, int64_t w_step, int64_t k);
  /* acc[i] += x[i] */
  void (*add_f32)(float *acc, const float *x, int64_t n);
  /* acc[i] = the larger of acc[i] and x[i]; acc[i] when equal, NaN when one is NaN */
  void (*max_f32)(float *acc, const float *x, int64_t n);
  /* y[i] = act(acc[i] + bias[i]); bias NULL: act(acc[i]); y may be acc */
  void (*finish_f32)(float *y, const float *acc, const float *bias, float lo, float hi, int64_t n);
  /* y[i] = (x[i] ^ flip) - zero; flip 0x80 turns int8 codes into uint8 ones, 128 higher */
  void (*widen_u8)(int16_t *y, const uint8_t *x, uint8_t flip, int32_t zero, int64_t n);
  /*
   * Products of codes, terms taken in pairs: for j < pairs, r < rows, i < n (n a multiple of 8)
   *   acc[r * acc_step + i] += x[r * x_step + 2j] * w[(j * w_step + i) * 2]
   *                          + x[r * x_step + 2j + 1] * w[(j * w_step + i) * 2 + 1]
   * |x| and |w| at most 255. Sums beyond int32 wrap.
   */
  void (*panel_i16)(int32_t *acc, int64_t acc_step, int64_t rows, int64_t n, const int16_t *x, int64_t x_step,
                    const int16_t *w, int64_t w_step, int64_t pairs);
  /*
   * Sums of their own for every channel, taps taken in pairs: for i < n
   *   acc[i] = sum over t < 2 * pairs of ((x[t][i] ^ flip) - zero) * w[(t / 2 * n + i) * 2 + t % 2]
   */
  void (*depthwise_u8)(int32_t *acc, const uint8_t *const *x, uint8_t flip, int32_t zero, const int16_t *w,
                       int64_t pairs, int64_t n);
  /* q[i] = low byte of clamp(rne((float)(acc[i] + bias[i]) * m[i]) + z); bias NULL: none; NaN -> z; z, lo and hi within
   * -255..255; changes acc */
  void (*requantize_i32)(uint8_t *q, int32_t *acc, const int32_t *bias, const float *m, int32_t z, int32_t lo,
                         int32_t hi, int64_t n);
} ref_loops;

extern const ref_loops ref_loops_baseline;
#if defined(__x86_64__)
extern const ref_loops ref_loops_avx2;
#endif

#endif
