/* The histogram observer's state, and the searches for a clipping range over it. */
#ifndef QE_CORE_OBSERVE_HISTOGRAM_H
#define QE_CORE_OBSERVE_HISTOGRAM_H

#include "observe/kinds.h"

typedef struct qe__histogram {
  qe_observer_args args;
  uint64_t batches;
  float min, max; /* the range that the bins cover; min == max: one value only, counted in bin 0 */
  double zeros;   /* exact zeros: every quantizer represents them exactly, so they cost nothing */
  double *counts; /* args.bins of them */
} qe__histogram;

/* The range [lo, hi] that args.method chooses. The histogram is not empty. */
void qe__histogram_range(const qe__histogram *h, float *lo, float *hi);

/* One function per method (histogram_l2.c, histogram_search.c). */
void qe__histogram_l2(const qe__histogram *h, float *lo, float *hi);
void qe__histogram_mse(const qe__histogram *h, float *lo, float *hi);
void qe__histogram_percentile(const qe__histogram *h, float *lo, float *hi);
void qe__histogram_entropy(const qe__histogram *h, float *lo, float *hi);

#endif
