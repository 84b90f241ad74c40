/*
 * LSTM, GRU and RNN on codes: X and Y have the parameters of their operands, W [directions, gates * hidden, inputs] and
 * R [directions, gates * hidden, hidden] one pair or one per gate row, B is float32.
 *   xg = (float)sum (qx - zx) * (qW - zW) * (sx * sW) + Wb   hg = (float)sum (qh - zy) * (qR - zR) * (sy * sR) + Rb
 * H, initial_h included, is rounded to Y's codes as soon as it is there; so is r * H of a GRU for its product. Gates
 * and C stay float32. Y holds H's codes (the zero point behind a sequence's length), Y_h their real numbers, Y_c C.
 */
#include <string.h>

#include "recurrent_codes.h"

enum { GATE_DIM = 1 };

static const ref_rnn_weight weights[2] = {{.codes = REF_RNN_W, .gate_dim = GATE_DIM},
                                          {.codes = REF_RNN_R, .gate_dim = GATE_DIM}};

int ref_recurrent_static_supports(const qe_problem *p, const ref_rnn_op *op, char *reason, size_t reason_size) {
  if (!ref_recurrent_check(p, op, GATE_DIM, reason, reason_size))
    return 0;
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  const qe_operand *x = p->in[REF_RNN_X], *y = ref_has_out(p, 0) ? p->out[0] : NULL;
  if (!ref_is_code8_per_tensor(x) || !y || !ref_is_code8_per_tensor(y))
    return ref_refuse(reason, reason_size, "%s: X and Y, expected uint8 or int8 with one pair of parameters", p->op);
  for (int i = 0; i < 2; ++i) {
    const qe_operand *w = p->in[weights[i].codes], *other = i == 0 ? x : y;
    const int64_t rows = s.gates * s.hidden, terms = i == 0 ? s.inputs : s.hidden;
    const int64_t product = ref_q8_reach(w) * ref_q8_reach(other);
    if (!ref_is_code8(w) || !(w->q_count == 1 || (w->q_axis == GATE_DIM && (int64_t)w->q_count == rows)))
      return ref_refuse(reason, reason_size,
                        "%s: input %u is %s with %u parameters, expected uint8 or int8 with one pair, or %lld along "
                        "dimension 1",
                        p->op, weights[i].codes, ref_dtype_name(w->dtype), w->q_count, (long long)rows);
    if (!w->data && product > 0 && terms > INT32_MAX / product)
      return ref_refuse(reason, reason_size, "%s: a sum of %lld products of up to %lld could reach 2^31", p->op,
                        (long long)terms, (long long)product);
  }
  return 1;
}

int ref_recurrent_static_plan(const qe_problem *p, const ref_rnn_op *op, qe_kernel_plan *plan) {
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  ref_rnn_codes_plan(p, &s, weights, plan);
  return 0;
}

int ref_recurrent_static_prepack(const qe_problem *p, const ref_rnn_op *op, void *packed) {
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  ref_rnn_codes_prepack(p, &s, weights, packed);
  return 0;
}

static void input(ref_rnn_walk *w, const int64_t *x_at) {
  ref_rnn_codes *c = (ref_rnn_codes *)(void *)w;
  const qe_operand *x = w->p->in[REF_RNN_X];
  const int64_t k = w->shape.inputs;
  memset(c->codes, 0, (size_t)(w->rows * k)); /* rows that are over have no x; nobody reads their sums */
  for (int64_t r = 0; r < w->rows; ++r)
    for (int64_t i = 0; x_at[r] >= 0 && i < k; ++i)
      c->codes[r * k + i] = ((const uint8_t *)w->call->in[REF_RNN_X])[x_at[r] + i * x->strides[2]];
  ref_rnn_codes_sums(c, 0, x->dtype, x->scales[0], x->zero_points[0], 0, w->shape.gates);
}

static void hidden(ref_rnn_walk *w, const float *from, int64_t gate, int64_t gates) {
  ref_rnn_codes *c = (ref_rnn_codes *)(void *)w;
  const qe_operand *y = w->p->out[0];
  const float scale = y->scales[0];
  ref_rnn_codes_quantize(c->codes, y->dtype, from, 1, scale, y->zero_points[0], w->rows * w->shape.hidden);
  ref_rnn_codes_sums(c, 1, y->dtype, scale, y->zero_points[0], gate, gates);
}

/* H as Y's codes have it. */
static void settle(const ref_rnn_walk *w, float *h) {
  const qe_operand *y = w->p->out[0];
  const int32_t zero = y->zero_points[0];
  int32_t lo, hi;
  (void)ref_code_limits(y->dtype, &lo, &hi);
  for (int64_t j = 0; j < w->shape.hidden; ++j)
    h[j] = (float)(ref_rne_sat(h[j] / y->scales[0], zero, lo, hi) - zero) * y->scales[0];
}

int ref_recurrent_static_run(void *self, const qe_call *call, const ref_rnn_op *op, int64_t tile_begin,
                             int64_t tile_end) {
  const qe_problem *p = call->problem;
  ref_rnn_codes c = {.walk = {.call = call,
                              .p = p,
                              .op = op,
                              .loops = ref_loops_of(self),
                              .shape = ref_recurrent_shape(p, op, GATE_DIM),
                              .input = input,
                              .hidden = hidden,
                              .settle = settle},
                     .weight = {weights[0], weights[1]}};
  c.walk.rows = c.walk.shape.batch;
  for (int64_t direction = tile_begin; direction < tile_end; ++direction) {
    c.walk.direction = direction;
    if (!ref_rnn_codes_begin(&c))
      return 1;
    ref_recurrent_walk(&c.walk);
  }
  return 0;
}
