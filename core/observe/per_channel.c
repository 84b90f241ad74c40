/*
 * per_channel_min_max and moving_average_per_channel_min_max: one range per index of dimension ch_axis, by the rules of
 * min_max.c. The number of channels is that of the first batch; another one later is an error.
 */
#include <math.h>
#include <string.h>

#include "observe/kinds.h"

typedef struct channel_state {
  qe_observer_args args;
  uint64_t batches;
  int64_t channels;
  float *min, *max; /* one allocation, at min */
} channel_state;

static int init(void *self, void *state, const qe_observer_args *args) {
  (void)self;
  ((channel_state *)state)->args = *args;
  return 0;
}

static void fini(void *self, void *state) {
  channel_state *s = state;
  (void)self;
  qe__free(s->min);
  s->min = s->max = NULL;
}

static int reserve(channel_state *s, int64_t channels) {
  if (s->min) {
    if (s->channels == channels) return 0;
    return (int)qe__fail(QE_ERROR_SHAPE, "a per-channel observer saw %lld channels first and %lld now",
                         (long long)s->channels, (long long)channels);
  }
  s->min = qe__calloc((size_t)channels * 2 + 1, sizeof *s->min);
  if (!s->min) return QE_ERROR_OUT_OF_MEMORY;
  s->max = s->min + channels;
  s->channels = channels;
  for (int64_t c = 0; c < channels; c++) {
    s->min[c] = INFINITY;
    s->max[c] = -INFINITY;
  }
  return 0;
}

/* Folds a batch's ranges into min/max; average: by the moving average, else by min and max. */
static int observe(channel_state *s, const float *x, uint32_t rank, const int64_t *dims, bool average) {
  int64_t outer = 1, inner = 1;
  const int32_t axis = s->args.ch_axis < 0 ? s->args.ch_axis + (int32_t)rank : s->args.ch_axis;
  if (axis < 0 || axis >= (int32_t)rank) {
    return (int)qe__fail(QE_ERROR_SHAPE, "a per-channel observer with ch_axis %d saw a tensor of rank %u",
                         s->args.ch_axis, rank);
  }
  for (uint32_t d = 0; d < rank; d++) {
    if (dims[d] == 0) return 0;
    if ((int32_t)d < axis) outer *= dims[d];
    if ((int32_t)d > axis) inner *= dims[d];
  }
  const int64_t channels = dims[axis];
  const bool first = s->batches == 0;
  const int reserved = reserve(s, channels);
  if (reserved != 0) return reserved;
  for (int64_t c = 0; c < channels; c++) {
    float min = INFINITY, max = -INFINITY;
    for (int64_t o = 0; o < outer; o++) {
      (void)qe__finite_range(x + (o * channels + c) * inner, inner, &min, &max);
    }
    if (average && !first) {
      s->min[c] = qe__weighted_mean(s->min[c], min, s->args.averaging_constant);
      s->max[c] = qe__weighted_mean(s->max[c], max, s->args.averaging_constant);
    } else {
      s->min[c] = min < s->min[c] ? min : s->min[c];
      s->max[c] = max > s->max[c] ? max : s->max[c];
    }
  }
  s->batches++;
  return 0;
}

static int min_max_observe(void *self, void *state, const float *x, uint32_t rank, const int64_t *dims) {
  (void)self;
  return observe(state, x, rank, dims, false);
}

static int average_observe(void *self, void *state, const float *x, uint32_t rank, const int64_t *dims) {
  (void)self;
  return observe(state, x, rank, dims, true);
}

static int merge(channel_state *s, const channel_state *o, bool average) {
  if (o->batches == 0) return 0;
  const bool first = s->batches == 0;
  const int reserved = reserve(s, o->channels);
  if (reserved != 0) return reserved;
  const float share = (float)o->batches / (float)(s->batches + o->batches);
  for (int64_t c = 0; c < s->channels; c++) {
    if (average && !first) {
      s->min[c] = qe__weighted_mean(s->min[c], o->min[c], share);
      s->max[c] = qe__weighted_mean(s->max[c], o->max[c], share);
    } else {
      s->min[c] = o->min[c] < s->min[c] ? o->min[c] : s->min[c];
      s->max[c] = o->max[c] > s->max[c] ? o->max[c] : s->max[c];
    }
  }
  s->batches += o->batches;
  return 0;
}

static int min_max_merge(void *self, void *state, const void *other) {
  (void)self;
  return merge(state, other, false);
}

static int average_merge(void *self, void *state, const void *other) {
  (void)self;
  return merge(state, other, true);
}

static int qparams(void *self, const void *state, uint32_t capacity, float *scales, int32_t *zero_points,
                   uint32_t *count) {
  const channel_state *s = state;
  (void)self;
  *count = (uint32_t)s->channels;
  for (int64_t c = 0; c < s->channels && c < (int64_t)capacity; c++) {
    if (qe__observer_choose(&s->args, s->min[c], s->max[c], &scales[c], &zero_points[c]) != 0) return -1;
  }
  return 0;
}

static int save(void *self, const void *state, void *buffer, size_t *size) {
  const channel_state *s = state;
  qe__bytes b = {buffer, 0};
  (void)self;
  qe__bytes_u64(&b, s->batches);
  qe__bytes_u64(&b, (uint64_t)s->channels);
  for (int64_t c = 0; c < s->channels; c++) {
    qe__bytes_f32(&b, s->min[c]);
    qe__bytes_f32(&b, s->max[c]);
  }
  *size = b.size;
  return 0;
}

static int load(void *self, void *state, const void *buffer, size_t size) {
  channel_state *s = state;
  qe__source in = {buffer, size, false};
  const uint64_t batches = qe__source_u64(&in), channels = qe__source_u64(&in);
  if (in.failed || channels != in.left / 8 || in.left % 8 != 0 || (batches == 0) != (channels == 0)) return -1;
  qe__source ahead = in; /* everything is checked before anything is changed */
  for (uint64_t c = 0; c < channels; c++) {
    const float min = qe__source_f32(&ahead), max = qe__source_f32(&ahead);
    if (!(min <= max) || !isfinite(min) || !isfinite(max)) return -1;
  }
  channel_state fresh = {.args = s->args, .batches = batches};
  if (channels > 0) {
    const int reserved = reserve(&fresh, (int64_t)channels);
    if (reserved != 0) return reserved;
  }
  for (int64_t c = 0; c < fresh.channels; c++) {
    fresh.min[c] = qe__source_f32(&in);
    fresh.max[c] = qe__source_f32(&in);
  }
  fini(self, s);
  *s = fresh;
  return 0;
}

const qe_observer qe__kind_per_channel_min_max = {.struct_size = sizeof(qe_observer),
                                                  .name = "per_channel_min_max",
                                                  .state_size = sizeof(channel_state),
                                                  .init = init,
                                                  .fini = fini,
                                                  .observe = min_max_observe,
                                                  .merge = min_max_merge,
                                                  .qparams = qparams,
                                                  .save = save,
                                                  .load = load};

const qe_observer qe__kind_moving_average_per_channel_min_max = {.struct_size = sizeof(qe_observer),
                                                                 .name = "moving_average_per_channel_min_max",
                                                                 .state_size = sizeof(channel_state),
                                                                 .init = init,
                                                                 .fini = fini,
                                                                 .observe = average_observe,
                                                                 .merge = average_merge,
                                                                 .qparams = qparams,
                                                                 .save = save,
                                                                 .load = load};
