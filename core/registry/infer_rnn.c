/* Recurrent layers: LSTM, GRU, RNN in ONNX layouts, and their dynamically quantized kin. */
#include <string.h>

#include "registry/infer.h"

typedef struct sizes {
  int64_t steps, batch, inputs, hidden, directions, gates;
  bool batch_first;
  bool dynamic; /* W and R are codes, with the gates along the last dimension */
} sizes;

static bool is_lstm(uint16_t op) { return op == QE__OP_LSTM || op == QE__OP_DynamicQuantizeLSTM; }
static bool is_gru(uint16_t op) { return op == QE__OP_GRU || op == QE__OP_DynamicQuantizeGRU; }
static bool is_dynamic(uint16_t op) {
  return op == QE__OP_DynamicQuantizeLSTM || op == QE__OP_DynamicQuantizeGRU || op == QE__OP_DynamicQuantizeRNN;
}

/* Names of activations, per direction, into perm (docs/kernels.md). */
static qe_status_t read_activations(qe__infer_ctx *c, const sizes *s) {
  static const char *const names[] = {"", "Tanh", "Sigmoid", "Relu"}; /* by QE_RNN_* */
  const uint16_t op = c->node->op->id;
  const size_t per_direction = is_lstm(op) ? 3 : is_gru(op) ? 2 : 1;
  const qe__attr *a = qe__node_attr(c->node, "activations");
  if (a == NULL) return QE_OK;
  if (a->kind != QE__ATTR_STRINGS || a->count != per_direction * (size_t)s->directions) {
    return qe__fail(QE_ERROR_FORMAT, "attribute 'activations' does not hold %llu names per direction",
                    (unsigned long long)per_direction);
  }
  for (size_t i = 0; i < a->count; i++) {
    int64_t *slot = &c->params->perm[3 * (i / per_direction) + i % per_direction];
    for (int64_t k = QE_RNN_TANH; k <= QE_RNN_RELU; k++) {
      if (strcmp(a->strings[i], names[k]) == 0) *slot = k;
    }
    if (*slot == QE_RNN_DEFAULT) {
      return qe__fail(QE_ERROR_UNSUPPORTED, "activation '%.40s' is not supported; Tanh, Sigmoid and Relu are",
                      a->strings[i]);
    }
  }
  return QE_OK;
}

static qe_status_t read_attributes(qe__infer_ctx *c, sizes *s) {
  static const char *const directions[] = {"forward", "reverse", "bidirectional", NULL};
  bool variant;
  QE_TRY(qe__attr_choice(c, "direction", directions, 0, &c->params->mode));
  s->directions = c->params->mode == 2 ? 2 : 1;
  QE_TRY(qe__attr_flag(c, "layout", false, &s->batch_first));
  QE_TRY(qe__attr_flag(c, is_gru(c->node->op->id) ? "linear_before_reset" : "input_forget", false, &variant));
  QE_TRY(qe__attr_float(c, "clip", c->params->clip_hi, &c->params->clip_hi));
  if (!(c->params->clip_hi > 0.0f)) {
    return qe__fail(QE_ERROR_NUMERIC, "attribute 'clip' is %g; a positive number was expected",
                    (double)c->params->clip_hi);
  }
  c->params->axis = s->batch_first;
  c->params->select_last_index = variant;
  return read_activations(c, s);
}

/* Input i, when given, has this shape. */
static qe_status_t need_shape(const qe__infer_ctx *c, uint32_t i, const char *what, uint32_t rank, int64_t d0,
                              int64_t d1, int64_t d2) {
  if (!qe__has(c, i)) return QE_OK;
  const int64_t want[3] = {d0, d1, d2};
  bool same = c->in[i].rank == rank;
  for (uint32_t d = 0; same && d < rank; d++) same = c->in[i].dims[d] == want[d];
  if (same) return QE_OK;
  char found[200], expected[200];
  return qe__fail(QE_ERROR_SHAPE, "input %u (%s) has shape %s; %s was expected", (unsigned)i, what,
                  qe__in_text(c, i, found, sizeof found), qe__dims_text(rank, want, expected, sizeof expected));
}

