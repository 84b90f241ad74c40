/* The shared part of LSTM, GRU and RNN (recurrent.h). */
#include "recurrent.h"

#include <string.h>

#include "math_functions.h"

/* Dimensions of time and batch in X, and of direction and batch in states, under either layout. */
typedef struct axes {
  uint32_t x_time, x_batch, y_time, y_direction, y_batch, state_direction, state_batch;
} axes;

static axes axes_of(const qe_problem *p) {
  return p->params->axis == 0 ? (axes){.x_time = 0,
                                       .x_batch = 1,
                                       .y_time = 0,
                                       .y_direction = 1,
                                       .y_batch = 2,
                                       .state_direction = 0,
                                       .state_batch = 1}
                              : (axes){.x_time = 1,
                                       .x_batch = 0,
                                       .y_time = 1,
                                       .y_direction = 2,
                                       .y_batch = 0,
                                       .state_direction = 1,
                                       .state_batch = 0};
}

ref_recurrent ref_recurrent_shape(const qe_problem *p, int64_t gates) {
  const axes a = axes_of(p);
  const qe_operand *x = p->in[REF_RNN_X];
  return (ref_recurrent){.steps = x->dims[a.x_time],
                         .batch = x->dims[a.x_batch],
                         .inputs = x->dims[2],
                         .hidden = p->in[REF_RNN_R]->dims[2],
                         .gates = gates,
                         .directions = p->in[REF_RNN_W]->dims[0]};
}

static bool is_shape(const qe_operand *o, uint8_t dtype, uint32_t rank, const int64_t *dims) {
  return o->dtype == dtype && o->rank == rank && memcmp(o->dims, dims, sizeof(int64_t) * rank) == 0;
}

int ref_recurrent_supports(const qe_problem *p, int64_t gates, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[REF_RNN_X], *w = p->in[REF_RNN_W], *r = p->in[REF_RNN_R];
  if (x->rank != 3 || w->rank != 3 || r->rank != 3)
    return ref_refuse(reason, reason_size, "%s: X, W, R of ranks %d, %d, %d, expected 3", p->op, x->rank, w->rank,
                      r->rank);
  if (p->params->mode > 2 || w->dims[0] != (p->params->mode == 2 ? 2 : 1))
    return ref_refuse(reason, reason_size, "%s: W holds %lld directions, which does not fit direction code %u", p->op,
                      (long long)w->dims[0], p->params->mode);
  if (p->act_lo > -INFINITY || p->act_hi < INFINITY)
    return ref_refuse(reason, reason_size, "%s: a fused activation has no meaning for a recurrent op", p->op);
  const ref_recurrent s = ref_recurrent_shape(p, gates);
  const axes a = axes_of(p);
  const int64_t h = s.hidden, d = s.directions;
  int64_t state[3] = {0, 0, h}, y[4] = {0, 0, 0, h};
  state[a.state_direction] = y[a.y_direction] = d;
  state[a.state_batch] = y[a.y_batch] = s.batch;
  y[a.y_time] = s.steps;
  const struct {
    uint32_t index;
    uint8_t dtype;
    uint32_t rank;
    int64_t dims[3];
  } inputs[] = {{REF_RNN_W, QE_DT_F32, 3, {d, gates * h, s.inputs}},
                {REF_RNN_R, QE_DT_F32, 3, {d, gates * h, h}},
                {REF_RNN_B, QE_DT_F32, 2, {d, 2 * gates * h, 0}},
                {REF_RNN_LENGTHS, QE_DT_I32, 1, {s.batch, 0, 0}},
                {REF_RNN_H0, QE_DT_F32, 3, {state[0], state[1], h}},
                {REF_RNN_C0, QE_DT_F32, 3, {state[0], state[1], h}},
                {REF_RNN_P, QE_DT_F32, 2, {d, 3 * h, 0}}};
  for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; ++i)
    if (ref_has_in(p, inputs[i].index) &&
        !is_shape(p->in[inputs[i].index], inputs[i].dtype, inputs[i].rank, inputs[i].dims))
      return ref_refuse(reason, reason_size,
                        "%s: input %u (%s, rank %d) does not have the shape that X, W and R ask for", p->op,
                        inputs[i].index, ref_dtype_name(p->in[inputs[i].index]->dtype), p->in[inputs[i].index]->rank);
  for (uint32_t i = 0; i < 3; ++i)
    if (ref_has_out(p, i) &&
        !(i == 0 ? is_shape(p->out[0], QE_DT_F32, 4, y) : is_shape(p->out[i], QE_DT_F32, 3, state)))
      return ref_refuse(reason, reason_size,
                        "%s: output %u (%s, rank %d) does not have the shape that X, W and R ask for", p->op, i,
                        ref_dtype_name(p->out[i]->dtype), p->out[i]->rank);
  for (int i = 0; i < 6; ++i)
    if (p->params->perm[i] < QE_RNN_DEFAULT || p->params->perm[i] > QE_RNN_RELU)
      return ref_refuse(reason, reason_size, "%s: activation code %lld, expected 0 to 3", p->op,
                        (long long)p->params->perm[i]);
  return 1;
}

