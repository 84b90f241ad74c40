/* Single elements of any numeric type, for code that is not speed-critical. */
#include <math.h>
#include <string.h>

#include "tensor/codes.h"
#include "tensor/tensor.h"

static double half_value(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  double magnitude;
  if (exponent == 31) magnitude = fraction == 0 ? (double)INFINITY : (double)NAN;
  else if (exponent == 0) magnitude = ldexp(fraction, -24);
  else magnitude = ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

float qe__half_value(uint16_t bits) { return (float)half_value(bits); }

uint16_t qe__half_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  const uint16_t sign = (uint16_t)(u >> 16 & 0x8000u);
  u &= 0x7fffffffu;
  if (u > 0x7f800000u) return sign | 0x7e00u;
  if (u >= 0x477ff000u) return sign | 0x7c00u;                            /* from 65520 on */
  if (u < 0x38800000u) return sign | (uint16_t)rintf(fabsf(x) * 0x1p24f); /* in units of 2^-24; 1024 is 2^-14 */
  u += 0xfffu + (u >> 13 & 1u);                                           /* half to even, by carrying */
  return sign | (uint16_t)((u - 0x38000000u) >> 13);
}

static double bfloat_value(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return (double)value;
}

double qe__tensor_float_at(const qe_tensor_t *t, int64_t index) {
  switch (t->dtype) {
  case QE_FLOAT32: return (double)((const float *)t->data)[index];
  case QE_FLOAT64: return ((const double *)t->data)[index];
  case QE_FLOAT16: return half_value(((const uint16_t *)t->data)[index]);
  case QE_BFLOAT16: return bfloat_value(((const uint16_t *)t->data)[index]);
  case QE_UINT64: return (double)((const uint64_t *)t->data)[index];
  default: return (double)qe__tensor_int_at(t, index);
  }
}

/* Truncates; what no int64 can hold becomes the nearest end, NaN 0. */
static int64_t truncate_value(double x) {
  if (isnan(x)) return 0;
  if (x >= 0x1p63) return INT64_MAX;
  if (x <= -0x1p63) return INT64_MIN;
  return (int64_t)x;
}

int64_t qe__tensor_int_at(const qe_tensor_t *t, int64_t index) {
  switch (t->dtype) {
  case QE_INT64: return ((const int64_t *)t->data)[index];
  case QE_UINT32: return ((const uint32_t *)t->data)[index];
  case QE_BOOL: return ((const uint8_t *)t->data)[index] != 0;
  case QE_UINT64: {
    const uint64_t value = ((const uint64_t *)t->data)[index];
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
  }
  case QE_FLOAT32:
  case QE_FLOAT64:
  case QE_FLOAT16:
  case QE_BFLOAT16: return truncate_value(qe__tensor_float_at(t, index));
  default: {
    int32_t code = 0;
    qe__codes_load(t->dtype, t->data, index, 1, &code);
    return code;
  }
  }
}
