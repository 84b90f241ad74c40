/* What the tests of integer and data-moving reference kernels share: codes, exact requantization, comparisons. */
#ifndef QE_TESTS_INT_SUPPORT_H
#define QE_TESTS_INT_SUPPORT_H

#include "support/kernel_host.h"

/* Bytes over the full range, its ends more often than chance has it. */
static inline void ti_bytes(uint64_t *seed, void *x, int64_t n) {
  static const uint8_t ends[] = {0, 255, 128, 127, 211, 171};
  for (int64_t i = 0; i < n; ++i)
    ((uint8_t *)x)[i] = kh_int(seed, 0, 3) == 0 ? ends[kh_int(seed, 0, 5)] : (uint8_t)kh_int(seed, 0, 255);
}

static inline int64_t ti_code(const void *x, uint8_t dtype, int64_t i) {
  switch (dtype) {
  case QE_DT_U8: case QE_DT_BOOL: return ((const uint8_t *)x)[i];
  case QE_DT_I8: return ((const int8_t *)x)[i];
  case QE_DT_U16: return ((const uint16_t *)x)[i];
  case QE_DT_I16: return ((const int16_t *)x)[i];
  case QE_DT_I64: return ((const int64_t *)x)[i];
  default: return ((const int32_t *)x)[i];
  }
}

static inline int32_t ti_min(uint8_t dtype) {
  return dtype == QE_DT_I8 ? -128 : dtype == QE_DT_I16 ? -32768 : dtype == QE_DT_I32 ? INT32_MIN : 0;
}
static inline int32_t ti_max(uint8_t dtype) {
  return dtype == QE_DT_I8    ? 127
         : dtype == QE_DT_U8  ? 255
         : dtype == QE_DT_I16 ? 32767
         : dtype == QE_DT_U16 ? 65535
                              : INT32_MAX;
}
/* A zero point: an end of the range, or anything. */
static inline int32_t ti_zero(uint64_t *seed, uint8_t dtype) {
  const int64_t pick = kh_int(seed, 0, 3);
  return pick == 0 ? ti_min(dtype) : pick == 1 ? ti_max(dtype) : (int32_t)kh_int(seed, ti_min(dtype), ti_max(dtype));
}

/* clamp(rne(v) + z) in double precision. */
static inline int32_t ti_round(float v, int32_t z, int32_t lo, int32_t hi) {
  if (isnan(v))
    v = 0.0f;
  const double q = nearbyint((double)v) + (double)z;
  return q < (double)lo ? lo : q > (double)hi ? hi : (int32_t)q;
}

static inline void ti_store8(void *y, int64_t i, int32_t code) { ((uint8_t *)y)[i] = (uint8_t)(code & 0xff); }

static inline void ti_same_bytes(const void *expected, const void *got, int64_t n, const char *what, uint64_t seed) {
  for (int64_t i = 0; i < n; ++i)
    cr_assert_eq(((const uint8_t *)expected)[i], ((const uint8_t *)got)[i],
                 "%s: byte %ld: expected %d, got %d (seed %llu)", what, (long)i, ((const uint8_t *)expected)[i],
                 ((const uint8_t *)got)[i], (unsigned long long)seed);
}

static inline void *ti_alloc(int64_t bytes) {
  void *p = calloc((size_t)bytes + 1, 1);
  cr_assert(p);
  return p;
}

static inline uint8_t ti_pick8(uint64_t *seed) { return kh_int(seed, 0, 1) ? QE_DT_U8 : QE_DT_I8; }

#endif
