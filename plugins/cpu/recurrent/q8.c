/*
 * Products of the dynamic recurrent ops, by the cores of q8/core.h: rows are quantized as they arrive, with the
 * parameters of DynamicQuantizeLinear of all of X, or of H of all sequences, those that are over included. W is
 * [directions, inputs, gates * hidden], R [directions, hidden, gates * hidden].
 *
 * A packed matrix: q8_packed, then for its columns the sums of codes, zero points (as core.h wants both) and scales,
 * then what the core packs.
 */
#include "codes/dynamic_quantize.h"
#include "q8/product.h"
#include "recurrent/recurrent.h"

#include <math.h>

typedef struct q8_packed {
  int64_t has_zeros; /* a zero point other than 0 */
  int64_t reserved[7];
} q8_packed;

/* Arrays of a packed matrix, per column. */
typedef struct q8_columns {
  int32_t *sums, *zeros;
  float *scales;
  void *core;
} q8_columns;

static q8_columns columns_of(const void *packed, int64_t n) {
  const int64_t step = fb_round_up(n, 16);
  int32_t *words = (int32_t *)(uintptr_t)((const q8_packed *)packed + 1); /* readers keep it const */
  return (q8_columns){words, words + step, (float *)(void *)(words + 2 * step), words + 3 * step};
}

static const fb_q8_core *core_of(const fb_rnn_kind *kind) { return kind->core; }

static int64_t hidden(const qe_problem *p) { return p->in[FB_RNN_R]->dims[1]; }

/* Inputs of W or R and of its parameters. */
typedef struct q8_inputs {
  uint32_t codes, scale, zero;
} q8_inputs;

static q8_inputs inputs_of(const fb_rnn_kind *kind, bool of_w) {
  const uint32_t first = kind->op->cell ? FB_RNN_P + 1 : FB_RNN_H0 + 1;
  return of_w ? (q8_inputs){FB_RNN_W, first, first + 1} : (q8_inputs){FB_RNN_R, first + 2, first + 3};
}

static bool is_parameter(const qe_problem *p, uint32_t input, uint8_t dtype, const fb_rnn_shape *s) {
  if (!fb_has_in(p, input)) return false;
  const qe_operand *o = p->in[input];
  return o->dtype == dtype && o->rank >= 1 && o->rank <= 2 && o->dims[0] == s->directions &&
         (o->rank == 1 || o->dims[1] == s->gates * s->hidden);
}

static bool constant(const fb_rnn_kind *kind, const qe_problem *p) {
  for (int i = 0; i < 2; ++i) {
    const q8_inputs in = inputs_of(kind, i == 0);
    if (!p->in[in.codes]->data || !p->in[in.scale]->data || !p->in[in.zero]->data) return false;
  }
  return true;
}

static int supports(const fb_rnn_kind *kind, const qe_problem *p, char *reason, size_t reason_size) {
  const fb_rnn_shape s = fb_rnn_shape_of(kind, p);
  for (int i = 0; i < 2; ++i) {
    const q8_inputs in = inputs_of(kind, i == 0);
    const qe_operand *o = p->in[in.codes];
    if (!fb_is_code8(o) || o->dims[0] != s.directions || o->dims[1] != (i == 0 ? s.inputs : s.hidden) ||
        o->dims[2] != s.gates * s.hidden)
      return fb_refuse(reason, reason_size, "%s: W and R do not have the types and shapes that X and R ask for", p->op);
    if (!is_parameter(p, in.scale, QE_DT_F32, &s) || !is_parameter(p, in.zero, o->dtype, &s))
      return fb_refuse(reason, reason_size,
                       "%s: scales and zero points do not fit: one for each direction, or for each of its columns",
                       p->op);
    if (!constant(kind, p) && fb_max64(s.inputs, s.hidden) > INT32_MAX / (255 * 255))
      return fb_refuse(reason, reason_size, "%s: a sum of %lld products of codes could reach 2^31", p->op,
                       (long long)fb_max64(s.inputs, s.hidden));
  }
  return 1;
}

