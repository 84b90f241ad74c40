/*
 * DynamicQuantizeLSTM, -GRU and -RNN: the float ops' formulas over sums of codes,
 *   xg = (float)sum (qx - zx) * (qW - zW) * (sx * sW) + Wb   hg = (float)sum (qh - zh) * (qR - zR) * (sh * sR) + Rb
 * exact in int32; without B nothing is added. (qx, sx, zx) is DynamicQuantizeLinear of all of X, once; (qh, sh, zh) that
 * of H of every row of the batch, anew at each step and direction. A row that is over takes part with its last H, and
 * with 0 in r * H of a GRU. W [directions, inputs, gates * hidden] and R [directions, hidden, gates * hidden] have one
 * scale and zero point per direction, or one per column.
 */
#include <string.h>

#include "q8gemm.h"
#include "recurrent.h"

enum { GATE_DIM = 2 };

/* W and R: their inputs, and those of their parameters. */
typedef struct weight {
  uint32_t codes, scale, zero;
} weight;

static weight weight_of(const ref_rnn_op *op, uint32_t which) {
  const uint32_t first = op->has_cell ? 8 : 6;
  return which == REF_RNN_W ? (weight){REF_RNN_W, first, first + 1} : (weight){REF_RNN_R, first + 2, first + 3};
}

static bool fits(const qe_operand *o, uint8_t dtype, const ref_recurrent *s) {
  const int64_t columns = s->gates * s->hidden;
  return o->dtype == dtype && o->rank >= 1 && o->rank <= 2 && o->dims[0] == s->directions &&
         (o->rank == 1 || o->dims[1] == columns);
}

static bool is_constant(const qe_problem *p, const weight *w) {
  return p->in[w->codes]->data && p->in[w->zero]->data;
}

static int weight_supports(const qe_problem *p, const ref_recurrent *s, const weight *w, int64_t terms, char *reason,
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
  if (!is_constant(p, w) && terms > INT32_MAX / (255 * 255))
    return ref_refuse(reason, reason_size, "%s: a sum of %lld products of codes could reach 2^31", p->op,
                      (long long)terms);
  return 1;
}

int ref_recurrent_dynamic_supports(const qe_problem *p, const ref_rnn_op *op, char *reason, size_t reason_size) {
  if (!ref_recurrent_check(p, op, GATE_DIM, reason, reason_size))
    return 0;
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  const weight w = weight_of(op, REF_RNN_W), r = weight_of(op, REF_RNN_R);
  return weight_supports(p, &s, &w, s.inputs, reason, reason_size) &&
         weight_supports(p, &s, &r, s.hidden, reason, reason_size);
}

/* -- packed weights: the gates of W, then those of R, each as a matrix of its own (q8gemm.h) ------------------------- */

static bool packs(const qe_problem *p, const ref_rnn_op *op) {
  const weight w = weight_of(op, REF_RNN_W), r = weight_of(op, REF_RNN_R);
  return is_constant(p, &w) && is_constant(p, &r);
}

/* Elements of one gate of W or R, packed. */
static int64_t gate_elements(const ref_recurrent *s, int64_t terms) {
  return (int64_t)(ref_q8gemm_packed_bytes(s->hidden, terms) / sizeof(int16_t));
}
static int64_t direction_elements(const ref_recurrent *s) {
  return s->gates * (gate_elements(s, s->inputs) + gate_elements(s, s->hidden));
}

/* Offset of the parameter of a column: operands [directions] or [directions, columns]. */
static int64_t parameter_at(const qe_operand *o, int64_t direction, int64_t column) {
  return direction * o->strides[0] + (o->rank > 1 ? column * o->strides[1] : 0);
}

static void pack_weight(const qe_problem *p, const ref_recurrent *s, const weight *w, const void *codes,
                        const void *zeros, int64_t direction, int16_t *to) {
  const qe_operand *o = p->in[w->codes], *z = p->in[w->zero];
  const int64_t n = s->hidden, k = o->dims[1], step = ref_q8_padded(n);
  memset(to, 0, sizeof *to * (size_t)(s->gates * gate_elements(s, k)));
  for (int64_t gate = 0; gate < s->gates; ++gate, to += gate_elements(s, k))
    for (int64_t j = 0; j < n; ++j) {
      const int64_t column = gate * n + j;
      const int32_t zero = ref_code8(zeros, z->dtype, parameter_at(z, direction, column));
      for (int64_t i = 0; i < k; ++i)
        to[ref_q8_place(i, j, step)] = (int16_t)(
            ref_code8(codes, o->dtype, direction * o->strides[0] + i * o->strides[1] + column * o->strides[2]) - zero);
    }
}

