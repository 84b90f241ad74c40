/* Observers as the flows use them: a state with its kind, its arguments and the name of what it watches. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "base/sha256.h"
#include "engine/engine.h"
#include "engine/host.h"
#include "observe/kinds.h"
#include "observe/observe.h"

struct qe__observer {
  const qe_observer *kind;
  const qe__engine *owner; /* referenced engine that brought the kind; NULL for built-in ones */
  void *self;
  void *state;
  char *what;
  qe_observer_config_t config;
  qe_observer_args args;
  float min, max; /* of everything fed, whatever the kind; min > max: nothing yet */
};

static const qe_observer *const BUILT_IN[] = {&qe__kind_min_max,
                                              &qe__kind_moving_average_min_max,
                                              &qe__kind_per_channel_min_max,
                                              &qe__kind_moving_average_per_channel_min_max,
                                              &qe__kind_histogram,
                                              &qe__kind_fixed_qparams,
                                              &qe__kind_placeholder,
                                              &qe__kind_recording,
                                              &qe__kind_noop,
                                              &qe__kind_reuse_input,
                                              &qe__kind_dynamic};
enum { BUILT_INS = sizeof BUILT_IN / sizeof BUILT_IN[0] };

static const qe_observer *built_in(const char *name) {
  for (size_t i = 0; i < BUILT_INS; i++) {
    if (strcmp(BUILT_IN[i]->name, name) == 0) return BUILT_IN[i];
  }
  return NULL;
}

static qe_status_t find_kind(qe__observer *o, const qe_observer_config_t *c, const char *what) {
  o->kind = built_in(c->observer);
  if (o->kind) return QE_OK;
  QE_TRY(qe__engines_ready());
  o->kind = qe__engine_observer(c->observer, NULL, &o->owner);
  if (o->owner) o->self = o->owner->self;
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
  return qe__fail(QE_ERROR_NOT_FOUND, "'%s': no observer is named '%s'%s%s%s; there are %s, and those of plugins", what,
                  c->observer, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "", list);
}

/* Before a kind's function is called. */
static void forget_errors(void) {
  qe__clear_error();
  qe__host_clear_error();
}

/* What a kind's failed function returned, as a status: built-in kinds return one, plugins any number and their own words. */
static qe_status_t failure_of(const qe__observer *o, int result, qe_status_t otherwise) {
  const qe_status_t status = !o->owner && result > 0 && result < QE_ERROR_INTERNAL ? (qe_status_t)result : otherwise;
  if (!o->owner) return status;
  const char *said = qe__host_error();
  return qe__fail(status, "engine '%s' says: %s", o->owner->name, said[0] != '\0' ? said : "nothing");
}

/* ---- life ---- */

