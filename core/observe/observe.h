/*
 * Observers in the core: every kind is a qe_observer (qengine_plugin.h), built in or from a plugin; here they are
 * looked up, made from a qconfig, fed, merged, saved and asked for parameters.
 */
#ifndef QE_CORE_OBSERVE_H
#define QE_CORE_OBSERVE_H

#include "base/status.h"
#include "qengine/qconfig.h"
#include "qengine_plugin.h"
#include "tensor/tensor.h"

typedef struct qe__observer qe__observer; /* one state with its arguments */

/* Checks the config (range, dtype, scheme, reduce_range, known name) and makes a fresh state. `what` names the tensor
 * in messages. */
qe_status_t qe__observer_create(const qe_observer_config_t *config, const char *what, qe__observer **out);
void qe__observer_destroy(qe__observer **o);
/* x is float32, row-major. An empty tensor is a no-op. NaN or Inf: QE_ERROR_NUMERIC naming `what` and the first place;
 * the state is then as before. */
qe_status_t qe__observer_observe(qe__observer *o, const qe_tensor_t *x);
qe_status_t qe__observer_merge(qe__observer *o, const qe__observer *other); /* same config */
/* Parameters so far. *observed false: never fed -> scale 1, zero point 0. qparams owned by the caller
 * (qe__qparams_clear). */
qe_status_t qe__observer_qparams(const qe__observer *o, qe__qparams *out, bool *observed);
qe_dtype_t qe__observer_dtype(const qe__observer *o);
const qe_observer_config_t *qe__observer_config(const qe__observer *o);
/* Effective quantization range after reduce_range and custom limits. */
void qe__observer_range(const qe__observer *o, int32_t *qmin, int32_t *qmax);
/* min and max seen (per-tensor kinds; false when the kind has none or nothing was seen). */
bool qe__observer_min_max(const qe__observer *o, float *min, float *max);
/*
 * State as bytes; save allocates *buffer (qe__free). Load refuses (FORMAT) bytes that are damaged or come from another
 * kind or other arguments, and leaves the observer as it was.
 */
qe_status_t qe__observer_save(const qe__observer *o, void **buffer, size_t *size);
qe_status_t qe__observer_load(qe__observer *o, const void *buffer, size_t size);
/* True when nothing is quantized by it ("", placeholder, noop). */
bool qe__observer_config_is_none(const qe_observer_config_t *config);
/* True for "dynamic": parameters are chosen for each tensor as it arrives. */
bool qe__observer_config_is_dynamic(const qe_observer_config_t *config);
bool qe__observer_config_per_channel(const qe_observer_config_t *config);

#endif
