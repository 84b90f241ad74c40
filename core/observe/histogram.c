/*
 * histogram: counts of values in `bins` equal bins over the range seen so far; O(bins) memory however much data passes.
 *
 * A batch inside the range is counted into it. A batch outside widens the range as torch 1.13 does: the old bins are
 * refined `upsample_rate` times, the maximum is raised until the new range is a whole number of fine cells per bin, and
 * the old counts are spread over the new bins. So the bins of an old batch blur a little each time the range grows;
 * batch order matters to that extent, batch size does not otherwise. torch counts between the limits truncated to
 * integers and drops what falls outside; here the limits are the true ones and every value is counted. torch forgets
 * batches of one constant value; here they are kept. A batch inside the range leaves it as it is; torch may widen it by
 * rounding when the number of cells is not a power of two.
 */
#include "observe/histogram.h"

#include <math.h>
#include <string.h>

enum { MAX_BINS = 1 << 20 };

static int init(void *self, void *state, const qe_observer_args *args) {
  qe__histogram *h = state;
  (void)self;
  h->args = *args;
  if (args->bins < 2 || args->bins > MAX_BINS) {
    return (int)qe__fail(QE_ERROR_INVALID_ARGUMENT, "histogram observer: bins is %d; expected 2..%d", args->bins,
                         MAX_BINS);
  }
  h->counts = qe__calloc((size_t)args->bins, sizeof *h->counts);
  return h->counts ? 0 : QE_ERROR_OUT_OF_MEMORY;
}

static void fini(void *self, void *state) {
  (void)self;
  qe__free(((qe__histogram *)state)->counts);
}

enum { BLOCK = 512 };

/* histc's position, multiply, then divide; in double where float32 would overflow. Whole blocks vectorize. */
static void positions(int32_t *restrict to, int32_t bins, float min, float max, const float *restrict x) {
  const float width = max - min, scale = (float)bins;
  if (isfinite(width * scale)) {
    for (int i = 0; i < BLOCK; i++) to[i] = (int32_t)((x[i] - min) * scale / width);
  } else {
    const double wide = (double)max - (double)min;
    for (int i = 0; i < BLOCK; i++) to[i] = (int32_t)(((double)x[i] - (double)min) * (double)bins / wide);
  }
}

static void count_values(double *counts, int32_t bins, float min, float max, const float *x, int64_t n) {
  int32_t position[BLOCK];
  float rest[BLOCK];
  if (!(max > min)) {
    counts[0] += (double)n;
    return;
  }
  for (int64_t start = 0; start < n; start += BLOCK) {
    const int count = n - start < BLOCK ? (int)(n - start) : BLOCK;
    if (count < BLOCK) {
      for (int i = 0; i < BLOCK; i++) rest[i] = i < count ? x[start + i] : min;
    }
    positions(position, bins, min, max, count < BLOCK ? rest : x + start);
    for (int i = 0; i < count; i++) {
      counts[position[i] >= bins ? bins - 1 : position[i] < 0 ? 0 : position[i]] += 1.0;
    }
  }
}

/* How torch widens a range: cells of the old bins / upsample; the new bin is a whole number of cells. */
typedef struct widening {
  float min, max;
  double down;  /* cells per new bin; 0: no such number (a point, or too wide), the counts are rebinned instead */
  double start; /* cells between the new and the old minimum */
} widening;

static widening widen(const qe__histogram *h, float min, float max) {
  const float bins = (float)h->args.bins, up = (float)h->args.upsample_rate;
  const float cell = (h->max - h->min) / (bins * up);
  const float range = max - min, covered = bins * cell;
  const float down = ceilf(range / covered);
  const float wider = max + (down * covered - range);
  if (!(cell > 0.0f) || !(down < 1e15f) || !(wider >= max) || !isfinite(wider)) return (widening){min, max, 0.0, 0.0};
  return (widening){min, wider, (double)down, (double)rintf((h->min - min) / cell)};
}

