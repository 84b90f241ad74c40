/*
 * What is recognised once the whole graph is there: Sigmoid and Mul as Silu, integer Max / Min behind a quantized node
 * as its clamp, and parameters of codes that an op only moves.
 */
#include <math.h>
#include <string.h>

#include "onnx/fuse_util.h"
#include "onnx/import.h"
#include "registry/quant_rule.h"

/* ---- x * sigmoid(x) ---- */

static qe_status_t find_silu(qe__graph *g) {
  qe__uses uses;
  qe_status_t status = QE_OK;
  QE_TRY(qe__graph_uses(g, &uses));
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    qe__node *mul = g->nodes[i];
    if (mul->op->id != QE__OP_Mul || mul->n_in != 2 || mul->quantized) continue;
    for (uint32_t k = 0; k < 2; k++) {
      const int32_t p = mul->in[k] != QE__NO_VALUE ? uses.producer[mul->in[k]] : -1;
      qe__node *gate = p >= 0 ? g->nodes[p] : NULL;
      if (gate == NULL || gate->dead || gate->op->id != QE__OP_Sigmoid || gate->quantized ||
          gate->in[0] != mul->in[1 - k]) {
        continue;
      }
      if (!qe__fuse_single_use(&uses, mul->in[k])) continue;
      QE_TRY_GOTO(qe__fuse_origin(mul, mul->name), done);
      QE_TRY_GOTO(qe__fuse_origin(mul, gate->name), done);
      mul->op = qe__op_at(QE__OP_Silu);
      mul->in[0] = gate->in[0];
      mul->n_in = 1;
      qe__node_kill(gate);
      break;
    }
  }
done:
  qe__uses_free(&uses);
  return status;
}

/* ---- outputs that nothing wants ---- */

static bool is_unread(const qe__uses *uses, qe__value_id v) {
  return v == QE__NO_VALUE || (uses->start[v] == uses->start[v + 1] && !uses->is_output[v]);
}

/* MaxPool computes indices only where somebody reads them; a call of a function has every output. */
static qe_status_t drop_unread_outputs(qe__graph *g) {
  qe__uses uses;
  QE_TRY(qe__graph_uses(g, &uses));
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    qe__node *n = g->nodes[i];
    const bool call = n->op->id == QE__OP_DynamicQuantizeGRU || n->op->id == QE__OP_DynamicQuantizeRNN;
    if (!call && n->op->id != QE__OP_MaxPool) continue;
    while (n->n_out > 1 && is_unread(&uses, n->out[n->n_out - 1])) n->n_out--;
    if (call && n->n_out > 1 && is_unread(&uses, n->out[0])) n->out[0] = QE__NO_VALUE;
  }
  qe__uses_free(&uses);
  return QE_OK;
}

/* ---- integer clamps ---- */

static bool constant_code(const qe__graph *g, const qe__node *n, uint32_t i, int64_t *code) {
  const qe_tensor_t *t = i < n->n_in && n->in[i] != QE__NO_VALUE ? g->values[n->in[i]].data : NULL;
  if (t == NULL || t->count != 1 || !qe__dtype_is_code8(t->dtype)) return false;
  *code = qe__tensor_int_at(t, 0);
  return true;
}

/* The bounds that an integer Max, Min or Clip node puts on its input *x. */
static bool integer_clamp(const qe__graph *g, const qe__node *n, uint32_t *x, int64_t *lo, int64_t *hi) {
  *lo = INT64_MIN;
  *hi = INT64_MAX;
  *x = 0;
  int64_t code;
  switch (n->op->id) {
    case QE__OP_Max: case QE__OP_Min:
      if (n->n_in != 2) return false;
      *x = constant_code(g, n, 0, &code) ? 1 : 0;
      if (!constant_code(g, n, 1 - *x, &code)) return false;
      if (n->op->id == QE__OP_Max) *lo = code;
      else *hi = code;
      return true;
    case QE__OP_Clip:
      if (n->n_in < 2) return false;
      if (n->in[1] != QE__NO_VALUE && !constant_code(g, n, 1, lo)) return false;
      return n->n_in < 3 || n->in[2] == QE__NO_VALUE || constant_code(g, n, 2, hi);
    default:
      return false;
  }
}

