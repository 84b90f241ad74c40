/*
 * Recurrent layers of the dynamic flow: the weights of each direction are quantized by themselves, each gate row a
 * channel, and stored with the outputs last, as com.microsoft's DynamicQuantizeLSTM has them.
 */
#include <stdio.h>
#include <string.h>

#include "flow/dynamic.h"

enum { AS_RECURRENT = -2 }; /* kind of these weights; axes are >= -1 */

static const char *refusal(const qe__graph *g, const qe__node *n, const qe_qconfig_t *q) {
  if (n->in[0] == QE__NO_VALUE || g->values[n->in[0]].dtype != QE_FLOAT32) return "its input is not float32";
  for (uint32_t i = 1; i < 3; i++) {
    const qe_tensor_t *w = n->in[i] == QE__NO_VALUE ? NULL : g->values[n->in[i]].data;
    if (!w) return "its weights are not constants";
    if (w->dtype != QE_FLOAT32 || w->rank != 3 || w->count == 0) return "its weights are not float32 with three dimensions";
  }
  return qe__observer_config_is_none(&q->weight) ? "its qconfig does not quantize the weight" : NULL;
}

/* Codes, scales and zero points of all directions while they are made. */
typedef struct parts {
  qe_tensor_t *codes, *scale, *zero;
} parts;

static void release(parts *p) {
  qe_tensor_release(&p->codes);
  qe_tensor_release(&p->scale);
  qe_tensor_release(&p->zero);
}

/* Direction `at` of [directions, rows, columns], whose codes go to [directions, columns, rows]. */
static qe_status_t direction(const qe_tensor_t *w, int64_t at, const qe_observer_config_t *config, const char *what, parts *p,
                             double *sqnr_db) {
  const int64_t rows = w->dims[1], columns = w->dims[2], size = rows * columns;
  qe_tensor_t *one = NULL, *codes = NULL;
  double sqnr;
  qe_status_t status;
  QE_TRY(qe_tensor_from_data(QE_FLOAT32, 2, (int64_t[]){rows, columns}, (const float *)w->data + at * size, &one));
  QE_TRY_GOTO(qe__quantize_constant(one, config, 0, NULL, NULL, what, &codes, &sqnr), done);
  const qe_qparams_t *q = qe_tensor_qparams(codes);
  if (!p->codes) {
    const int64_t dims[3] = {w->dims[0], columns, rows}, channels[2] = {w->dims[0], q->count};
    QE_TRY_GOTO(qe_tensor_create(codes->dtype, 3, dims, &p->codes), done);
    QE_TRY_GOTO(qe_tensor_create(QE_FLOAT32, q->count > 1 ? 2 : 1, channels, &p->scale), done);
    QE_TRY_GOTO(qe_tensor_create(codes->dtype, q->count > 1 ? 2 : 1, channels, &p->zero), done);
  }
  const uint8_t *from = codes->data;
  uint8_t *to = (uint8_t *)p->codes->data + at * size, *zero = (uint8_t *)p->zero->data + at * q->count;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns; c++) to[c * rows + r] = from[r * columns + c];
  }
  memcpy((float *)p->scale->data + at * q->count, q->scales, q->count * sizeof(float));
  for (uint32_t i = 0; i < q->count; i++) zero[i] = (uint8_t)(q->zero_points[i] & 0xff);
  if (at == 0 || sqnr < *sqnr_db) *sqnr_db = sqnr;
done:
  qe_tensor_release(&one);
  qe_tensor_release(&codes);
  return status;
}

static qe_status_t weight_of(qe__dynamic *d, const qe__node *n, uint32_t input, const qe_observer_config_t *config,
                             qe__dynamic_weight *out) {
  qe__dynamic_weight *have = qe__dynamic_weight_find(d, n->in[input], AS_RECURRENT, config);
  if (have) {
    *out = *have;
    return QE_OK;
  }
  qe__dynamic_weight w = {.of = n->in[input], .kind = AS_RECURRENT, .config = config};
  parts p = {0};
  qe_status_t status = QE_OK;
  const qe_tensor_t *t = d->g->values[w.of].data;
  for (int64_t at = 0; at < t->dims[0]; at++) QE_TRY_GOTO(direction(t, at, config, n->name, &p, &w.sqnr_db), done);
  snprintf(w.scheme, sizeof w.scheme, "%s %s", qe_dtype_name(p.codes->dtype), p.scale->rank > 1 ? "per_channel(1)" : "per_tensor");
  QE_TRY_GOTO(qe__dynamic_constant(d, w.of, "_quantized", p.codes, &w.codes), done);
  QE_TRY_GOTO(qe__dynamic_constant(d, w.of, "_scale", p.scale, &w.scale), done);
  QE_TRY_GOTO(qe__dynamic_constant(d, w.of, "_zero_point", p.zero, &w.zero_point), done);
  status = qe__dynamic_weight_add(d, &w, &have);
  *out = w;
done:
  release(&p);
  return status;
}

qe_status_t qe__dynamic_recurrent(qe__dynamic *d, qe__node *n, const qe_qconfig_t *q, qe__dynamic_note *note) {
  qe__dynamic_weight w[2];
  note->refusal = refusal(d->g, n, q);
  if (note->refusal) return QE_OK;
  if (q->activation.dtype != QE_UINT8) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (%s): its qconfig asks for %s activations; recurrent layers have uint8",
                    n->name, n->op->name, qe_dtype_name(q->activation.dtype));
  }
  QE_TRY(qe__dynamic_check_dtype(n, "weight", q->weight.dtype));
  for (uint32_t i = 0; i < 2; i++) QE_TRY(weight_of(d, n, 1 + i, &q->weight, &w[i]));
  note->sqnr_db = w[0].sqnr_db < w[1].sqnr_db ? w[0].sqnr_db : w[1].sqnr_db;
  note->activation = qe__dynamic_activation_text(QE_UINT8);
  memcpy(note->weight, w[0].scheme, sizeof note->weight);
  const uint32_t states = n->op->id == QE__OP_LSTM ? 8 : 6; /* inputs of the float op */
  qe__value_id in[12];
  for (uint32_t i = 0; i < states; i++) in[i] = i < n->n_in ? n->in[i] : QE__NO_VALUE;
  for (uint32_t i = 0; i < 2; i++) {
    in[1 + i] = w[i].codes;
    in[states + 2 * i] = w[i].scale;
    in[states + 2 * i + 1] = w[i].zero_point;
  }
  const uint16_t op = n->op->id == QE__OP_LSTM  ? QE__OP_DynamicQuantizeLSTM
                      : n->op->id == QE__OP_GRU ? QE__OP_DynamicQuantizeGRU
                                                : QE__OP_DynamicQuantizeRNN;
  return qe__node_become(n, op, states + 4, in);
}
