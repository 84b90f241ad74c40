/* Vectors of float/vec.h: 4 lanes of NEON. Included by vec.h only. */
#include <arm_neon.h>

#define FB_RUN(stem)    fb_##stem##__neon_run
#define FB_NAME(stem)   stem##__neon
#define FB_LANES        4
#define FBV_SLEEF(name) Sleef_finz_##name##f4_u10advsimd
typedef float32x4_t fb_f;
typedef int32x4_t fb_i;
typedef uint32x4_t fb_m;

static inline fb_m fbv_first(int64_t n) {
  static const int32_t numbers[4] = {0, 1, 2, 3};
  return vcltq_s32(vld1q_s32(numbers), vdupq_n_s32((int32_t)n));
}

static inline fb_f fbv_load(const float *p) { return vld1q_f32(p); }
static inline fb_f fbv_load_or(const float *p, int64_t n, fb_f other) {
  if (n > 0) other = vld1q_lane_f32(p, other, 0);
  if (n > 1) other = vld1q_lane_f32(p + 1, other, 1);
  if (n > 2) other = vld1q_lane_f32(p + 2, other, 2);
  return other;
}
static inline fb_f fbv_load_n(const float *p, int64_t n) { return fbv_load_or(p, n, vdupq_n_f32(0.0f)); }
static inline fb_f fbv_keep_n(fb_f v, int64_t n) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), fbv_first(n)));
}
static inline void fbv_store(float *p, fb_f v) { vst1q_f32(p, v); }
static inline void fbv_store_n(float *p, fb_f v, int64_t n) {
  if (n > 0) vst1q_lane_f32(p, v, 0);
  if (n > 1) vst1q_lane_f32(p + 1, v, 1);
  if (n > 2) vst1q_lane_f32(p + 2, v, 2);
}
static inline fb_f fbv_set1(float v) { return vdupq_n_f32(v); }
static inline fb_i fbv_set1_i(int32_t v) { return vdupq_n_s32(v); }
static inline fb_i fbv_load_i(const int32_t *p) { return vld1q_s32(p); }
static inline fb_i fbv_load_i_n(const int32_t *p, int64_t n) {
  fb_i v = vdupq_n_s32(0);
  if (n > 0) v = vld1q_lane_s32(p, v, 0);
  if (n > 1) v = vld1q_lane_s32(p + 1, v, 1);
  if (n > 2) v = vld1q_lane_s32(p + 2, v, 2);
  return v;
}
static inline void fbv_store_i(int32_t *p, fb_i v) { vst1q_s32(p, v); }

/* a > b ? a : b and a < b ? a : b: b when either is NaN, and of two zeros; fmax and fmin differ there. */
static inline fb_f fbv_max(fb_f a, fb_f b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline fb_f fbv_min(fb_f a, fb_f b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline fb_f fbv_fma(fb_f a, fb_f b, fb_f c) { return vfmaq_f32(c, a, b); }
static inline fb_f fbv_fnma(fb_f a, fb_f b, fb_f c) { return vfmsq_f32(c, a, b); }
static inline fb_f fbv_sqrt(fb_f a) { return vsqrtq_f32(a); }
static inline fb_f fbv_round(fb_f a) { return vrndnq_f32(a); }
static inline fb_f fbv_floor(fb_f a) { return vrndmq_f32(a); }
static inline fb_f fbv_ceil(fb_f a) { return vrndpq_f32(a); }
static inline fb_m fbv_lt(fb_f a, fb_f b) { return vcltq_f32(a, b); }
static inline fb_m fbv_le(fb_f a, fb_f b) { return vcleq_f32(a, b); }
static inline fb_m fbv_eq(fb_f a, fb_f b) { return vceqq_f32(a, b); }
static inline fb_m fbv_is_nan(fb_f a) { return vmvnq_u32(vceqq_f32(a, a)); }
static inline fb_f fbv_select(fb_m m, fb_f yes, fb_f no) { return vbslq_f32(m, yes, no); }
/* v, or +0 where it is NaN. */
static inline fb_f fbv_no_nan(fb_f v) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), vceqq_f32(v, v)));
}
static inline fb_f fbv_abs(fb_f a) { return vabsq_f32(a); }
static inline fb_f fbv_neg(fb_f a) { return vnegq_f32(a); }
static inline fb_i fbv_rne(fb_f v) { return vcvtnq_s32_f32(v); }
static inline fb_f fbv_float(fb_i v) { return vcvtq_f32_s32(v); }
static inline fb_f fbv_as_f(fb_i v) { return vreinterpretq_f32_s32(v); }
static inline fb_i fbv_as_i(fb_f v) { return vreinterpretq_s32_f32(v); }
/* t[i mod 8] in each lane */
static inline fb_f fbv_lookup(const float t[8], fb_i i) {
  const uint32x4_t number = vandq_u32(vreinterpretq_u32_s32(i), vdupq_n_u32(7));
  const uint32x4_t bytes = vmlaq_u32(vdupq_n_u32(0x03020100u), number, vdupq_n_u32(0x04040404u));
  const uint8x16x2_t table = {{vreinterpretq_u8_f32(vld1q_f32(t)), vreinterpretq_u8_f32(vld1q_f32(t + 4))}};
  return vreinterpretq_f32_u8(vqtbl2q_u8(table, vreinterpretq_u8_u32(bytes)));
}
static inline fb_i fbv_xor_i(fb_i a, fb_i b) { return veorq_s32(a, b); }
static inline fb_i fbv_add_i(fb_i a, fb_i b) { return vaddq_s32(a, b); }
static inline fb_i fbv_and_i(fb_i a, fb_i b) { return vandq_s32(a, b); }
static inline fb_i fbv_shift_right_i(fb_i a, int n) { /* zeros come in */
  return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-n)));
}
/* (a & mask) | bits */
static inline fb_i fbv_and_or_i(fb_i a, fb_i mask, fb_i bits) { return vorrq_s32(vandq_s32(a, mask), bits); }

