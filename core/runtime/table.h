/* 256-entry tables: quantized unary ops and requantization, from double-precision math (docs/numerics.md). */
#ifndef QE_CORE_TABLE_H
#define QE_CORE_TABLE_H

#include "graph/graph.h"

/* One code to another: sat(rne(f((q - zx) * sx) / sy) + zy), clamped to [lo, hi]. Parameters are per tensor. */
typedef struct qe__table_spec {
  qe_dtype_t x_dtype, y_dtype; /* int8 or uint8 */
  float x_scale, y_scale;
  int32_t x_zero_point, y_zero_point;
  int32_t lo, hi;
} qe__table_spec;

/* The table of a unary node; false when the op has none (or Clip's bounds are not constants of g). Index: the code's bits. */
bool qe__table_build(const qe__graph *g, const qe__node *n, const qe__table_spec *spec, uint8_t table[256]);
/* The table that only changes parameters; the product is rounded to float32 first: sat(rne(((q - z) * s) / sy) + zy). */
void qe__table_requantize(const qe__table_spec *spec, uint8_t table[256]);

#endif