/* Counts below cell t of the refined old histogram, times the refinement. */
static double below(const qe__histogram *h, const double *prefix, double t) {
  const double up = (double)h->args.upsample_rate, last = (double)h->args.bins;
  if (t <= 0.0) return 0.0;
  const double full = floor(t / up);
  if (full >= last) return prefix[h->args.bins] * up;
  return prefix[(size_t)full] * up + (t - full * up) * h->counts[(size_t)full];
}

/* Adds the old counts to `to`, whose bins are made of w->down cells each. */
static int spread(const qe__histogram *h, const widening *w, double *to) {
  const int32_t bins = h->args.bins;
  const double up = (double)h->args.upsample_rate;
  double before = 0.0;
  double *prefix = qe__calloc((size_t)bins + 1, sizeof *prefix);
  if (!prefix) return QE_ERROR_OUT_OF_MEMORY;
  for (int32_t i = 0; i < bins; i++) prefix[i + 1] = prefix[i] + h->counts[i];
  for (int32_t j = 0; j < bins; j++) {
    /* `start` is rounded: the last bin takes what that would leave outside. */
    const double integral =
        j == bins - 1 ? prefix[bins] * up : below(h, prefix, ((double)j + 1.0) * w->down - w->start);
    if (integral <= before) continue;
    to[j] += (integral - before) / up;
    before = integral;
  }
  qe__free(prefix);
  return 0;
}

static int32_t bin_at(double position, int32_t bins) {
  return position < 0.0 ? 0 : position >= (double)bins ? bins - 1 : (int32_t)position;
}

/* Adds the counts of `from` to bins over [min, max], each old bin spread evenly over the new bins it overlaps. */
static void rebin(double *to, int32_t bins, double min, double max, const qe__histogram *from) {
  const double width = (max - min) / (double)bins;
  const double old = ((double)from->max - (double)from->min) / (double)from->args.bins;
  for (int32_t i = 0; i < from->args.bins; i++) {
    const double a = ((double)from->min + old * (double)i - min) / width, b = a + old / width;
    const int32_t first = bin_at(a, bins), last = bin_at(b, bins);
    double left = from->counts[i];
    if (left == 0.0) continue;
    for (int32_t j = first; j < last; j++) {
      const double lo = a > (double)j ? a : (double)j, part = from->counts[i] * ((double)(j + 1) - lo) / (b - a);
      to[j] += part;
      left -= part;
    }
    if (left > 0.0) to[last] += left;
  }
}

/* Counts the batch and the old counts over [min, max], which holds both. */
static int recount(qe__histogram *h, float min, float max, const float *x, int64_t n) {
  const bool inside = min == h->min && max == h->max;
  const widening w = inside ? (widening){min, max, 0.0, 0.0} : widen(h, min, max);
  int status = 0;
  double *counts = qe__calloc((size_t)h->args.bins, sizeof *counts);
  if (!counts) return QE_ERROR_OUT_OF_MEMORY;
  count_values(counts, h->args.bins, w.min, w.max, x, n);
  if (inside) {
    for (int32_t i = 0; i < h->args.bins; i++) counts[i] += h->counts[i];
  } else if (w.down > 0.0) {
    status = spread(h, &w, counts);
  } else {
    rebin(counts, h->args.bins, (double)w.min, (double)w.max, h);
  }
  if (status != 0) {
    qe__free(counts);
    return status;
  }
  qe__free(h->counts);
  h->counts = counts;
  h->min = w.min;
  h->max = w.max;
  return 0;
}

static int observe(void *self, void *state, const float *x, uint32_t rank, const int64_t *dims) {
  qe__histogram *h = state;
  int64_t n = 1, zeros = 0;
  float min = h->batches ? h->min : INFINITY, max = h->batches ? h->max : -INFINITY;
  (void)self;
  for (uint32_t d = 0; d < rank; d++) n *= dims[d];
  if (n == 0) return 0;
  if (!qe__finite_range(x, n, &min, &max)) return QE_ERROR_NUMERIC;
  for (int64_t i = 0; i < n; i++) zeros += x[i] == 0.0f;
  if (h->batches == 0) {
    h->min = min;
    h->max = max;
  }
  const int status = recount(h, min, max, x, n);
  if (status != 0) return status;
  h->zeros += (double)zeros;
  h->batches++;
  return 0;
}

