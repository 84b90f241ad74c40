/*
 * DequantizeLinear, any strides: y = (float)(q - z) * s. Codes: 4, 8 and 16 bits, int32. Constant parameters lie in the
 * input operand, computed ones are inputs 1 and 2.
 */
#include "qparams.h"

int ref_dequantize_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0];
  if (!ref_is_code(x->dtype) || p->out[0]->dtype != QE_DT_F32)
    return ref_refuse(reason, reason_size, "DequantizeLinear: no kernel for %s -> %s", ref_dtype_name(x->dtype),
                      ref_dtype_name(p->out[0]->dtype));
  return ref_qparams_check(p, x, reason, reason_size);
}

#define LOOP(code)                                                                    \
  for (int64_t i = 0; i < w.n; ++i) {                                                 \
    const int64_t at = w.offset[1] + i * w.step[1], c = w.offset[2] + i * w.step[2];  \
    const int64_t above = (int64_t)(code) - ref_qparams_zero(&q, c);                  \
    y[w.offset[0] + i * w.step[0]] = (float)above * ref_qparams_scale(&q, c);         \
  }                                                                                   \
  break

int ref_dequantize_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const ref_qparams q = ref_qparams_of(p, p->in[0], call->in);
  const void *x = call->in[0];
  float *y = call->out[0];
  ref_nest nest;
  ref_qparams_nest(&nest, p, &q);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_walk w;
  for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w))
    switch (p->in[0]->dtype) {
    case QE_DT_U8: LOOP(((const uint8_t *)x)[at]);
    case QE_DT_I8: LOOP(((const int8_t *)x)[at]);
    default: LOOP(ref_load_code(x, p->in[0]->dtype, at));
    }
  return 0;
}
