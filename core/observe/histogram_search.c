/*
 * Clipping ranges from a histogram: mean squared error of the real quantizer, percentile, entropy.
 *
 *   mse         the range whose quantizer (choose_qparams, rounding, clipping and all) has the smallest expected
 *               squared error over the bins; a descent over the two ends, in 128 then 32 finer steps each
 *   percentile  a share of (1 - percentile) / 2 of the values is cut from each end
 *   entropy     the threshold on |x| at which the clipped distribution loses the least information (Kullback-Leibler)
 *               when it is coarsened to the number of codes, as TensorRT and ONNX Runtime calibrate
 */
#include <math.h>
#include <sleef.h>
#include <string.h>

#include "observe/histogram.h"

/* ---- mse ---- */

/* Integral of the quantizer's squared error from 0 to t: s^3/12 for each whole step, then what is left of one. */
static double error_integral(double t, double step, double bottom, double top) {
  double n = rint(t / step);
  n = n < bottom ? bottom : n > top ? top : n;
  const double rest = t - n * step;
  return (n * step * step / 12.0) * step + rest * rest * rest / 3.0;
}

/* Values lie evenly inside their bin; exact zeros cost nothing. */
static double squared_error(const qe__histogram *h, float lo, float hi) {
  const int32_t bins = h->args.bins;
  const double min = (double)h->min, width = ((double)h->max - min) / (double)bins;
  float scale;
  int32_t zero;
  double total = 0.0;
  if (qe__observer_choose(&h->args, lo, hi, &scale, &zero) != 0) return INFINITY;
  const double s = (double)scale, bottom = (double)h->args.quant_min - zero, top = (double)h->args.quant_max - zero;
  const double zero_bin = h->zeros > 0.0 ? floor((0.0 - min) / width) : -1.0;
  double before = error_integral(min, s, bottom, top);
  for (int32_t i = 0; i < bins; i++) {
    const double after = error_integral(min + width * ((double)i + 1.0), s, bottom, top), error = after - before;
    double count = h->counts[i];
    before = after;
    if ((double)i == zero_bin || (i == bins - 1 && zero_bin >= (double)bins)) {
      count = count > h->zeros ? count - h->zeros : 0.0;
    }
    if (count > 0.0) total += count * (error / width);
  }
  return total;
}

/* One end of the range moved toward zero, in steps; the other fixed. */
static void improve_end(const qe__histogram *h, float *lo, float *hi, bool upper, float from, float to, int steps,
                        double *best) {
  const float old_lo = *lo, old_hi = *hi;
  for (int k = 1; k <= steps; k++) {
    const float v = from + (to - from) * ((float)k / (float)steps);
    const float l = upper ? old_lo : v, r = upper ? v : old_hi;
    const double e = h->args.symmetric ? squared_error(h, -v, v) : squared_error(h, l, r);
    if (e < *best) {
      *best = e;
      *lo = h->args.symmetric ? -v : l;
      *hi = h->args.symmetric ? v : r;
    }
  }
}

void qe__histogram_mse(const qe__histogram *h, float *lo, float *hi) {
  const float bottom = h->min < 0.0f ? h->min : 0.0f, top = h->max > 0.0f ? h->max : 0.0f;
  const float reach = -bottom > top ? -bottom : top;
  *lo = h->args.symmetric ? -reach : bottom;
  *hi = h->args.symmetric ? reach : top;
  double best = squared_error(h, *lo, *hi);
  if (h->args.symmetric) {
    improve_end(h, lo, hi, true, reach, 0.02f * reach, 196, &best);
    improve_end(h, lo, hi, true, *hi * 1.01f, *hi * 0.99f, 32, &best);
    return;
  }
  for (int round = 0; round < 3; round++) {
    const float before_lo = *lo, before_hi = *hi;
    if (top > 0.0f) improve_end(h, lo, hi, true, top, 0.02f * top, 128, &best);
    if (bottom < 0.0f) improve_end(h, lo, hi, false, bottom, 0.02f * bottom, 128, &best);
    if (top > 0.0f) improve_end(h, lo, hi, true, *hi + 0.008f * top, *hi - 0.008f * top, 32, &best);
    if (bottom < 0.0f) improve_end(h, lo, hi, false, *lo + 0.008f * bottom, *lo - 0.008f * bottom, 32, &best);
    if (*lo == before_lo && *hi == before_hi) break;
  }
}

