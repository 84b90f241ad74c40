/* The core of float32 products for AVX2: blocks of up to 6 x 16 sums. */
#include <immintrin.h>
#include <stdint.h>

enum { LANES = 8 };
#define ROWS 6
#define CORE fb_f32_core__avx2
typedef __m256 vec;

static inline vec vec_zero(void) { return _mm256_setzero_ps(); }
static inline vec vec_set1(float x) { return _mm256_set1_ps(x); }
static inline vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vec_store(float *p, vec v) { _mm256_storeu_ps(p, v); }
/* Some of the first elements: n, at least none and at most all. Masked stores are slow on some processors. */
typedef int64_t vec_part;
static inline vec_part vec_first(int64_t n) { return n >= 8 ? 8 : n < 0 ? 0 : n; }
static inline __m256i mask_of(vec_part n) {
  static const int32_t mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
  return _mm256_loadu_si256((const void *)(mask + 8 - n));
}
static inline vec vec_load_part(const float *p, vec_part n) { return n == 8 ? vec_load(p) : _mm256_maskload_ps(p, mask_of(n)); }
static inline void vec_store_part(float *p, vec v, vec_part n) {
  if (n == 8)
    vec_store(p, v);
  else
    _mm256_maskstore_ps(p, mask_of(n), v);
}
static inline vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec vec_min(vec a, vec b) { return _mm256_min_ps(a, b); }
static inline vec vec_max(vec a, vec b) { return _mm256_max_ps(a, b); }

#include "f32/core.inc"