/* -- packed weights ------------------------------------------------------------------------------------------------ */

static fb_q8_weight weight_of(const qe_operand *o, const fb_rnn_matrix *m, const void *codes) {
  return (fb_q8_weight){.data = codes,
                        .flip = o && o->dtype == QE_DT_U8 ? 0x80 : 0,
                        .n = m->n,
                        .taps = 1,
                        .kc = m->k,
                        .step_n = o ? o->strides[2] : 1,
                        .step_c = o ? o->strides[1] : 1};
}

static uint64_t packed_size(const fb_rnn_kind *kind, const fb_rnn_matrix *m) {
  const fb_q8_weight w = weight_of(NULL, m, NULL);
  return sizeof(q8_packed) + 3 * sizeof(float) * (uint64_t)fb_round_up(m->n, 16) + core_of(kind)->packed_size(&w);
}

/* Where the parameter of a column is. */
static int64_t parameter_at(const qe_operand *o, int64_t direction, int64_t column) {
  return direction * o->strides[0] + (o->rank > 1 ? column * o->strides[1] : 0);
}

static void pack(const fb_rnn_kind *kind, const qe_problem *p, const qe_call *call, int which, int64_t direction,
                 void *packed) {
  const fb_rnn_matrix m = fb_rnn_shape_of(kind, p).matrix[which];
  const q8_inputs in = inputs_of(kind, which == FB_RNN_INPUT);
  const qe_operand *o = p->in[in.codes], *scale = p->in[in.scale], *zero = p->in[in.zero];
  const uint8_t *codes = fb_rnn_data(p, call, in.codes), *zeros = fb_rnn_data(p, call, in.zero);
  const float *scales = fb_rnn_data(p, call, in.scale);
  const q8_columns columns = columns_of(packed, m.n);
  const fb_q8_weight w = weight_of(o, &m, codes + direction * o->strides[0] + m.first * o->strides[2]);
  core_of(kind)->pack(&w, columns.core, columns.sums);
  q8_packed *head = packed;
  *head = (q8_packed){0};
  for (int64_t n = 0; n < m.n; ++n) {
    columns.scales[n] = scales[parameter_at(scale, direction, m.first + n)];
    columns.zeros[n] = (int8_t)(zeros[parameter_at(zero, direction, m.first + n)] ^ w.flip);
    head->has_zeros |= columns.zeros[n] != 0;
  }
}

/* -- multiplying --------------------------------------------------------------------------------------------------- */

/* In scratch. */
typedef struct q8_space {
  uint64_t codes, rows, row_sums, bias, m, core, size;
} q8_space;

static uint64_t take(uint64_t *size, int64_t count, size_t element) {
  const uint64_t at = *size;
  *size += ((uint64_t)count * element + 63) / 64 * 64;
  return at;
}

static q8_space space_of(const fb_rnn_kind *kind, const fb_rnn_matrix *m, int64_t rows) {
  const fb_q8_core *core = core_of(kind);
  q8_space s = {0};
  s.codes = take(&s.size, rows * m->k, 1);
  s.rows = take(&s.size, rows, sizeof(uint8_t *));
  s.row_sums = take(&s.size, rows, sizeof(int32_t));
  s.bias = take(&s.size, m->n, sizeof(int32_t));
  s.m = take(&s.size, m->n, sizeof(float));
  s.core = s.size;
  s.size += core->scratch_size(fb_min64(rows, core->rows), m->n, 1, m->k);
  return s;
}

static uint64_t scratch_size(const fb_rnn_kind *kind, void *self, const fb_rnn_matrix *m, int64_t rows) {
  (void)self;
  return space_of(kind, m, rows).size;
}