/* `data` of input i: a constant's, or the call's. */
static const void *data_of(const qe_problem *p, const qe_call *call, uint32_t i) {
  return call ? call->in[i] : p->in[i]->data;
}

static void pack_direction(const qe_problem *p, const qe_call *call, const ref_rnn_op *op, const ref_recurrent *s,
                           int64_t direction, int16_t *to) {
  const weight w = weight_of(op, REF_RNN_W), r = weight_of(op, REF_RNN_R);
  pack_weight(p, s, &w, data_of(p, call, w.codes), data_of(p, call, w.zero), direction, to);
  to += s->gates * gate_elements(s, s->inputs);
  pack_weight(p, s, &r, data_of(p, call, r.codes), data_of(p, call, r.zero), direction, to);
}

int ref_recurrent_dynamic_prepack(const qe_problem *p, const ref_rnn_op *op, void *packed) {
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  for (int64_t d = 0; d < s.directions; ++d)
    pack_direction(p, NULL, op, &s, d, (int16_t *)packed + d * direction_elements(&s));
  return 0;
}

/* -- the walk ------------------------------------------------------------------------------------------------------ */

typedef struct dynamic_walk {
  ref_rnn_walk walk; /* first: the callbacks get a pointer to it */
  const int16_t *w, *r;
  float *w_scales, *r_scales; /* [gates * hidden] */
  uint8_t *codes;             /* [rows][inputs or hidden] */
  void *products;             /* scratch of q8gemm */
  float x_scale;
  int32_t x_zero;
} dynamic_walk;

static uint64_t products_bytes(const ref_recurrent *s) {
  const uint64_t x = ref_q8gemm_scratch_bytes(s->inputs, false), h = ref_q8gemm_scratch_bytes(s->hidden, false);
  return x > h ? x : h;
}

int ref_recurrent_dynamic_plan(const qe_problem *p, const ref_rnn_op *op, qe_kernel_plan *plan) {
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  const uint64_t per_direction = sizeof(int16_t) * (uint64_t)direction_elements(&s);
  const uint64_t widest = (uint64_t)ref_max64(s.inputs, s.hidden);
  plan->tiles = s.batch > 0 ? s.directions : 0;
  plan->packed_size = packs(p, op) ? per_direction * (uint64_t)s.directions : 0;
  plan->scratch_size = ref_recurrent_scratch(&s, s.batch) + sizeof(float) * 2 * (uint64_t)(s.gates * s.hidden) +
                       products_bytes(&s) + (packs(p, op) ? 0 : per_direction) + (uint64_t)s.batch * widest;
  return 0;
}

typedef struct store_arg {
  float *to; /* of the gate's first unit in row 0 */
  int64_t row_step;
  float x_scale;
  const float *w_scales, *bias; /* of the gate's units */
} store_arg;

static void store(void *arg, int64_t row, int64_t col, int32_t *acc, int64_t n) {
  const store_arg *a = arg;
  float *to = a->to + row * a->row_step + col;
  for (int64_t i = 0; i < n; ++i) {
    to[i] = (float)acc[i] * (a->x_scale * a->w_scales[col + i]);
    if (a->bias)
      to[i] += a->bias[col + i];
  }
}

/* Gates [gate, gate + gates) of every row from the codes there are. */
static void gate_sums(const dynamic_walk *d, float *to, const float *bias, const int16_t *weights, const float *scales,
                      int64_t k, float scale, int32_t zero, int64_t gate, int64_t gates) {
  const ref_recurrent *s = &d->walk.shape;
  const int64_t n = s->hidden;
  ref_q8gemm g = {.m = d->walk.rows,
                  .n = n,
                  .k = k,
                  .a = d->codes,
                  .a_dtype = QE_DT_U8,
                  .a_m = k,
                  .a_k = 1,
                  .a_zeros = {.wide = &zero, .count = 1}};
  for (int64_t i = gate; i < gate + gates; ++i) {
    store_arg arg = {to + i * n, s->gates * n, scale, scales + i * n, bias ? bias + i * n : NULL};
    g.packed = weights + i * gate_elements(s, k);
    for (int64_t tile = 0; tile < ref_q8gemm_tiles(g.m, g.n); ++tile)
      ref_q8gemm_tile(&g, d->walk.loops, d->products, tile, store, &arg);
  }
}