/* W, R and their parameters: codes of one type, scales, zero points of the codes' type and the scales' shape. */
static qe_status_t check_codes(const qe__infer_ctx *c, const sizes *s, int64_t rows) {
  static const char *const what[4] = {"W_scale", "W_zero_point", "R_scale", "R_zero_point"};
  const uint32_t first = is_lstm(c->node->op->id) ? 8 : 6;
  QE_TRY(qe__need_type(c, 0, QE__T(FLOAT32)));
  QE_TRY(qe__need_type(c, 1, QE__T_BYTE));
  if (c->in[2].dtype != c->in[1].dtype) {
    return qe__fail(QE_ERROR_DTYPE, "input 2 (R) is %s but input 1 (W) is %s; they must have one type",
                    qe_dtype_name(c->in[2].dtype), qe_dtype_name(c->in[1].dtype));
  }
  for (uint32_t k = 0; k < 4; k++) {
    const uint32_t i = first + k;
    const qe_dtype_t dtype = k % 2 == 0 ? QE_FLOAT32 : c->in[1].dtype;
    if (!qe__has(c, i)) return qe__fail(QE_ERROR_FORMAT, "input %u (%s) is missing", (unsigned)i, what[k]);
    if (c->in[i].dtype != dtype) {
      return qe__fail(QE_ERROR_DTYPE, "input %u (%s) is %s; %s was expected", (unsigned)i, what[k],
                      qe_dtype_name(c->in[i].dtype), qe_dtype_name(dtype));
    }
    const uint32_t rank = c->in[k % 2 == 0 ? i : i - 1].rank; /* a zero point has its scale's shape */
    QE_TRY(need_shape(c, i, what[k], rank == 2 ? 2 : 1, s->directions, rows, 0));
  }
  return QE_OK;
}

static qe_status_t check_inputs(qe__infer_ctx *c, const sizes *s) {
  int64_t rows, bias, peepholes;
  QE_TRY(qe__dim_mul(s->gates, s->hidden, &rows));
  QE_TRY(qe__dim_mul(2, rows, &bias));
  QE_TRY(qe__dim_mul(3, s->hidden, &peepholes));
  const bool d = s->dynamic, lstm = is_lstm(c->node->op->id);
  QE_TRY(need_shape(c, 1, "W", 3, s->directions, d ? s->inputs : rows, d ? rows : s->inputs));
  QE_TRY(need_shape(c, 2, "R", 3, s->directions, d ? s->hidden : rows, d ? rows : s->hidden));
  QE_TRY(need_shape(c, 3, "B", 2, s->directions, bias, 0));
  QE_TRY(need_shape(c, 4, "sequence_lens", 1, s->batch, 0, 0));
  for (uint32_t i = 5; i < (lstm ? 7u : 6u); i++) {
    const char *what = i == 5 ? "initial_h" : "initial_c";
    QE_TRY(s->batch_first ? need_shape(c, i, what, 3, s->batch, s->directions, s->hidden)
                          : need_shape(c, i, what, 3, s->directions, s->batch, s->hidden));
  }
  if (lstm) QE_TRY(need_shape(c, 7, "P", 2, s->directions, peepholes, 0));
  QE_TRY(qe__need_type(c, 0, QE__T_FLOAT));
  if (d) QE_TRY(check_codes(c, s, rows));
  for (uint32_t i = d ? 3 : 1; i < c->n_in && i < (lstm ? 8u : 6u); i++) {
    if (i != 4 && qe__has(c, i)) QE_TRY(qe__need_same_type(c, i));
  }
  if (qe__has(c, 4) && c->in[4].dtype != QE_INT32) {
    return qe__fail(QE_ERROR_DTYPE, "input 4 (sequence_lens) is %s; int32 was expected", qe_dtype_name(c->in[4].dtype));
  }
  return QE_OK;
}

qe_status_t qe__infer_rnn(qe__infer_ctx *c) {
  const uint16_t op = c->node->op->id;
  sizes s = {.gates = is_lstm(op) ? 4 : is_gru(op) ? 3 : 1, .dynamic = is_dynamic(op)};
  int64_t hidden;
  QE_TRY(qe__need_rank(c, 0, 3, 3));
  QE_TRY(qe__need_rank(c, 1, 3, 3));
  QE_TRY(qe__need_rank(c, 2, 3, 3));
  QE_TRY(read_attributes(c, &s));
  s.steps = c->in[0].dims[s.batch_first ? 1 : 0];
  s.batch = c->in[0].dims[s.batch_first ? 0 : 1];
  s.inputs = c->in[0].dims[2];
  s.hidden = c->in[2].dims[s.dynamic ? 1 : 2];
  QE_TRY(qe__attr_int(c, "hidden_size", s.hidden, &hidden));
  if (hidden != s.hidden || hidden < 1) {
    return qe__fail(QE_ERROR_SHAPE, "attribute 'hidden_size' is %lld but R has %lld %s", (long long)hidden,
                    (long long)s.hidden, s.dynamic ? "rows" : "columns");
  }
  QE_TRY(check_inputs(c, &s));
  const int64_t y[4] = {s.batch_first ? s.batch : s.steps, s.batch_first ? s.steps : s.directions,
                        s.batch_first ? s.directions : s.batch, s.hidden};
  const int64_t last[3] = {s.batch_first ? s.batch : s.directions, s.batch_first ? s.directions : s.batch, s.hidden};
  const qe_dtype_t real = c->node->quantized ? QE_FLOAT32 : c->in[0].dtype; /* final states are no codes */
  qe__set_out(c, 0, real, 4, y);
  qe__set_out(c, 1, real, 3, last);
  qe__set_out(c, 2, real, 3, last);
  return QE_OK;
}
