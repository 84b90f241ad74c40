/*
 * DynamicQuantizeLSTM, -GRU and -RNN: the float ops' formulas over sums of codes,
 *   xg = (float)sum (qx - zx) * (qW - zW) * (sx * sW) + Wb   hg = (float)sum (qh - zh) * (qR - zR) * (sh * sR) + Rb
 * (qx, sx, zx) is DynamicQuantizeLinear of all of X, once; (qh, sh, zh) that of H of every row of the batch, anew at
 * each step and direction. A row that is over takes part with its last H, and with 0 in r * H of a GRU.
 * W [directions, inputs, gates * hidden] and R [directions, hidden, gates * hidden] have one scale and zero point per
 * direction, or one per column.
 */
#include <string.h>

#include "recurrent_codes.h"

enum { GATE_DIM = 2 };

/* W and R: their inputs, and those of their parameters. */
static void weights_of(const ref_rnn_op *op, ref_rnn_weight w[2]) {
  const uint32_t first = op->has_cell ? 8 : 6;
  w[0] = (ref_rnn_weight){REF_RNN_W, first, first + 1, GATE_DIM};
  w[1] = (ref_rnn_weight){REF_RNN_R, first + 2, first + 3, GATE_DIM};
}

static bool fits(const qe_operand *o, uint8_t dtype, const ref_recurrent *s) {
  const int64_t columns = s->gates * s->hidden;
  return o->dtype == dtype && o->rank >= 1 && o->rank <= 2 && o->dims[0] == s->directions &&
         (o->rank == 1 || o->dims[1] == columns);
}

static int weight_supports(const qe_problem *p, const ref_recurrent *s, const ref_rnn_weight *w, char *reason,
                           size_t reason_size) {
  const qe_operand *codes = p->in[w->codes];
  if (!ref_is_code8(codes))
    return ref_refuse(reason, reason_size, "%s: input %u is %s, expected uint8 or int8", p->op, w->codes,
                      ref_dtype_name(codes->dtype));
  for (uint32_t i = w->scale; i <= w->zero; ++i)
    if (!ref_has_in(p, i) || !fits(p->in[i], i == w->scale ? QE_DT_F32 : codes->dtype, s) ||
        p->in[i]->rank != p->in[w->scale]->rank)
      return ref_refuse(reason, reason_size,
                        "%s: input %u, expected %s with one element per direction, or one per direction and column",
                        p->op, i, i == w->scale ? "float32" : ref_dtype_name(codes->dtype));
  return 1;
}

int ref_recurrent_dynamic_supports(const qe_problem *p, const ref_rnn_op *op, char *reason, size_t reason_size) {
  if (!ref_recurrent_check(p, op, GATE_DIM, reason, reason_size))
    return 0;
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  const int64_t terms = ref_max64(s.inputs, s.hidden);
  ref_rnn_weight w[2];
  weights_of(op, w);
  for (int i = 0; i < 2; ++i)
    if (!weight_supports(p, &s, &w[i], reason, reason_size))
      return 0;
  if (!ref_rnn_codes_pack_once(p, w) && terms > INT32_MAX / (255 * 255))
    return ref_refuse(reason, reason_size, "%s: a sum of %lld products of codes could reach 2^31", p->op,
                      (long long)terms);
  return 1;
}

int ref_recurrent_dynamic_plan(const qe_problem *p, const ref_rnn_op *op, qe_kernel_plan *plan) {
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  ref_rnn_weight w[2];
  weights_of(op, w);
  ref_rnn_codes_plan(p, &s, w, plan);
  return 0;
}

int ref_recurrent_dynamic_prepack(const qe_problem *p, const ref_rnn_op *op, void *packed) {
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  ref_rnn_weight w[2];
  weights_of(op, w);
  ref_rnn_codes_prepack(p, &s, w, packed);
  return 0;
}

typedef struct dynamic_walk {
  ref_rnn_codes c; /* first: the callbacks get a pointer to it */
  float x_scale;
  int32_t x_zero;
} dynamic_walk;

static void input(ref_rnn_walk *w, const int64_t *x_at) {
  dynamic_walk *d = (dynamic_walk *)(void *)w;
  const int64_t k = w->shape.inputs, step = w->p->in[REF_RNN_X]->strides[2];
  memset(d->c.codes, 0, (size_t)(w->rows * k)); /* rows that are over have no x; nobody reads their sums */
  for (int64_t r = 0; r < w->rows; ++r)
    if (x_at[r] >= 0)
      ref_rnn_codes_quantize(d->c.codes + r * k, QE_DT_U8, (const float *)w->call->in[REF_RNN_X] + x_at[r], step,
                             d->x_scale, d->x_zero, k);
  ref_rnn_codes_sums(&d->c, 0, QE_DT_U8, d->x_scale, d->x_zero, 0, w->shape.gates);
}

static void hidden(ref_rnn_walk *w, const float *from, int64_t gate, int64_t gates) {
  ref_rnn_codes *c = (ref_rnn_codes *)(void *)w;
  const int64_t n = w->rows * w->shape.hidden;
  float lo = 0.0f, hi = 0.0f;
  int32_t zero;
  for (int64_t i = 0; i < n; ++i) {
    lo = from[i] < lo ? from[i] : lo;
    hi = from[i] > hi ? from[i] : hi;
  }
  const float scale = ref_dynamic_params(lo, hi, &zero);
  ref_rnn_codes_quantize(c->codes, QE_DT_U8, from, 1, scale, zero, n);
  ref_rnn_codes_sums(c, 1, QE_DT_U8, scale, zero, gate, gates);
}

/* The parameters of all of X, the steps behind a sequence's length included. */
static float x_params(const qe_operand *x, const float *data, int32_t *zero) {
  float lo = 0.0f, hi = 0.0f;
  for (int64_t i = 0; i < x->dims[0]; ++i)
    for (int64_t j = 0; j < x->dims[1]; ++j)
      for (int64_t k = 0; k < x->dims[2]; ++k) {
        const float v = data[i * x->strides[0] + j * x->strides[1] + k * x->strides[2]];
        lo = v < lo ? v : lo;
        hi = v > hi ? v : hi;
      }
  return ref_dynamic_params(lo, hi, zero);
}

int ref_recurrent_dynamic_run(void *self, const qe_call *call, const ref_rnn_op *op, int64_t tile_begin,
                              int64_t tile_end) {
  const qe_problem *p = call->problem;
  dynamic_walk d = {.c.walk = {.call = call,
                               .p = p,
                               .op = op,
                               .loops = ref_loops_of(self),
                               .shape = ref_recurrent_shape(p, op, GATE_DIM),
                               .input = input,
                               .hidden = hidden}};
  weights_of(op, d.c.weight);
  d.c.walk.rows = d.c.walk.shape.batch;
  if (tile_begin < tile_end)
    d.x_scale = x_params(p->in[REF_RNN_X], call->in[REF_RNN_X], &d.x_zero);
  for (int64_t direction = tile_begin; direction < tile_end; ++direction) {
    d.c.walk.direction = direction;
    if (!ref_rnn_codes_begin(&d.c))
      return 1;
    ref_recurrent_walk(&d.c.walk);
  }
  return 0;
}