qe_status_t qe__observer_create(const qe_observer_config_t *config, const char *what, qe__observer **out) {
  qe_observer_args args;
  qe_status_t status;
  *out = NULL;
  QE_TRY(qe__observer_arguments(config, what, &args));
  qe__observer *o = qe__calloc(1, sizeof *o);
  if (!o) return QE_ERROR_OUT_OF_MEMORY;
  o->config = *config;
  o->args = args;
  o->min = INFINITY;
  o->max = -INFINITY;
  QE_TRY_GOTO(find_kind(o, config, what), fail);
  status = QE_ERROR_OUT_OF_MEMORY;
  if (!(o->what = qe__strdup(what)) || !(o->state = qe__calloc(1, o->kind->state_size ? o->kind->state_size : 1)))
    goto fail;
  forget_errors();
  const int result = o->kind->init(o->self, o->state, &o->args);
  if (result != 0) {
    status = qe__fail_in(failure_of(o, result, QE_ERROR_INVALID_ARGUMENT), "'%s': observer '%s' refused its arguments",
                         what, config->observer);
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
  qe__engine_release(o->owner);
  qe__free(o);
  *observer = NULL;
}

/* ---- use ---- */

static qe_status_t not_finite(const qe__observer *o, const float *x, int64_t n) {
  int64_t i = 0;
  while (i < n - 1 && isfinite(x[i])) i++;
  return qe__fail(
      QE_ERROR_NUMERIC,
      "tensor '%s': element %lld is %s; calibration needs finite values (check the data and its normalization)",
      o->what, (long long)i,
      x[i] != x[i] ? "NaN"
      : x[i] > 0   ? "+Inf"
                   : "-Inf");
}

qe_status_t qe__observer_observe(qe__observer *o, const qe_tensor_t *x) {
  float min = o->min, max = o->max;
  if (x->dtype != QE_FLOAT32) {
    return qe__fail(QE_ERROR_DTYPE, "tensor '%s': observers take float32, found %s", o->what, qe_dtype_name(x->dtype));
  }
  if (x->count == 0) return QE_OK;
  if (!qe__finite_range(x->data, x->count, &min, &max)) return not_finite(o, x->data, x->count);
  forget_errors();
  const int result = o->kind->observe(o->self, o->state, x->data, x->rank, x->dims);
  if (result != 0) {
    return qe__fail_in(failure_of(o, result, QE_ERROR_ENGINE), "tensor '%s': observer '%s' failed", o->what, o->kind->name);
  }
  o->min = min;
  o->max = max;
  return QE_OK;
}

qe_status_t qe__observer_merge(qe__observer *o, const qe__observer *other) {
  if (o->kind != other->kind || memcmp(&o->args, &other->args, sizeof o->args) != 0) {
    return qe__fail(QE_ERROR_STATE, "tensor '%s': observers of different kinds or arguments can't be merged", o->what);
  }
  forget_errors();
  const int result = o->kind->merge(o->self, o->state, other->state);
  if (result != 0) {
    return qe__fail_in(failure_of(o, result, QE_ERROR_STATE), "tensor '%s': observer '%s' could not be merged", o->what,
                       o->kind->name);
  }
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
  uint32_t count = 0;
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  *observed = false;
  forget_errors();
  if (o->kind->qparams(o->self, o->state, 0, NULL, NULL, &count) != 0) {
    return qe__fail_in(failure_of(o, -1, QE_ERROR_NUMERIC), "tensor '%s': observer '%s' failed", o->what, o->kind->name);
  }
  if (count == 0) return never_observed(o, out);
  if (count > UINT32_MAX / 8) {
    return qe__fail(QE_ERROR_ENGINE, "tensor '%s': observer '%s' asks for %u parameters", o->what, o->kind->name,
                    count);
  }
  const uint32_t capacity = count;
  float *scales = qe__calloc(capacity, sizeof *scales);
  int32_t *zeros = qe__calloc(capacity, sizeof *zeros);
  if (!scales || !zeros) goto done;
  if (o->kind->qparams(o->self, o->state, capacity, scales, zeros, &count) != 0 || count > capacity) {
    status = qe__fail_in(failure_of(o, -1, QE_ERROR_NUMERIC), "tensor '%s': observer '%s' failed", o->what, o->kind->name);
    goto done;
  }
  const qe_qparams_t view = {count, o->args.per_channel ? o->args.ch_axis : -1, scales, zeros};
  status = qe__qparams_set(out, &view, o->config.dtype, 0, NULL);
  *observed = status == QE_OK;
done:
  qe__free(scales);
  qe__free(zeros);
  return status;
}

qe_dtype_t qe__observer_dtype(const qe__observer *o) {
  return o->config.dtype;
}

const qe_observer_config_t *qe__observer_config(const qe__observer *o) {
  return &o->config;
}

void qe__observer_range(const qe__observer *o, int32_t *qmin, int32_t *qmax) {
  *qmin = o->args.quant_min;
  *qmax = o->args.quant_max;
}

bool qe__observer_min_max(const qe__observer *o, float *min, float *max) {
  *min = o->min;
  *max = o->max;
  return o->min <= o->max;
}

/*
 * ---- bytes ----
 * 8 bytes of SHA-256 over the kind's name, the arguments and everything that follows; the range of everything fed (two
 * float32); the kind's state. So a state that was damaged, or comes from another kind or other arguments, is refused.
 */

enum { CHECK_BYTES = 8, OWN_BYTES = CHECK_BYTES + 8 };

static void state_check(const qe__observer *o, const unsigned char *rest, size_t size, unsigned char out[CHECK_BYTES]) {
  const qe_observer_args *a = &o->args;
  const int32_t ints[] = {a->dtype,   a->symmetric, a->per_channel,     a->quant_min,  a->quant_max,
                          a->ch_axis, a->bins,      (int32_t)a->method, a->zero_point, a->upsample_rate};
  const float floats[] = {a->eps, a->averaging_constant, a->percentile, a->scale};
  unsigned char text[8 * sizeof ints / sizeof ints[0] + sizeof floats];
  uint8_t digest[32];
  qe__bytes b = {text, 0};
  qe__sha256_state sha;
  for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) qe__bytes_u64(&b, (uint64_t)ints[i]);
  for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++) qe__bytes_f32(&b, floats[i]);
  qe__sha256_init(&sha);
  qe__sha256_update(&sha, o->kind->name, strlen(o->kind->name) + 1);
  qe__sha256_update(&sha, text, b.size);
  qe__sha256_update(&sha, rest, size);
  qe__sha256_final(&sha, digest);
  memcpy(out, digest, CHECK_BYTES);
}

