/* Parameters of Quantize- and DequantizeLinear (qparams.h). */
#include "codes/qparams.h"

fb_qparams fb_qparams_of(const qe_problem *p, const qe_operand *coded, const void *const *in) {
  if (!fb_has_in(p, 1))
    return (fb_qparams){.count = coded->q_count,
                        .axis = coded->q_axis,
                        .scales = coded->scales,
                        .wide = coded->zero_points,
                        .scale_step = 1,
                        .zero_step = 1};
  fb_qparams q = {.count = p->in[1]->count, .axis = (int32_t)p->params->axis, .scales = in ? in[1] : NULL};
  q.scale_step = p->in[1]->rank ? p->in[1]->strides[0] : 0;
  if (fb_has_in(p, 2)) {
    q.codes = in ? in[2] : NULL;
    q.codes_dtype = p->in[2]->dtype;
    q.zero_step = p->in[2]->rank ? p->in[2]->strides[0] : 0;
  }
  return q;
}

int fb_qparams_check(const qe_problem *p, const qe_operand *coded, char *reason, size_t reason_size) {
  const fb_qparams q = fb_qparams_of(p, coded, NULL);
  if (fb_has_in(p, 1) && p->in[1]->dtype != QE_DT_F32)
    return fb_refuse(reason, reason_size, "%s: the scale is not float32", p->op);
  if (fb_has_in(p, 2) && (p->in[2]->dtype != coded->dtype || p->in[2]->count != q.count))
    return fb_refuse(reason, reason_size, "%s: the zero points are of another type or number than scales and codes",
                     p->op);
  const bool per_channel = q.axis >= 0 && q.axis < coded->rank && coded->dims[q.axis] == q.count;
  if (q.count < 1 || (q.count > 1 && !per_channel))
    return fb_refuse(reason, reason_size, "%s: %lld parameters along dimension %d do not fit the tensor", p->op,
                     (long long)q.count, q.axis);
  return 1;
}

void fb_qparams_nest(fb_nest *nest, const qe_problem *p, const fb_qparams *q) {
  const qe_operand *y = p->out[0];
  int64_t channel[QE_MAX_RANK] = {0};
  if (q->count > 1) channel[q->axis] = 1;
  fb_nest_init(nest, y->rank, y->dims);
  fb_nest_add(nest, y->strides);
  fb_nest_add(nest, p->in[0]->strides);
  fb_nest_add(nest, channel);
  fb_nest_close(nest);
}

bool fb_codes_known(uint8_t dtype) {
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

#define LOAD(type)                                                                        \
  for (int64_t i = 0; i < n; ++i) to[i] = (int32_t)((const type *)x)[at + i * step];      \
  break

void fb_codes_load(int32_t *to, const void *x, uint8_t dtype, int64_t at, int64_t step, int64_t n) {
  switch (dtype) {
  case QE_DT_U8: LOAD(uint8_t);
  case QE_DT_I8: LOAD(int8_t);
  case QE_DT_U16: LOAD(uint16_t);
  case QE_DT_I16: LOAD(int16_t);
  case QE_DT_I32: LOAD(int32_t);
  default:
    for (int64_t i = 0; i < n; ++i) {
      const int64_t k = at + i * step;
      const int32_t nibble = ((const uint8_t *)x)[k / 2] >> (k % 2 ? 4 : 0) & 15;
      to[i] = dtype == QE_DT_I4 && nibble > 7 ? nibble - 16 : nibble;
    }
  }
}

void fb_qparams_row(const fb_qparams *q, int64_t channel, int64_t step, int64_t n, float *scale_buffer,
                    int32_t *zero_buffer, const float **scales, const int32_t **zeros) {
  if (q->wide && step == 1) {
    *scales = q->scales + channel;
    *zeros = q->wide + channel;
    return;
  }
  const int64_t own = step ? n : fb_min64(n, 1);
  for (int64_t i = 0; i < own; ++i) {
    scale_buffer[i] = fb_qparams_scale(q, channel + i * step);
    zero_buffer[i] = fb_qparams_zero(q, channel + i * step);
  }
  for (int64_t i = own; i < n; ++i) {
    scale_buffer[i] = scale_buffer[0];
    zero_buffer[i] = zero_buffer[0];
  }
  *scales = scale_buffer;
  *zeros = zero_buffer;
}
