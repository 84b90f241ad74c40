/*
 * Vectors of LANES floats for the templates of ../../cpu/f32, which see only what stands here: 8 lanes on AVX2, 16 on
 * AVX-512. Included by files of one instruction set only.
 */
#ifndef QE_FBGEMM_F32_VEC_H
#define QE_FBGEMM_F32_VEC_H

#include <immintrin.h>
#include <stdint.h>

#if LANES == 16
typedef __m512 vec;
static inline vec vec_zero(void) {
  return _mm512_setzero_ps();
}
static inline vec vec_set1(float x) {
  return _mm512_set1_ps(x);
}
static inline vec vec_load(const float *p) {
  return _mm512_loadu_ps(p);
}
static inline vec vec_add(vec a, vec b) {
  return _mm512_add_ps(a, b);
}
static inline vec vec_fma(vec a, vec b, vec c) {
  return _mm512_fmadd_ps(a, b, c);
}
static inline vec vec_min(vec a, vec b) {
  return _mm512_min_ps(a, b);
}
static inline vec vec_max(vec a, vec b) {
  return _mm512_max_ps(a, b);
}
static inline void vec_store(float *p, vec v) {
  _mm512_storeu_ps(p, v);
}
/* Some of the first elements: n, at least none and at most all. */
typedef __mmask16 vec_part;
static inline vec_part vec_first(int64_t n) {
  return (vec_part)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1 << n) - 1);
}
static inline vec vec_load_part(const float *p, vec_part part) {
  return _mm512_maskz_loadu_ps(part, p);
}
static inline void vec_store_part(float *p, vec v, vec_part part) {
  _mm512_mask_storeu_ps(p, part, v);
}
#else
typedef __m256 vec;
static inline vec vec_zero(void) {
  return _mm256_setzero_ps();
}
static inline vec vec_set1(float x) {
  return _mm256_set1_ps(x);
}
static inline vec vec_load(const float *p) {
  return _mm256_loadu_ps(p);
}
static inline vec vec_add(vec a, vec b) {
  return _mm256_add_ps(a, b);
}
static inline vec vec_fma(vec a, vec b, vec c) {
  return _mm256_fmadd_ps(a, b, c);
}
static inline vec vec_min(vec a, vec b) {
  return _mm256_min_ps(a, b);
}
static inline vec vec_max(vec a, vec b) {
  return _mm256_max_ps(a, b);
}
static inline void vec_store(float *p, vec v) {
  _mm256_storeu_ps(p, v);
}
/* Some of the first elements: n, at least none and at most all. Masked stores are slow on some processors. */
typedef int64_t vec_part;
static inline vec_part vec_first(int64_t n) {
  return n >= 8 ? 8 : n < 0 ? 0 : n;
}
static inline __m256i vec_mask(vec_part n) {
  static const int32_t mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
  return _mm256_loadu_si256((const void *)(mask + 8 - n));
}
static inline vec vec_load_part(const float *p, vec_part n) {
  return n == 8 ? vec_load(p) : _mm256_maskload_ps(p, vec_mask(n));
}
static inline void vec_store_part(float *p, vec v, vec_part n) {
  if (n == 8)
    vec_store(p, v);
  else
    _mm256_maskstore_ps(p, vec_mask(n), v);
}
#endif

/* Into a register, where compilers would rather load it for every product again. */
static inline vec vec_load_once(const float *p) {
  vec v = vec_load(p);
  __asm__("" : "+v"(v));
  return v;
}

#endif
