/* What the recurrent kernels over codes share (recurrent_codes.h). */
#include "recurrent_codes.h"

#include <string.h>

bool ref_rnn_codes_pack_once(const qe_problem *p, const ref_rnn_weight weight[2]) {
  for (int i = 0; i < 2; ++i)
    if (!p->in[weight[i].codes]->data || (weight[i].zero && !p->in[weight[i].zero]->data))
      return false;
  return true;
}

/* -- parameters of a column of one direction ----------------------------------------------------------------------- */

/* Operands [directions] or [directions, columns]. */
static int64_t parameter_at(const qe_operand *o, int64_t direction, int64_t column) {
  return direction * o->strides[0] + (o->rank > 1 ? column * o->strides[1] : 0);
}

static int32_t zero_of(const qe_problem *p, const ref_rnn_weight *w, const void *zeros, int64_t direction,
                       int64_t column) {
  const qe_operand *o = p->in[w->codes];
  if (!w->zero)
    return o->zero_points[o->q_count > 1 ? column : 0];
  return ref_code8(zeros, p->in[w->zero]->dtype, parameter_at(p->in[w->zero], direction, column));
}

static float scale_of(const ref_rnn_codes *c, const ref_rnn_weight *w, int64_t column) {
  const qe_problem *p = c->walk.p;
  const qe_operand *o = p->in[w->codes];
  if (!w->scale)
    return o->scales[o->q_count > 1 ? column : 0];
  return ((const float *)c->walk.call->in[w->scale])[parameter_at(p->in[w->scale], c->walk.direction, column)];
}

/* -- packed weights: the gates of W, then those of R, each as a matrix of its own (q8gemm.h) ----------------------- */

/* Elements of one gate of W or R, packed. */
static int64_t gate_elements(const ref_recurrent *s, int64_t terms) {
  return (int64_t)(ref_q8gemm_packed_bytes(s->hidden, terms) / sizeof(int16_t));
}
static int64_t direction_elements(const ref_recurrent *s) {
  return s->gates * (gate_elements(s, s->inputs) + gate_elements(s, s->hidden));
}

static void pack_weight(const qe_problem *p, const ref_recurrent *s, const ref_rnn_weight *w, const void *codes,
                        const void *zeros, int64_t direction, int16_t *to) {
  const qe_operand *o = p->in[w->codes];
  const int64_t n = s->hidden, k = o->dims[3 - w->gate_dim], step = ref_q8_padded(n);
  const int64_t k_step = o->strides[3 - w->gate_dim], column_step = o->strides[w->gate_dim];
  memset(to, 0, sizeof *to * (size_t)(s->gates * gate_elements(s, k)));
  for (int64_t gate = 0; gate < s->gates; ++gate, to += gate_elements(s, k))
    for (int64_t j = 0; j < n; ++j) {
      const int64_t column = gate * n + j, at = direction * o->strides[0] + column * column_step;
      const int32_t zero = zero_of(p, w, zeros, direction, column);
      for (int64_t i = 0; i < k; ++i)
        to[ref_q8_place(i, j, step)] = (int16_t)(ref_code8(codes, o->dtype, at + i * k_step) - zero);
    }
}

/* call NULL: of constants. */
static void pack_direction(const qe_problem *p, const qe_call *call, const ref_recurrent *s,
                           const ref_rnn_weight weight[2], int64_t direction, int16_t *to) {
  for (int i = 0; i < 2; ++i) {
    const ref_rnn_weight *w = &weight[i];
    const void *codes = call ? call->in[w->codes] : p->in[w->codes]->data;
    const void *zeros = !w->zero ? NULL : call ? call->in[w->zero] : p->in[w->zero]->data;
    pack_weight(p, s, w, codes, zeros, direction, to);
    to += s->gates * gate_elements(s, s->inputs);
  }
}

void ref_rnn_codes_prepack(const qe_problem *p, const ref_recurrent *s, const ref_rnn_weight weight[2], void *packed) {
  for (int64_t d = 0; d < s->directions; ++d)
    pack_direction(p, NULL, s, weight, d, (int16_t *)packed + d * direction_elements(s));
}

/* -- the walk ------------------------------------------------------------------------------------------------------ */

static uint64_t products_bytes(const ref_recurrent *s) {
  const uint64_t x = ref_q8gemm_scratch_bytes(s->inputs, false), h = ref_q8gemm_scratch_bytes(s->hidden, false);
  return x > h ? x : h;
}

