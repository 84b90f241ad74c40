/* A dense row of floats to 8-bit codes with one pair of parameters: q = clamp(rne(x / scale) + zero); NaN -> zero. */
#ifndef QE_CPU_CODES_QUANTIZE_ROW_H
#define QE_CPU_CODES_QUANTIZE_ROW_H

#include "codes/divide.h"

typedef struct fb_quantizer {
  float scale;
  int32_t zero, lo, hi; /* codes */
  bool is_signed;       /* int8 */
} fb_quantizer;

static inline void fbv_quantize_row(uint8_t *y, const float *x, int64_t n, const fb_quantizer *q) {
  const uint8_t sign = q->is_signed ? 0x80 : 0;
  const fbv_divisor s = fbv_divisor_of(q->scale, (float)(q->lo - q->zero), (float)(q->hi - q->zero));
  const fbv_coder coder = fbv_coder_of(q->zero, q->lo, q->hi, sign);
  const fb_i zero = fbv_set1_i(q->zero);
  int64_t i = 0;
  if (s.quick)
    for (; n - i >= 4 * FB_LANES; i += 4 * FB_LANES) {
      fb_i v[4];
      for (int k = 0; k < 4; ++k) v[k] = fbv_quotient_quick(fbv_load(x + i + k * FB_LANES), &s);
      fbv_store_u8_x4(y + i, v, &coder);
    }
  for (; n - i >= 4 * FB_LANES; i += 4 * FB_LANES) {
    fb_i v[4];
    for (int k = 0; k < 4; ++k) v[k] = fbv_quotient(fbv_load(x + i + k * FB_LANES), &s);
    fbv_store_u8_x4(y + i, v, &coder);
  }
  for (; n - i >= FB_LANES; i += FB_LANES)
    fbv_store_u8(y + i, fbv_add_i(fbv_quotient(fbv_load(x + i), &s), zero));
  if (i < n) fbv_store_u8_n(y + i, fbv_add_i(fbv_quotient(fbv_load_n(x + i, n - i), &s), zero), n - i);
}

#endif
