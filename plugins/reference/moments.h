/* Mean and variance over a box of elements, and normalization with them: what instance and group norm share. */
#ifndef QE_REFERENCE_MOMENTS_H
#define QE_REFERENCE_MOMENTS_H

#include "ref.h"

typedef struct ref_moments {
  float mean, variance;
} ref_moments;

/* mean = sum / (float)n, variance = sum of (x - mean)^2 / (float)n, both 16-lane sums in row-major order of the box. */
ref_moments ref_moments_box(const float *x, uint32_t rank, const int64_t *dims, const int64_t *strides);

#endif