qe_status_t qe__observer_save(const qe__observer *o, void **buffer, size_t *size) {
  size_t state_size = 0, total;
  *buffer = NULL;
  *size = 0;
  forget_errors();
  if (o->kind->save(o->self, o->state, NULL, &state_size) != 0 || !qe__add_size(state_size, OWN_BYTES, &total)) {
    return qe__fail_in(failure_of(o, -1, QE_ERROR_STATE), "tensor '%s': observer '%s' could not be saved", o->what, o->kind->name);
  }
  unsigned char *data = qe__calloc(total, 1);
  if (!data) return QE_ERROR_OUT_OF_MEMORY;
  qe__bytes b = {data, CHECK_BYTES};
  qe__bytes_f32(&b, o->min);
  qe__bytes_f32(&b, o->max);
  size_t written = state_size;
  if (o->kind->save(o->self, o->state, data + OWN_BYTES, &written) != 0 || written != state_size) {
    qe__free(data);
    return qe__fail_in(failure_of(o, -1, QE_ERROR_STATE), "tensor '%s': observer '%s' could not be saved", o->what, o->kind->name);
  }
  state_check(o, data + CHECK_BYTES, total - CHECK_BYTES, data);
  *buffer = data;
  *size = total;
  return QE_OK;
}

qe_status_t qe__observer_load(qe__observer *o, const void *buffer, size_t size) {
  const unsigned char *data = buffer;
  unsigned char check[CHECK_BYTES];
  if (size < OWN_BYTES) {
    return qe__fail(QE_ERROR_FORMAT, "tensor '%s': a saved observer has %d bytes at least, found %zu", o->what,
                    OWN_BYTES, size);
  }
  state_check(o, data + CHECK_BYTES, size - CHECK_BYTES, check);
  if (memcmp(check, data, CHECK_BYTES) != 0) {
    return qe__fail(QE_ERROR_FORMAT,
                    "tensor '%s': the saved state is damaged, or is not that of a '%s' observer with these arguments",
                    o->what, o->kind->name);
  }
  qe__source in = {data + CHECK_BYTES, size - CHECK_BYTES, false};
  const float min = qe__source_f32(&in), max = qe__source_f32(&in);
  const bool valid = min <= max ? isfinite(min) && isfinite(max) : min == INFINITY && max == -INFINITY;
  forget_errors();
  const int result = valid ? o->kind->load(o->self, o->state, in.data, in.left) : -1;
  if (result != 0) {
    return qe__fail_in(failure_of(o, result, QE_ERROR_FORMAT),
                       "tensor '%s': the saved state of its '%s' observer is malformed", o->what, o->kind->name);
  }
  o->min = min;
  o->max = max;
  return QE_OK;
}
