/* Quantized ops of two 8-bit operands with broadcasting: what qadd.c and qmul.c share. */
#ifndef QE_REFERENCE_QELEMENTWISE_H
#define QE_REFERENCE_QELEMENTWISE_H

#include "nest.h"
#include "quant.h"

/* The 256 real values of an operand's codes: s * (float)(q - z). */
static inline void ref_real_table(const qe_operand *o, float table[256]) {
  for (int i = 0; i < 256; ++i) {
    const int32_t code = o->dtype == QE_DT_I8 ? (int32_t)(int8_t)(uint8_t)i : i;
    table[i] = o->scales[0] * (float)(code - o->zero_points[0]);
  }
}

int ref_qelementwise_supports(void *self, const qe_problem *p, char *reason, size_t reason_size);

/* Defines ref_<stem>_run: q = clamp(rne(expression) + zc) with a, b the real operands and sc the output's scale. */
#define REF_QELEMENTWISE(stem, expression)                                                       \
  int ref_##stem##_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {  \
    (void)self;                                                                                  \
    const qe_problem *p = call->problem;                                                         \
    float table_a[256], table_b[256];                                                            \
    ref_real_table(p->in[0], table_a);                                                           \
    ref_real_table(p->in[1], table_b);                                                           \
    const float sc = p->out[0]->scales[0];                                                       \
    const int32_t zc = p->out[0]->zero_points[0];                                                \
    int32_t lo, hi;                                                                              \
    ref_code_range(p, &lo, &hi);                                                                 \
    ref_nest nest;                                                                               \
    ref_nest_of_problem(&nest, p);                                                               \
    int64_t begin, end;                                                                          \
    ref_flat_range(p, tile_begin, tile_end, &begin, &end);                                       \
    ref_walk w;                                                                                  \
    for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w)) {                    \
      uint8_t *y = (uint8_t *)call->out[0] + w.offset[0];                                        \
      const uint8_t *xa = (const uint8_t *)call->in[0] + w.offset[1];                            \
      const uint8_t *xb = (const uint8_t *)call->in[1] + w.offset[2];                            \
      for (int64_t i = 0; i < w.n; ++i) {                                                        \
        const float a = table_a[xa[i * w.step[1]]], b = table_b[xb[i * w.step[2]]];              \
        y[i * w.step[0]] = (uint8_t)ref_rne_sat((expression), zc, lo, hi);                       \
      }                                                                                          \
    }                                                                                            \
    return 0;                                                                                    \
  }

#endif
