/* Observers as the flows use them: a state with its kind, its arguments and the name of what it watches. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"
#include "observe/kinds.h"
#include "observe/observe.h"
#include "qconfig/qconfig.h"

struct qe__observer {
  const qe_observer *kind;
  void *self;               /* of the plugin that brought the kind; NULL for built-in ones */
  void *state;
  char *what;
  qe_observer_config_t config;
  qe_observer_args args;
  float min, max;           /* of everything fed, whatever the kind; min > max: nothing yet */
};

static const qe_observer *const BUILT_IN[] = {
    &qe__kind_min_max, &qe__kind_moving_average_min_max, &qe__kind_per_channel_min_max,
    &qe__kind_moving_average_per_channel_min_max, &qe__kind_histogram, &qe__kind_fixed_qparams,
    &qe__kind_placeholder, &qe__kind_recording, &qe__kind_noop, &qe__kind_reuse_input};
enum { BUILT_INS = sizeof BUILT_IN / sizeof BUILT_IN[0] };

static const qe_observer *built_in(const char *name) {
  for (size_t i = 0; i < BUILT_INS; i++) {
    if (strcmp(BUILT_IN[i]->name, name) == 0) return BUILT_IN[i];
  }
  return NULL;
}

bool qe__observer_config_is_none(const qe_observer_config_t *c) {
  return c->observer[0] == '\0' || strcmp(c->observer, "placeholder") == 0 || strcmp(c->observer, "noop") == 0 || strcmp(c->observer, "recording") == 0;
}

bool qe__observer_config_per_channel(const qe_observer_config_t *c) {
  return c->qscheme == QE_PER_CHANNEL_AFFINE || c->qscheme == QE_PER_CHANNEL_SYMMETRIC;
}

static bool symmetric(const qe_observer_config_t *c) { return c->qscheme == QE_PER_TENSOR_SYMMETRIC || c->qscheme == QE_PER_CHANNEL_SYMMETRIC; }

static int32_t half_floor(int32_t v) { return v >= 0 ? v / 2 : -((1 - v) / 2); }

/* ---- arguments ---- */

static qe_status_t find_kind(qe__observer *o, const qe_observer_config_t *c, const char *what) {
  o->kind = built_in(c->observer);
  if (o->kind) return QE_OK;
  o->kind = qe__engine_observer(c->observer, NULL, &o->self);
  if (o->kind) return QE_OK;
  const char *names[BUILT_INS];
  char list[400] = "";
  size_t used = 0;
  for (size_t i = 0; i < BUILT_INS; i++) {
    names[i] = BUILT_IN[i]->name;
    const int w = snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    used += w > 0 ? (size_t)w : 0;
  }
  const char *near = qe__nearest_name(c->observer, BUILT_INS, names);
  return qe__fail(QE_ERROR_NOT_FOUND, "'%s': no observer is named '%s'%s%s%s; there are %s, and those of plugins", what, c->observer, near ? "; did you mean '" : "",
                  near ? near : "", near ? "'?" : "", list);
}

static qe_status_t check_range(const qe_observer_config_t *c, const char *what, int32_t *qmin, int32_t *qmax) {
  int32_t lo, hi;
  if (!qe__dtype_integer_range(c->dtype, &lo, &hi)) return qe__fail(QE_ERROR_DTYPE, "'%s': observer '%s' can't quantize to %s", what, c->observer, qe_dtype_name(c->dtype));
  *qmin = lo;
  *qmax = hi;
  if (c->has_range) {
    if (c->quant_min > 0 || c->quant_max < 0 || c->quant_min >= c->quant_max) {
      return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': the quantization range %d..%d must contain 0 and be ascending", what, c->quant_min, c->quant_max);
    }
    if (c->quant_min < lo || c->quant_max > hi) {
      return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': the quantization range %d..%d exceeds %s (%d..%d)", what, c->quant_min, c->quant_max, qe_dtype_name(c->dtype), lo, hi);
    }
    *qmin = c->quant_min;
    *qmax = c->quant_max;
  }
  if (c->reduce_range) {
    *qmin = half_floor(*qmin);
    *qmax = half_floor(*qmax);
  }
  return QE_OK;
}

static bool is_min_max_kind(const char *name) { return strstr(name, "min_max") != NULL; }

