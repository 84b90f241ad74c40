/*
 * Vectors of floats and int32 under the same names on every instruction set, for sources that are built for several
 * (stem.inc): FB_LANES lanes of type fb_f and fb_i, and fb_m, one truth value per lane. Operators + - * / of the
 * compilers' vector types are IEEE operations with one rounding each. Functions that end in _n touch the first n lanes
 * only, 0 <= n < FB_LANES; the others read as 0 (fbv_load_or: as `other`). FB_RUN(stem) is the name of the instruction
 * set's run function, FB_NAME(stem) that of anything else it has. What depends on the instruction set is the engine's float/lanes.h.
 */
#ifndef QE_CPU_FLOAT_VEC_H
#define QE_CPU_FLOAT_VEC_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "templates.h"

#define FBV_INLINE FB_INLINE

/* Fewer than 8 bytes, the rest 0. */
static inline uint64_t fbv_bytes_n(const uint8_t *p, int64_t n) {
  uint32_t a = 0, b = 0;
  uint16_t c = 0, d = 0;
  if (n >= 4) {
    memcpy(&a, p, 4);
    memcpy(&b, p + n - 4, 4);
    return (uint64_t)a | (uint64_t)b << (8 * (n - 4));
  }
  if (n >= 2) {
    memcpy(&c, p, 2);
    memcpy(&d, p + n - 2, 2);
    return (uint64_t)c | (uint64_t)d << (8 * (n - 2));
  }
  return n == 1 ? p[0] : 0;
}

static inline void fbv_put_bytes_n(uint8_t *p, uint64_t v, int64_t n) {
  if (n >= 4) {
    memcpy(p, &v, 4);
    p += 4, v >>= 32, n -= 4;
  }
  if (n >= 2) {
    memcpy(p, &v, 2);
    p += 2, v >>= 16, n -= 2;
  }
  if (n == 1) p[0] = (uint8_t)v;
}

#define FBV_PARTS (16 / FB_LANES) /* vectors of the 16 lanes in which the contract sums */

#include "float/lanes.h"

/* The first n lanes, 0 < n <= FB_LANES. */
static FBV_INLINE fb_f fbv_load_some(const float *p, int64_t n) { return n < FB_LANES ? fbv_load_n(p, n) : fbv_load(p); }
static FBV_INLINE void fbv_store_some(float *p, fb_f v, int64_t n) {
  if (n < FB_LANES)
    fbv_store_n(p, v, n);
  else
    fbv_store(p, v);
}

/* lo and hi: codes; flip: 0x80 when they are int8. */
static inline fbv_coder fbv_coder_of(int32_t zero, int32_t lo, int32_t hi, uint8_t flip) {
  return (fbv_coder){fbv_set1_i16(zero + flip), fbv_set1_u8((uint8_t)(lo + flip)), fbv_set1_u8((uint8_t)(hi + flip)),
                     fbv_set1_u8(flip)};
}

/* The fused activation, lo <= hi: y < lo ? lo : y > hi ? hi : y; NaN and -0 stay. */
static inline fb_f fbv_act(fb_f y, fb_f lo, fb_f hi) { return fbv_min(hi, fbv_max(lo, y)); }

#endif
