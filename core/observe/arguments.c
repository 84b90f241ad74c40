/* From an observer's config to its arguments: everything that can be refused before data arrives is refused here. */
#include <math.h>
#include <string.h>

#include "observe/kinds.h"
#include "observe/observe.h"

bool qe__observer_config_is_none(const qe_observer_config_t *c) {
  static const char *const none[] = {"", "placeholder", "noop", "recording"};
  for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
    if (strcmp(c->observer, none[i]) == 0) return true;
  }
  return false;
}

bool qe__observer_config_is_dynamic(const qe_observer_config_t *c) {
  return strcmp(c->observer, qe__kind_dynamic.name) == 0;
}

bool qe__observer_config_per_channel(const qe_observer_config_t *c) {
  return c->qscheme == QE_PER_CHANNEL_AFFINE || c->qscheme == QE_PER_CHANNEL_SYMMETRIC;
}

static bool symmetric(const qe_observer_config_t *c) {
  return c->qscheme == QE_PER_TENSOR_SYMMETRIC || c->qscheme == QE_PER_CHANNEL_SYMMETRIC;
}

static int32_t half_floor(int32_t v) {
  return v >= 0 ? v / 2 : -((1 - v) / 2);
}

static qe_status_t effective_range(const qe_observer_config_t *c, const char *what, int32_t *qmin, int32_t *qmax) {
  int32_t lo, hi;
  if (!qe__dtype_integer_range(c->dtype, &lo, &hi)) {
    return qe__fail(QE_ERROR_DTYPE,
                    "'%s': observer '%s' can't quantize to %s; expected an integer type of 4 to 32 bits", what,
                    c->observer, qe_dtype_name(c->dtype));
  }
  *qmin = c->has_range ? c->quant_min : lo;
  *qmax = c->has_range ? c->quant_max : hi;
  if (*qmin > 0 || *qmax < 0 || *qmin >= *qmax) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': the quantization range %d..%d must contain 0 and be ascending",
                    what, *qmin, *qmax);
  }
  if (*qmin < lo || *qmax > hi) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': the quantization range %d..%d exceeds %s (%d..%d)", what, *qmin,
                    *qmax, qe_dtype_name(c->dtype), lo, hi);
  }
  if (c->reduce_range) {
    *qmin = half_floor(*qmin);
    *qmax = half_floor(*qmax);
    if (*qmin >= *qmax) {
      return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': reduce_range leaves nothing of the quantization range %d..%d",
                      what, c->quant_min, c->quant_max);
    }
  }
  return QE_OK;
}

/* Kinds that look at ranges go with the granularity of their scheme. */
static qe_status_t check_scheme(const qe_observer_config_t *c, const char *what) {
  const qe_observer *const per_tensor[] = {&qe__kind_min_max, &qe__kind_moving_average_min_max, &qe__kind_histogram,
                                           &qe__kind_fixed_qparams};
  const qe_observer *const per_channel[] = {&qe__kind_per_channel_min_max,
                                            &qe__kind_moving_average_per_channel_min_max};
  bool tensor_kind = false, channel_kind = false;
  if (!memchr(c->observer, '\0', sizeof c->observer)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "'%s': the name of the observer does not end; expected 1..%zu characters", what,
                    sizeof c->observer - 1);
  }
  for (size_t i = 0; i < sizeof per_tensor / sizeof per_tensor[0]; i++)
    tensor_kind |= strcmp(per_tensor[i]->name, c->observer) == 0;
  for (size_t i = 0; i < sizeof per_channel / sizeof per_channel[0]; i++)
    channel_kind |= strcmp(per_channel[i]->name, c->observer) == 0;
  if ((unsigned)c->qscheme > QE_PER_CHANNEL_SYMMETRIC) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': unknown qscheme %d", what, (int)c->qscheme);
  }
  if (tensor_kind && qe__observer_config_per_channel(c)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "'%s': observer '%s' does not fit a per-channel scheme; use per_channel_min_max", what,
                    c->observer);
  }
  if (channel_kind && !qe__observer_config_per_channel(c)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "'%s': observer '%s' does not fit a per-tensor scheme; use min_max or histogram", what,
                    c->observer);
  }
  if (qe__observer_config_is_dynamic(c) && (c->reduce_range || c->has_range)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "'%s': activations quantized as they arrive use the whole range of their type, which no engine "
                    "saturates on; leave out reduce_range, quant_min and quant_max",
                    what);
  }
  /* torch refuses this too, and for the min/max kinds only. */
  const bool min_max =
      channel_kind || strcmp(c->observer, per_tensor[0]->name) == 0 || strcmp(c->observer, per_tensor[1]->name) == 0;
  if (min_max && symmetric(c) && c->reduce_range && c->dtype == QE_UINT8) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "'%s': a symmetric uint8 observer can't have reduce_range; use int8 or an affine scheme", what);
  }
  return QE_OK;
}

static qe_status_t check_numbers(const qe_observer_config_t *c, const char *what) {
  const bool fixed = strcmp(c->observer, qe__kind_fixed_qparams.name) == 0;
  int32_t lo = 0, hi = 0;
  if (!(c->eps >= 0.0f) || !isfinite(c->eps)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': eps is %g; expected a finite number >= 0", what, (double)c->eps);
  }
  if (!(c->averaging_constant >= 0.0f && c->averaging_constant <= 1.0f)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': averaging_constant is %g; expected 0..1", what,
                    (double)c->averaging_constant);
  }
  if (!(c->percentile > 0.0f && c->percentile <= 1.0f)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': percentile is %g; expected above 0, at most 1", what,
                    (double)c->percentile);
  }
  if (c->upsample_rate < 1 || c->upsample_rate > 1 << 20) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': upsample_rate is %d; expected 1..1048576", what,
                    c->upsample_rate);
  }
  if ((unsigned)c->method > QE_HISTOGRAM_ENTROPY) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': unknown histogram method %d", what, (int)c->method);
  }
  if (fixed && (!(c->scale > 0.0f) || !isfinite(c->scale))) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': fixed scale is %g; expected finite and > 0", what,
                    (double)c->scale);
  }
  (void)qe__dtype_integer_range(c->dtype, &lo, &hi);
  if (fixed && (c->zero_point < lo || c->zero_point > hi)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': fixed zero_point is %d; expected %d..%d (%s)", what,
                    c->zero_point, lo, hi, qe_dtype_name(c->dtype));
  }
  return QE_OK;
}

qe_status_t qe__observer_arguments(const qe_observer_config_t *c, const char *what, qe_observer_args *out) {
  int32_t qmin = 0, qmax = 0;
  memset(out, 0, sizeof *out);
  QE_TRY(check_scheme(c, what));
  QE_TRY(effective_range(c, what, &qmin, &qmax));
  QE_TRY(check_numbers(c, what));
  *out = (qe_observer_args){.struct_size = sizeof *out,
                            .dtype = (uint8_t)c->dtype,
                            .symmetric = symmetric(c),
                            .per_channel = qe__observer_config_per_channel(c),
                            .quant_min = qmin,
                            .quant_max = qmax,
                            .ch_axis = c->ch_axis,
                            .bins = c->bins,
                            .eps = c->eps,
                            .averaging_constant = c->averaging_constant,
                            .percentile = c->percentile,
                            .method = (uint32_t)c->method,
                            .scale = c->scale,
                            .zero_point = c->zero_point,
                            .upsample_rate = c->upsample_rate};
  return QE_OK;
}
