/* The int32 bias of a fused node: bias = rne(b / (scale x * scale w)), or the file's own int32 codes when those are
 * their scales. */
#include <math.h>
#include <string.h>

#include "onnx/qdq.h"

/* The file's bias codes serve as they are: scales are x * w bit for bit, zero points 0. */
static bool exact(const qe_qparams_t *bq, const qe_qparams_t *xq, const qe_qparams_t *wq) {
  if (bq->count != wq->count && bq->count != 1) return false;
  if (bq->count == 1 && wq->count > 1) return false;
  for (uint32_t i = 0; i < bq->count; i++) {
    const float want = xq->scales[0] * wq->scales[i];
    if (memcmp(&want, &bq->scales[i], sizeof want) != 0 || bq->zero_points[i] != 0) return false;
  }
  return true;
}

static bool usable_scales(const qe_qparams_t *xq, const qe_qparams_t *wq) {
  for (uint32_t i = 0; i < wq->count; i++) {
    const float s = xq->scales[0] * wq->scales[i];
    if (!isfinite(s) || s <= 0.0f) return false;
  }
  return true;
}

/* A float vector of `channels` from the float constant, or from int32 codes and their parameters. NULL with QE_OK: not
 * possible. */
static qe_status_t real_vector(const qe__value *v, int64_t channels, qe_tensor_t **out) {
  const qe_tensor_t *t = v->data;
  const qe_qparams_t *q = &v->q.view;
  *out = NULL;
  if (t->count != channels && t->count != 1) return QE_OK;
  if (t->count > 1 && t->dims[t->rank - 1] != channels) return QE_OK; /* Gemm's C as a column */
  if (t->dtype == QE_FLOAT32 ? q->count != 0
                             : q->count == 0 || (q->count > 1 && (t->rank != 1 || q->count != t->count))) {
    return QE_OK;
  }
  QE_TRY(qe_tensor_create(QE_FLOAT32, 1, &channels, out));
  for (int64_t i = 0; i < channels; i++) {
    const int64_t at = t->count > 1 ? i : 0;
    float b;
    if (t->dtype == QE_FLOAT32) {
      b = ((const float *)t->data)[at];
    } else {
      const uint32_t c = q->count > 1 ? (uint32_t)at : 0;
      b = (float)(qe__tensor_int_at(t, at) - q->zero_points[c]) * q->scales[c];
    }
    if (!isfinite(b)) {
      qe_tensor_release(out);
      return QE_OK;
    }
    ((float *)(*out)->data)[i] = b;
  }
  return QE_OK;
}

qe_status_t qe__qdq_bias(qe__graph *g, const qe__node *n, qe__value_id x, qe__value_id w, qe__value_id real,
                         qe__value_id codes, int64_t channels, qe__value_id *out) {
  *out = QE__NO_VALUE;
  const qe_qparams_t *xq = &g->values[x].q.view, *wq = &g->values[w].q.view;
  const qe__value *source = &g->values[codes != QE__NO_VALUE ? codes : real];
  if (!usable_scales(xq, wq)) return QE_OK;
  if (codes != QE__NO_VALUE && source->dtype == QE_INT32 && exact(&source->q.view, xq, wq)) {
    const bool vector =
        source->data == NULL || (source->data->rank == 1 && (channels < 0 || source->data->count == channels));
    if (vector) {
      *out = codes;
      return QE_OK;
    }
  }
  if (source->data == NULL) return QE_OK;
  if (channels < 0) {
    if (source->data->rank != 1) return QE_OK;
    channels = source->data->count;
  }
  if (wq->count > 1 && (int64_t)wq->count != channels) return QE_OK;
  qe_tensor_t *b = NULL, *quantized = NULL;
  char *wish = NULL, *name = NULL;
  qe_status_t status;
  QE_TRY_GOTO(real_vector(source, channels, &b), done);
  if (b == NULL) goto done;
  QE_TRY_GOTO(qe__quantize_bias(b, channels, xq->scales[0], wq, n->name, &quantized), done);
  status = QE_ERROR_OUT_OF_MEMORY;
  wish = qe__format("%s_quantized", source->name);
  if (wish == NULL) goto done;
  name = qe__graph_fresh_name(g, wish);
  if (name != NULL) status = qe__graph_add_constant(g, name, quantized, out);
done:
  qe__free(wish);
  qe__free(name);
  qe_tensor_release(&b);
  qe_tensor_release(&quantized);
  return status;
}
