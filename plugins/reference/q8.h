/*
 * What the quantized products (Conv, ConvTranspose, Gemm, MatMul and their Integer kin) share: codes are widened to
 * int16 with the zero point taken off, summed exactly in int32, and finished once:
 *
 *   codes:  q = clamp(rne((float)(acc + bias) * m_c) + zy),   m_c = (sx * sw_c) / sy
 *   real:   y = act((float)acc * (sx * sw_c) + bias_c)        (dynamic quantization: bias is float32)
 *
 * The planner refuses products whose sum could reach 2^31; should one come all the same, it wraps.
 */
#ifndef QE_REFERENCE_Q8_H
#define QE_REFERENCE_Q8_H

#include "quant.h"

/* Zero points of a weight: int32 parameters of an operand, or codes of an input; neither: 0. */
typedef struct ref_q8_zeros {
  const int32_t *wide;
  const void *codes;
  uint8_t dtype; /* of codes */
  int64_t count; /* 1, or one per channel (repeated when there are more channels) */
} ref_q8_zeros;

static inline int32_t ref_q8_zero(const ref_q8_zeros *z, int64_t channel) {
  const int64_t i = z->count > 1 ? channel % z->count : 0;
  return z->wide ? z->wide[i] : z->codes ? ref_code8(z->codes, z->dtype, i) : 0;
}
static inline ref_q8_zeros ref_q8_zeros_of(const qe_operand *w) {
  return (ref_q8_zeros){.wide = w->zero_points, .count = (int64_t)w->q_count};
}

/* y[i] = x[i * x_step] - zero */
void ref_q8_widen(const ref_loops *loops, int16_t *y, const void *x, uint8_t dtype, int64_t x_step, int32_t zero,
                  int64_t n);
/* What turns codes into uint8 ones, 128 higher if they are int8. */
static inline uint8_t ref_q8_flip(uint8_t dtype) { return dtype == QE_DT_I8 ? 0x80 : 0; }

/*
 * Packed weights: two terms of the sum at a time, for every (padded) output channel both after each other, as panel_i16
 * of loops.h wants them. The place of a term of a channel:
 */
static inline int64_t ref_q8_place(int64_t term, int64_t channel, int64_t channels) {
  return (term / 2 * channels + channel) * 2 + term % 2;
}
static inline int64_t ref_q8_pairs(int64_t terms) { return ref_ceil_div(terms, 2); }

/* The largest |code - zero point| of an operand. */
int64_t ref_q8_reach(const qe_operand *o);

/*
 * Types and parameters of x, w, y and the bias: 1, or 0 with the reason. w has one pair of parameters or one for each
 * of its `channels` along `axis`. A weight that is no constant must keep sums of `terms` products below 2^31.
 */
int ref_q8_check(const qe_problem *p, int32_t axis, int64_t channels, int64_t terms, char *reason, size_t reason_size);

/* Output channels are computed in blocks of this size; weights are padded to it with zeros. */
#define REF_Q8_BLOCK 8
#define REF_Q8_COLS  64 /* columns finished at a time */
static inline int64_t ref_q8_padded(int64_t channels) { return ref_ceil_div(channels, REF_Q8_BLOCK) * REF_Q8_BLOCK; }

/* Bytes that the multipliers of n channels take at the start of packed memory: a multiple of 64. */
static inline uint64_t ref_q8_multiplier_bytes(int64_t n) { return (uint64_t)ref_ceil_div(n, 16) * 64; }
/* m[c] of every output channel; w's parameters repeat when there are more channels (groups of ConvTranspose). */
void ref_q8_multipliers(const qe_problem *p, float *m, int64_t n);

/* How finished sums become outputs. */
typedef struct ref_q8_out {
  const ref_loops *loops;
  bool real;       /* float32 output */
  const float *m;  /* per output channel */
  const void *bias; /* int32, or float32 when real; NULL: none */
  int64_t bias_step;
  int32_t zero, lo, hi;
  float act_lo, act_hi;
  void *y;
} ref_q8_out;

ref_q8_out ref_q8_out_of(const qe_problem *p, const ref_loops *loops, const float *m, const void *bias, void *y);
/* Writes channels [channel, channel + n) to y's elements from `at` on; changes acc. */
void ref_q8_finish(const ref_q8_out *o, int64_t at, int64_t channel, int32_t *acc, int64_t n);

#endif