static qe_status_t check_config(const qe_observer_config_t *c, const char *what) {
  const bool channel_kind = strstr(c->observer, "per_channel") != NULL;
  const bool known_range_kind = is_min_max_kind(c->observer) || strcmp(c->observer, "histogram") == 0;
  if ((unsigned)c->qscheme > QE_PER_CHANNEL_SYMMETRIC) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': unknown qscheme %d", what, (int)c->qscheme);
  if (symmetric(c) && c->reduce_range && c->dtype == QE_UINT8 && is_min_max_kind(c->observer)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': a symmetric uint8 observer can't have reduce_range; use int8 or an affine scheme", what);
  }
  if (known_range_kind && channel_kind != qe__observer_config_per_channel(c)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': observer '%s' does not fit a %s scheme; use %s", what, c->observer,
                    qe__observer_config_per_channel(c) ? "per-channel" : "per-tensor", channel_kind ? "min_max or histogram" : "per_channel_min_max");
  }
  if (!(c->eps >= 0.0f) || !isfinite(c->eps)) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': eps is %g; expected a finite number >= 0", what, (double)c->eps);
  if (!(c->averaging_constant >= 0.0f && c->averaging_constant <= 1.0f)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': averaging_constant is %g; expected 0..1", what, (double)c->averaging_constant);
  }
  if (!(c->percentile > 0.0f && c->percentile <= 1.0f)) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': percentile is %g; expected above 0, at most 1", what, (double)c->percentile);
  if (c->upsample_rate < 1 || c->upsample_rate > 1 << 20) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': upsample_rate is %d; expected 1..1048576", what, c->upsample_rate);
  if (strcmp(c->observer, "fixed_qparams") == 0 && (!(c->scale > 0.0f) || !isfinite(c->scale))) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': fixed scale is %g; expected finite and > 0", what, (double)c->scale);
  }
  return QE_OK;
}

/* What a kind's function returned, as a status: built-in kinds return one, plugins any number but 0. */
static qe_status_t status_of(int result, qe_status_t otherwise) {
  return result > 0 && result < QE_ERROR_INTERNAL ? (qe_status_t)result : otherwise;
}

/* ---- life ---- */

qe_status_t qe__observer_create(const qe_observer_config_t *config, const char *what, qe__observer **out) {
  int32_t qmin = 0, qmax = 0;
  qe_status_t status;
  *out = NULL;
  QE_TRY(check_config(config, what));
  QE_TRY(check_range(config, what, &qmin, &qmax));
  qe__observer *o = qe__calloc(1, sizeof *o);
  if (!o) return QE_ERROR_OUT_OF_MEMORY;
  o->config = *config;
  o->min = INFINITY;
  o->max = -INFINITY;
  QE_TRY_GOTO(find_kind(o, config, what), fail);
  o->args = (qe_observer_args){
      .struct_size = sizeof o->args, .dtype = (uint8_t)config->dtype, .symmetric = symmetric(config), .per_channel = qe__observer_config_per_channel(config),
      .quant_min = qmin, .quant_max = qmax, .ch_axis = config->ch_axis, .bins = config->bins, .eps = config->eps,
      .averaging_constant = config->averaging_constant, .percentile = config->percentile, .method = (uint32_t)config->method, .scale = config->scale,
      .zero_point = config->zero_point, .upsample_rate = config->upsample_rate};
  status = QE_ERROR_OUT_OF_MEMORY;
  if (!(o->what = qe__strdup(what)) || !(o->state = qe__calloc(1, o->kind->state_size ? o->kind->state_size : 1))) goto fail;
  qe__clear_error();
  const int result = o->kind->init(o->self, o->state, &o->args);
  if (result != 0) {
    status = qe__fail_in(status_of(result, QE_ERROR_INVALID_ARGUMENT), "'%s': observer '%s' refused its arguments", what, config->observer);
    if (o->kind->fini) o->kind->fini(o->self, o->state);
    qe__free(o->state);
    o->state = NULL;
    goto fail;
  }
  *out = o;
  return QE_OK;
fail:
  qe__observer_destroy(&o);
  return status;
}

void qe__observer_destroy(qe__observer **observer) {
  qe__observer *o = *observer;
  if (!o) return;
  if (o->state && o->kind->fini) o->kind->fini(o->self, o->state);
  qe__free(o->state);
  qe__free(o->what);
  qe__free(o);
  *observer = NULL;
}

/* ---- use ---- */

static qe_status_t check_finite(qe__observer *o, const float *x, int64_t n) {
  float min = o->min, max = o->max;
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(x[i])) {
      return qe__fail(QE_ERROR_NUMERIC, "tensor '%s': element %lld is %s; calibration needs finite values (check the data and its normalization)", o->what, (long long)i,
                      x[i] != x[i] ? "NaN" : x[i] > 0 ? "+Inf" : "-Inf");
    }
    min = x[i] < min ? x[i] : min;
    max = x[i] > max ? x[i] : max;
  }
  o->min = min;
  o->max = max;
  return QE_OK;
}

qe_status_t qe__observer_observe(qe__observer *o, const qe_tensor_t *x) {
  if (x->dtype != QE_FLOAT32) return qe__fail(QE_ERROR_DTYPE, "tensor '%s': observers take float32, found %s", o->what, qe_dtype_name(x->dtype));
  if (x->count == 0) return QE_OK;
  QE_TRY(check_finite(o, x->data, x->count));
  qe__clear_error();
  const int result = o->kind->observe(o->self, o->state, x->data, x->rank, x->dims);
  if (result == 0) return QE_OK;
  return qe__fail_in(status_of(result, QE_ERROR_ENGINE), "tensor '%s': observer '%s' failed", o->what, o->kind->name);
}

