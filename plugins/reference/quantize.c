/*
 * QuantizeLinear, any strides: q = sat(rne(x / s) + z), a true division; NaN -> z, infinities saturate. float16 and
 * int32 inputs are taken as float32. Constant parameters lie in the output operand and obey the fused clamp; computed
 * ones are inputs 1 and 2.
 */
#include "qparams.h"
#include "quant.h"

int ref_quantize_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  int32_t lo, hi;
  const qe_operand *x = p->in[0], *y = p->out[0];
  if (!ref_loads_f32(x->dtype) || !ref_code_limits(y->dtype, &lo, &hi))
    return ref_refuse(reason, reason_size, "QuantizeLinear: no kernel for %s -> %s", ref_dtype_name(x->dtype),
                      ref_dtype_name(y->dtype));
  return ref_qparams_check(p, y, reason, reason_size);
}

#define CHUNK 256

#define STORE(type)                                                                                    \
  for (int64_t i = 0; i < n; ++i) {                                                                    \
    const int64_t c = channel + i * channel_step;                                                      \
    const int32_t zero = ref_qparams_zero(q, c);                                                       \
    ((type *)y)[at + i * step] = (type)ref_rne_sat(x[i] / ref_qparams_scale(q, c), zero, lo, hi);      \
  }                                                                                                    \
  break

static void store(void *y, uint8_t dtype, int64_t at, int64_t step, const float *x, const ref_qparams *q,
                  int64_t channel, int64_t channel_step, int32_t lo, int32_t hi, int64_t n) {
  switch (dtype) {
  case QE_DT_U8: STORE(uint8_t);
  case QE_DT_I8: STORE(int8_t);
  case QE_DT_U16: STORE(uint16_t);
  case QE_DT_I16: STORE(int16_t);
  default: STORE(int32_t);
  }
}

int ref_quantize_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const ref_qparams q = ref_qparams_of(p, p->out[0], call->in);
  int32_t lo, hi;
  if (ref_has_in(p, 1))
    (void)ref_code_limits(p->out[0]->dtype, &lo, &hi);
  else
    ref_code_range(p, &lo, &hi);
  ref_nest nest;
  ref_qparams_nest(&nest, p, &q);
  int64_t begin, end;
  ref_flat_range(p, tile_begin, tile_end, &begin, &end);
  ref_walk w;
  for (ref_walk_start(&w, &nest, begin, end); w.n > 0; ref_walk_next(&w))
    for (int64_t i = 0; i < w.n; i += CHUNK) {
      float x[CHUNK];
      const int64_t n = ref_min64(CHUNK, w.n - i);
      ref_load_f32(x, call->in[0], p->in[0]->dtype, w.offset[1] + i * w.step[1], w.step[1], n);
      store(call->out[0], p->out[0]->dtype, w.offset[0] + i * w.step[0], w.step[0], x, &q, w.offset[2] + i * w.step[2],
            w.step[2], lo, hi, n);
    }
  return 0;
}
