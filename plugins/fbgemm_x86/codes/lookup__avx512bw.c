/*
 * Lookup on AVX-512: the table is 128 pairs of entries, half of which two registers hold for vpermi2w. Even and odd bytes
 * are looked up apart: bits 1..6 choose the pair, bit 7 the half of the table, bit 0 the byte of the pair.
 */
#include <immintrin.h>

#include "codes/lookup.h"

typedef struct pairs {
  __m512i part[4];
} pairs;

static inline __m512i pair_of(const pairs *t, __m512i index, __mmask32 upper) {
  const __m512i low = _mm512_permutex2var_epi16(t->part[0], index, t->part[1]);
  return _mm512_mask_mov_epi16(low, upper, _mm512_permutex2var_epi16(t->part[2], index, t->part[3]));
}

static inline __m512i look_up(__m512i x, const pairs *t) {
  const __m512i even = pair_of(t, _mm512_srli_epi16(x, 1), _mm512_test_epi16_mask(x, _mm512_set1_epi16(0x80)));
  const __m512i odd = pair_of(t, _mm512_srli_epi16(x, 9), _mm512_movepi16_mask(x));
  const __mmask32 second = _mm512_test_epi16_mask(x, _mm512_set1_epi16(1)),
                  first = _mm512_testn_epi16_mask(x, _mm512_set1_epi16(0x100));
  return _mm512_mask_blend_epi8(UINT64_C(0xAAAAAAAAAAAAAAAA), _mm512_mask_srli_epi16(even, second, even, 8),
                                _mm512_mask_slli_epi16(odd, first, odd, 8));
}

int fb_lookup__avx512bw_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const uint8_t *x = call->in[0], *table = call->in[1];
  uint8_t *y = call->out[0];
  int64_t i = tile_begin * FB_LOOKUP_TILE;
  const int64_t end = fb_min64(tile_end * FB_LOOKUP_TILE, call->problem->out[0]->count);
  pairs t;
  for (int k = 0; k < 4; ++k) t.part[k] = _mm512_loadu_si512(table + 64 * k);
  for (; end - i >= 64; i += 64) _mm512_storeu_si512(y + i, look_up(_mm512_loadu_si512(x + i), &t));
  if (i >= end) return 0;
  const __mmask64 some = (UINT64_C(1) << (end - i)) - 1;
  _mm512_mask_storeu_epi8(y + i, some, look_up(_mm512_maskz_loadu_epi8(some, x + i), &t));
  return 0;
}