qe_status_t qe__observer_merge(qe__observer *o, const qe__observer *other) {
  if (o->kind != other->kind || memcmp(&o->args, &other->args, sizeof o->args) != 0) {
    return qe__fail(QE_ERROR_STATE, "tensor '%s': observers of different kinds or arguments can't be merged", o->what);
  }
  qe__clear_error();
  const int result = o->kind->merge(o->self, o->state, other->state);
  if (result != 0) return qe__fail_in(status_of(result, QE_ERROR_STATE), "tensor '%s': observer '%s' could not be merged", o->what, o->kind->name);
  o->min = other->min < o->min ? other->min : o->min;
  o->max = other->max > o->max ? other->max : o->max;
  return QE_OK;
}

static qe_status_t never_observed(const qe__observer *o, qe__qparams *out) {
  const float scale = 1.0f;
  const int32_t zero = 0;
  return qe__qparams_set(out, &(qe_qparams_t){1, -1, &scale, &zero}, o->config.dtype, 0, NULL);
}

qe_status_t qe__observer_qparams(const qe__observer *o, qe__qparams *out, bool *observed) {
  uint32_t count = 0, capacity = 0;
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  *observed = false;
  if (o->kind->qparams(o->self, o->state, 0, NULL, NULL, &count) != 0) return qe__fail_in(QE_ERROR_NUMERIC, "tensor '%s': observer '%s' failed", o->what, o->kind->name);
  if (count == 0) return never_observed(o, out);
  if (count > UINT32_MAX / 8) return qe__fail(QE_ERROR_ENGINE, "tensor '%s': observer '%s' asks for %u parameters", o->what, o->kind->name, count);
  capacity = count;
  float *scales = qe__calloc(capacity, sizeof *scales);
  int32_t *zeros = qe__calloc(capacity, sizeof *zeros);
  if (!scales || !zeros) goto done;
  if (o->kind->qparams(o->self, o->state, capacity, scales, zeros, &count) != 0 || count > capacity) {
    status = qe__fail_in(QE_ERROR_NUMERIC, "tensor '%s': observer '%s' failed", o->what, o->kind->name);
    goto done;
  }
  const bool per_channel = o->args.per_channel != 0;
  const qe_qparams_t view = {count, per_channel ? o->args.ch_axis : -1, scales, zeros};
  status = qe__qparams_set(out, &view, o->config.dtype, 0, NULL);
  *observed = status == QE_OK;
done:
  qe__free(scales);
  qe__free(zeros);
  return status;
}

qe_dtype_t qe__observer_dtype(const qe__observer *o) { return o->config.dtype; }

const qe_observer_config_t *qe__observer_config(const qe__observer *o) { return &o->config; }

void qe__observer_range(const qe__observer *o, int32_t *qmin, int32_t *qmax) {
  *qmin = o->args.quant_min;
  *qmax = o->args.quant_max;
}

bool qe__observer_min_max(const qe__observer *o, float *min, float *max) {
  *min = o->min;
  *max = o->max;
  return o->min <= o->max;
}

/* ---- bytes: the range of everything fed, then the kind's state ---- */

enum { OWN_BYTES = 8 };

qe_status_t qe__observer_save(const qe__observer *o, void **buffer, size_t *size) {
  size_t state_size = 0, total;
  *buffer = NULL;
  *size = 0;
  if (o->kind->save(o->self, o->state, NULL, &state_size) != 0 || !qe__add_size(state_size, OWN_BYTES, &total)) {
    return qe__fail_in(QE_ERROR_STATE, "tensor '%s': observer '%s' could not be saved", o->what, o->kind->name);
  }
  unsigned char *data = qe__calloc(total, 1);
  if (!data) return QE_ERROR_OUT_OF_MEMORY;
  qe__bytes b = {data, 0};
  qe__bytes_f32(&b, o->min);
  qe__bytes_f32(&b, o->max);
  size_t written = state_size;
  if (o->kind->save(o->self, o->state, data + OWN_BYTES, &written) != 0 || written != state_size) {
    qe__free(data);
    return qe__fail_in(QE_ERROR_STATE, "tensor '%s': observer '%s' could not be saved", o->what, o->kind->name);
  }
  *buffer = data;
  *size = total;
  return QE_OK;
}

qe_status_t qe__observer_load(qe__observer *o, const void *buffer, size_t size) {
  qe__source in = {buffer, size, false};
  const float min = qe__source_f32(&in), max = qe__source_f32(&in);
  qe__clear_error();
  if (in.failed || min != min || max != max || o->kind->load(o->self, o->state, (const unsigned char *)buffer + OWN_BYTES, size - OWN_BYTES) != 0) {
    return qe__fail_in(QE_ERROR_FORMAT, "tensor '%s': the saved state of its '%s' observer is malformed", o->what, o->kind->name);
  }
  o->min = min;
  o->max = max;
  return QE_OK;
}
