/* The shared part of LSTM, GRU and RNN: shapes, states, the walk over time (recurrent.h). */
#include "recurrent.h"

#include <string.h>

#include "math_functions.h"
#include "quant.h"

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

ref_recurrent ref_recurrent_shape(const qe_problem *p, const ref_rnn_op *op, uint32_t gate_dim) {
  const axes a = axes_of(p);
  const qe_operand *x = p->in[REF_RNN_X];
  return (ref_recurrent){.steps = x->dims[a.x_time],
                         .batch = x->dims[a.x_batch],
                         .inputs = x->dims[2],
                         .hidden = p->in[REF_RNN_R]->dims[3 - gate_dim],
                         .gates = op->gates,
                         .directions = p->in[REF_RNN_W]->dims[0]};
}

static bool is_shape(const qe_operand *o, uint8_t dtype, uint32_t rank, const int64_t *dims) {
  return o->dtype == dtype && o->rank == rank && memcmp(o->dims, dims, sizeof(int64_t) * rank) == 0;
}

int ref_recurrent_check(const qe_problem *p, const ref_rnn_op *op, uint32_t gate_dim, char *reason,
                        size_t reason_size) {
  const qe_operand *x = p->in[REF_RNN_X], *w = p->in[REF_RNN_W], *r = p->in[REF_RNN_R];
  if (x->rank != 3 || w->rank != 3 || r->rank != 3)
    return ref_refuse(reason, reason_size, "%s: X, W, R of ranks %d, %d, %d, expected 3", p->op, x->rank, w->rank,
                      r->rank);
  if (p->params->mode > 2 || w->dims[0] != (p->params->mode == 2 ? 2 : 1))
    return ref_refuse(reason, reason_size, "%s: W holds %lld directions, which does not fit direction code %u", p->op,
                      (long long)w->dims[0], p->params->mode);
  if (p->act_lo > -INFINITY || p->act_hi < INFINITY)
    return ref_refuse(reason, reason_size, "%s: a fused activation has no meaning for a recurrent op", p->op);
  const ref_recurrent s = ref_recurrent_shape(p, op, gate_dim);
  const axes a = axes_of(p);
  const int64_t h = s.hidden, d = s.directions, row = s.gates * h;
  const bool columns = gate_dim == 2;
  int64_t state[3] = {0, 0, h}, y[4] = {0, 0, 0, h};
  state[a.state_direction] = y[a.y_direction] = d;
  state[a.state_batch] = y[a.y_batch] = s.batch;
  y[a.y_time] = s.steps;
  const struct {
    uint32_t index;
    uint8_t dtype;
    uint32_t rank;
    int64_t dims[3];
  } inputs[] = {{REF_RNN_W, w->dtype, 3, {d, columns ? s.inputs : row, columns ? row : s.inputs}},
                {REF_RNN_R, r->dtype, 3, {d, columns ? h : row, columns ? row : h}},
                {REF_RNN_B, QE_DT_F32, 2, {d, 2 * row, 0}},
                {REF_RNN_LENGTHS, QE_DT_I32, 1, {s.batch, 0, 0}},
                {REF_RNN_H0, QE_DT_F32, 3, {state[0], state[1], h}},
                {REF_RNN_C0, QE_DT_F32, 3, {state[0], state[1], h}},
                {REF_RNN_P, QE_DT_F32, 2, {d, 3 * h, 0}}};
  for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; ++i)
    if (ref_rnn_has_in(p, op, inputs[i].index) &&
        !is_shape(p->in[inputs[i].index], inputs[i].dtype, inputs[i].rank, inputs[i].dims))
      return ref_refuse(reason, reason_size,
                        "%s: input %u (%s, rank %d) does not have the shape that X, W and R ask for", p->op,
                        inputs[i].index, ref_dtype_name(p->in[inputs[i].index]->dtype), p->in[inputs[i].index]->rank);
  const uint8_t y_type = x->dtype != QE_DT_F32 && ref_has_out(p, 0) ? p->out[0]->dtype : QE_DT_F32;
  for (uint32_t i = 0; i < 3; ++i)
    if (ref_has_out(p, i) &&
        !(i == 0 ? is_shape(p->out[0], y_type, 4, y) : is_shape(p->out[i], QE_DT_F32, 3, state)))
      return ref_refuse(reason, reason_size,
                        "%s: output %u (%s, rank %d) does not have the shape that X, W and R ask for", p->op, i,
                        ref_dtype_name(p->out[i]->dtype), p->out[i]->rank);
  for (int i = 0; i < 6; ++i)
    if (p->params->perm[i] < QE_RNN_DEFAULT || p->params->perm[i] > QE_RNN_RELU)
      return ref_refuse(reason, reason_size, "%s: activation code %lld, expected 0 to 3", p->op,
                        (long long)p->params->perm[i]);
  return 1;
}

