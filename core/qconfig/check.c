/* What can be wrong with a qconfig before any tensor is seen. */
#include <string.h>

#include "observe/kinds.h"
#include "observe/observe.h"
#include "qconfig/mapping.h"

static qe_status_t check_int(const char *what, const char *field, int64_t value, int64_t lo, int64_t hi) {
  if (value >= lo && value <= hi) return QE_OK;
  return qe__fail(QE_ERROR_INVALID_ARGUMENT, "'%s': %s is %lld; expected %lld..%lld", what, field, (long long)value,
                  (long long)lo, (long long)hi);
}

qe_status_t qe__observer_config_check(const qe_observer_config_t *c, bool activation, const char *what) {
  qe_observer_args args;
  if (!memchr(c->observer, '\0', sizeof c->observer)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "'%s': the observer's name does not end; expected at most %zu characters", what,
                    sizeof c->observer - 1);
  }
  if (qe__observer_config_is_none(c)) return QE_OK;
#define CHECK_BOOL(field, lo, hi)
#define CHECK_FLOAT(field, lo, hi)
#define CHECK_INT(field, lo, hi)   QE_TRY(check_int(what, #field, c->field, lo, hi));
#define FIELD(field, kind, lo, hi) CHECK_##kind(field, lo, hi)
#include "qconfig/fields.def"
#undef FIELD
  if (activation && qe__observer_config_per_channel(c)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "'%s': activations have one scale per tensor; use a per-tensor scheme, per-channel is for weights",
                    what);
  }
  return qe__observer_arguments(c, what, &args);
}

qe_status_t qe__qconfig_check(const qe_qconfig_t *q, const char *rule) {
  if (q->struct_size != sizeof *q) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "qconfig for '%s': struct_size is %u; expected %zu: start from qe_default_qconfig or set it to "
                    "sizeof(qe_qconfig_t)",
                    rule, q->struct_size, sizeof *q);
  }
  qe_status_t status = qe__observer_config_check(&q->activation, true, "activation");
  if (status == QE_OK) status = qe__observer_config_check(&q->weight, false, "weight");
  return status == QE_OK ? QE_OK : qe__fail_in(status, "qconfig for '%s'", rule);
}
