/* Scale and zero point of Quantize- and DequantizeLinear: constants of an operand, or computed inputs 1 and 2. */
#ifndef QE_CPU_CODES_QPARAMS_H
#define QE_CPU_CODES_QPARAMS_H

#include "codes/nest.h"

#define FB_QPARAMS_TILE 65536 /* elements */

typedef struct fb_qparams {
  int64_t count;
  int32_t axis; /* of the coded tensor; used when count > 1 */
  const float *scales;
  int64_t scale_step, zero_step; /* elements from one channel's to the next one's */
  const int32_t *wide; /* zero points of constant parameters */
  const void *codes;   /* zero points as an input; NULL with wide NULL: 0 */
  uint8_t codes_dtype;
} fb_qparams;

/* `coded` is the operand whose codes the parameters belong to; in: the call's inputs, NULL while planning. */
fb_qparams fb_qparams_of(const qe_problem *p, const qe_operand *coded, const void *const *in);
/* 1, or 0 with the reason: the parameters fit the coded operand. */
int fb_qparams_check(const qe_problem *p, const qe_operand *coded, char *reason, size_t reason_size);
/* y, x, and the number of the channel as a third operand; closed. */
void fb_qparams_nest(fb_nest *nest, const qe_problem *p, const fb_qparams *q);

/* The codes of a type of 8 or 16 bits. */
static inline void fb_code_limits(uint8_t dtype, int32_t *lo, int32_t *hi) {
  *lo = dtype == QE_DT_I8 ? INT8_MIN : dtype == QE_DT_I16 ? INT16_MIN : 0;
  *hi = dtype == QE_DT_I8 ? INT8_MAX : dtype == QE_DT_U8 ? UINT8_MAX : dtype == QE_DT_I16 ? INT16_MAX : UINT16_MAX;
}

/* Codes as int32: n of them, `step` elements apart from element `at` on. 4-bit codes lie two in a byte. */
bool fb_codes_known(uint8_t dtype);
void fb_codes_load(int32_t *to, const void *x, uint8_t dtype, int64_t at, int64_t step, int64_t n);

static inline float fb_qparams_scale(const fb_qparams *q, int64_t channel) { return q->scales[channel * q->scale_step]; }
static inline int32_t fb_qparams_zero(const fb_qparams *q, int64_t channel) {
  int32_t zero = 0;
  if (q->wide) return q->wide[channel * q->zero_step];
  if (q->codes) fb_codes_load(&zero, q->codes, q->codes_dtype, channel * q->zero_step, 1, 1);
  return zero;
}

#define FB_QPARAMS_CHUNK 256 /* elements of the buffers through which strange operands go */

/* The parameters of elements that lie `step` channels apart, as arrays: those of the constants, or the buffers. */
void fb_qparams_row(const fb_qparams *q, int64_t channel, int64_t step, int64_t n, float *scale_buffer,
                    int32_t *zero_buffer, const float **scales, const int32_t **zeros);

#endif