static int merge(void *self, void *state, const void *other) {
  qe__histogram *h = state;
  const qe__histogram *o = other;
  (void)self;
  if (o->batches == 0) return 0;
  if (h->batches == 0) {
    memcpy(h->counts, o->counts, (size_t)h->args.bins * sizeof *h->counts);
    h->min = o->min;
    h->max = o->max;
  } else if (h->min == o->min && h->max == o->max) {
    for (int32_t i = 0; i < h->args.bins; i++) h->counts[i] += o->counts[i];
  } else {
    const float min = o->min < h->min ? o->min : h->min, max = o->max > h->max ? o->max : h->max;
    double *counts = qe__calloc((size_t)h->args.bins, sizeof *counts);
    if (!counts) return QE_ERROR_OUT_OF_MEMORY;
    rebin(counts, h->args.bins, (double)min, (double)max, h);
    rebin(counts, h->args.bins, (double)min, (double)max, o);
    qe__free(h->counts);
    h->counts = counts;
    h->min = min;
    h->max = max;
  }
  h->zeros += o->zeros;
  h->batches += o->batches;
  return 0;
}

void qe__histogram_range(const qe__histogram *h, float *lo, float *hi) {
  *lo = h->min;
  *hi = h->max;
  if (!(h->max > h->min)) return;
  switch (h->args.method) {
    case QE_HISTOGRAM_MSE: qe__histogram_mse(h, lo, hi); break;
    case QE_HISTOGRAM_PERCENTILE: qe__histogram_percentile(h, lo, hi); break;
    case QE_HISTOGRAM_ENTROPY: qe__histogram_entropy(h, lo, hi); break;
    default: qe__histogram_l2(h, lo, hi); break;
  }
}

static int qparams(void *self, const void *state, uint32_t capacity, float *scales, int32_t *zero_points,
                   uint32_t *count) {
  const qe__histogram *h = state;
  float lo, hi;
  (void)self;
  *count = h->batches ? 1 : 0;
  if (h->batches == 0 || capacity == 0) return 0;
  qe__histogram_range(h, &lo, &hi);
  return qe__observer_choose(&h->args, lo, hi, scales, zero_points);
}

static int save(void *self, const void *state, void *buffer, size_t *size) {
  const qe__histogram *h = state;
  qe__bytes b = {buffer, 0};
  (void)self;
  qe__bytes_u64(&b, h->batches);
  qe__bytes_f32(&b, h->min);
  qe__bytes_f32(&b, h->max);
  qe__bytes_f64(&b, h->zeros);
  for (int32_t i = 0; i < h->args.bins; i++) qe__bytes_f64(&b, h->counts[i]);
  *size = b.size;
  return 0;
}

static int load(void *self, void *state, const void *buffer, size_t size) {
  qe__histogram *h = state;
  qe__source in = {buffer, size, false};
  (void)self;
  const uint64_t batches = qe__source_u64(&in);
  const float min = qe__source_f32(&in), max = qe__source_f32(&in);
  const double zeros = qe__source_f64(&in);
  qe__source ahead = in; /* everything is checked before anything is changed */
  double total = 0.0;
  bool valid = isfinite(min) && isfinite(max) && min <= max && zeros >= 0.0 && zeros < 1e300;
  for (int32_t i = 0; i < h->args.bins; i++) {
    const double count = qe__source_f64(&ahead);
    valid = valid && count >= 0.0 && count < 1e300;
    total += count;
  }
  if (!valid || ahead.failed || ahead.left || (batches == 0) != (total == 0.0)) return -1;
  h->batches = batches;
  h->min = min;
  h->max = max;
  h->zeros = zeros;
  for (int32_t i = 0; i < h->args.bins; i++) h->counts[i] = qe__source_f64(&in);
  return 0;
}

const qe_observer qe__kind_histogram = {.struct_size = sizeof(qe_observer),
                                        .name = "histogram",
                                        .state_size = sizeof(qe__histogram),
                                        .init = init,
                                        .fini = fini,
                                        .observe = observe,
                                        .merge = merge,
                                        .qparams = qparams,
                                        .save = save,
                                        .load = load};
