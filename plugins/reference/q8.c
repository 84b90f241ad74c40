/* What the quantized products share (q8.h). */
#include "q8.h"

void ref_q8_widen(const ref_loops *loops, int16_t *y, const void *x, uint8_t dtype, int64_t x_step, int32_t zero,
                  int64_t n) {
  const uint8_t *codes = x, flip = ref_q8_flip(dtype);
  const int32_t z = zero + flip;
  if (x_step == 1)
    loops->widen_u8(y, codes, flip, z, n);
  else
    for (int64_t i = 0; i < n; ++i)
      y[i] = (int16_t)((uint8_t)(codes[i * x_step] ^ flip) - z);
}

int64_t ref_q8_reach(const qe_operand *o) {
  int32_t lo, hi;
  int64_t most = 0;
  (void)ref_code_limits(o->dtype, &lo, &hi);
  for (uint32_t i = 0; i < o->q_count; ++i)
    most = ref_max64(most, ref_max64((int64_t)o->zero_points[i] - lo, (int64_t)hi - o->zero_points[i]));
  return most;
}

int ref_q8_check(const qe_problem *p, int32_t axis, int64_t channels, int64_t terms, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[0], *w = p->in[1], *y = p->out[0];
  const bool real = y->dtype == QE_DT_F32;
  if (!ref_is_code8_per_tensor(x))
    return ref_refuse(reason, reason_size, "%s: x is %s with %u pairs of parameters, expected uint8 or int8 with one",
                      p->op, ref_dtype_name(x->dtype), x->q_count);
  if (!ref_is_code8(w) || w->q_count == 0)
    return ref_refuse(reason, reason_size,
                      "%s: the weight is %s with %u pairs of parameters, expected uint8 or int8 with some", p->op,
                      ref_dtype_name(w->dtype), w->q_count);
  if (w->q_count > 1 && (w->q_axis != axis || w->q_count != channels))
    return ref_refuse(reason, reason_size,
                      "%s: the weight has %u parameters along dimension %d, expected %lld along dimension %d", p->op,
                      w->q_count, w->q_axis, (long long)channels, axis);
  if (!real && !ref_is_code8_per_tensor(y))
    return ref_refuse(reason, reason_size,
                      "%s: y is %s with %u pairs of parameters, expected uint8 or int8 with one, or float32", p->op,
                      ref_dtype_name(y->dtype), y->q_count);
  if (ref_has_in(p, 2) && p->in[2]->dtype != (real ? QE_DT_F32 : QE_DT_I32))
    return ref_refuse(reason, reason_size, "%s: the bias is %s, expected %s for a %s output", p->op,
                      ref_dtype_name(p->in[2]->dtype), real ? "float32" : "int32", ref_dtype_name(y->dtype));
  const int64_t product = ref_q8_reach(x) * ref_q8_reach(w);
  if (!w->data && product > 0 && terms > INT32_MAX / product)
    return ref_refuse(reason, reason_size, "%s: a sum of %lld products of up to %lld could reach 2^31", p->op,
                      (long long)terms, (long long)product);
  return 1;
}

void ref_q8_multipliers(const qe_problem *p, float *m, int64_t n) {
  const qe_operand *x = p->in[0], *w = p->in[1], *y = p->out[0];
  for (int64_t c = 0; c < n; ++c) {
    const float product = x->scales[0] * w->scales[w->q_count > 1 ? c % (int64_t)w->q_count : 0];
    m[c] = y->dtype == QE_DT_F32 ? product : product / y->scales[0];
  }
}

ref_q8_out ref_q8_out_of(const qe_problem *p, const ref_loops *loops, const float *m, const void *bias, void *y) {
  ref_q8_out o = {.loops = loops,
                  .real = p->out[0]->dtype == QE_DT_F32,
                  .m = m,
                  .bias = bias,
                  .bias_step = 1,
                  .act_lo = p->act_lo,
                  .act_hi = p->act_hi,
                  .y = y};
  if (!o.real) {
    o.zero = p->out[0]->zero_points[0];
    ref_code_range(p, &o.lo, &o.hi);
  }
  return o;
}

void ref_q8_finish(const ref_q8_out *o, int64_t at, int64_t channel, int32_t *acc, int64_t n) {
  const float *m = o->m + channel;
  if (o->real) {
    float *y = (float *)o->y + at;
    const float *bias = o->bias;
    for (int64_t i = 0; i < n; ++i) {
      float v = (float)acc[i] * m[i];
      if (bias)
        v += bias[(channel + i) * o->bias_step];
      y[i] = ref_act(v, o->act_lo, o->act_hi);
    }
    return;
  }
  const int32_t *bias = o->bias;
  if (bias && o->bias_step == 1)
    bias += channel;
  else if (bias) {
    for (int64_t i = 0; i < n; ++i)
      acc[i] = (int32_t)((uint32_t)acc[i] + (uint32_t)bias[(channel + i) * o->bias_step]);
    bias = NULL;
  }
  o->loops->requantize_i32((uint8_t *)o->y + at, acc, bias, m, o->zero, o->lo, o->hi, n);
}
