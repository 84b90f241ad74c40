/* A tile of a recurrent op: its states, and the walk over time (recurrent.h). */
#include "recurrent/recurrent.h"

#include <string.h>

static void *at(const fb_rnn_job *j, uint64_t offset) { return (char *)j->call->scratch + offset; }

static void copy_strided(float *to, const float *from, int64_t step, int64_t n) {
  if (step == 1)
    memcpy(to, from, sizeof(float) * (size_t)n);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * step];
}

static void store_strided(float *to, int64_t step, const float *from, int64_t n) {
  if (step == 1)
    memcpy(to, from, sizeof(float) * (size_t)n);
  else
    for (int64_t i = 0; i < n; ++i) to[i * step] = from[i];
}

/* Row `direction` of an operand [directions][n], or NULL. */
static const float *row_of(const fb_rnn_job *j, uint32_t input, int64_t n, float *to) {
  if (!fb_has_in(j->p, input)) return NULL;
  const qe_operand *o = j->p->in[input];
  copy_strided(to, (const float *)j->call->in[input] + j->direction * o->strides[0], o->strides[1], n);
  return to;
}

/* The state of sequence b of the batch in an operand. */
static int64_t state_at(const fb_rnn_job *j, const qe_operand *o, int64_t b) {
  return j->direction * o->strides[j->s.state_direction] + b * o->strides[j->s.state_batch];
}

static void load_states(const fb_rnn_job *j, uint32_t input, float *to) {
  const int64_t n = j->s.hidden;
  if (!fb_has_in(j->p, input)) {
    memset(to, 0, sizeof(float) * (size_t)(j->count * n));
    return;
  }
  const qe_operand *o = j->p->in[input];
  for (int64_t i = 0; i < j->count; ++i)
    copy_strided(to + i * n, (const float *)j->call->in[input] + state_at(j, o, j->first + i), o->strides[2], n);
}

static void store_states(const fb_rnn_job *j, uint32_t output, const float *from) {
  const int64_t n = j->s.hidden;
  if (!fb_has_out(j->p, output)) return;
  const qe_operand *o = j->p->out[output];
  for (int64_t i = 0; i < j->count; ++i)
    store_strided((float *)j->call->out[output] + state_at(j, o, j->first + i), o->strides[2], from + i * n, n);
}

static bool load_lengths(const fb_rnn_job *j) {
  const bool given = fb_has_in(j->p, FB_RNN_LENGTHS);
  for (int64_t i = 0; i < j->count; ++i) {
    j->length[i] = j->s.steps;
    if (given)
      j->length[i] =
          ((const int32_t *)j->call->in[FB_RNN_LENGTHS])[(j->first + i) * j->p->in[FB_RNN_LENGTHS]->strides[0]];
    if (j->length[i] < 0 || j->length[i] > j->s.steps) return false;
  }
  return true;
}