static void input(ref_rnn_walk *w, const int64_t *x_at) {
  dynamic_walk *d = (dynamic_walk *)(void *)w;
  const int64_t k = w->shape.inputs, step = w->p->in[REF_RNN_X]->strides[2];
  memset(d->codes, 0, (size_t)(w->rows * k)); /* rows that are over have no x; nobody reads their sums */
  for (int64_t r = 0; r < w->rows; ++r) {
    const float *x = (const float *)w->call->in[REF_RNN_X] + x_at[r];
    for (int64_t i = 0; x_at[r] >= 0 && i < k; ++i)
      d->codes[r * k + i] = (uint8_t)ref_rne_sat(x[i * step] / d->x_scale, d->x_zero, 0, UINT8_MAX);
  }
  gate_sums(d, w->xg, w->wb, d->w, d->w_scales, k, d->x_scale, d->x_zero, 0, w->shape.gates);
}

static void hidden(ref_rnn_walk *w, const float *from, int64_t gate, int64_t gates) {
  dynamic_walk *d = (dynamic_walk *)(void *)w;
  const int64_t k = w->shape.hidden, n = w->rows * k;
  float lo = 0.0f, hi = 0.0f;
  int32_t zero;
  for (int64_t i = 0; i < n; ++i) {
    lo = from[i] < lo ? from[i] : lo;
    hi = from[i] > hi ? from[i] : hi;
  }
  const float scale = ref_dynamic_params(lo, hi, &zero);
  for (int64_t i = 0; i < n; ++i)
    d->codes[i] = (uint8_t)ref_rne_sat(from[i] / scale, zero, 0, UINT8_MAX);
  gate_sums(d, w->hg, w->rb, d->r, d->r_scales, k, scale, zero, gate, gates);
}

/* The parameters of all of X, the steps behind a sequence's length included. */
static void x_params(dynamic_walk *d) {
  const qe_operand *x = d->walk.p->in[REF_RNN_X];
  float lo = 0.0f, hi = 0.0f;
  for (int64_t i = 0; i < x->dims[0]; ++i)
    for (int64_t j = 0; j < x->dims[1]; ++j)
      for (int64_t k = 0; k < x->dims[2]; ++k) {
        const float v =
            ((const float *)d->walk.call->in[REF_RNN_X])[i * x->strides[0] + j * x->strides[1] + k * x->strides[2]];
        lo = v < lo ? v : lo;
        hi = v > hi ? v : hi;
      }
  d->x_scale = ref_dynamic_params(lo, hi, &d->x_zero);
}

static void load_scales(const dynamic_walk *d, uint32_t i, float *to) {
  const qe_operand *o = d->walk.p->in[i];
  for (int64_t j = 0; j < d->walk.shape.gates * d->walk.shape.hidden; ++j)
    to[j] = ((const float *)d->walk.call->in[i])[parameter_at(o, d->walk.direction, j)];
}

int ref_recurrent_dynamic_run(void *self, const qe_call *call, const ref_rnn_op *op, int64_t tile_begin,
                              int64_t tile_end) {
  const qe_problem *p = call->problem;
  const ref_recurrent s = ref_recurrent_shape(p, op, GATE_DIM);
  for (int64_t direction = tile_begin; direction < tile_end; ++direction) {
    dynamic_walk d = {.walk = {.call = call,
                               .p = p,
                               .op = op,
                               .loops = ref_loops_of(self),
                               .shape = s,
                               .direction = direction,
                               .rows = s.batch,
                               .input = input,
                               .hidden = hidden}};
    d.w_scales = ref_recurrent_begin(&d.walk, call->scratch);
    if (!d.w_scales)
      return 1;
    d.r_scales = d.w_scales + s.gates * s.hidden;
    d.products = d.r_scales + s.gates * s.hidden;
    int16_t *own = (void *)((char *)d.products + products_bytes(&s));
    d.codes = (void *)own;
    d.w = own;
    if (packs(p, op)) {
      d.w = (const int16_t *)call->packed + direction * direction_elements(&s);
    } else {
      pack_direction(p, call, op, &s, direction, own);
      d.codes = (void *)(own + direction_elements(&s));
    }
    d.r = d.w + s.gates * gate_elements(&s, s.inputs);
    load_scales(&d, weight_of(op, REF_RNN_W).scale, d.w_scales);
    load_scales(&d, weight_of(op, REF_RNN_R).scale, d.r_scales);
    x_params(&d);
    ref_recurrent_walk(&d.walk);
  }
  return 0;
}
