/* Vectors of four floats for the templates of ../../cpu/f32, which see only what stands here. */
#ifndef QE_QNNPACK_F32_VEC_H
#define QE_QNNPACK_F32_VEC_H

#include <arm_neon.h>
#include <stdint.h>

typedef float32x4_t vec;

static inline vec vec_zero(void) { return vdupq_n_f32(0.0f); }
static inline vec vec_set1(float x) { return vdupq_n_f32(x); }
static inline vec vec_load(const float *p) { return vld1q_f32(p); }
static inline vec vec_load_once(const float *p) { return vld1q_f32(p); } /* products have no operands in memory */
static inline void vec_store(float *p, vec v) { vst1q_f32(p, v); }
/* Some of the first elements: n, at least none and at most all. */
typedef int64_t vec_part;
static inline vec_part vec_first(int64_t n) { return n >= 4 ? 4 : n < 0 ? 0 : n; }
static inline vec vec_load_part(const float *p, vec_part n) {
  if (n == 4) return vld1q_f32(p);
  vec v = vdupq_n_f32(0.0f);
  if (n > 0) v = vld1q_lane_f32(p, v, 0);
  if (n > 1) v = vld1q_lane_f32(p + 1, v, 1);
  if (n > 2) v = vld1q_lane_f32(p + 2, v, 2);
  return v;
}
static inline void vec_store_part(float *p, vec v, vec_part n) {
  if (n == 4) {
    vst1q_f32(p, v);
    return;
  }
  if (n > 0) vst1q_lane_f32(p, v, 0);
  if (n > 1) vst1q_lane_f32(p + 1, v, 1);
  if (n > 2) vst1q_lane_f32(p + 2, v, 2);
}
static inline vec vec_add(vec a, vec b) { return vaddq_f32(a, b); }
static inline vec vec_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
static inline vec vec_min(vec a, vec b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline vec vec_max(vec a, vec b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }

#endif