static bool packs(const qe_problem *p) { return p->in[REF_RNN_W]->data && p->in[REF_RNN_R]->data; }

static int64_t packed_floats(const ref_recurrent *s) { return (s->inputs + s->hidden) * s->gates * s->hidden; }

int ref_recurrent_plan(const qe_problem *p, int64_t gates, qe_kernel_plan *plan) {
  const ref_recurrent s = ref_recurrent_shape(p, gates);
  const uint64_t row = (uint64_t)(gates * s.hidden), per_direction = (uint64_t)packed_floats(&s);
  plan->tiles = s.directions * s.batch;
  plan->packed_size = packs(p) ? sizeof(float) * per_direction * (uint64_t)s.directions : 0;
  plan->scratch_size = sizeof(float) * (4 * row + ref_accum_floats((int64_t)row) + 6 * (uint64_t)s.hidden +
                                        (packs(p) ? 0 : per_direction));
  return 0;
}

/* [gates * hidden][columns] with strides -> [columns][gates * hidden] */
static void pack_matrix(const qe_operand *o, const float *data, int64_t direction, float *to) {
  data += direction * o->strides[0];
  for (int64_t k = 0; k < o->dims[2]; ++k)
    for (int64_t i = 0; i < o->dims[1]; ++i)
      *to++ = data[i * o->strides[1] + k * o->strides[2]];
}

static void pack_direction(const qe_problem *p, const ref_recurrent *s, const float *w, const float *r,
                           int64_t direction, float *to) {
  pack_matrix(p->in[REF_RNN_W], w, direction, to);
  pack_matrix(p->in[REF_RNN_R], r, direction, to + s->inputs * s->gates * s->hidden);
}

int ref_recurrent_prepack(const qe_problem *p, int64_t gates, void *packed) {
  const ref_recurrent s = ref_recurrent_shape(p, gates);
  for (int64_t d = 0; d < s.directions; ++d)
    pack_direction(p, &s, p->in[REF_RNN_W]->data, p->in[REF_RNN_R]->data, d, (float *)packed + d * packed_floats(&s));
  return 0;
}

/* A row of a [directions][n] operand, made contiguous. */
static void copy_row(const qe_operand *o, const float *data, int64_t direction, int64_t first, int64_t n, float *to) {
  for (int64_t i = 0; i < n; ++i)
    to[i] = data[direction * o->strides[0] + (first + i) * o->strides[1]];
}

/* The element [direction, batch, 0] of a state operand. */
static int64_t state_offset(const qe_problem *p, const qe_operand *o, int64_t direction, int64_t b) {
  const axes a = axes_of(p);
  return direction * o->strides[a.state_direction] + b * o->strides[a.state_batch];
}

static void load_state(const qe_problem *p, const void *const *in, uint32_t index, int64_t direction, int64_t b,
                       int64_t n, float *to) {
  memset(to, 0, sizeof(float) * (size_t)n);
  if (!ref_has_in(p, index))
    return;
  const float *from = (const float *)in[index] + state_offset(p, p->in[index], direction, b);
  for (int64_t i = 0; i < n; ++i)
    to[i] = from[i * p->in[index]->strides[2]];
}

static void store_state(const qe_problem *p, void *const *out, uint32_t index, int64_t direction, int64_t b, int64_t n,
                        const float *from) {
  if (!ref_has_out(p, index))
    return;
  float *to = (float *)out[index] + state_offset(p, p->out[index], direction, b);
  for (int64_t i = 0; i < n; ++i)
    to[i * p->out[index]->strides[2]] = from[i];
}

