/*
 * What cpu/q8/finish.inc needs of integer vectors beyond float/vec.h, under the same rules; functions that end in _n touch
 * the first n lanes or bytes only and may be given fewer than there are.
 */
#ifndef QE_QNNPACK_Q8_LANES_H
#define QE_QNNPACK_Q8_LANES_H

#include "float/vec.h"

static inline int16x8_t fbq_as_16(fb_i v) { return vreinterpretq_s16_s32(v); }
static inline uint8x16_t fbq_as_8(fb_i v) { return vreinterpretq_u8_s32(v); }

static inline void fbq_store_i_n(int32_t *p, fb_i v, int64_t n) {
  if (n > 0) vst1q_lane_s32(p, v, 0);
  if (n > 1) vst1q_lane_s32(p + 1, v, 1);
  if (n > 2) vst1q_lane_s32(p + 2, v, 2);
  if (n > 3) vst1q_lane_s32(p + 3, v, 3);
}
static inline fb_i fbq_sub_i(fb_i a, fb_i b) { return vsubq_s32(a, b); }
static inline fb_i fbq_mul_i(fb_i a, fb_i b) { return vmulq_s32(a, b); }
static inline fb_i fbq_packs32(fb_i a, fb_i b) {
  return vreinterpretq_s32_s16(vqmovn_high_s32(vqmovn_s32(a), b));
}
static inline fb_i fbq_packus16(fb_i a, fb_i b) {
  return vreinterpretq_s32_u8(vqmovun_high_s16(vqmovun_s16(fbq_as_16(a)), fbq_as_16(b)));
}
static inline fb_i fbq_adds16(fb_i a, fb_i b) { return vreinterpretq_s32_s16(vqaddq_s16(fbq_as_16(a), fbq_as_16(b))); }
static inline fb_i fbq_max_u8(fb_i a, fb_i b) { return vreinterpretq_s32_u8(vmaxq_u8(fbq_as_8(a), fbq_as_8(b))); }
static inline fb_i fbq_min_u8(fb_i a, fb_i b) { return vreinterpretq_s32_u8(vminq_u8(fbq_as_8(a), fbq_as_8(b))); }
/* Packing keeps the order here. */
static inline fb_i fbq_unshuffle(fb_i v) { return v; }
static inline bool fbq_all_below(fb_f v, float most) { return vminvq_u32(vcltq_f32(v, vdupq_n_f32(most))) != 0; }

/* Halves of the bytes of a vector, to two places. */
static inline void fbq_store_halves(uint8_t *p0, uint8_t *p1, fb_i v) {
  vst1_u8(p0, vget_low_u8(fbq_as_8(v)));
  vst1_u8(p1, vget_high_u8(fbq_as_8(v)));
}
static inline void fbq_store_half_n(uint8_t *p, fb_i v, int half, int64_t n) {
  const uint8x8_t bytes = half ? vget_high_u8(fbq_as_8(v)) : vget_low_u8(fbq_as_8(v));
  if (n == 8)
    vst1_u8(p, bytes);
  else
    fbv_put_bytes_n(p, vget_lane_u64(vreinterpret_u64_u8(bytes), 0), n);
}

#endif
