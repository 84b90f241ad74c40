/*
 * Vectors of bytes, for pool/codes.inc. Sums of bytes are 16 bits wide first (two vectors), then 32 (four), all in their
 * natural order.
 */
#define BYTES 16

static inline uint8x16_t as_bytes(fb_i v) { return vreinterpretq_u8_s32(v); }
static inline uint16x8_t as_pairs(fb_i v) { return vreinterpretq_u16_s32(v); }

/* n bytes; what lies behind them does not matter. */
static inline fb_i load(const uint8_t *x, int64_t n, const char *end) {
  if (n == BYTES || (const char *)x + BYTES <= end) return vreinterpretq_s32_u8(vld1q_u8(x));
  uint8_t bytes[BYTES] = {0};
  memcpy(bytes, x, (size_t)n);
  return vreinterpretq_s32_u8(vld1q_u8(bytes));
}

static inline void store(uint8_t *y, fb_i v, int64_t n) {
  if (n == BYTES) {
    vst1q_u8(y, as_bytes(v));
    return;
  }
  uint8_t bytes[BYTES];
  vst1q_u8(bytes, as_bytes(v));
  memcpy(y, bytes, (size_t)n);
}

static inline fb_i max_s8(fb_i a, fb_i b) {
  return vreinterpretq_s32_s8(vmaxq_s8(vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)));
}
static inline fb_i min_u8(fb_i a, fb_i b) { return vreinterpretq_s32_u8(vminq_u8(as_bytes(a), as_bytes(b))); }
static inline fb_i max_u8(fb_i a, fb_i b) { return vreinterpretq_s32_u8(vmaxq_u8(as_bytes(a), as_bytes(b))); }

static inline void add_bytes(fb_i narrow[2], fb_i codes) {
  const uint8x16_t b = as_bytes(codes);
  narrow[0] = vreinterpretq_s32_u16(vaddw_u8(as_pairs(narrow[0]), vget_low_u8(b)));
  narrow[1] = vreinterpretq_s32_u16(vaddw_high_u8(as_pairs(narrow[1]), b));
}

static inline void add_narrow(fb_i wide[4], const fb_i narrow[2]) {
  for (int i = 0; i < 2; ++i) {
    const uint16x8_t v = as_pairs(narrow[i]);
    wide[2 * i] = vreinterpretq_s32_u32(vaddw_u16(vreinterpretq_u32_s32(wide[2 * i]), vget_low_u16(v)));
    wide[2 * i + 1] = vreinterpretq_s32_u32(vaddw_high_u16(vreinterpretq_u32_s32(wide[2 * i + 1]), v));
  }
}

/* Numbers plus `add` (16-bit lanes), saturated in each step. */
static inline fb_i pack_bytes(const fb_i wide[4], fb_i add) {
  const int16x8_t more = vreinterpretq_s16_s32(add);
  const int16x8_t lo = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(wide[0]), wide[1]), more);
  const int16x8_t hi = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(wide[2]), wide[3]), more);
  return vreinterpretq_s32_u8(vqmovun_high_s16(vqmovun_s16(lo), hi));
}

/* The sum of all bytes. */
typedef int64_t byte_sum;
static inline byte_sum byte_sum_zero(void) { return 0; }
static inline void byte_sum_add(byte_sum *s, fb_i codes) { *s += vaddlvq_u8(as_bytes(codes)); }
static inline int64_t byte_sum_total(const byte_sum *s) { return *s; }
