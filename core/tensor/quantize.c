/* quantize, dequantize, requantize, int_repr: the scalar arithmetic of docs/numerics.md over whole tensors. */
#include <math.h>
#include <string.h>

#include "tensor/codes.h"
#include "tensor/tensor.h"

enum { BLOCK = 512 };

int32_t qe__quantize_value(float x, float scale, int32_t zero_point, int32_t qmin, int32_t qmax) {
  int64_t q = zero_point;
  if (!isnan(x)) {
    /* Beyond 2^33 the code is at an end of any 32-bit range, and converting to an integer would be undefined. */
    float r = rintf(x / scale);
    if (r > 0x1p33f) r = 0x1p33f;
    if (r < -0x1p33f) r = -0x1p33f;
    q += (int64_t)r;
  }
  return (int32_t)(q < qmin ? qmin : q > qmax ? qmax : q);
}

/* A walk over runs of elements that share one pair of parameters. */
typedef struct run {
  int64_t first, n;
  float scale;
  int32_t zero_point;
} run;

static int64_t inner_size(const qe_tensor_t *t, int32_t axis) {
  if (axis < 0) return t->count;
  int64_t inner = 1;
  for (uint32_t d = (uint32_t)axis + 1; d < t->rank; d++) inner *= t->dims[d];
  return inner;
}

/* The run that starts at `first`, at most BLOCK long. */
static run run_at(const qe_qparams_t *q, int64_t inner, int64_t first, int64_t count) {
  const int64_t channel = q->count == 1 ? 0 : first / inner % q->count;
  int64_t end = q->count == 1 ? count : (first / inner + 1) * inner;
  if (end - first > BLOCK) end = first + BLOCK;
  return (run){.first = first, .n = end - first, .scale = q->scales[channel], .zero_point = q->zero_points[channel]};
}

static void quantize_run(const run *r, const float *x, int32_t qmin, int32_t qmax, int32_t *codes) {
  for (int64_t i = 0; i < r->n; i++) codes[i] = qe__quantize_value(x[i], r->scale, r->zero_point, qmin, qmax);
}

static void dequantize_run(const run *r, const int32_t *codes, float *y) {
  for (int64_t i = 0; i < r->n; i++) y[i] = (float)((int64_t)codes[i] - r->zero_point) * r->scale;
}

/* A tensor of q's shape that will hold codes of `dtype` under `qparams`. */
static qe_status_t create_quantized(const char *where, const qe_tensor_t *like, qe_dtype_t dtype,
                                    const qe_qparams_t *qparams, qe_tensor_t **out) {
  int32_t qmin, qmax;
  if (!qe__dtype_integer_range(dtype, &qmin, &qmax)) {
    return qe__fail(QE_ERROR_DTYPE, "%s: cannot quantize to %s; expected an integer type of 4 to 32 bits", where,
                    qe_dtype_name(dtype));
  }
  if (qparams == NULL || qparams->count == 0) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "%s: no quantization parameters were given", where);
  }
  QE_TRY(qe_tensor_create(dtype, like->rank, like->dims, out));
  const qe_status_t status = qe_tensor_set_qparams(*out, qparams);
  if (status == QE_OK) return QE_OK;
  qe_tensor_release(out);
  return qe__fail_in(status, "%s", where);
}

qe_status_t qe_quantize(const qe_tensor_t *x, qe_dtype_t dtype, const qe_qparams_t *qparams, qe_tensor_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(x != NULL, "x is NULL");
  if (x->dtype != QE_FLOAT32) {
    return qe__fail(QE_ERROR_DTYPE,
                    "qe_quantize: the input is %s; expected float32 (qe_requantize takes quantized tensors)",
                    qe_dtype_name(x->dtype));
  }
  QE_TRY(create_quantized("qe_quantize", x, dtype, qparams, out));
  int32_t qmin = 0, qmax = 0, codes[BLOCK];
  qe__dtype_integer_range(dtype, &qmin, &qmax);
  const qe_qparams_t *q = &(*out)->q.view;
  const int64_t inner = inner_size(x, q->axis);
  for (int64_t i = 0; i < x->count;) {
    const run r = run_at(q, inner, i, x->count);
    quantize_run(&r, (const float *)x->data + i, qmin, qmax, codes);
    qe__codes_store(dtype, (*out)->data, i, r.n, codes);
    i += r.n;
  }
  return QE_OK;
}

static qe_status_t need_quantized(const char *where, const qe_tensor_t *q) {
  if (q->q.view.count != 0) return QE_OK;
  return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                  "%s: the %s tensor has no quantization parameters; set them with qe_tensor_set_qparams", where,
                  qe_dtype_name(q->dtype));
}

qe_status_t qe_dequantize(const qe_tensor_t *q, qe_tensor_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(q != NULL, "q is NULL");
  QE_TRY(need_quantized("qe_dequantize", q));
  QE_TRY(qe_tensor_create(QE_FLOAT32, q->rank, q->dims, out));
  int32_t codes[BLOCK];
  const int64_t inner = inner_size(q, q->q.view.axis);
  for (int64_t i = 0; i < q->count;) {
    const run r = run_at(&q->q.view, inner, i, q->count);
    qe__codes_load(q->dtype, q->data, i, r.n, codes);
    dequantize_run(&r, codes, (float *)(*out)->data + i);
    i += r.n;
  }
  return QE_OK;
}

qe_status_t qe_requantize(const qe_tensor_t *q, qe_dtype_t dtype, const qe_qparams_t *qparams, qe_tensor_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(q != NULL, "q is NULL");
  QE_TRY(need_quantized("qe_requantize", q));
  QE_TRY(create_quantized("qe_requantize", q, dtype, qparams, out));
  int32_t qmin = 0, qmax = 0, codes[BLOCK];
  float real[BLOCK];
  qe__dtype_integer_range(dtype, &qmin, &qmax);
  const qe_qparams_t *to = &(*out)->q.view;
  const int64_t inner_from = inner_size(q, q->q.view.axis), inner_to = inner_size(q, to->axis);
  for (int64_t i = 0; i < q->count;) {
    run from = run_at(&q->q.view, inner_from, i, q->count), into = run_at(to, inner_to, i, q->count);
    from.n = into.n = from.n < into.n ? from.n : into.n;
    qe__codes_load(q->dtype, q->data, i, from.n, codes);
    dequantize_run(&from, codes, real);
    quantize_run(&into, real, qmin, qmax, codes);
    qe__codes_store(dtype, (*out)->data, i, into.n, codes);
    i += into.n;
  }
  return QE_OK;
}

qe_status_t qe_int_repr(const qe_tensor_t *q, qe_tensor_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(q != NULL, "q is NULL");
  QE_TRY(need_quantized("qe_int_repr", q));
  return qe_tensor_from_data(q->dtype, q->rank, q->dims, q->data, out);
}
