/* The core of q8/list.h on AVX2: 8 rows a vector. */
#include <immintrin.h>
#include <stdint.h>

#define LIST_CORE  fb_q8_list__avx2
#define LIST_NAME "list__avx2"
#define LIST_WIDTH 8
#define LIST_QUADS FB_LIST_QUADS
#define LIST_FEWEST 12
#define LIST_AT_ONCE 6

typedef __m256i list_vector;
typedef __m256 list_floats;
#define LIST_V(name)        _mm256_##name
#define list_load(p)        _mm256_load_si256((const __m256i *)(const void *)(p))
#define list_store(p, v)    _mm256_store_si256((__m256i *)(void *)(p), v)
#define list_spread(w)      _mm256_set1_epi32(w)
#define list_products(x, w) _mm256_maddubs_epi16(x, w)
#define list_add16(a, b)    _mm256_add_epi16(a, b)
#define list_pairs(v)       _mm256_madd_epi16(v, _mm256_set1_epi16(1))
#define list_add32(a, b)    _mm256_add_epi32(a, b)
#define list_hold(v)        __asm__("" : "+x"(v))
#define list_xor(a, b)      _mm256_xor_si256(a, b)
#define list_repeat(v)      _mm256_broadcastsi128_si256(v)
/* Parts of 16 bytes, `step` bytes apart. */
static inline void list_store_parts(uint8_t *p, int64_t step, list_vector v) {
  _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(v));
  _mm_storeu_si128((__m128i *)(void *)(p + step), _mm256_extracti128_si256(v, 1));
}

#include "q8/list.inc"
