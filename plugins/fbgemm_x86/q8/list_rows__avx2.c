/*
 * Rows of codes into the panel of the core of q8/list.h: 32-bit transposes of 8 rows by 4 quads. Rows whose runs are no
 * whole quads (or too short to be worth it) are laid end to end first.
 */
#include <immintrin.h>
#include <string.h>

#include "q8/list.h"

enum {
  STEP = 8,     /* rows that are turned at a time */
  BOTH = 16,    /* rows that fill cache lines of the panel, ... */
  SEGMENT = 64, /* ... a few of which are worked on at a time: bytes of k */
};

/* Rows i and i + 4 (of 8 of which `rows` are there), 16 bytes each. */
static inline __m256i load2(const uint8_t *const *x, int64_t at, int i, __m256i flip) {
  const __m128i lo = _mm_loadu_si128((const __m128i *)(x[i] + at));
  const __m128i hi = _mm_loadu_si128((const __m128i *)(x[i + 4] + at));
  return _mm256_xor_si256(_mm256_inserti128_si256(_mm256_castsi128_si256(lo), hi, 1), flip);
}

/* 16 bytes of 8 rows to 4 quads, `quad` bytes apart. */
static inline void put4(uint8_t *to, int64_t quad, const uint8_t *const *x, int64_t at, __m256i flip, int64_t quads) {
  const __m256i a = load2(x, at, 0, flip), b = load2(x, at, 1, flip);
  const __m256i c = load2(x, at, 2, flip), d = load2(x, at, 3, flip);
  const __m256i ab0 = _mm256_unpacklo_epi32(a, b), ab1 = _mm256_unpackhi_epi32(a, b);
  const __m256i cd0 = _mm256_unpacklo_epi32(c, d), cd1 = _mm256_unpackhi_epi32(c, d);
  _mm256_store_si256((__m256i *)to, _mm256_unpacklo_epi64(ab0, cd0));
  if (quads > 1) _mm256_store_si256((__m256i *)(to + quad), _mm256_unpackhi_epi64(ab0, cd0));
  if (quads > 2) _mm256_store_si256((__m256i *)(to + 2 * quad), _mm256_unpacklo_epi64(ab1, cd1));
  if (quads > 3) _mm256_store_si256((__m256i *)(to + 3 * quad), _mm256_unpackhi_epi64(ab1, cd1));
}

/* Bytes [at, bytes) of each of 8 rows; after the last whole quad come zeros. */
static inline void put_run(uint8_t *to, int64_t quad, const uint8_t *const *x, int64_t at, int64_t bytes,
                           __m256i flip) {
  for (; at + 16 <= bytes; at += 16, to += 4 * quad) put4(to, quad, x, at, flip, 4);
  if (at == bytes) return;
  uint8_t rest[STEP][16] = {{0}};
  const uint8_t *rows[STEP];
  for (int i = 0; i < STEP; i++) {
    memcpy(rest[i], x[i] + at, (size_t)(bytes - at));
    rows[i] = rest[i];
  }
  put4(to, quad, rows, 0, flip, fb_list_quads(bytes - at));
}

/* memcpy of short runs. */
static inline uint8_t *append(uint8_t *to, const uint8_t *from, int64_t n) {
  if (n >= 16) {
    for (int64_t i = 0; i + 16 < n; i += 16) memcpy(to + i, from + i, 16);
    memcpy(to + n - 16, from + n - 16, 16);
  } else if (n >= 8) {
    memcpy(to, from, 8);
    memcpy(to + n - 8, from + n - 8, 8);
  } else if (n >= 4) {
    memcpy(to, from, 4);
    memcpy(to + n - 4, from + n - 4, 4);
  } else {
    for (int64_t i = 0; i < n; i++) to[i] = from[i];
  }
  return to + n;
}

/* `bytes` of rows [0, rows), 8 or 16. */
static void put_rows(uint8_t *to, int64_t quad, const uint8_t *const *x, int64_t rows, int64_t bytes, __m256i flip) {
  for (int64_t at = 0; at < bytes; at += SEGMENT, to += SEGMENT / 4 * quad)
    for (int64_t r = 0; r < rows; r += STEP) put_run(to + r * 4, quad, x + r, at, fb_min64(bytes, at + SEGMENT), flip);
}

void fb_list_whole_rows(uint8_t *panel, const uint8_t *const *x, int64_t rows, int64_t step, int64_t taps, int64_t kc,
                        int64_t k0, int64_t k1, uint8_t flip) {
  const __m256i flips = _mm256_set1_epi8((char)flip);
  const int64_t all = fb_round_up(rows, step), quad = 4 * all, first = k0 > 0 ? k0 / kc : 0;
  for (int64_t r = 0; r < all; r += BOTH, panel += BOTH * 4) {
    const int64_t here = fb_min64(BOTH, all - r), there = fb_min64(here, rows - r);
    uint8_t *to = panel;
    for (int64_t tap = first, k = k0; k < k1; tap++) {
      const int64_t end = fb_min64((tap + 1) * kc, k1), skipped = k - tap * kc;
      const uint8_t *const *run = x + r * taps + tap, *at[BOTH];
      for (int64_t i = 0; i < there; i++, run += taps) at[i] = *run + skipped;
      for (int64_t i = there; i < here; i++) at[i] = at[i - 1];
      put_rows(to, quad, at, here, end - k, flips);
      to += (end - k) / 4 * quad;
      k = end;
    }
  }
}

void fb_list_rows(uint8_t *panel, const uint8_t *const *x, int64_t rows, int64_t step, int64_t taps, int64_t kc,
                  uint8_t flip, uint8_t *room) {
  const __m256i flips = _mm256_set1_epi8((char)flip);
  const int64_t depth = taps * kc, all = fb_round_up(rows, step), quad = 4 * all;
  if (fb_list_whole(taps, kc)) {
    fb_list_whole_rows(panel, x, rows, step, taps, kc, 0, depth, flip);
    return;
  }
  for (int64_t r = 0; r < all; r += BOTH, panel += BOTH * 4) {
    const int64_t here = fb_min64(BOTH, all - r);
    const uint8_t *at[BOTH];
    for (int64_t i = 0; i < here; i++) {
      uint8_t *to = room + i * fb_list_row_room(depth);
      const uint8_t *const *runs = x + fb_min64(r + i, rows - 1) * taps;
      at[i] = to;
      for (int64_t tap = 0; tap < taps; tap++) to = append(to, runs[tap], kc);
    }
    put_rows(panel, quad, at, here, depth, flips);
  }
}
