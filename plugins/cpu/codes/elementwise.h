/* Add, Sub and Mul of 8-bit codes: the numbers that the loops (elementwise.inc) work with. */
#ifndef QE_CPU_CODES_ELEMENTWISE_H
#define QE_CPU_CODES_ELEMENTWISE_H

#include "codes/nest.h"

#define FB_ELEMENTWISE_TILE 65536 /* elements: some 10 us */

/* Codes as real numbers: scale * ((code ^ flip) - zero), where flip 0x80 turns int8 into uint8, 128 higher. */
typedef struct fb_code_real {
  float scale, zero;
  uint8_t flip;
} fb_code_real;

/*
 * q = clamp(rne(v / scale)) + zero; lo and hi are the bounds less the zero point. flip: 0x80 when y is int8. bounded: every
 * v / scale is a number below 2^30, so that it can be clamped as an integer.
 */
typedef struct fb_elementwise {
  const uint8_t *a, *b;
  uint8_t *y;
  fb_code_real real_a, real_b;
  float scale, lo, hi;
  int32_t zero;
  uint8_t flip;
  bool bounded;
} fb_elementwise;

fb_elementwise fb_elementwise_of(const qe_call *call);

#endif
