/* Biases of quantized nodes: int32 codes of the scale that products of the input's and the weight's codes have. */
#include <math.h>

#include "base/log.h"
#include "base/memory.h"
#include "tensor/tensor.h"

qe_status_t qe__quantize_bias(const qe_tensor_t *b, int64_t channels, float sx, const qe_qparams_t *w, const char *what, qe_tensor_t **out) {
  qe_tensor_t *t = NULL;
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  float *scales = qe__calloc((size_t)channels + 1, sizeof *scales);
  int32_t *zeros = qe__calloc((size_t)channels + 1, sizeof *zeros);
  int64_t saturated = 0;
  *out = NULL;
  if (!scales || !zeros) goto done;
  QE_TRY_GOTO(qe_tensor_create(QE_INT32, 1, &channels, &t), done);
  for (int64_t c = 0; c < channels; c++) {
    scales[c] = sx * w->scales[w->count > 1 ? c % w->count : 0];
    const float r = rintf(((const float *)b->data)[b->count > 1 ? c : 0] / scales[c]);
    int32_t code = 0;
    if (r >= 2147483648.0f) code = INT32_MAX, saturated++;
    else if (r < -2147483648.0f) code = INT32_MIN, saturated++;
    else if (r == r) code = (int32_t)r;
    ((int32_t *)t->data)[c] = code;
  }
  if (saturated) qe__log(QE_LOG_WARNING, "bias of '%s': %lld of %lld channels saturate int32", what, (long long)saturated, (long long)channels);
  const bool one = w->count == 1 || channels == 1;
  const qe_qparams_t q = {one ? 1u : (uint32_t)channels, one ? -1 : 0, scales, zeros};
  QE_TRY_GOTO(qe_tensor_set_qparams(t, &q), done);
  *out = t;
  t = NULL;
done:
  qe_tensor_release(&t);
  qe__free(scales);
  qe__free(zeros);
  return status;
}