static bool begin(fb_rnn_job *j, int64_t tile) {
  const fb_rnn_shape *s = &j->s;
  const qe_op_params *params = j->p->params;
  const fb_rnn_scratch to = fb_rnn_scratch_of(j->kind, j->self, s);
  const int64_t n = s->gates * s->hidden, group = tile % s->groups;
  j->direction = tile / s->groups;
  j->first = group * s->batch / s->groups;
  j->count = (group + 1) * s->batch / s->groups - j->first;
  j->backward = j->direction == 1 || params->mode == 1;
  const char *packed = j->call->packed;
  if (!packed) {
    if (!fb_rnn_pack(j->kind, j->self, j->p, j->call, j->direction, at(j, to.packed))) return false;
    packed = at(j, to.packed);
  } else if (j->direction == 1) {
    packed += ((const fb_rnn_index *)(const void *)packed)->size;
  }
  const fb_rnn_index *index = (const void *)packed;
  for (int i = 0; i < FB_RNN_MATRICES; ++i) j->packed[i] = packed + index->at[i];
  const float *bias = row_of(j, FB_RNN_B, 2 * n, at(j, to.bias));
  for (int i = 0; i < FB_RNN_MATRICES; ++i)
    j->bias[i] = bias ? bias + (i == FB_RNN_INPUT ? 0 : n) + s->matrix[i].first : NULL;
  j->cell = (fb_rnn_cell){.n = s->hidden, .clip = params->clip_hi, .variant = params->select_last_index != 0};
  for (int i = 0; i < 3; ++i) {
    const int64_t code = params->perm[3 * j->direction + i];
    j->cell.functions[i] = code == QE_RNN_DEFAULT ? j->kind->op->functions[i] : (int)code;
  }
  if (j->kind->op->cell) j->cell.peephole = row_of(j, FB_RNN_P, 3 * s->hidden, at(j, to.peephole));
  j->length = at(j, to.length);
  j->running = at(j, to.running);
  j->h = at(j, to.h);
  j->c = at(j, to.c);
  j->x = at(j, to.x);
  j->live = at(j, to.live);
  j->reset = at(j, to.reset);
  j->xg = at(j, to.xg);
  j->hg = at(j, to.hg);
  j->product = at(j, to.product);
  return true;
}

/* Which sequences run at a step, and which of their elements that is. */
static void find_running(fb_rnn_job *j, int64_t step) {
  j->rows = 0;
  for (int64_t i = 0; i < j->count; ++i)
    if (j->length[i] > step) j->running[j->rows++] = i;
}
static int64_t time_of(const fb_rnn_job *j, int64_t sequence, int64_t step) {
  return j->backward ? j->length[sequence] - 1 - step : step;
}

static void copy_codes(uint8_t *to, const uint8_t *from, int64_t step, int64_t n) {
  if (step == 1)
    memcpy(to, from, (size_t)n);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * step];
}

/* Do rows of steps before `end` lie one behind another in X? */
static bool lies_dense(const fb_rnn_job *j, int64_t end) {
  const qe_operand *x = j->p->in[FB_RNN_X];
  const int64_t n = j->s.inputs;
  if (j->backward || j->count < j->s.batch || x->strides[2] != 1 || x->strides[j->s.x_batch] != n ||
      x->strides[j->s.x_time] != n * j->s.batch)
    return false;
  for (int64_t i = 0; i < j->count; ++i)
    if (j->length[i] < end) return false;
  return true;
}

/* The inputs of steps [step, end), rows of them one behind another, as X has them. */
static const void *inputs_of(fb_rnn_job *j, int64_t step, int64_t end, int64_t *rows) {
  const qe_operand *x = j->p->in[FB_RNN_X];
  const bool codes = j->kind->maker->codes;
  const int64_t n = j->s.inputs;
  const float *from = j->call->in[FB_RNN_X];
  const uint8_t *from_codes = j->call->in[FB_RNN_X];
  *rows = (end - step) * j->count;
  if (lies_dense(j, end)) {
    const int64_t at = step * j->count * n;
    return codes ? (const void *)(from_codes + at) : from + at;
  }
  for (*rows = 0; step < end; ++step) {
    find_running(j, step);
    for (int64_t i = 0; i < j->rows; ++i, ++*rows) {
      const int64_t offset = time_of(j, j->running[i], step) * x->strides[j->s.x_time] +
                             (j->first + j->running[i]) * x->strides[j->s.x_batch];
      if (codes)
        copy_codes((uint8_t *)j->x + *rows * n, from_codes + offset, x->strides[2], n);
      else
        copy_strided((float *)j->x + *rows * n, from + offset, x->strides[2], n);
    }
  }
  return j->x;
}

static const float *hidden_rows(const fb_rnn_job *j) {
  const int64_t n = j->s.hidden;
  if (j->rows == j->count) return j->h;
  for (int64_t i = 0; i < j->rows; ++i)
    memcpy(j->live + i * n, j->h + j->running[i] * n, sizeof(float) * (size_t)n);
  return j->live;
}

