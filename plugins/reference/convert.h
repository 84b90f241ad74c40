/* Conversions between element types; half and bfloat16 are handled as their bits. Rounding is half to even. */
#ifndef QE_REFERENCE_CONVERT_H
#define QE_REFERENCE_CONVERT_H

#include "ref.h"

float ref_f16_to_f32(uint16_t bits);
float ref_bf16_to_f32(uint16_t bits);
/* One rounding; overflow gives infinity, NaN a quiet NaN. */
uint16_t ref_f64_to_f16(double v);
uint16_t ref_f64_to_bf16(double v);

/* One element of a byte-sized type: `real` for float types, `whole` (modulo 2^bits; bool: not 0) for the others. */
void ref_fill_element(uint8_t dtype, float real, int64_t whole, uint8_t element[8]);

/* Element `at` as an integer; floats truncate and saturate, NaN -> 0; uint64 beyond int64 saturates. */
int64_t ref_load_i64(const void *x, uint8_t dtype, int64_t at);

/* A run of n elements, `step` apart, as float32 from float16, float32, int32, or as codes below. */
bool ref_loads_f32(uint8_t dtype);
void ref_load_f32(float *to, const void *x, uint8_t dtype, int64_t at, int64_t step, int64_t n);

/* Element `at` of an integer tensor of up to 32 bits, 4-bit ones included (two in a byte, the first one low). */
bool ref_is_code(uint8_t dtype);
int32_t ref_load_code(const void *x, uint8_t dtype, int64_t at);

#endif