/* The parameters of all of X. */
static void begin(fb_rnn_job *j) {
  const qe_operand *x = j->p->in[FB_RNN_X];
  const float *from = j->call->in[FB_RNN_X];
  float lo = 0.0f, hi = 0.0f;
  const bool dense = x->strides[2] == 1 && x->strides[j->s.x_batch] == j->s.inputs &&
                     x->strides[j->s.x_time] == j->s.inputs * j->s.batch;
  if (dense) {
    j->kind->loops->range(from, x->count, &lo, &hi);
  } else {
    for (int64_t a = 0; a < x->dims[0]; ++a)
      for (int64_t b = 0; b < x->dims[1]; ++b) {
        const float *row = from + a * x->strides[0] + b * x->strides[1];
        if (x->strides[2] == 1) {
          j->kind->loops->range(row, x->dims[2], &lo, &hi);
          continue;
        }
        for (int64_t c = 0; c < x->dims[2]; ++c) {
          const float v = row[c * x->strides[2]];
          lo = v < lo ? v : lo;
          hi = v > hi ? v : hi;
        }
      }
  }
  j->x_scale = fb_dynamic_params(lo, hi, &j->x_zero);
}

static void multiply(const fb_rnn_job *j, int which, const float *x, int64_t rows, float *y) {
  const fb_rnn_matrix *m = &j->s.matrix[which];
  const fb_q8_core *core = core_of(j->kind);
  const q8_space at = space_of(j->kind, m, which == FB_RNN_INPUT ? j->s.rows : j->s.group);
  char *space = j->product;
  uint8_t *codes = (uint8_t *)space + at.codes;
  float scale = j->x_scale;
  int32_t zero = j->x_zero;
  if (which != FB_RNN_INPUT) {
    float lo = 0.0f, hi = 0.0f;
    if (which == FB_RNN_GATES)
      j->kind->loops->range(j->h, j->count * m->k, &lo, &hi);
    else
      j->kind->loops->range(x, rows * m->k, &lo, &hi);
    scale = fb_dynamic_params(lo, hi, &zero);
  }
  j->kind->loops->quantize(codes, x, rows * m->k, scale, zero);
  const q8_packed *packed = (const void *)j->packed[which];
  const q8_columns columns = columns_of(packed, m->n);
  int32_t *bias = (void *)(space + at.bias), *row_sums = (void *)(space + at.row_sums);
  float *multipliers = (void *)(space + at.m);
  j->kind->loops->columns(bias, multipliers, columns.sums, columns.scales, m->n, scale, zero);
  const uint8_t **row = (void *)(space + at.rows);
  for (int64_t r = 0; r < rows; ++r) row[r] = codes + r * m->k;
  if (packed->has_zeros) {
    fb_q8_row_sums(row, rows, 1, m->k, 0, row_sums);
    for (int64_t r = 0; r < rows; ++r) row_sums[r] -= (int32_t)((uint32_t)m->k * (uint32_t)zero);
  }
  const fb_q8_finish finish = {.to = FB_Q8_REAL,
                               .bias = bias,
                               .m = multipliers,
                               .real_bias = j->bias[which],
                               .col_zero = packed->has_zeros ? columns.zeros : NULL,
                               .act_lo = -INFINITY,
                               .act_hi = INFINITY};
  const int64_t step = j->s.gates * j->s.hidden, blocks = fb_ceil_div(rows, core->rows);
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t first = i * rows / blocks, end = (i + 1) * rows / blocks;
    const fb_q8_block b = {.x = row + first,
                           .rows = end - first,
                           .taps = 1,
                           .kc = m->k,
                           .x_step = m->k,
                           .row_sum = packed->has_zeros ? row_sums + first : NULL,
                           .packed = columns.core,
                           .n = m->n,
                           .n1 = m->n,
                           .finish = &finish,
                           .y = y + first * step,
                           .y_step = step,
                           .scratch = space + at.core};
    core->block(&b);
  }
}

const fb_rnn_maker fb_rnn_q8 = {.whole = true,
                                .hidden = hidden,
                                .supports = supports,
                                .packed_size = packed_size,
                                .scratch_size = scratch_size,
                                .constant = constant,
                                .pack = pack,
                                .begin = begin,
                                .multiply = multiply};