/* A row of a [directions][n] operand, made contiguous. */
static void copy_row(const qe_operand *o, const float *data, int64_t direction, int64_t n, float *to) {
  for (int64_t i = 0; i < n; ++i)
    to[i] = data[direction * o->strides[0] + i * o->strides[1]];
}

/* The element [direction, batch, 0] of a state operand. */
static int64_t state_offset(const qe_problem *p, const qe_operand *o, int64_t direction, int64_t b) {
  const axes a = axes_of(p);
  return direction * o->strides[a.state_direction] + b * o->strides[a.state_batch];
}

static void load_state(const ref_rnn_walk *w, uint32_t index, int64_t row, float *to) {
  const int64_t n = w->shape.hidden;
  memset(to, 0, sizeof(float) * (size_t)n);
  if (!ref_rnn_has_in(w->p, w->op, index))
    return;
  const qe_operand *o = w->p->in[index];
  const float *from = (const float *)w->call->in[index] + state_offset(w->p, o, w->direction, w->first_row + row);
  for (int64_t i = 0; i < n; ++i)
    to[i] = from[i * o->strides[2]];
}

static void store_state(const ref_rnn_walk *w, uint32_t index, int64_t row, const float *from) {
  if (!ref_has_out(w->p, index))
    return;
  const qe_operand *o = w->p->out[index];
  float *to = (float *)w->call->out[index] + state_offset(w->p, o, w->direction, w->first_row + row);
  for (int64_t i = 0; i < w->shape.hidden; ++i)
    to[i * o->strides[2]] = from[i];
}

uint64_t ref_recurrent_scratch(const ref_recurrent *s, int64_t rows) {
  const uint64_t row = (uint64_t)(s->gates * s->hidden), hidden = (uint64_t)s->hidden, n = (uint64_t)rows;
  return 2 * sizeof(int64_t) * n + sizeof(float) * (n * (2 * row + 3 * hidden) + 2 * row + 3 * hidden);
}