/* Lays out the scratch of one cell and fills in what does not change with time. */
static void cell_init(ref_cell *cell, const qe_call *call, int64_t direction) {
  const qe_problem *p = cell->p;
  const ref_recurrent *s = &cell->shape;
  const int64_t row = s->gates * s->hidden;
  float *at = call->scratch;
  cell->direction = direction;
  cell->xg = at;
  cell->hg = at + row;
  float *bias = at + 2 * row;
  at += 4 * row;
  cell->h = at;
  cell->c = at + s->hidden;
  cell->extra = at + 2 * s->hidden;
  float *peephole = at + 3 * s->hidden;
  at += 6 * s->hidden;
  cell->accum = at;
  at += ref_accum_floats(row);
  const float *weights = at;
  if (packs(p))
    weights = (const float *)call->packed + direction * packed_floats(s);
  else
    pack_direction(p, s, call->in[REF_RNN_W], call->in[REF_RNN_R], direction, at);
  cell->w = weights;
  cell->r = weights + s->inputs * row;
  cell->wb = cell->rb = cell->peephole = NULL;
  if (ref_has_in(p, REF_RNN_B)) {
    copy_row(p->in[REF_RNN_B], call->in[REF_RNN_B], direction, 0, 2 * row, bias);
    cell->wb = bias;
    cell->rb = bias + row;
  }
  if (ref_has_in(p, REF_RNN_P)) {
    copy_row(p->in[REF_RNN_P], call->in[REF_RNN_P], direction, 0, 3 * s->hidden, peephole);
    cell->peephole = peephole;
  }
}

static void gate_sums(const ref_cell *cell, float *to, const float *bias, const float *x, int64_t x_step,
                      const float *w, int64_t k, int64_t n) {
  ref_accum a;
  ref_accum_start(&a, cell->loops, cell->accum, n);
  ref_accum_panel(&a, 0, x, x_step, w, cell->shape.gates * cell->shape.hidden, k);
  cell->loops->finish_f32(to, ref_accum_finish(&a, k), bias, -INFINITY, INFINITY, n);
}

void ref_cell_hidden(ref_cell *cell, const float *h, int64_t first, int64_t n) {
  gate_sums(cell, cell->hg + first, cell->rb ? cell->rb + first : NULL, h, 1, cell->r + first, cell->shape.hidden, n);
}

float ref_cell_activate(const ref_cell *cell, int which, int fallback, float x) {
  const float clip = cell->p->params->clip_hi;
  x = x < -clip ? -clip : x > clip ? clip : x;
  const int64_t code = cell->p->params->perm[3 * cell->direction + which];
  switch (code == QE_RNN_DEFAULT ? fallback : code) {
  case QE_RNN_TANH: return ref_tanh(x);
  case QE_RNN_SIGMOID: return ref_sigmoid(x);
  default: return x < 0.0f ? 0.0f : x;
  }
}

/* One sequence; elements behind its length are 0 in Y. */
static void run_sequence(ref_cell *cell, const qe_call *call, int64_t b, int64_t length, bool backward,
                         ref_cell_step step) {
  const qe_problem *p = cell->p;
  const ref_recurrent *s = &cell->shape;
  const qe_operand *x = p->in[REF_RNN_X], *y = ref_has_out(p, 0) ? p->out[0] : NULL;
  const axes a = axes_of(p);
  for (int64_t i = 0; i < s->steps; ++i) {
    const bool live = i < length;
    const int64_t t = backward && live ? length - 1 - i : i;
    if (live) {
      gate_sums(cell, cell->xg, cell->wb,
                (const float *)call->in[REF_RNN_X] + t * x->strides[a.x_time] + b * x->strides[a.x_batch],
                x->strides[2], cell->w, s->inputs, s->gates * s->hidden);
      step(cell);
    }
    if (y) {
      float *to = (float *)call->out[0] + t * y->strides[a.y_time] + cell->direction * y->strides[a.y_direction] +
                  b * y->strides[a.y_batch];
      for (int64_t j = 0; j < s->hidden; ++j)
        to[j * y->strides[3]] = live ? cell->h[j] : 0.0f;
    }
  }
}

int ref_recurrent_run(void *self, const qe_call *call, int64_t gates, ref_cell_step step, int64_t tile_begin,
                      int64_t tile_end) {
  const qe_problem *p = call->problem;
  ref_cell cell = {.p = p, .loops = ref_loops_of(self), .shape = ref_recurrent_shape(p, gates)};
  const ref_recurrent *s = &cell.shape;
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int64_t direction = tile / s->batch, b = tile % s->batch;
    int64_t length = s->steps;
    if (ref_has_in(p, REF_RNN_LENGTHS)) {
      length = ((const int32_t *)call->in[REF_RNN_LENGTHS])[b * p->in[REF_RNN_LENGTHS]->strides[0]];
      if (length < 0 || length > s->steps)
        return 1;
    }
    cell_init(&cell, call, direction);
    load_state(p, call->in, REF_RNN_H0, direction, b, s->hidden, cell.h);
    load_state(p, call->in, REF_RNN_C0, direction, b, s->hidden, cell.c);
    run_sequence(&cell, call, b, length, direction == 1 || p->params->mode == 1, step);
    store_state(p, call->out, 1, direction, b, s->hidden, cell.h);
    store_state(p, call->out, 2, direction, b, s->hidden, cell.c);
  }
  return 0;
}
