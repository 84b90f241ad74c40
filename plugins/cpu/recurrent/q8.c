/*
 * Rows times W and R in codes. The dynamic ops quantize rows as they arrive, with the parameters of
 * DynamicQuantizeLinear of all of X, or of H of all sequences, those that are over included; the others have codes in
 * X, and the parameters of Y for H.
 */
#include "recurrent/q8.h"

#include <math.h>

#include "codes/dynamic_quantize.h"
#include "q8/product.h"

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
  const fb_q8_core *cores[] = {kind->core, kind->many};
  q8_space s = {0};
  s.codes = take(&s.size, rows * m->k, 1);
  s.rows = take(&s.size, rows, sizeof(uint8_t *));
  s.row_sums = take(&s.size, rows, sizeof(int32_t));
  s.bias = take(&s.size, m->n, sizeof(int32_t));
  s.m = take(&s.size, m->n, sizeof(float));
  s.core = s.size;
  uint64_t most = 0;
  for (int i = 0; i < 2; ++i) {
    const uint64_t size = cores[i]->scratch_size(fb_min64(rows, cores[i]->rows), m->n, 1, m->k);
    most = size > most ? size : most;
  }
  s.size += most;
  return s;
}

static uint64_t scratch_size(const fb_rnn_kind *kind, void *self, const fb_rnn_matrix *m, int64_t rows) {
  (void)self;
  return space_of(kind, m, rows).size;
}

/* The parameters of all of X. */
static void begin_dynamic(fb_rnn_job *j) {
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

/* Rows as they are multiplied: where they are, what turns them into uint8 codes, and the parameters of these. */
typedef struct q8_rows {
  const uint8_t *codes;
  uint8_t flip;
  float scale;
  int32_t zero;
} q8_rows;

static q8_rows rows_of(const fb_rnn_job *j, int which, const float *x, int64_t count, uint8_t *codes) {
  const bool fixed = j->kind->maker->codes, inputs = which == FB_RNN_INPUT;
  q8_rows r = {codes, 0, j->x_scale, j->x_zero};
  if (fixed && inputs) {
    r.codes = (const void *)x;
    r.flip = j->p->in[FB_RNN_X]->dtype == QE_DT_I8 ? 0x80 : 0;
    return r;
  }
  if (fixed) {
    r.scale = j->y_scale;
    r.zero = j->y_zero;
  } else if (!inputs) {
    float lo = 0.0f, hi = 0.0f;
    if (which == FB_RNN_GATES)
      j->kind->loops->range(j->h, j->count * j->s.hidden, &lo, &hi);
    else
      j->kind->loops->range(x, count, &lo, &hi);
    r.scale = fb_dynamic_params(lo, hi, &r.zero);
  }
  j->kind->loops->quantize(codes, x, count, r.scale, r.zero);
  return r;
}

static void multiply(const fb_rnn_job *j, int which, const float *x, int64_t rows, float *y) {
  const fb_rnn_matrix *m = &j->s.matrix[which];
  const q8_space at = space_of(j->kind, m, which == FB_RNN_INPUT ? j->s.rows : j->s.group);
  char *space = j->product;
  const q8_rows from = rows_of(j, which, x, rows * m->k, (uint8_t *)space + at.codes);
  const fb_rnn_packed *packed = (const void *)j->packed[which];
  const fb_q8_core *core = packed->many ? j->kind->many : j->kind->core;
  const fb_rnn_columns columns = fb_rnn_columns_of(packed, m->n);
  int32_t *bias = (void *)(space + at.bias), *row_sums = (void *)(space + at.row_sums);
  float *multipliers = (void *)(space + at.m);
  j->kind->loops->columns(bias, multipliers, columns.sums, columns.scales, m->n, from.scale, from.zero);
  const uint8_t **row = (void *)(space + at.rows);
  for (int64_t r = 0; r < rows; ++r) row[r] = from.codes + r * m->k;
  if (packed->has_zeros) {
    fb_q8_row_sums(row, rows, 1, m->k, from.flip, row_sums);
    for (int64_t r = 0; r < rows; ++r) row_sums[r] -= (int32_t)((uint32_t)m->k * (uint32_t)from.zero);
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
                           .flip = from.flip,
                           .x_step = m->k,
                           .row_sum = packed->has_zeros ? row_sums + first : NULL,
                           .packed = columns.core,
                           .n = m->n,
                           .n1 = m->n,
                           .finish = &finish,
                           .y = y + first * step,
                           .y_step = step,
                           .scratch = space + at.core,
                           .l1d = fb_l1d(fb_cpu(j->self))};
    core->block(&b);
  }
}

/* Parameters of codes as of uint8 ones. */
static void begin_fixed(fb_rnn_job *j) {
  const qe_operand *x = j->p->in[FB_RNN_X], *y = j->p->out[0];
  j->x_scale = x->scales[0];
  j->x_zero = x->zero_points[0] + (x->dtype == QE_DT_I8 ? 128 : 0);
  j->y_scale = y->scales[0];
  j->y_zero = y->zero_points[0] + (y->dtype == QE_DT_I8 ? 128 : 0);
}

static int64_t hidden_dynamic(const qe_problem *p) { return fb_rnn_q8_hidden(p, false); }
static int64_t hidden_fixed(const qe_problem *p) { return fb_rnn_q8_hidden(p, true); }

const fb_rnn_maker fb_rnn_dynamic = {.whole = true,
                                     .hidden = hidden_dynamic,
                                     .supports = fb_rnn_q8_supports,
                                     .packed_size = fb_rnn_q8_packed_size,
                                     .scratch_size = scratch_size,
                                     .constant = fb_rnn_q8_constant,
                                     .pack = fb_rnn_q8_pack,
                                     .begin = begin_dynamic,
                                     .multiply = multiply};
const fb_rnn_maker fb_rnn_codes = {.codes = true,
                                   .hidden = hidden_fixed,
                                   .supports = fb_rnn_q8_supports,
                                   .packed_size = fb_rnn_q8_packed_size,
                                   .scratch_size = scratch_size,
                                   .constant = fb_rnn_q8_constant,
                                   .pack = fb_rnn_q8_pack,
                                   .begin = begin_fixed,
                                   .multiply = multiply};
