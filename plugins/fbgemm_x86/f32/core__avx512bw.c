/* The core of float32 products for AVX-512: blocks of up to 12 x 32 sums. */
#include <immintrin.h>
#include <stdint.h>

enum { LANES = 16 };
#define ROWS 12
#define CORE fb_f32_core__avx512bw
typedef __m512 vec;

static inline vec vec_zero(void) { return _mm512_setzero_ps(); }
static inline vec vec_set1(float x) { return _mm512_set1_ps(x); }
static inline vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vec_store(float *p, vec v) { _mm512_storeu_ps(p, v); }
/* Some of the first elements: n, at least none and at most all. */
typedef __mmask16 vec_part;
static inline vec_part vec_first(int64_t n) { return (vec_part)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1 << n) - 1); }
static inline vec vec_load_part(const float *p, vec_part part) { return _mm512_maskz_loadu_ps(part, p); }
static inline void vec_store_part(float *p, vec v, vec_part part) { _mm512_mask_storeu_ps(p, part, v); }
static inline vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
static inline vec vec_min(vec a, vec b) { return _mm512_min_ps(a, b); }
static inline vec vec_max(vec a, vec b) { return _mm512_max_ps(a, b); }

#include "f32/core.inc"
