/* The core of float32 products for NEON: blocks of up to 8 x 8 sums, half of the registers. */
#include <arm_neon.h>
#include <stdint.h>

enum { LANES = 4 };
#define ROWS 8
#define CORE fb_f32_core__neon
typedef float32x4_t vec;

static inline vec vec_zero(void) { return vdupq_n_f32(0.0f); }
static inline vec vec_set1(float x) { return vdupq_n_f32(x); }
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
static inline vec vec_min(vec a, vec b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline vec vec_max(vec a, vec b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }

#include "f32/core.inc"
