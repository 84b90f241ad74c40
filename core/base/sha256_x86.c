/* SHA-256 with the instructions that x86-64 processors have for it. */
#include "base/sha256.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>

/*
 * The instructions keep the state as two vectors, A B E F and C D G H, and do two rounds at a time on words that already
 * hold their constants. Words 16 and on come from the four vectors before them.
 */
__attribute__((target("sha,sse4.1"))) static void blocks_sha(uint32_t h[8], const uint8_t *blocks, size_t count) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  const __m128i dcba = _mm_loadu_si128((const __m128i *)(const void *)h);
  const __m128i hgfe = _mm_loadu_si128((const __m128i *)(const void *)(h + 4));
  const __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
  for (; count > 0; count--, blocks += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
      __m128i *now = &w[i % 4];
      if (i < 4) {
        *now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(blocks + 16 * i)), swap);
      } else {
        const __m128i seven_back = _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4);
        *now = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(*now, w[(i + 1) % 4]), seven_back), w[(i + 3) % 4]);
      }
      const __m128i *constants = (const __m128i *)(const void *)(qe__sha256_constants + 4 * i);
      const __m128i words = _mm_add_epi32(*now, _mm_loadu_si128(constants));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, words);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(words, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128((__m128i *)(void *)h, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128((__m128i *)(void *)(h + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static int has_instructions(void) {
  enum { SHA = 1 << 29, SSE41 = 1 << 19 };
  unsigned a, b, c, d, b7, c7, d7;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & SSE41) && __get_cpuid_count(7, 0, &a, &b7, &c7, &d7) && (b7 & SHA);
}

qe__sha256_blocks_fn qe__sha256_blocks_special(void) {
  static atomic_int known; /* 0: not asked yet (virtual machines are slow to answer), 1: no, 2: yes */
  int state = atomic_load_explicit(&known, memory_order_relaxed);
  if (state == 0) {
    state = has_instructions() ? 2 : 1;
    atomic_store_explicit(&known, state, memory_order_relaxed);
  }
  return state == 2 ? blocks_sha : NULL;
}

#else

qe__sha256_blocks_fn qe__sha256_blocks_special(void) { return NULL; }

#endif
