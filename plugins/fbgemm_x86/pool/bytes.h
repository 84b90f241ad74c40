/*
 * Vectors of bytes, for pool/codes.inc. Sums of bytes are 16 bits wide first (two vectors), then 32 (four), in the order
 * in which unpacking leaves them and packing finds them again.
 */
#if FB_LANES == 16
#define M(name) _mm512_##name
#define S(name) _mm512_##name##_si512
#else
#define M(name) _mm256_##name
#define S(name) _mm256_##name##_si256
#endif
#define BYTES   (4 * FB_LANES)

/* n bytes; what lies behind them does not matter. */
static inline fb_i load(const uint8_t *x, int64_t n, const char *end) {
  if (n == BYTES) return S(loadu)((const void *)x);
#if FB_LANES == 16
  (void)end;
  return _mm512_maskz_loadu_epi8(((__mmask64)1 << n) - 1, x);
#else
  if ((const char *)x + BYTES <= end) return S(loadu)((const void *)x);
  uint8_t bytes[BYTES] = {0};
  memcpy(bytes, x, (size_t)n);
  return S(loadu)((const void *)bytes);
#endif
}

static inline void store(uint8_t *y, fb_i v, int64_t n) {
  if (n == BYTES) {
    S(storeu)((void *)y, v);
    return;
  }
#if FB_LANES == 16
  _mm512_mask_storeu_epi8(y, ((__mmask64)1 << n) - 1, v);
#else
  uint8_t bytes[BYTES];
  S(storeu)((void *)bytes, v);
  memcpy(y, bytes, (size_t)n);
#endif
}

static inline fb_i max_s8(fb_i a, fb_i b) { return M(max_epi8)(a, b); }
static inline fb_i min_u8(fb_i a, fb_i b) { return M(min_epu8)(a, b); }
static inline fb_i max_u8(fb_i a, fb_i b) { return M(max_epu8)(a, b); }

static inline void add_bytes(fb_i narrow[2], fb_i codes) {
  const fb_i none = fbv_set1_i(0);
  narrow[0] = M(add_epi16)(narrow[0], M(unpacklo_epi8)(codes, none));
  narrow[1] = M(add_epi16)(narrow[1], M(unpackhi_epi8)(codes, none));
}

static inline void add_narrow(fb_i wide[4], const fb_i narrow[2]) {
  const fb_i none = fbv_set1_i(0);
  for (int i = 0; i < 2; ++i) {
    wide[2 * i] = M(add_epi32)(wide[2 * i], M(unpacklo_epi16)(narrow[i], none));
    wide[2 * i + 1] = M(add_epi32)(wide[2 * i + 1], M(unpackhi_epi16)(narrow[i], none));
  }
}

/* Numbers plus `add` (16-bit lanes), saturated in each step. */
static inline fb_i pack_bytes(const fb_i wide[4], fb_i add) {
  return M(packus_epi16)(M(adds_epi16)(M(packs_epi32)(wide[0], wide[1]), add),
                         M(adds_epi16)(M(packs_epi32)(wide[2], wide[3]), add));
}

/* The sum of all bytes. */
typedef fb_i byte_sum;
static inline byte_sum byte_sum_zero(void) { return fbv_set1_i(0); }
static inline void byte_sum_add(byte_sum *s, fb_i codes) {
  *s = M(add_epi64)(*s, M(sad_epu8)(codes, fbv_set1_i(0)));
}
static inline int64_t byte_sum_total(const byte_sum *s) {
  int64_t total = 0, part[BYTES / 8];
  S(storeu)((void *)part, *s);
  for (int l = 0; l < BYTES / 8; ++l) total += part[l];
  return total;
}
