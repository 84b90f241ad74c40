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

/* Of x (side 0) or w (1) of an integer op, absent ones being 0. Without a call it is constant. */
static int32_t zero_input(const fb_q8_product *p, const qe_call *call, uint32_t side, int64_t at) {
  const uint32_t i = fb_q8_zero_in(p, side);
  if (!fb_has_in(p->problem, i)) return 0;
  const qe_operand *zero = p->problem->in[i];
  return code_of(zero, call ? call->in[i] : zero->data, zero->count > 1 ? at % zero->count : 0);
}

uint8_t fb_q8_x_zero_code(const fb_q8_product *p, const qe_call *call) {
  return (uint8_t)(p->integer ? zero_input(p, call, 0, 0) : p->problem->in[0]->zero_points[0]);
}

int32_t fb_q8_x_zero(const fb_q8_product *p, const qe_call *call, int64_t i) {
  const qe_problem *q = p->problem;
  return (p->integer ? zero_input(p, call, 0, i) : q->in[0]->zero_points[0]) + fb_q8_flip_x(q);
}

/* zw' of a channel */
static int32_t w_zero(const fb_q8_product *p, const qe_call *call, int64_t channel) {
  const qe_problem *q = p->problem;
  const qe_operand *w = q->in[1];
  const int32_t zero = p->integer ? zero_input(p, call, 1, channel)
                                  : w->zero_points[w->q_count > 1 ? channel % (int64_t)w->q_count : 0];
  return zero - fb_q8_flip_w(q);
}

uint8_t fb_q8_w_zero_code(const fb_q8_product *p, int64_t channel) {
  return (uint8_t)(w_zero(p, NULL, channel) + fb_q8_flip_w(p->problem));
}

bool fb_q8_has_w_zeros(const fb_q8_product *p, const qe_call *call) {
  const qe_problem *q = p->problem;
  const uint32_t in = fb_q8_zero_in(p, 1);
  int64_t count = q->in[1]->q_count;
  if (p->integer) count = fb_has_in(q, in) ? q->in[in]->count : 1;
  for (int64_t i = 0; i < count; ++i)
    if (w_zero(p, call, i) != 0) return true;
  return false;
}

static float multiplier(const qe_problem *q, int64_t channel) {
  const qe_operand *x = q->in[0], *w = q->in[1], *y = q->out[0];
  const float product = x->scales[0] * w->scales[w->q_count > 1 ? channel % (int64_t)w->q_count : 0];
  return y->dtype == QE_DT_F32 ? product : product / y->scales[0];
}

bool fb_q8_has_bias(const fb_q8_product *p) {
  return (!p->integer || p->scaled) && fb_has_in(p->problem, fb_q8_bias_in(p)) && p->c_row == 0;
}

bool fb_q8_columns_late(const fb_q8_product *p) {
  return !p->constant || p->integer || (fb_q8_has_bias(p) && !p->problem->in[2]->data);
}

static uint32_t minus_product(int32_t a, int32_t b) { return 0u - (uint32_t)a * (uint32_t)b; }

void fb_q8_columns_fill(const fb_q8_product *p, fb_q8_columns *c) {
  const qe_problem *q = p->problem;
  if (p->integer) return;
  const int32_t *bias = fb_q8_has_bias(p) ? q->in[2]->data : NULL;
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

/* The multipliers of columns whose scales are inputs. */
static void multipliers_now(const fb_q8_product *p, const qe_call *call, int64_t n0, int64_t n1, float *m) {
  const float a = *(const float *)call->in[2], *b = call->in[3];
  if (p->problem->in[3]->count == 1)
    for (int64_t n = n0; n < n1; ++n) m[n] = a * b[0];
  else
    for (int64_t n = n0; n < n1; ++n) m[n] = a * b[n];
}

void fb_q8_columns_now(const fb_q8_product *p, const qe_call *call, int64_t part, int64_t n0, int64_t n1,
                       const fb_q8_columns *known, const fb_q8_columns *late) {
  const qe_problem *q = p->problem;
  const bool real = q->out[0]->dtype == QE_DT_F32, by_rows = p->integer && fb_q8_by_rows(p);
  const int32_t x_zero = by_rows ? 0 : fb_q8_x_zero(p, call, 0);
  const int64_t first = p->own_columns ? part * p->n : 0;
  const void *bias = fb_q8_has_bias(p) ? call->in[fb_q8_bias_in(p)] : NULL;
  if (p->scaled) multipliers_now(p, call, n0, n1, late->m);
  for (int64_t n = n0; n < n1; ++n) late->bias[n] = (int32_t)minus_product(x_zero, known->sums[n]);
  for (int64_t n = n0; n < n1; ++n) late->zero[n] = p->integer ? w_zero(p, call, first + n) : known->zero[n];
  if (!bias) return;
  for (int64_t n = n0; n < n1; ++n) {
    const int64_t at = (first + n) * p->c_col;
    if (real)
      late->real_bias[n] = ((const float *)bias)[at];
    else
      late->bias[n] = (int32_t)((uint32_t)late->bias[n] + (uint32_t)((const int32_t *)bias)[at]);
  }
}
