/* Scale and zero point of Quantize- and DequantizeLinear: constants of an operand, or computed inputs 1 and 2. */
#ifndef QE_REFERENCE_QPARAMS_H
#define QE_REFERENCE_QPARAMS_H

#include "convert.h"
#include "nest.h"

typedef struct ref_qparams {
  int64_t count;
  int32_t axis; /* of the coded tensor; used when count > 1 */
  const float *scales;
  int64_t scale_step, zero_step; /* elements from one channel's to the next one's */
  const int32_t *wide;  /* zero points of constant parameters */
  const void *codes;    /* zero points as an input; NULL with wide NULL: 0 */
  uint8_t codes_dtype;
} ref_qparams;

/* `coded` is the operand whose codes the parameters belong to; in: the call's inputs, NULL while planning. */
static inline ref_qparams ref_qparams_of(const qe_problem *p, const qe_operand *coded, const void *const *in) {
  if (!ref_has_in(p, 1))
    return (ref_qparams){.count = coded->q_count,
                         .axis = coded->q_axis,
                         .scales = coded->scales,
                         .wide = coded->zero_points,
                         .scale_step = 1,
                         .zero_step = 1};
  ref_qparams q = {.count = p->in[1]->count, .axis = (int32_t)p->params->axis, .scales = in ? in[1] : NULL};
  q.scale_step = p->in[1]->rank ? p->in[1]->strides[0] : 0;
  if (ref_has_in(p, 2)) {
    q.codes = in ? in[2] : NULL;
    q.codes_dtype = p->in[2]->dtype;
    q.zero_step = p->in[2]->rank ? p->in[2]->strides[0] : 0;
  }
  return q;
}

static inline float ref_qparams_scale(const ref_qparams *q, int64_t channel) {
  return q->scales[channel * q->scale_step];
}
static inline int32_t ref_qparams_zero(const ref_qparams *q, int64_t channel) {
  const int64_t at = channel * q->zero_step;
  return q->wide ? q->wide[at] : q->codes ? ref_load_code(q->codes, q->codes_dtype, at) : 0;
}

/* 1, or 0 with the reason: the parameters fit the coded operand. */
static inline int ref_qparams_check(const qe_problem *p, const qe_operand *coded, char *reason, size_t reason_size) {
  const ref_qparams q = ref_qparams_of(p, coded, NULL);
  if (ref_has_in(p, 1) && p->in[1]->dtype != QE_DT_F32)
    return ref_refuse(reason, reason_size, "%s: the scale is %s, expected float32", p->op,
                      ref_dtype_name(p->in[1]->dtype));
  if (ref_has_in(p, 2) && (p->in[2]->dtype != coded->dtype || p->in[2]->count != q.count))
    return ref_refuse(reason, reason_size, "%s: the zero point is %s with %lld elements, expected %s with %lld", p->op,
                      ref_dtype_name(p->in[2]->dtype), (long long)p->in[2]->count, ref_dtype_name(coded->dtype),
                      (long long)q.count);
  const bool per_channel = q.axis >= 0 && q.axis < coded->rank && coded->dims[q.axis] == q.count;
  if (q.count < 1 || (q.count > 1 && !per_channel))
    return ref_refuse(reason, reason_size, "%s: %lld parameters along dimension %d do not fit the tensor", p->op,
                      (long long)q.count, q.axis);
  return 1;
}

/* y, x, and the number of the parameter as a third operand. */
static inline void ref_qparams_nest(ref_nest *nest, const qe_problem *p, const ref_qparams *q) {
  const qe_operand *y = p->out[0];
  int64_t channel[QE_MAX_RANK] = {0};
  if (q->count > 1)
    channel[q->axis] = 1;
  ref_nest_init(nest, y->rank, y->dims);
  ref_nest_add(nest, y->strides);
  ref_nest_add(nest, p->in[0]->strides);
  ref_nest_add(nest, channel);
  ref_nest_close(nest);
}

#endif