void *ref_recurrent_begin(ref_rnn_walk *w, void *scratch) {
  const ref_recurrent *s = &w->shape;
  const int64_t row = s->gates * s->hidden, n = w->rows;
  w->lengths = scratch;
  w->x_at = w->lengths + n;
  w->xg = (void *)(w->x_at + n);
  w->hg = w->xg + n * row;
  w->h = w->hg + n * row;
  w->c = w->h + n * s->hidden;
  w->reset = w->c + n * s->hidden;
  float *bias = w->reset + n * s->hidden, *peephole = bias + 2 * row;
  w->wb = w->rb = w->peephole = NULL;
  if (ref_has_in(w->p, REF_RNN_B)) {
    copy_row(w->p->in[REF_RNN_B], w->call->in[REF_RNN_B], w->direction, 2 * row, bias);
    w->wb = bias;
    w->rb = bias + row;
  }
  if (ref_rnn_has_in(w->p, w->op, REF_RNN_P)) {
    copy_row(w->p->in[REF_RNN_P], w->call->in[REF_RNN_P], w->direction, 3 * s->hidden, peephole);
    w->peephole = peephole;
  }
  for (int64_t r = 0; r < n; ++r) {
    w->lengths[r] = s->steps;
    if (ref_has_in(w->p, REF_RNN_LENGTHS)) {
      const int64_t at = (w->first_row + r) * w->p->in[REF_RNN_LENGTHS]->strides[0];
      w->lengths[r] = ((const int32_t *)w->call->in[REF_RNN_LENGTHS])[at];
      if (w->lengths[r] < 0 || w->lengths[r] > s->steps)
        return NULL;
    }
    load_state(w, REF_RNN_H0, r, w->h + r * s->hidden);
    load_state(w, REF_RNN_C0, r, w->c + r * s->hidden);
    if (w->settle)
      w->settle(w, w->h + r * s->hidden);
  }
  return peephole + 3 * s->hidden;
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

static ref_cell cell_of(const ref_rnn_walk *w, int64_t row) {
  const int64_t n = w->shape.hidden, sums = row * w->shape.gates * n;
  return (ref_cell){.p = w->p,
                    .hidden = n,
                    .direction = w->direction,
                    .peephole = w->peephole,
                    .xg = w->xg + sums,
                    .hg = w->hg + sums,
                    .h = w->h + row * n,
                    .c = w->c + row * n,
                    .reset = w->reset + row * n};
}

/* The time of step s of a row; a row that is over still owns Y's element, which is 0. */
static int64_t time_of(const ref_rnn_walk *w, int64_t row, int64_t s) {
  const bool backward = w->direction == 1 || w->p->params->mode == 1;
  return backward && s < w->lengths[row] ? w->lengths[row] - 1 - s : s;
}

/* One step of all rows that take part. */
static void step_rows(ref_rnn_walk *w) {
  const bool resets = w->op->reset != NULL;
  const int64_t gates = w->op->gates, from_h = resets && !w->p->params->select_last_index ? gates - 1 : gates;
  w->input(w, w->x_at);
  w->hidden(w, w->h, 0, from_h);
  for (int64_t r = 0; resets && r < w->rows; ++r) {
    const ref_cell cell = cell_of(w, r);
    if (w->x_at[r] >= 0)
      w->op->reset(&cell);
    else
      memset(cell.reset, 0, sizeof(float) * (size_t)cell.hidden);
  }
  if (from_h < gates)
    w->hidden(w, w->reset, from_h, gates - from_h);
  for (int64_t r = 0; r < w->rows; ++r) {
    const ref_cell cell = cell_of(w, r);
    if (w->x_at[r] < 0)
      continue;
    w->op->finish(&cell);
    if (w->settle)
      w->settle(w, cell.h);
  }
}

static void store_y(void *data, const qe_operand *y, int64_t at, float h) {
  int32_t lo, hi;
  if (y->dtype == QE_DT_F32)
    ((float *)data)[at] = h;
  else if (ref_code_limits(y->dtype, &lo, &hi))
    ((uint8_t *)data)[at] = (uint8_t)ref_rne_sat(h / y->scales[0], y->zero_points[0], lo, hi);
}

void ref_recurrent_walk(ref_rnn_walk *w) {
  const qe_problem *p = w->p;
  const ref_recurrent *s = &w->shape;
  const qe_operand *x = p->in[REF_RNN_X], *y = ref_has_out(p, 0) ? p->out[0] : NULL;
  const axes a = axes_of(p);
  for (int64_t i = 0; i < s->steps; ++i) {
    bool any = false;
    for (int64_t r = 0; r < w->rows; ++r) {
      const bool live = i < w->lengths[r];
      w->x_at[r] = live ? time_of(w, r, i) * x->strides[a.x_time] + (w->first_row + r) * x->strides[a.x_batch] : -1;
      any = any || live;
    }
    if (any)
      step_rows(w);
    for (int64_t r = 0; y && r < w->rows; ++r) {
      const int64_t at = time_of(w, r, i) * y->strides[a.y_time] + w->direction * y->strides[a.y_direction] +
                         (w->first_row + r) * y->strides[a.y_batch];
      for (int64_t j = 0; j < s->hidden; ++j)
        store_y(w->call->out[0], y, at + j * y->strides[3], w->x_at[r] >= 0 ? w->h[r * s->hidden + j] : 0.0f);
    }
  }
  for (int64_t r = 0; r < w->rows; ++r) {
    store_state(w, 1, r, w->h + r * s->hidden);
    if (w->op->has_cell)
      store_state(w, 2, r, w->c + r * s->hidden);
  }
}