static qe_status_t absorb_clamp(qe__graph *g, qe__uses *uses, qe__node *n) {
  uint32_t at;
  int64_t lo, hi;
  if (n->dead || n->quantized || !integer_clamp(g, n, &at, &lo, &hi) || n->in[at] == QE__NO_VALUE ||
      n->out[0] == QE__NO_VALUE) {
    return QE_OK;
  }
  const qe__value_id x = n->in[at], y = n->out[0];
  qe__node *producer = uses->producer[x] >= 0 ? g->nodes[uses->producer[x]] : NULL;
  if (producer == NULL || producer->dead || !producer->quantized || producer->n_out != 1 ||
      !qe__fuse_single_use(uses, x)) {
    return QE_OK;
  }
  const qe_qparams_t *q = &g->values[x].q.view, *yq = &g->values[y].q.view;
  if (q->count != 1 || (yq->count > 0 && !qe__qparams_equal(q, yq))) return QE_OK;
  /* (code - z) * s quantizes back to code, so the real bounds say the same as the codes */
  const float real_lo = lo == INT64_MIN ? -INFINITY : (float)(lo - q->zero_points[0]) * q->scales[0];
  const float real_hi = hi == INT64_MAX ? INFINITY : (float)(hi - q->zero_points[0]) * q->scales[0];
  const qe__act act = {fmaxf(producer->act.lo, real_lo), fminf(producer->act.hi, real_hi)};
  if (!(act.lo <= act.hi)) return QE_OK;
  if (yq->count == 0) QE_TRY(qe__qparams_set(&g->values[y].q, q, g->values[x].dtype, 0, NULL));
  g->values[y].dtype = g->values[x].dtype;
  producer->act = act;
  producer->out[0] = y;
  uses->producer[y] = uses->producer[x];
  QE_TRY(qe__fuse_origin(producer, producer->name));
  QE_TRY(qe__fuse_origin(producer, n->name));
  qe__node_kill(n);
  return QE_OK;
}

qe_status_t qe__import_absorb_clamps(qe__graph *g) {
  qe__uses uses;
  qe_status_t status = QE_OK;
  QE_TRY(qe__graph_uses(g, &uses));
  for (uint32_t i = 0; i < g->n_nodes && status == QE_OK; i++) status = absorb_clamp(g, &uses, g->nodes[i]);
  qe__uses_free(&uses);
  return status;
}

/* ---- ops that move codes ---- */

/* A Pad of codes fills with a code (0 when absent); the graph's quantized Pad says the real number. */
static qe_status_t pad_value_to_real(qe__graph *g, qe__node *n, const qe_qparams_t *q, bool *done) {
  const qe_tensor_t *t = n->n_in > 2 && n->in[2] != QE__NO_VALUE ? g->values[n->in[2]].data : NULL;
  const bool given = n->n_in > 2 && n->in[2] != QE__NO_VALUE;
  *done = false;
  if (given && (t == NULL || t->count != 1 || !qe__dtype_is_code8(t->dtype))) return QE_OK;
  const int64_t code = t != NULL ? qe__tensor_int_at(t, 0) : 0;
  *done = true;
  if (code == q->zero_points[0]) { /* real 0, which is what no value means */
    if (given) n->in[2] = QE__NO_VALUE;
    if (n->n_in == 3) n->n_in = 2;
    return QE_OK;
  }
  const float real = (float)(code - q->zero_points[0]) * q->scales[0];
  qe__value_id value;
  QE_TRY(qe__fuse_constant_f32(g, n->name, "value", real, &value));
  if (n->n_in < 3) {
    qe__value_id *in = qe__realloc(n->in, 3, sizeof *in);
    if (in == NULL) return QE_ERROR_OUT_OF_MEMORY;
    n->in = in;
    n->n_in = 3;
  }
  n->in[2] = value;
  return QE_OK;
}

static qe_status_t propagate(qe__graph *g, qe__node *n) {
  if (n->dead || n->quantized || qe__node_qexec(n) != QE__X_MOVE) return QE_OK;
  const uint32_t first = qe__fuse_first_data_input(n), count = qe__fuse_data_inputs(n);
  const qe__value_id x = first < n->n_in ? n->in[first] : QE__NO_VALUE;
  if (x == QE__NO_VALUE || !qe__dtype_is_code8(g->values[x].dtype) || g->values[x].q.view.count != 1) return QE_OK;
  const qe__value *xv = &g->values[x];
  bool equal = true;
  for (uint32_t i = first; i < n->n_in && i < first + count; i++) {
    if (n->in[i] == QE__NO_VALUE) continue;
    equal =
        equal && g->values[n->in[i]].dtype == xv->dtype && qe__qparams_equal(&g->values[n->in[i]].q.view, &xv->q.view);
  }
  if (!equal) return QE_OK;
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] == QE__NO_VALUE) continue;
    qe__value *y = &g->values[n->out[i]];
    if (y->dtype == QE_DTYPE_NONE) y->dtype = xv->dtype;
    if (y->q.view.count == 0) QE_TRY(qe__qparams_set(&y->q, &xv->q.view, xv->dtype, 0, NULL));
    equal = equal && qe__qparams_equal(&y->q.view, &xv->q.view);
  }
  if (equal && n->op->id == QE__OP_Pad) {
    const qe_qparams_t q = g->values[x].q.view;
    QE_TRY(pad_value_to_real(g, n, &q, &equal));
  }
  n->quantized = equal;
  return QE_OK;
}

qe_status_t qe__import_tidy(qe__graph *g) {
  QE_TRY(find_silu(g));
  QE_TRY(drop_unread_outputs(g));
  QE_TRY(qe__import_absorb_clamps(g));
  for (uint32_t i = 0; i < g->n_nodes; i++) QE_TRY(propagate(g, g->nodes[i]));
  return QE_OK;
}
