/* Mean and variance (moments.h). */
#include "moments.h"

ref_moments ref_moments_box(const float *x, uint32_t rank, const int64_t *dims, const int64_t *strides) {
  int64_t n = 1;
  for (uint32_t i = 0; i < rank; ++i)
    n *= dims[i];
  ref_moments m;
  m.mean = ref_sum_box_f32(x, rank, dims, strides) / (float)n;
  m.variance = ref_sum_centered_box_f32(x, rank, dims, strides, m.mean) / (float)n;
  return m;
}
