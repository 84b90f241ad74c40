/* Mean and variance (moments.h). */
#include "moments.h"

ref_moments ref_moments_box(const float *x, uint32_t rank, const int64_t *dims, const int64_t *strides) {
  const int64_t n = ref_count(rank, dims);
  ref_moments m;
  m.mean = ref_sum_box_f32(x, rank, dims, strides) / (float)n;
  m.variance = ref_sum_centered_box_f32(x, rank, dims, strides, m.mean) / (float)n;
  return m;
}