/* H as Y's codes have it, of sequences [first, first + count). */
static void settle(const fb_rnn_job *j, int64_t first, int64_t count) {
  const int64_t n = j->s.hidden;
  j->kind->loops->settle(j->h + first * n, count * n, j->y_scale, j->y_zero);
}

/* A row of Y; h NULL: zeros. */
static void store_row(const fb_rnn_job *j, int64_t sequence, int64_t time, const float *h) {
  const qe_operand *y = j->p->out[0];
  const int64_t n = j->s.hidden, step = y->strides[3];
  const int64_t offset = time * y->strides[j->s.y_time] + j->direction * y->strides[j->s.y_direction] +
                         (j->first + sequence) * y->strides[j->s.y_batch];
  if (!j->kind->maker->codes) {
    float *to = (float *)j->call->out[0] + offset;
    if (h)
      store_strided(to, step, h, n);
    else
      for (int64_t i = 0; i < n; ++i) to[i * step] = 0.0f;
    return;
  }
  uint8_t *to = (uint8_t *)j->call->out[0] + offset;
  const uint8_t flip = y->dtype == QE_DT_I8 ? 0x80 : 0;
  uint8_t codes[256];
  for (int64_t i = 0, some; i < n; i += some) {
    some = fb_min64(n - i, (int64_t)sizeof codes);
    if (h)
      j->kind->loops->quantize(codes, h + i, some, j->y_scale, j->y_zero);
    else
      memset(codes, j->y_zero, (size_t)some);
    for (int64_t k = 0; k < some; ++k) to[(i + k) * step] = codes[k] ^ flip;
  }
}

static void store_output(const fb_rnn_job *j, int64_t step) {
  for (int64_t i = 0; i < j->rows; ++i)
    store_row(j, j->running[i], time_of(j, j->running[i], step), j->h + j->running[i] * j->s.hidden);
}

/* What lies behind the end of a sequence is 0. */
static void clear_output(const fb_rnn_job *j, int64_t sequence) {
  for (int64_t t = j->length[sequence]; t < j->s.steps; ++t) store_row(j, sequence, t, NULL);
}

static void run_tile(fb_rnn_job *j) {
  const bool output = fb_has_out(j->p, 0);
  int64_t longest = 0;
  for (int64_t i = 0; i < j->count; ++i) {
    longest = fb_max64(longest, j->length[i]);
    if (output) clear_output(j, i);
  }
  for (int64_t first = 0, end; first < longest; first = end) {
    end = fb_min64(first + j->s.chunk, longest);
    int64_t rows;
    const void *x = inputs_of(j, first, end, &rows);
    j->kind->maker->multiply(j, FB_RNN_INPUT, x, rows, j->xg);
    const float *xg = j->xg;
    for (int64_t step = first; step < end; ++step) {
      find_running(j, step);
      j->kind->op->step(j, hidden_rows(j), xg);
      if (j->kind->maker->codes)
        for (int64_t i = 0; i < j->rows; ++i) settle(j, j->running[i], 1);
      if (output) store_output(j, step);
      xg += j->rows * j->s.gates * j->s.hidden;
    }
  }
}

int fb_rnn_run(const fb_rnn_kind *kind, void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  fb_rnn_job j = {.kind = kind, .self = self, .call = call, .p = call->problem};
  j.s = fb_rnn_shape_of(kind, j.p);
  for (int64_t tile = tile_begin; tile < tile_end; ++tile) {
    if (!begin(&j, tile) || !load_lengths(&j)) return 1;
    load_states(&j, FB_RNN_H0, j.h);
    if (kind->op->cell) load_states(&j, FB_RNN_C0, j.c);
    if (kind->maker->begin) kind->maker->begin(&j);
    if (kind->maker->codes) settle(&j, 0, j.count);
    run_tile(&j);
    store_states(&j, 1, j.h);
    if (kind->op->cell) store_states(&j, 2, j.c);
  }
  return 0;
}