void ref_rnn_codes_plan(const qe_problem *p, const ref_recurrent *s, const ref_rnn_weight weight[2],
                        qe_kernel_plan *plan) {
  const bool once = ref_rnn_codes_pack_once(p, weight);
  const uint64_t per_direction = sizeof(int16_t) * (uint64_t)direction_elements(s);
  const uint64_t widest = (uint64_t)ref_max64(s->inputs, s->hidden);
  plan->tiles = s->batch > 0 ? s->directions : 0;
  plan->packed_size = once ? per_direction * (uint64_t)s->directions : 0;
  plan->scratch_size = ref_recurrent_scratch(s, s->batch) + sizeof(float) * 2 * (uint64_t)(s->gates * s->hidden) +
                       products_bytes(s) + (once ? 0 : per_direction) + (uint64_t)s->batch * widest;
}

bool ref_rnn_codes_begin(ref_rnn_codes *c) {
  const ref_recurrent *s = &c->walk.shape;
  const qe_problem *p = c->walk.p;
  const int64_t row = s->gates * s->hidden, direction = c->walk.direction;
  float *at = ref_recurrent_begin(&c->walk, c->walk.call->scratch);
  if (!at)
    return false;
  for (int i = 0; i < 2; ++i, at += row) {
    c->scales[i] = at;
    for (int64_t j = 0; j < row; ++j)
      at[j] = scale_of(c, &c->weight[i], j);
  }
  c->products = at;
  int16_t *own = (void *)((char *)c->products + products_bytes(s));
  c->packed[0] = own;
  c->codes = (void *)own;
  if (ref_rnn_codes_pack_once(p, c->weight)) {
    c->packed[0] = (const int16_t *)c->walk.call->packed + direction * direction_elements(s);
  } else {
    pack_direction(p, c->walk.call, s, c->weight, direction, own);
    c->codes = (void *)(own + direction_elements(s));
  }
  c->packed[1] = c->packed[0] + s->gates * gate_elements(s, s->inputs);
  return true;
}

void ref_rnn_codes_quantize(uint8_t *codes, uint8_t dtype, const float *x, int64_t x_step, float scale, int32_t zero,
                            int64_t n) {
  int32_t lo, hi;
  (void)ref_code_limits(dtype, &lo, &hi);
  for (int64_t i = 0; i < n; ++i)
    codes[i] = (uint8_t)ref_rne_sat(x[i * x_step] / scale, zero, lo, hi);
}

typedef struct store_arg {
  float *to; /* of the gate's first unit in row 0 */
  int64_t row_step;
  float scale;
  const float *w_scales, *bias; /* of the gate's units */
} store_arg;

static void store(void *arg, int64_t row, int64_t col, int32_t *acc, int64_t n) {
  const store_arg *a = arg;
  float *to = a->to + row * a->row_step + col;
  for (int64_t i = 0; i < n; ++i) {
    to[i] = (float)acc[i] * (a->scale * a->w_scales[col + i]);
    if (a->bias)
      to[i] += a->bias[col + i];
  }
}

void ref_rnn_codes_sums(ref_rnn_codes *c, int which, uint8_t dtype, float scale, int32_t zero, int64_t gate,
                        int64_t gates) {
  const ref_recurrent *s = &c->walk.shape;
  const int64_t n = s->hidden, k = which == 0 ? s->inputs : s->hidden;
  const float *bias = which == 0 ? c->walk.wb : c->walk.rb;
  ref_q8gemm g = {.m = c->walk.rows,
                  .n = n,
                  .k = k,
                  .a = c->codes,
                  .a_dtype = dtype,
                  .a_m = k,
                  .a_k = 1,
                  .a_zeros = {.wide = &zero, .count = 1}};
  for (int64_t i = gate; i < gate + gates; ++i) {
    store_arg arg = {(which == 0 ? c->walk.xg : c->walk.hg) + i * n, s->gates * n, scale, c->scales[which] + i * n,
                     bias ? bias + i * n : NULL};
    g.packed = c->packed[which] + i * gate_elements(s, k);
    for (int64_t tile = 0; tile < ref_q8gemm_tiles(g.m, g.n); ++tile)
      ref_q8gemm_tile(&g, c->walk.loops, c->products, tile, store, &arg);
  }
}
