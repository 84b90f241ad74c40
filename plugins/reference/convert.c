/* Conversions between element types (convert.h). */
#include "convert.h"

#include <math.h>
#include <string.h>

float ref_bf16_to_f32(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float v;
  memcpy(&v, &wide, sizeof v);
  return v;
}

float ref_f16_to_f32(uint16_t bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  float v;
  if (exponent == 31)
    v = mantissa ? NAN : INFINITY;
  else
    v = exponent ? ldexpf((float)(mantissa + 1024), exponent - 25) : ldexpf((float)mantissa, -24);
  return bits & 0x8000 ? -v : v;
}

/* Rounds |v| to a format with `fraction` fraction bits, `bias`, and the exponent field's largest value `top`. */
static uint16_t narrow(double v, int fraction, int bias, int top) {
  const uint16_t sign = signbit(v) ? 0x8000 : 0;
  const uint16_t infinity = (uint16_t)(top << fraction);
  if (isnan(v))
    return (uint16_t)(sign | infinity | 1 << (fraction - 1));
  if (isinf(v) || v == 0.0)
    return (uint16_t)(sign | (v == 0.0 ? 0 : infinity));
  int exponent;
  (void)frexp(v, &exponent); /* |v| = f * 2^exponent, f in [0.5, 1) */
  if (exponent - 1 > bias)
    return (uint16_t)(sign | infinity);
  const int lowest = 1 - bias;                                /* exponent of the smallest normal number */
  const int scale = exponent - 1 < lowest ? lowest : exponent - 1;
  const uint32_t units = (uint32_t)nearbyint(ldexp(fabs(v), fraction - scale)); /* in units of the last place */
  /* Adding the units to the exponent field carries into it where rounding reaches the next power of two. */
  const uint32_t field = (uint32_t)(scale + bias - 1) << fraction;
  return (uint16_t)(sign | (field + units));
}

uint16_t ref_f64_to_f16(double v) { return narrow(v, 10, 15, 31); }
uint16_t ref_f64_to_bf16(double v) { return narrow(v, 7, 127, 255); }

void ref_fill_element(uint8_t dtype, float real, int64_t whole, uint8_t element[8]) {
  const double wide = (double)real;
  const uint16_t half = dtype == QE_DT_F16 ? ref_f64_to_f16(wide) : ref_f64_to_bf16(wide);
  const uint64_t bits = dtype == QE_DT_BOOL ? whole != 0 : (uint64_t)whole;
  switch (dtype) {
  case QE_DT_F32: memcpy(element, &real, sizeof real); break;
  case QE_DT_F64: memcpy(element, &wide, sizeof wide); break;
  case QE_DT_F16: case QE_DT_BF16: memcpy(element, &half, sizeof half); break;
  default:
    switch (ref_dtype_size(dtype)) { /* through the type, for any byte order */
    case 1: element[0] = (uint8_t)bits; break;
    case 2: memcpy(element, &(uint16_t){(uint16_t)bits}, 2); break;
    case 4: memcpy(element, &(uint32_t){(uint32_t)bits}, 4); break;
    default: memcpy(element, &bits, 8); break;
    }
  }
}

static int64_t real_to_i64(double v) {
  return isnan(v) ? 0 : v <= -0x1p63 ? INT64_MIN : v >= 0x1p63 ? INT64_MAX : (int64_t)v;
}

int64_t ref_load_i64(const void *x, uint8_t dtype, int64_t at) {
  switch (dtype) {
  case QE_DT_U8: case QE_DT_BOOL: return ((const uint8_t *)x)[at];
  case QE_DT_I8: return ((const int8_t *)x)[at];
  case QE_DT_U16: return ((const uint16_t *)x)[at];
  case QE_DT_I16: return ((const int16_t *)x)[at];
  case QE_DT_U32: return ((const uint32_t *)x)[at];
  case QE_DT_I32: return ((const int32_t *)x)[at];
  case QE_DT_I64: return ((const int64_t *)x)[at];
  case QE_DT_U64: {
    const uint64_t v = ((const uint64_t *)x)[at];
    return v > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)v;
  }
  case QE_DT_F32: return real_to_i64((double)((const float *)x)[at]);
  case QE_DT_F64: return real_to_i64(((const double *)x)[at]);
  case QE_DT_F16: return real_to_i64((double)ref_f16_to_f32(((const uint16_t *)x)[at]));
  case QE_DT_BF16: return real_to_i64((double)ref_bf16_to_f32(((const uint16_t *)x)[at]));
  default: return 0;
  }
}

bool ref_loads_f32(uint8_t dtype) { return dtype == QE_DT_F32 || dtype == QE_DT_F16 || dtype == QE_DT_I32; }

void ref_load_f32(float *to, const void *x, uint8_t dtype, int64_t at, int64_t step, int64_t n) {
  switch (dtype) {
  case QE_DT_F16:
    for (int64_t i = 0; i < n; ++i)
      to[i] = ref_f16_to_f32(((const uint16_t *)x)[at + i * step]);
    break;
  case QE_DT_I32:
    for (int64_t i = 0; i < n; ++i)
      to[i] = (float)((const int32_t *)x)[at + i * step];
    break;
  default:
    for (int64_t i = 0; i < n; ++i)
      to[i] = ((const float *)x)[at + i * step];
  }
}

bool ref_is_code(uint8_t dtype) {
  switch (dtype) {
  case QE_DT_U8:
  case QE_DT_I8:
  case QE_DT_U16:
  case QE_DT_I16:
  case QE_DT_I32:
  case QE_DT_U4:
  case QE_DT_I4: return true;
  default: return false;
  }
}

int32_t ref_load_code(const void *x, uint8_t dtype, int64_t at) {
  switch (dtype) {
  case QE_DT_U8: return ((const uint8_t *)x)[at];
  case QE_DT_I8: return ((const int8_t *)x)[at];
  case QE_DT_U16: return ((const uint16_t *)x)[at];
  case QE_DT_I16: return ((const int16_t *)x)[at];
  case QE_DT_I32: return ((const int32_t *)x)[at];
  default: {
    const int nibble = ((const uint8_t *)x)[at / 2] >> (at % 2 ? 4 : 0) & 15;
    return dtype == QE_DT_I4 && nibble > 7 ? nibble - 16 : nibble;
  }
  }
}
