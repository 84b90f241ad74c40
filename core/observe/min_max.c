/*
 * min_max and moving_average_min_max: the range of a whole tensor.
 *
 *   min_max          min = min(min, batch min), max likewise. Batch order and size do not matter.
 *   moving average   the first batch sets the range; then m += c * (batch m - m) in float32 (torch). Batches count
 *                    equally whatever their size, and their order matters. Merging averages the two ranges weighted by
 *                    batches.
 */
#include <math.h>

#include "observe/kinds.h"

typedef struct range_state {
  qe_observer_args args;
  float min, max;
  uint64_t batches;
} range_state;

static int range_init(void *self, void *state, const qe_observer_args *args) {
  range_state *s = state;
  (void)self;
  s->args = *args;
  s->min = INFINITY;
  s->max = -INFINITY;
  return 0;
}

/* False when the batch is empty. */
static bool batch_range(const float *x, uint32_t rank, const int64_t *dims, float *min, float *max) {
  int64_t n = 1;
  for (uint32_t d = 0; d < rank; d++) n *= dims[d];
  *min = INFINITY;
  *max = -INFINITY;
  return n > 0 && qe__finite_range(x, n, min, max);
}

static int min_max_observe(void *self, void *state, const float *x, uint32_t rank, const int64_t *dims) {
  range_state *s = state;
  float min, max;
  (void)self;
  if (!batch_range(x, rank, dims, &min, &max)) return 0;
  s->min = min < s->min ? min : s->min;
  s->max = max > s->max ? max : s->max;
  s->batches++;
  return 0;
}

static int average_observe(void *self, void *state, const float *x, uint32_t rank, const int64_t *dims) {
  range_state *s = state;
  float min, max;
  (void)self;
  if (!batch_range(x, rank, dims, &min, &max)) return 0;
  if (s->batches == 0) {
    s->min = min;
    s->max = max;
  } else {
    s->min = qe__weighted_mean(s->min, min, s->args.averaging_constant);
    s->max = qe__weighted_mean(s->max, max, s->args.averaging_constant);
  }
  s->batches++;
  return 0;
}

static int min_max_merge(void *self, void *state, const void *other) {
  range_state *s = state;
  const range_state *o = other;
  (void)self;
  s->min = o->min < s->min ? o->min : s->min;
  s->max = o->max > s->max ? o->max : s->max;
  s->batches += o->batches;
  return 0;
}

static int average_merge(void *self, void *state, const void *other) {
  range_state *s = state;
  const range_state *o = other;
  (void)self;
  if (o->batches == 0) return 0;
  if (s->batches == 0) {
    s->min = o->min;
    s->max = o->max;
  } else {
    const float share = (float)o->batches / (float)(s->batches + o->batches);
    s->min = qe__weighted_mean(s->min, o->min, share);
    s->max = qe__weighted_mean(s->max, o->max, share);
  }
  s->batches += o->batches;
  return 0;
}

static int range_qparams(void *self, const void *state, uint32_t capacity, float *scales, int32_t *zero_points,
                         uint32_t *count) {
  const range_state *s = state;
  (void)self;
  *count = s->batches ? 1 : 0;
  if (s->batches == 0 || capacity == 0) return 0;
  return qe__observer_choose(&s->args, s->min, s->max, scales, zero_points);
}

static int range_save(void *self, const void *state, void *buffer, size_t *size) {
  const range_state *s = state;
  qe__bytes b = {buffer, 0};
  (void)self;
  qe__bytes_u64(&b, s->batches);
  qe__bytes_f32(&b, s->min);
  qe__bytes_f32(&b, s->max);
  *size = b.size;
  return 0;
}

static int range_load(void *self, void *state, const void *buffer, size_t size) {
  range_state *s = state;
  qe__source in = {buffer, size, false};
  (void)self;
  const uint64_t batches = qe__source_u64(&in);
  const float min = qe__source_f32(&in), max = qe__source_f32(&in);
  if (in.failed || in.left || (batches && !(min <= max && isfinite(min) && isfinite(max)))) return -1;
  s->batches = batches;
  s->min = batches ? min : INFINITY;
  s->max = batches ? max : -INFINITY;
  return 0;
}

const qe_observer qe__kind_min_max = {.struct_size = sizeof(qe_observer),
                                      .name = "min_max",
                                      .state_size = sizeof(range_state),
                                      .init = range_init,
                                      .observe = min_max_observe,
                                      .merge = min_max_merge,
                                      .qparams = range_qparams,
                                      .save = range_save,
                                      .load = range_load};

const qe_observer qe__kind_moving_average_min_max = {.struct_size = sizeof(qe_observer),
                                                     .name = "moving_average_min_max",
                                                     .state_size = sizeof(range_state),
                                                     .init = range_init,
                                                     .observe = average_observe,
                                                     .merge = average_merge,
                                                     .qparams = range_qparams,
                                                     .save = range_save,
                                                     .load = range_load};
