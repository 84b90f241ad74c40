/* Constants of quantized nodes: weights by their observer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "flow/flow_internal.h"

int32_t qe__weight_axis(const qe__graph *g, const qe__node *n) {
  const qe_tensor_t *w = g->values[n->in[1]].data;
  switch (n->op->id) {
    case QE__OP_Conv: return 0;
    case QE__OP_ConvTranspose: return 1;
    case QE__OP_Gemm: return qe__node_int(n, "transB", 0) ? 0 : 1;
    case QE__OP_MatMul: return w && w->rank == 2 ? 1 : -1;
    default: return -1;
  }
}

int64_t qe__weight_channels(const qe__graph *g, const qe__node *n) {
  const qe_tensor_t *w = g->values[n->in[1]].data;
  int64_t channels;
  if (n->op->id == QE__OP_MatMul) return w->rank == 0 ? -1 : w->rank == 1 ? 1 : w->dims[w->rank - 1];
  if (n->op->id == QE__OP_Gemm ? w->rank != 2 : w->rank < 3) return -1;
  channels = w->dims[qe__weight_axis(g, n)];
  if (n->op->id != QE__OP_ConvTranspose) return channels;
  return qe__mul_i64(channels, qe__node_int(n, "group", 1), &channels) ? channels : -1;
}

double qe__sqnr_db(const float *x, const float *y, int64_t n) {
  double signal = 0.0, noise = 0.0;
  for (int64_t i = 0; i < n; i++) {
    const double d = (double)x[i] - (double)y[i];
    signal += (double)x[i] * (double)x[i];
    noise += d * d;
  }
  if (noise == 0.0) return INFINITY;
  return 10.0 * log10(signal / noise);
}

/* Per-tensor observers that can't see channels get the tensor as it is; per-channel ones their axis. */
static qe_status_t observe_constant(const qe_tensor_t *w, const qe_observer_config_t *config, int32_t axis, const char *what, qe__qparams *q) {
  qe_observer_config_t c = *config;
  qe__observer *o = NULL;
  bool observed;
  qe_status_t status;
  if (qe__observer_config_per_channel(&c)) {
    if (axis < 0) { /* no channel axis: one pair of parameters for the whole tensor */
      c.qscheme = c.qscheme == QE_PER_CHANNEL_SYMMETRIC ? QE_PER_TENSOR_SYMMETRIC : QE_PER_TENSOR_AFFINE;
      snprintf(c.observer, sizeof c.observer, "min_max");
    } else if (c.ch_axis < 0) {
      c.ch_axis = axis;
    }
  }
  QE_TRY(qe__observer_create(&c, what, &o));
  QE_TRY_GOTO(qe__observer_observe(o, w), done);
  status = qe__observer_qparams(o, q, &observed);
done:
  qe__observer_destroy(&o);
  return status;
}

qe_status_t qe__quantize_constant(const qe_tensor_t *w, const qe_observer_config_t *config, int32_t axis, const qe_qparams_t *given,
                                  const float *bound, const char *what, qe_tensor_t **out, double *sqnr_db) {
  qe__qparams q = {0};
  qe_tensor_t *codes = NULL, *back = NULL;
  qe_status_t status;
  *out = NULL;
  if (given && given->count) QE_TRY(qe__qparams_set(&q, given, config->dtype, w->rank, w->dims));
  else QE_TRY(observe_constant(w, config, axis, what, &q));
  for (uint32_t c = 0; bound && c < q.view.count; c++) {
    if (q.scales[c] < bound[c]) q.scales[c] = bound[c];
  }
  QE_TRY_GOTO(qe_quantize(w, config->dtype, &q.view, &codes), done);
  /* a range narrower than the type's: codes stay inside it */
  if (config->has_range && config->dtype == QE_INT8) {
    int8_t *p = codes->data;
    for (int64_t i = 0; i < codes->count; i++) {
      if (p[i] < config->quant_min) p[i] = (int8_t)config->quant_min;
      else if (p[i] > config->quant_max) p[i] = (int8_t)config->quant_max;
    }
  }
  QE_TRY_GOTO(qe_dequantize(codes, &back), done);
  if (sqnr_db) *sqnr_db = qe__sqnr_db(w->data, back->data, w->count);
  *out = codes;
  codes = NULL;
done:
  qe_tensor_release(&codes);
  qe_tensor_release(&back);
  qe__qparams_clear(&q);
  return status;
}