/* ---- percentile ---- */

/* The value below which `share` of the counts lie, linear inside a bin. */
static float quantile(const qe__histogram *h, double total, double share) {
  const double width = ((double)h->max - (double)h->min) / (double)h->args.bins, want = share * total;
  double sum = 0.0;
  for (int32_t i = 0; i < h->args.bins; i++) {
    if (h->counts[i] > 0.0 && sum + h->counts[i] >= want) {
      const double inside = (want - sum) / h->counts[i];
      return (float)((double)h->min + width * ((double)i + (inside < 0.0 ? 0.0 : inside > 1.0 ? 1.0 : inside)));
    }
    sum += h->counts[i];
  }
  return h->max;
}

void qe__histogram_percentile(const qe__histogram *h, float *lo, float *hi) {
  double total = 0.0;
  for (int32_t i = 0; i < h->args.bins; i++) total += h->counts[i];
  const double cut = (1.0 - (double)h->args.percentile) / 2.0;
  if (cut <= 0.0) return;
  *lo = quantile(h, total, cut);
  *hi = quantile(h, total, 1.0 - cut);
}

/* ---- entropy ---- */

#define LOG(x) Sleef_cinz_logd1_u10purec(x)

/* KL(P || Q) for bins [first, last]: P has the outside mass on its ends, Q is P coarsened to `levels` groups. */
static double divergence(const double *counts, int32_t bins, int32_t first, int32_t last, int32_t levels) {
  const int32_t n = last - first + 1;
  double below = 0.0, above = 0.0, total = 0.0, coarse_total = 0.0, sum = 0.0;
  for (int32_t i = 0; i < first; i++) below += counts[i];
  for (int32_t i = last + 1; i < bins; i++) above += counts[i];
  for (int32_t i = first; i <= last; i++) {
    total += counts[i];
    coarse_total += counts[i];
  }
  total += below + above;
  if (coarse_total <= 0.0) return INFINITY;
  for (int32_t g = 0; g < levels; g++) {
    const int32_t a = first + (int32_t)((int64_t)n * g / levels), b = first + (int32_t)((int64_t)n * (g + 1) / levels);
    double group = 0.0, used = 0.0;
    for (int32_t i = a; i < b; i++) {
      group += counts[i];
      used += counts[i] > 0.0 ? 1.0 : 0.0;
    }
    for (int32_t i = a; i < b; i++) {
      const double p = (counts[i] + (i == first ? below : 0.0) + (i == last ? above : 0.0)) / total;
      if (p <= 0.0) continue;
      const double q = counts[i] > 0.0 ? group / used / coarse_total : 1e-9;
      sum += p * LOG(p / q);
    }
  }
  return sum;
}

void qe__histogram_entropy(const qe__histogram *h, float *lo, float *hi) {
  const int32_t bins = h->args.bins, levels = h->args.quant_max - h->args.quant_min + 1;
  const double min = (double)h->min, max = (double)h->max, width = (max - min) / (double)bins;
  const double reach = -min > max ? -min : max;
  double best = INFINITY;
  if (bins <= levels) return;
  for (int32_t k = 128; k >= 8; k--) { /* the widest wins ties */
    const double t = reach * ((double)k / 128.0), a = min > 0.0 || min > -t ? min : -t,
                 b = max < 0.0 || max < t ? max : t;
    int32_t first = (int32_t)floor((a - min) / width), last = (int32_t)ceil((b - min) / width) - 1;
    first = first < 0 ? 0 : first >= bins ? bins - 1 : first;
    last = last < 0 ? 0 : last >= bins ? bins - 1 : last;
    if (last - first + 1 < levels) break;
    const double d = divergence(h->counts, bins, first, last, levels);
    if (d < best) {
      best = d;
      *lo = (float)(min + width * (double)first);
      *hi = (float)(min + width * (double)(last + 1));
    }
  }
}
