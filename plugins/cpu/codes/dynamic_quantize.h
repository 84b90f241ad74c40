/* DynamicQuantizeLinear: how it is cut. */
#ifndef QE_CPU_CODES_DYNAMIC_QUANTIZE_H
#define QE_CPU_CODES_DYNAMIC_QUANTIZE_H

#include "fb.h"

/* Elements of a tile: few tiles, as every call reads all of x for the range. */
static inline int64_t fb_dynamic_quantize_tile(const qe_problem *p) {
  const int64_t n = p->in[0]->count, quarter = fb_round_up(fb_ceil_div(n, 4), 1024);
  return n < 131072 ? fb_max64(n, 1) : quarter;
}

#endif
