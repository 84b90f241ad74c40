/* Multipliers, biases and zero points of the columns of a product: in packed memory as far as they are constant. */
#include "q8/product.h"

fb_q8_columns fb_q8_columns_at(const void *memory, int64_t count) {
  const int64_t step = fb_round_up(count, 16);
  int32_t *words = (int32_t *)(uintptr_t)memory; /* readers keep it const */
  return (fb_q8_columns){.bias = words,
                         .zero = words + step,
                         .sums = words + 2 * step,
                         .m = (float *)(void *)(words + 3 * step),
                         .real_bias = (float *)(void *)(words + 4 * step)};
}

static int32_t code_of(const qe_operand *o, const void *codes, int64_t i) {
  return o->dtype == QE_DT_I8 ? ((const int8_t *)codes)[i] : ((const uint8_t *)codes)[i];
}

/* Of input i (2: x, 3: w) of an integer op, absent ones being 0. Without a call it is constant. */
static int32_t zero_input(const qe_problem *p, const qe_call *call, uint32_t i, int64_t at) {
  if (!fb_has_in(p, i)) return 0;
  return code_of(p->in[i], call ? call->in[i] : p->in[i]->data, p->in[i]->count > 1 ? at % p->in[i]->count : 0);
}

uint8_t fb_q8_x_zero_code(const fb_q8_product *p, const qe_call *call) {
  const qe_problem *q = p->problem;
  return (uint8_t)(p->integer ? zero_input(q, call, 2, 0) : q->in[0]->zero_points[0]);
}

int32_t fb_q8_x_zero(const fb_q8_product *p, const qe_call *call, int64_t i) {
  const qe_problem *q = p->problem;
  return (p->integer ? zero_input(q, call, 2, i) : q->in[0]->zero_points[0]) + fb_q8_flip_x(q);
}

/* zw' of a channel */
static int32_t w_zero(const fb_q8_product *p, const qe_call *call, int64_t channel) {
  const qe_problem *q = p->problem;
  const qe_operand *w = q->in[1];
  const int32_t zero = p->integer ? zero_input(q, call, 3, channel)
                                  : w->zero_points[w->q_count > 1 ? channel % (int64_t)w->q_count : 0];
  return zero - fb_q8_flip_w(q);
}

uint8_t fb_q8_w_zero_code(const fb_q8_product *p, int64_t channel) {
  return (uint8_t)(w_zero(p, NULL, channel) + fb_q8_flip_w(p->problem));
}

bool fb_q8_has_w_zeros(const fb_q8_product *p, const qe_call *call) {
  const qe_problem *q = p->problem;
  int64_t count = q->in[1]->q_count;
  if (p->integer) count = fb_has_in(q, 3) ? q->in[3]->count : 1;
  for (int64_t i = 0; i < count; ++i)
    if (w_zero(p, call, i) != 0) return true;
  return false;
}

static float multiplier(const qe_problem *q, int64_t channel) {
  const qe_operand *x = q->in[0], *w = q->in[1], *y = q->out[0];
  const float product = x->scales[0] * w->scales[w->q_count > 1 ? channel % (int64_t)w->q_count : 0];
  return y->dtype == QE_DT_F32 ? product : product / y->scales[0];
}

static bool has_bias(const fb_q8_product *p) { return !p->integer && fb_has_in(p->problem, 2) && p->c_row == 0; }

bool fb_q8_columns_late(const fb_q8_product *p) {
  return !p->constant || p->integer || (has_bias(p) && !p->problem->in[2]->data);
}

static uint32_t minus_product(int32_t a, int32_t b) { return 0u - (uint32_t)a * (uint32_t)b; }

void fb_q8_columns_fill(const fb_q8_product *p, fb_q8_columns *c) {
  const qe_problem *q = p->problem;
  if (p->integer) return;
  const int32_t *bias = has_bias(p) ? q->in[2]->data : NULL;
  const bool real = q->out[0]->dtype == QE_DT_F32;
  const int64_t count = fb_q8_columns_count(p);
  for (int64_t i = 0; i < count; ++i) {
    c->m[i] = multiplier(q, i);
    c->zero[i] = w_zero(p, NULL, i);
    if (!p->constant) continue;
    c->bias[i] = (int32_t)(minus_product(fb_q8_x_zero(p, NULL, 0), c->sums[i]) +
                           (bias && !real ? (uint32_t)bias[i * p->c_col] : 0));
    if (real) c->real_bias[i] = bias ? ((const float *)q->in[2]->data)[i * p->c_col] : 0.0f;
  }
}

void fb_q8_columns_now(const fb_q8_product *p, const qe_call *call, int64_t part, int64_t n0, int64_t n1,
                       const fb_q8_columns *known, const fb_q8_columns *late) {
  const qe_problem *q = p->problem;
  const bool real = q->out[0]->dtype == QE_DT_F32, bias = has_bias(p), by_rows = p->integer && fb_q8_by_rows(p);
  const int32_t x_zero = by_rows ? 0 : fb_q8_x_zero(p, call, 0);
  const int64_t first = p->own_columns ? part * p->n : 0;
  for (int64_t n = n0; n < n1; ++n) {
    const int64_t at = (first + n) * p->c_col;
    uint32_t sum = minus_product(x_zero, known->sums[n]);
    if (bias && !real) sum += (uint32_t)((const int32_t *)call->in[2])[at];
    late->bias[n] = (int32_t)sum;
    late->zero[n] = p->integer ? w_zero(p, call, first + n) : known->zero[n];
    if (bias && real) late->real_bias[n] = ((const float *)call->in[2])[at];
  }
}
