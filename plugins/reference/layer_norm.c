/*
 * LayerNormalization, float32, row-major, over dimensions axis and up: mean = sum / n, variance = sum (x - mean)^2 / n
 * (16-lane sums), inv = 1 / sqrt(variance + epsilon), y = act(((x - mean) * inv) * scale + B); scale and B broadcast to
 * x. Outputs 1 and 2, where wanted, are mean and inv per row.
 */
#include <math.h>

#include "ref.h"

enum { SCALE = 1, BIAS = 2 };

static int64_t row_length(const qe_problem *p) {
  const uint32_t axis = (uint32_t)p->params->axis;
  return ref_count(p->in[0]->rank - axis, p->in[0]->dims + axis);
}
static int64_t row_count(const qe_problem *p) { return ref_count((uint32_t)p->params->axis, p->in[0]->dims); }
static int64_t rows_per_tile(const qe_problem *p) { return ref_max64(1, REF_FLAT_TILE / ref_max64(1, row_length(p))); }

int ref_layer_norm_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  const qe_operand *x = p->in[0];
  if (p->params->axis < 0 || p->params->axis >= x->rank)
    return ref_refuse(reason, reason_size, "LayerNormalization: axis %lld of rank %d", (long long)p->params->axis,
                      x->rank);
  for (uint32_t i = SCALE; i <= BIAS; ++i) {
    if (!ref_has_in(p, i))
      continue;
    const qe_operand *o = p->in[i];
    bool fits = o->dtype == QE_DT_F32 && o->rank <= x->rank;
    for (uint32_t d = 0; fits && d < o->rank; ++d)
      fits = o->dims[d] == 1 || o->dims[d] == x->dims[x->rank - o->rank + d];
    if (!fits)
      return ref_refuse(reason, reason_size, "LayerNormalization: input %u (%s, rank %d) does not broadcast to x", i,
                        ref_dtype_name(o->dtype), o->rank);
  }
  for (uint32_t i = 1; i <= 2; ++i)
    if (ref_has_out(p, i) && (p->out[i]->dtype != QE_DT_F32 || p->out[i]->count != row_count(p)))
      return ref_refuse(reason, reason_size,
                        "LayerNormalization: output %u has %lld elements, expected %lld of float32", i,
                        (long long)p->out[i]->count, (long long)row_count(p));
  return 1;
}

int ref_layer_norm_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = p->out[0]->count == 0 ? 0 : ref_ceil_div(row_count(p), rows_per_tile(p));
  return 0;
}

int ref_layer_norm_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const qe_operand *x = p->in[0];
  const uint32_t axis = (uint32_t)p->params->axis;
  const int64_t length = row_length(p), step = rows_per_tile(p), end = ref_min64(tile_end * step, row_count(p));
  int64_t scale_strides[QE_MAX_RANK], bias_strides[QE_MAX_RANK] = {0};
  ref_broadcast_strides(p->in[SCALE], x->rank, scale_strides);
  if (ref_has_in(p, BIAS))
    ref_broadcast_strides(p->in[BIAS], x->rank, bias_strides);
  for (int64_t row = tile_begin * step; row < end; ++row) {
    const float *from = (const float *)call->in[0] + row * length;
    float *to = (float *)call->out[0] + row * length;
    const float mean = ref_sum_f32(from, length, 1) / (float)length;
    const float inv = 1.0f / sqrtf(ref_sum_centered_f32(from, length, 1, mean) / (float)length + p->params->epsilon);
    const float *scale = (const float *)call->in[SCALE] + ref_offset(axis, x->dims, scale_strides, row);
    const float *bias =
        ref_has_in(p, BIAS) ? (const float *)call->in[BIAS] + ref_offset(axis, x->dims, bias_strides, row) : NULL;
    ref_iter s, b;
    ref_iter_start(&s, x->rank - axis, x->dims + axis, scale_strides + axis, 0);
    ref_iter_start(&b, x->rank - axis, x->dims + axis, bias_strides + axis, 0);
    for (int64_t i = 0; i < length; ++i, ref_iter_next(&s), ref_iter_next(&b)) {
      const float v = ((from[i] - mean) * inv) * scale[s.offset];
      to[i] = ref_act(bias ? v + bias[b.offset] : v, p->act_lo, p->act_hi);
    }
    if (ref_has_out(p, 1))
      ((float *)call->out[1])[row] = mean;
    if (ref_has_out(p, 2))
      ((float *)call->out[2])[row] = inv;
  }
  return 0;
}
