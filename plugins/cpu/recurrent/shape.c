/* What LSTM, GRU and RNN ask of their operands, and how their work is cut. */
#include "recurrent/recurrent.h"

#include <math.h>
#include <string.h>

#define GROUP_ROWS 32 /* sequences that share the weights well enough for more to be tiles of their own */
/* Rows of an input product: enough to make little of reading W, whose cost is that of many more sums than fit. */
#define LEAST_ROWS 24
#define MOST_ROWS  192
#define SUMS_BYTES (4 << 20)

fb_rnn_shape fb_rnn_shape_of(const fb_rnn_kind *kind, const qe_problem *p) {
  const bool time_first = p->params->axis == 0;
  const qe_operand *x = p->in[FB_RNN_X];
  fb_rnn_shape s = {.gates = kind->op->gates,
                    .hidden = kind->maker->hidden(p),
                    .directions = p->in[FB_RNN_W]->dims[0],
                    .inputs = x->dims[2],
                    .x_time = !time_first,
                    .x_batch = time_first,
                    .y_time = !time_first,
                    .y_direction = time_first ? 1 : 2,
                    .y_batch = time_first ? 2 : 0,
                    .state_direction = !time_first,
                    .state_batch = time_first};
  s.steps = x->dims[s.x_time];
  s.batch = x->dims[s.x_batch];
  const int64_t n = s.gates * s.hidden;
  const bool split = kind->op->splits && p->params->select_last_index == 0;
  s.matrix[FB_RNN_INPUT] = (fb_rnn_matrix){0, n, s.inputs};
  s.matrix[FB_RNN_GATES] = (fb_rnn_matrix){0, split ? n - s.hidden : n, s.hidden};
  if (split) s.matrix[FB_RNN_LATE] = (fb_rnn_matrix){n - s.hidden, s.hidden, s.hidden};
  s.groups = kind->maker->whole ? 1 : fb_max64(1, fb_ceil_div(s.batch, GROUP_ROWS));
  s.group = fb_ceil_div(s.batch, s.groups);
  const int64_t fit = SUMS_BYTES / (int64_t)sizeof(float) / fb_max64(1, n);
  const int64_t rows = fb_min64(fb_max64(fit, LEAST_ROWS), MOST_ROWS);
  s.chunk = fb_max64(1, fb_min64(rows / fb_max64(1, s.group), s.steps));
  s.rows = s.chunk * s.group;
  return s;
}

static bool is_shape(const qe_operand *o, uint8_t dtype, uint32_t rank, const int64_t *dims) {
  return o->dtype == dtype && o->rank == rank && memcmp(o->dims, dims, sizeof(int64_t) * rank) == 0;
}

int fb_rnn_check(const fb_rnn_kind *kind, const qe_problem *p, char *reason, size_t reason_size) {
  const qe_operand *x = p->in[FB_RNN_X], *w = p->in[FB_RNN_W], *r = p->in[FB_RNN_R];
  if (x->rank != 3 || w->rank != 3 || r->rank != 3)
    return fb_refuse(reason, reason_size, "%s: X, W, R of ranks %u, %u, %u, expected 3", p->op, x->rank, w->rank,
                     r->rank);
  if (p->params->mode > 2 || w->dims[0] != (p->params->mode == 2 ? 2 : 1))
    return fb_refuse(reason, reason_size, "%s: W holds %lld directions, which does not fit direction code %u", p->op,
                     (long long)w->dims[0], p->params->mode);
  if (p->act_lo > -INFINITY || p->act_hi < INFINITY)
    return fb_refuse(reason, reason_size, "%s: a fused activation has no meaning for a recurrent op", p->op);
  const fb_rnn_shape s = fb_rnn_shape_of(kind, p);
  const int64_t h = s.hidden, d = s.directions, n = s.gates * h;
  if ((double)s.group * (double)n > 1e12)
    return fb_refuse(reason, reason_size, "%s: %lld sequences of %lld gates are too large", p->op, (long long)s.group,
                     (long long)n);
  int64_t state[3] = {0, 0, h}, y[4] = {0, 0, 0, h};
  state[s.state_direction] = y[s.y_direction] = d;
  state[s.state_batch] = y[s.y_batch] = s.batch;
  y[s.y_time] = s.steps;
  const struct {
    uint32_t index;
    uint8_t dtype;
    uint32_t rank;
    int64_t dims[3];
  } inputs[] = {
      {FB_RNN_B,       QE_DT_F32, 2, {d, 2 * n, 0}            },
      {FB_RNN_LENGTHS, QE_DT_I32, 1, {s.batch, 0, 0}          },
      {FB_RNN_H0,      QE_DT_F32, 3, {state[0], state[1], h}  },
      {FB_RNN_C0,      QE_DT_F32, 3, {state[0], state[1], h}  },
      {FB_RNN_P,       QE_DT_F32, 2, {d, 3 * h, 0}            }
  };
  const size_t count = sizeof inputs / sizeof inputs[0] - (kind->op->cell ? 0 : 2);
  for (size_t i = 0; i < count; ++i)
    if (fb_has_in(p, inputs[i].index) &&
        !is_shape(p->in[inputs[i].index], inputs[i].dtype, inputs[i].rank, inputs[i].dims))
      return fb_refuse(reason, reason_size, "%s: input %u does not have the type and shape that X, W and R ask for",
                       p->op, inputs[i].index);
  const uint8_t y_type = kind->maker->codes && fb_has_out(p, 0) ? p->out[0]->dtype : QE_DT_F32;
  for (uint32_t i = 0; i < 3; ++i)
    if (fb_has_out(p, i) &&
        !(i == 0 ? is_shape(p->out[0], y_type, 4, y) : is_shape(p->out[i], QE_DT_F32, 3, state)))
      return fb_refuse(reason, reason_size, "%s: output %u does not have the type and shape that X, W and R ask for",
                       p->op, i);
  for (int i = 0; i < 6; ++i)
    if (p->params->perm[i] < QE_RNN_DEFAULT || p->params->perm[i] > QE_RNN_RELU)
      return fb_refuse(reason, reason_size, "%s: activation code %lld, expected 0 to 3", p->op,
                       (long long)p->params->perm[i]);
  return 1;
}
