/* Quantization parameters: owned copies, validation, and the one algorithm that chooses them (docs/numerics.md). */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "tensor/tensor.h"

static qe_status_t check_values(const qe_qparams_t *src, qe_dtype_t dtype) {
  int32_t lo, hi;
  if (!qe__dtype_integer_range(dtype, &lo, &hi)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "quantization parameters: a %s tensor cannot carry any; expected an integer type of 4 to 32 bits",
                    qe_dtype_name(dtype));
  }
  if (src->scales == NULL || src->zero_points == NULL) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "quantization parameters: count is %" PRIu32 " but %s is NULL",
                    src->count, src->scales == NULL ? "scales" : "zero_points");
  }
  for (uint32_t i = 0; i < src->count; i++) {
    const float s = src->scales[i];
    if (!isfinite(s) || s <= 0) {
      return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                      "quantization parameters: scale[%" PRIu32 "] is %g; expected a finite number above 0", i,
                      (double)s);
    }
    const int32_t z = src->zero_points[i];
    if (z < lo || z > hi) {
      return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                      "quantization parameters: zero_point[%" PRIu32 "] is %" PRId32 "; expected %" PRId32 "..%" PRId32
                      " (%s)",
                      i, z, lo, hi, qe_dtype_name(dtype));
    }
  }
  return QE_OK;
}

static qe_status_t check_axis(const qe_qparams_t *src, uint32_t rank, const int64_t *dims) {
  if (src->axis == -1 && src->count == 1) return QE_OK;
  if (src->axis < 0 || (dims != NULL && (uint32_t)src->axis >= rank)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "quantization parameters: axis is %" PRId32 " with %" PRIu32
                    " scale(s) on a tensor of rank %" PRIu32 "; expected an axis of the tensor, or -1 with one scale",
                    src->axis, src->count, rank);
  }
  /* A graph's value may not know its dimension yet (-1). */
  if (dims != NULL && dims[src->axis] >= 0 && dims[src->axis] != (int64_t)src->count) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "quantization parameters: %" PRIu32 " scale(s) along axis %" PRId32 ", whose size is %" PRId64
                    "; expected one per channel",
                    src->count, src->axis, dims[src->axis]);
  }
  return QE_OK;
}

qe_status_t qe__qparams_set(qe__qparams *dst, const qe_qparams_t *src, qe_dtype_t dtype, uint32_t rank,
                            const int64_t *dims) {
  if (src == NULL || src->count == 0) {
    qe__qparams_clear(dst);
    return QE_OK;
  }
  QE_TRY(check_values(src, dtype));
  QE_TRY(check_axis(src, rank, dims));
  /* src may be dst's own view: copy before anything is freed. */
  const uint32_t count = src->count;
  const int32_t axis = src->axis;
  float *scales = qe__calloc(count, sizeof *scales);
  int32_t *zero_points = qe__calloc(count, sizeof *zero_points);
  if (scales == NULL || zero_points == NULL) {
    qe__free(scales);
    qe__free(zero_points);
    return QE_ERROR_OUT_OF_MEMORY;
  }
  memcpy(scales, src->scales, count * sizeof *scales);
  memcpy(zero_points, src->zero_points, count * sizeof *zero_points);
  qe__qparams_clear(dst);
  dst->scales = scales;
  dst->zero_points = zero_points;
  dst->view = (qe_qparams_t){.count = count, .axis = axis, .scales = scales, .zero_points = zero_points};
  return QE_OK;
}

void qe__qparams_clear(qe__qparams *q) {
  qe__free(q->scales);
  qe__free(q->zero_points);
  memset(q, 0, sizeof *q);
}

bool qe__qparams_equal(const qe_qparams_t *a, const qe_qparams_t *b) {
  const uint32_t n = a == NULL ? 0 : a->count;
  if (n != (b == NULL ? 0 : b->count)) return false;
  if (n == 0) return true;
  return a->axis == b->axis && memcmp(a->scales, b->scales, n * sizeof *a->scales) == 0 &&
         memcmp(a->zero_points, b->zero_points, n * sizeof *a->zero_points) == 0;
}

/* The middle of an unsigned range: 2^(bits-1) for the full one, as torch; (qmin + qmax) / 2 for a narrower one. */
static int32_t middle(qe_dtype_t dtype, int32_t lo, int32_t hi, int32_t quant_min, int32_t quant_max) {
  if (lo < 0) return 0;
  if (quant_min == lo && quant_max == hi) return (int32_t)1 << (qe_dtype_bits(dtype) - 1);
  return (int32_t)(((int64_t)quant_min + quant_max) / 2);
}

qe_status_t qe_choose_qparams(float min, float max, qe_dtype_t dtype, int32_t quant_min, int32_t quant_max,
                              int symmetric, float eps, float *scale, int32_t *zero_point) {
  QE_CHECK_ARG(scale != NULL && zero_point != NULL, "scale or zero_point is NULL");
  *scale = 0;
  *zero_point = 0;
  int32_t lo_code, hi_code;
  if (!qe__dtype_integer_range(dtype, &lo_code, &hi_code)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "qe_choose_qparams: dtype is %s; expected an integer type of 4 to 32 bits", qe_dtype_name(dtype));
  }
  if (quant_min < lo_code || quant_max > hi_code || quant_min >= quant_max) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "qe_choose_qparams: the code range is %" PRId32 "..%" PRId32
                    "; expected a non-empty part of %" PRId32 "..%" PRId32 " (%s)",
                    quant_min, quant_max, lo_code, hi_code, qe_dtype_name(dtype));
  }
  if (!isfinite(min) || !isfinite(max) || min > max) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "qe_choose_qparams: the range is %g..%g; expected finite numbers in order (was anything observed?)",
                    (double)min, (double)max);
  }
  if (eps == 0) eps = 0x1p-23f;
  QE_CHECK_ARG(isfinite(eps) && eps > 0, "eps must be a finite number above 0");

  const float lo = min < 0 ? min : 0.0f, hi = max > 0 ? max : 0.0f;
  const float span = (float)((int64_t)quant_max - quant_min);
  float s;
  if (symmetric) {
    s = (-lo > hi ? -lo : hi) / (span / 2);
  } else {
    s = (hi - lo) / span;
    /* hi - lo may exceed the largest float although the quotient does not. */
    if (!isfinite(s)) s = hi / span - lo / span;
  }
  if (s < eps) s = eps;
  *scale = s;
  if (symmetric) {
    *zero_point = middle(dtype, lo_code, hi_code, quant_min, quant_max);
  } else {
    int64_t z = quant_min - (int64_t)rintf(lo / s);
    if (z < quant_min) z = quant_min;
    if (z > quant_max) z = quant_max;
    *zero_point = (int32_t)z;
  }
  return QE_OK;
}
