/* The built-in kinds of observers and the helpers that they share. */
#ifndef QE_CORE_OBSERVE_KINDS_H
#define QE_CORE_OBSERVE_KINDS_H

#include "qengine/qconfig.h"
#include "qengine_plugin.h"
#include "tensor/tensor.h"

extern const qe_observer qe__kind_min_max, qe__kind_moving_average_min_max;
extern const qe_observer qe__kind_per_channel_min_max, qe__kind_moving_average_per_channel_min_max;
extern const qe_observer qe__kind_histogram, qe__kind_fixed_qparams;
extern const qe_observer qe__kind_placeholder, qe__kind_recording, qe__kind_noop, qe__kind_reuse_input;
extern const qe_observer qe__kind_dynamic;

/* Kinds that never give parameters: bit 0 of qe_observer.flags. */
#define QE__OBSERVER_NO_PARAMS 1u

/* Checks a config and works out the arguments; `what` names the tensor in messages. */
qe_status_t qe__observer_arguments(const qe_observer_config_t *config, const char *what, qe_observer_args *out);

/* Widens *min..*max to the n values; false, with nothing changed, when one of them is not finite. */
bool qe__finite_range(const float *x, int64_t n, float *min, float *max);

/* old + weight * (now - old), in float32, also where the difference overflows. */
float qe__weighted_mean(float old, float now, float weight);

/* Parameters for a range, by docs/numerics.md. Returns 0 or -1 with the message set. */
int qe__observer_choose(const qe_observer_args *args, float min, float max, float *scale, int32_t *zero_point);

/* ---- states as bytes: little-endian, in the order written ---- */

typedef struct qe__bytes { /* a writer that only counts while data is NULL */
  unsigned char *data;
  size_t size;
} qe__bytes;
void qe__bytes_u64(qe__bytes *b, uint64_t v);
void qe__bytes_f32(qe__bytes *b, float v);
void qe__bytes_f64(qe__bytes *b, double v);

typedef struct qe__source {
  const unsigned char *data;
  size_t left;
  bool failed; /* read past the end */
} qe__source;
uint64_t qe__source_u64(qe__source *s);
float qe__source_f32(qe__source *s);
double qe__source_f64(qe__source *s);

#endif