/* One byte per lane, zero-extended; stored: the low byte of each lane. */
static inline fb_i fbv_widen_u8(uint32_t four) {
  const uint16x8_t half = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(half)));
}
static inline fb_i fbv_load_u8(const uint8_t *p) {
  uint32_t four;
  memcpy(&four, p, 4);
  return fbv_widen_u8(four);
}
static inline fb_i fbv_load_u8_n(const uint8_t *p, int64_t n) { return fbv_widen_u8((uint32_t)fbv_bytes_n(p, n)); }
/* 4 bits per lane, the low half of a byte first. */
static inline fb_i fbv_spread_u4(uint32_t v) {
  return fbv_widen_u8((v & 0xfu) | (v & 0xf0u) << 4 | (v & 0xf00u) << 8 | (v & 0xf000u) << 12);
}
static inline fb_i fbv_load_u4(const uint8_t *p) {
  uint16_t v;
  memcpy(&v, p, 2);
  return fbv_spread_u4(v);
}
static inline fb_i fbv_load_u4_n(const uint8_t *p, int64_t n) {
  return fbv_spread_u4((uint32_t)fbv_bytes_n(p, (n + 1) / 2));
}
static inline uint32_t fbv_low_bytes(fb_i v) {
  const uint16x4_t half = vmovn_u32(vreinterpretq_u32_s32(v));
  return vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(half, half))), 0);
}
static inline void fbv_store_u8(uint8_t *p, fb_i v) {
  const uint32_t bytes = fbv_low_bytes(v);
  memcpy(p, &bytes, 4);
}
static inline void fbv_store_u8_n(uint8_t *p, fb_i v, int64_t n) { fbv_put_bytes_n(p, fbv_low_bytes(v), n); }
/* How int32 become 8-bit codes: plus zero (16-bit lanes), cut to lo and hi (bytes; all as if unsigned), then flipped. */
typedef struct fbv_coder {
  fb_i zero, lo, hi, flip;
} fbv_coder;
/* Four vectors; any values. */
static inline void fbv_store_u8_x4(uint8_t *p, const fb_i v[4], const fbv_coder *c) {
  const int16x8_t zero = vreinterpretq_s16_s32(c->zero);
  const int16x8_t a = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(v[0]), v[1]), zero);
  const int16x8_t b = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(v[2]), v[3]), zero);
  const uint8x16_t codes = vmaxq_u8(vqmovun_high_s16(vqmovun_s16(a), b), vreinterpretq_u8_s32(c->lo));
  vst1q_u8(p, veorq_u8(vminq_u8(codes, vreinterpretq_u8_s32(c->hi)), vreinterpretq_u8_s32(c->flip)));
}
static inline fb_i fbv_set1_i16(int32_t v) { return vreinterpretq_s32_s16(vdupq_n_s16((int16_t)v)); }
static inline fb_i fbv_set1_u8(uint8_t v) { return vreinterpretq_s32_u8(vdupq_n_u8(v)); }

/* a[0..7] + a[8..15], then 4 + 4, 2 + 2, 1 + 1: how the contract adds 16 lanes. */
static inline float fbv_sum16(const fb_f part[FBV_PARTS]) {
  const fb_f four = (part[0] + part[2]) + (part[1] + part[3]);
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

/* The largest lane of v, where there is no NaN. */
static inline float fbv_largest(fb_f v) { return vmaxvq_f32(v); }
