/*
 * torch's range search (1.13, HistogramObserver._non_linear_param_search): quantiles are walked inward in steps of
 * 1e-5 from the end that would give up more bins, as long as the estimated L2 error of 2^bits destination bins falls.
 */
#include <math.h>

#include "observe/histogram.h"

/* Integral of density * x^2 over [a, b]. */
static double norm(double a, double b, double density) {
  return density * (b * b * b - a * a * a) / 3.0;
}

static double quantization_error(const qe__histogram *h, int32_t start, int32_t end, double width, double levels) {
  const double dst = width * (double)(end - start + 1) / levels;
  double total = 0.0;
  if (dst == 0.0) return 0.0;
  for (int32_t i = 0; i < h->args.bins; i++) {
    const double begin = (double)(i - start) * width, stop = begin + width, density = h->counts[i] / width;
    double first = floor(begin / dst), last = floor(stop / dst);
    first = first < 0.0 ? 0.0 : first > levels - 1.0 ? levels - 1.0 : first;
    last = last < 0.0 ? 0.0 : last > levels - 1.0 ? levels - 1.0 : last;
    total += norm(begin - (first + 0.5) * dst, dst / 2.0, density);
    total += (last - first - 1.0) * norm(-dst / 2.0, dst / 2.0, density);
    total += norm(-dst / 2.0, stop - (last + 0.5) * dst, density);
  }
  return total;
}

void qe__histogram_l2(const qe__histogram *h, float *lo, float *hi) {
  const int32_t bins = h->args.bins;
  const float width = (h->max - h->min) / (float)bins; /* infinite where only double can hold max - min */
  const double wide = isfinite(width) ? (double)width : ((double)h->max - (double)h->min) / (double)bins;
  const double step = 1e-5, levels = 256.0; /* 2^8, also for reduced ranges, as torch has it */
  double total = 0.0, alpha = 0.0, beta = 1.0, best = INFINITY;
  int32_t start = 0, end = bins - 1;
  double *cumulative = qe__calloc((size_t)bins, sizeof *cumulative);
  if (!cumulative) return; /* the full range */
  for (int32_t i = 0; i < bins; i++) {
    total += h->counts[i];
    cumulative[i] = total;
  }
  while (alpha < beta) {
    const double next_alpha = alpha + step, next_beta = beta - step;
    int32_t left = start, right = end;
    while (left < end && cumulative[left] < next_alpha * total) left++;
    while (right > start && cumulative[right] > next_beta * total) right--;
    int32_t next_start = start, next_end = end;
    if (left - start > end - right) {
      next_start = left;
      alpha = next_alpha;
    } else {
      next_end = right;
      beta = next_beta;
    }
    if (next_start == start && next_end == end) continue;
    const double error = quantization_error(h, next_start, next_end, wide, levels);
    if (error > best) break;
    best = error;
    start = next_start;
    end = next_end;
  }
  qe__free(cumulative);
  *lo = isfinite(width) ? h->min + width * (float)start : (float)((double)h->min + wide * start);
  *hi = isfinite(width)   ? h->min + width * (float)(end + 1)
        : end == bins - 1 ? h->max
                          : (float)((double)h->min + wide * (end + 1));
}
