/*
 * W and R of the recurrent ops over codes. On codes: [directions, gates * hidden, k], parameters in the operand, one
 * pair or one per row. Dynamic: [directions, k, gates * hidden], parameters as inputs, one pair per direction, or one
 * per direction and column.
 */
#include "recurrent/q8.h"

enum { COPY_COLUMNS = 16 }; /* that are copied side by side: lines of memory that are written to at a time */

/* The dimension of W and R that the gates run along. */
static int gate_dim(const fb_rnn_kind *kind) { return kind->maker->codes ? 1 : 2; }

int64_t fb_rnn_q8_hidden(const qe_problem *p, bool codes) { return p->in[FB_RNN_R]->dims[codes ? 2 : 1]; }

/* Inputs of W or R and of its parameters; 0: there are none. */
typedef struct q8_inputs {
  uint32_t codes, scale, zero;
} q8_inputs;

static q8_inputs inputs_of(const fb_rnn_kind *kind, bool of_w) {
  const uint32_t first = kind->op->cell ? FB_RNN_P + 1 : FB_RNN_H0 + 1;
  if (kind->maker->codes) return (q8_inputs){of_w ? FB_RNN_W : FB_RNN_R, 0, 0};
  return of_w ? (q8_inputs){FB_RNN_W, first, first + 1} : (q8_inputs){FB_RNN_R, first + 2, first + 3};
}

static bool is_parameter(const qe_problem *p, uint32_t input, uint8_t dtype, const fb_rnn_shape *s) {
  if (!fb_has_in(p, input)) return false;
  const qe_operand *o = p->in[input];
  return o->dtype == dtype && o->rank >= 1 && o->rank <= 2 && o->dims[0] == s->directions &&
         (o->rank == 1 || o->dims[1] == s->gates * s->hidden);
}

bool fb_rnn_q8_constant(const fb_rnn_kind *kind, const qe_problem *p) {
  for (int i = 0; i < 2; ++i) {
    const q8_inputs in = inputs_of(kind, i == 0);
    if (!p->in[in.codes]->data) return false;
    if (in.scale && (!p->in[in.scale]->data || !p->in[in.zero]->data)) return false;
  }
  return true;
}

static bool has_parameters(const qe_problem *p, const q8_inputs *in, const fb_rnn_shape *s) {
  const qe_operand *o = p->in[in->codes];
  if (in->scale) return is_parameter(p, in->scale, QE_DT_F32, s) && is_parameter(p, in->zero, o->dtype, s);
  return o->q_count == 1 || (o->q_axis == 1 && (int64_t)o->q_count == s->gates * s->hidden);
}

int fb_rnn_q8_supports(const fb_rnn_kind *kind, const qe_problem *p, char *reason, size_t reason_size) {
  const fb_rnn_shape s = fb_rnn_shape_of(kind, p);
  const int gates = gate_dim(kind);
  if (kind->maker->codes && (!fb_is_code8(p->in[FB_RNN_X]) || p->in[FB_RNN_X]->q_count != 1 || !fb_has_out(p, 0) ||
                             !fb_is_code8(p->out[0]) || p->out[0]->q_count != 1))
    return fb_refuse(reason, reason_size, "%s: X and Y, expected uint8 or int8 with one pair of parameters", p->op);
  for (int i = 0; i < 2; ++i) {
    const q8_inputs in = inputs_of(kind, i == 0);
    const qe_operand *o = p->in[in.codes];
    if (!fb_is_code8(o) || o->dims[0] != s.directions || o->dims[3 - gates] != (i == 0 ? s.inputs : s.hidden) ||
        o->dims[gates] != s.gates * s.hidden)
      return fb_refuse(reason, reason_size, "%s: W and R do not have the types and shapes that X and R ask for",
                       p->op);
    if (!has_parameters(p, &in, &s))
      return fb_refuse(reason, reason_size, "%s: parameters of W and R do not fit: one, or one per gate row", p->op);
    if (!fb_rnn_q8_constant(kind, p) && fb_max64(s.inputs, s.hidden) > INT32_MAX / (255 * 255))
      return fb_refuse(reason, reason_size, "%s: a sum of %lld products of codes could reach 2^31", p->op,
                       (long long)fb_max64(s.inputs, s.hidden));
  }
  return 1;
}

/* Where the parameter of a column is. */
static int64_t parameter_at(const qe_operand *o, int64_t direction, int64_t column) {
  return direction * o->strides[0] + (o->rank > 1 ? column * o->strides[1] : 0);
}

