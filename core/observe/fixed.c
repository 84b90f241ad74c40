/*
 * Observers that do not look: fixed_qparams gives what it was told; placeholder, recording, noop, dynamic and reuse_input give
 * no parameters. recording remembers how many elements and batches passed (torch's keeps the tensors; here memory stays
 * O(1), and any value can be fetched by name from a session instead).
 */
#include <string.h>

#include "observe/kinds.h"

typedef struct passive_state {
  qe_observer_args args;
  uint64_t batches, elements;
} passive_state;

static int init(void *self, void *state, const qe_observer_args *args) {
  (void)self;
  ((passive_state *)state)->args = *args;
  return 0;
}

static int observe(void *self, void *state, const float *x, uint32_t rank, const int64_t *dims) {
  passive_state *s = state;
  uint64_t n = 1;
  (void)self;
  (void)x;
  for (uint32_t d = 0; d < rank; d++) n *= (uint64_t)dims[d];
  s->batches++;
  s->elements += n;
  return 0;
}

static int merge(void *self, void *state, const void *other) {
  (void)self;
  ((passive_state *)state)->batches += ((const passive_state *)other)->batches;
  ((passive_state *)state)->elements += ((const passive_state *)other)->elements;
  return 0;
}

static int fixed_qparams(void *self, const void *state, uint32_t capacity, float *scales, int32_t *zero_points,
                         uint32_t *count) {
  const passive_state *s = state;
  (void)self;
  *count = 1;
  if (capacity > 0) {
    scales[0] = s->args.scale;
    zero_points[0] = s->args.zero_point;
  }
  return 0;
}

static int no_qparams(void *self, const void *state, uint32_t capacity, float *scales, int32_t *zero_points,
                      uint32_t *count) {
  (void)self;
  (void)state;
  (void)capacity;
  (void)scales;
  (void)zero_points;
  *count = 0;
  return 0;
}

static int save(void *self, const void *state, void *buffer, size_t *size) {
  const passive_state *s = state;
  qe__bytes b = {buffer, 0};
  (void)self;
  qe__bytes_u64(&b, s->batches);
  qe__bytes_u64(&b, s->elements);
  *size = b.size;
  return 0;
}

static int load(void *self, void *state, const void *buffer, size_t size) {
  passive_state *s = state;
  qe__source in = {buffer, size, false};
  (void)self;
  const uint64_t batches = qe__source_u64(&in), elements = qe__source_u64(&in);
  if (in.failed || in.left) return -1;
  s->batches = batches;
  s->elements = elements;
  return 0;
}

#define PASSIVE(kind, text, params, bits)                                                                              \
  const qe_observer qe__kind_##kind = {.struct_size = sizeof(qe_observer),                                             \
                                       .flags = bits,                                                                  \
                                       .name = text,                                                                   \
                                       .state_size = sizeof(passive_state),                                            \
                                       .init = init,                                                                   \
                                       .observe = observe,                                                             \
                                       .merge = merge,                                                                 \
                                       .qparams = params,                                                              \
                                       .save = save,                                                                   \
                                       .load = load}
PASSIVE(fixed_qparams, "fixed_qparams", fixed_qparams, 0);
PASSIVE(placeholder, "placeholder", no_qparams, QE__OBSERVER_NO_PARAMS);
PASSIVE(recording, "recording", no_qparams, QE__OBSERVER_NO_PARAMS);
PASSIVE(noop, "noop", no_qparams, QE__OBSERVER_NO_PARAMS);
PASSIVE(dynamic, "dynamic", no_qparams, QE__OBSERVER_NO_PARAMS);
PASSIVE(reuse_input, "reuse_input", no_qparams, QE__OBSERVER_NO_PARAMS);
