/* Quantized ops of two 8-bit operands with broadcasting: what qadd.c and qmul.c share. */
#ifndef QE_REFERENCE_QELEMENTWISE_H
#define QE_REFERENCE_QELEMENTWISE_H

#include "nest.h"
#include "quant.h"

int ref_qelementwise_supports(void *self, const qe_problem *p, char *reason, size_t reason_size);

/* Codes of an operand as real numbers: scale * (float)((uint8_t)(code ^ flip) - zero). */
typedef struct ref_real8 {
  float scale;
  int32_t zero;
  uint8_t flip; /* 0x80 turns int8 into uint8, 128 higher */
} ref_real8;

static inline ref_real8 ref_real8_of(const qe_operand *o) {
  const uint8_t flip = o->dtype == QE_DT_I8 ? 0x80 : 0;
  return (ref_real8){o->scales[0], o->zero_points[0] + flip, flip};
}
static inline float ref_real8_value(const ref_real8 *r, uint8_t code) {
  return r->scale * (float)((int32_t)(uint8_t)(code ^ r->flip) - r->zero);
}

#define REF_QELEMENTWISE_CHUNK 256
#define REF_QELEMENTWISE_LOOP(expression, step_a, step_b)                          \
  for (int64_t i = 0; i < n; ++i) {                                                \
    const float a = ref_real8_value(&ra, xa[i * (step_a)]);                        \
    const float b = ref_real8_value(&rb, xb[i * (step_b)]);                        \
    codes[i] = (uint8_t)ref_rne_sat8((expression), zc, lo, hi);                    \
  }

/*
 * Defines ref_<stem>_run: q = clamp(rne(expression) + zc) with a, b the real operands and sc the output's scale. Results
 * go through a chunk, so that an output in the place of an input does not keep the loop from being vectorized.
 */
#define REF_QELEMENTWISE(stem, expression)                                                       \
  int ref_##stem##_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {  \
    (void)self;                                                                                  \
    const qe_problem *p = call->problem;                                                         \
    const ref_real8 ra = ref_real8_of(p->in[0]), rb = ref_real8_of(p->in[1]);                    \
    const float sc = p->out[0]->scales[0];                                                       \
    const int32_t zc = p->out[0]->zero_points[0];                                                \
    int32_t code_lo, code_hi;                                                                    \
    ref_code_range(p, &code_lo, &code_hi);                                                       \
    const float lo = (float)(code_lo - zc), hi = (float)(code_hi - zc);                          \
    ref_nest nest;                                                                               \
    ref_nest_of_problem(&nest, p);                                                               \
    int64_t begin, end;                                                                          \
    ref_flat_range(p, tile_begin, tile_end, &begin, &end);                                       \
    ref_walk w;                                                                                  \
    for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w))                      \
      for (int64_t at = 0; at < w.n; at += REF_QELEMENTWISE_CHUNK) {                             \
        uint8_t codes[REF_QELEMENTWISE_CHUNK];                                                   \
        const int64_t n = ref_min64(REF_QELEMENTWISE_CHUNK, w.n - at);                           \
        const uint8_t *xa = (const uint8_t *)call->in[0] + w.offset[1] + at * w.step[1];         \
        const uint8_t *xb = (const uint8_t *)call->in[1] + w.offset[2] + at * w.step[2];         \
        uint8_t *y = (uint8_t *)call->out[0] + w.offset[0] + at * w.step[0];                     \
        if (w.step[1] == 1 && w.step[2] == 1)                                                    \
          REF_QELEMENTWISE_LOOP(expression, 1, 1)                                                \
        else                                                                                     \
          REF_QELEMENTWISE_LOOP(expression, w.step[1], w.step[2])                                \
        ref_copy_elements(1, y, w.step[0], codes, 1, n);                                         \
      }                                                                                          \
    return 0;                                                                                    \
  }

#endif
