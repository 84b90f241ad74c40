/* The core of q8/list.h on AVX-512: 16 rows a vector. */
#include <immintrin.h>
#include <stdint.h>

#define LIST_CORE  fb_q8_list__avx512bw
#define LIST_NAME "list__avx512bw"
#define LIST_WIDTH 16
#define LIST_QUADS FB_LIST_WIDE_QUADS
#define LIST_FEWEST 25
#define LIST_AT_ONCE 8

typedef __m512i list_vector;
typedef __m512 list_floats;
#define LIST_V(name)        _mm512_##name
#define list_load(p)        _mm512_load_si512((const __m512i *)(const void *)(p))
#define list_store(p, v)    _mm512_store_si512((__m512i *)(void *)(p), v)
#define list_spread(w)      _mm512_set1_epi32(w)
#define list_products(x, w) _mm512_maddubs_epi16(x, w)
#define list_add16(a, b)    _mm512_add_epi16(a, b)
#define list_pairs(v)       _mm512_madd_epi16(v, _mm512_set1_epi16(1))
#define list_add32(a, b)    _mm512_add_epi32(a, b)
#define list_hold(v)        __asm__("" : "+v"(v))
#define list_xor(a, b)      _mm512_xor_si512(a, b)
#define list_repeat(v)      _mm512_broadcast_i32x4(v)
/* Parts of 16 bytes, `step` bytes apart. */
static inline void list_store_parts(uint8_t *p, int64_t step, list_vector v) {
  _mm_storeu_si128((__m128i *)(void *)p, _mm512_castsi512_si128(v));
  _mm_storeu_si128((__m128i *)(void *)(p + step), _mm512_extracti32x4_epi32(v, 1));
  _mm_storeu_si128((__m128i *)(void *)(p + 2 * step), _mm512_extracti32x4_epi32(v, 2));
  _mm_storeu_si128((__m128i *)(void *)(p + 3 * step), _mm512_extracti32x4_epi32(v, 3));
}

#include "q8/list.inc"