/* Scales, and zero points as int8 codes have them, of columns [first, first + n). */
static void load_parameters(const qe_problem *p, const qe_call *call, const q8_inputs *in, int64_t direction,
                            int64_t first, int64_t n, uint8_t flip, const fb_rnn_columns *to) {
  const qe_operand *o = p->in[in->codes];
  for (int64_t i = 0; i < n; ++i) {
    if (in->scale) {
      const qe_operand *scale = p->in[in->scale], *zero = p->in[in->zero];
      to->scales[i] = ((const float *)fb_rnn_data(p, call, in->scale))[parameter_at(scale, direction, first + i)];
      const uint8_t z = ((const uint8_t *)fb_rnn_data(p, call, in->zero))[parameter_at(zero, direction, first + i)];
      to->zeros[i] = (int8_t)(z ^ flip);
    } else {
      const int64_t at = o->q_count > 1 ? first + i : 0;
      to->scales[i] = o->scales[at];
      to->zeros[i] = o->zero_points[at] - flip;
    }
  }
}

/* -- packing ------------------------------------------------------------------------------------------------------- */

/* A matrix of a direction, what packs it, and what that takes. */
typedef struct q8_matrix {
  fb_rnn_matrix at;
  bool many;
  const fb_q8_core *core;
  fb_q8_weight w;
  uint8_t *copy; /* of its codes, from the host, or NULL */
  uint64_t size; /* packed */
} q8_matrix;

/* Codes as cores that take constants only want them: column by column. */
static uint8_t *copy_codes(const qe_host *host, fb_q8_weight *w) {
  uint8_t *copy = host->alloc(host->ctx, (size_t)fb_max64(1, w->n * w->kc), 64);
  if (!copy) {
    host->error(host->ctx, "no memory to pack a weight");
    return NULL;
  }
  for (int64_t n = 0; n < w->n; n += COPY_COLUMNS) {
    const int64_t columns = fb_min64(COPY_COLUMNS, w->n - n);
    for (int64_t k = 0; k < w->kc; ++k)
      for (int64_t i = n; i < n + columns; ++i) copy[i * w->kc + k] = w->data[i * w->step_n + k * w->step_c];
  }
  w->data = copy;
  w->step_n = w->kc;
  w->step_c = 1;
  return copy;
}

static void close_matrix(void *self, const q8_matrix *m) {
  const qe_host *host = ((const fb_self *)self)->host;
  if (m->copy) host->free(host->ctx, m->copy);
}

/* call NULL: of constants, or, where there are none, for its size. */
static bool open_matrix(const fb_rnn_kind *kind, void *self, const qe_problem *p, const qe_call *call, int which,
                        int64_t direction, q8_matrix *m) {
  const fb_rnn_shape s = fb_rnn_shape_of(kind, p);
  const qe_operand *o = p->in[inputs_of(kind, which == FB_RNN_INPUT).codes];
  const int gates = gate_dim(kind);
  const uint8_t *codes = fb_rnn_data(p, call, which == FB_RNN_INPUT ? FB_RNN_W : FB_RNN_R);
  const int64_t rows = which == FB_RNN_INPUT ? s.rows : s.group;
  *m = (q8_matrix){.at = s.matrix[which]};
  m->many = rows >= ((const fb_q8_core *)kind->many)->fewest && fb_rnn_q8_constant(kind, p);
  m->core = m->many ? kind->many : kind->core;
  m->w = (fb_q8_weight){
      .data = codes ? codes + direction * o->strides[0] + m->at.first * o->strides[gates] : NULL,
      .flip = o->dtype == QE_DT_U8 ? 0x80 : 0,
      .n = m->at.n,
      .taps = 1,
      .kc = m->at.k,
      .step_n = o->strides[gates],
      .step_c = o->strides[3 - gates]};
  if (!m->core->dynamic && !(m->copy = copy_codes(((const fb_self *)self)->host, &m->w))) return false;
  m->size = sizeof(fb_rnn_packed) + 3 * sizeof(float) * (uint64_t)fb_round_up(m->w.n, 16) + m->core->packed_size(&m->w);
  return true;
}

bool fb_rnn_q8_packed_size(const fb_rnn_kind *kind, void *self, const qe_problem *p, int which, int64_t direction,
                           uint64_t *size) {
  q8_matrix m;
  if (!open_matrix(kind, self, p, NULL, which, direction, &m)) return false;
  *size = m.size;
  close_matrix(self, &m);
  return true;
}

bool fb_rnn_q8_pack(const fb_rnn_kind *kind, void *self, const qe_problem *p, const qe_call *call, int which,
                    int64_t direction, void *packed, uint64_t *size) {
  q8_matrix m;
  if (!open_matrix(kind, self, p, call, which, direction, &m)) return false;
  const q8_inputs in = inputs_of(kind, which == FB_RNN_INPUT);
  const fb_rnn_columns columns = fb_rnn_columns_of(packed, m.w.n);
  m.core->pack(&m.w, columns.core, columns.sums);
  load_parameters(p, call, &in, direction, m.at.first, m.w.n, m.w.flip, &columns);
  fb_rnn_packed *head = packed;
  *head = (fb_rnn_packed){.many = m.many};
  for (int64_t n = 0; n < m.w.n; ++n) head->has_zeros |= columns.zeros[n] != 0;
  *size = m.size;
  close_matrix(self, &m);
  return true;
}
