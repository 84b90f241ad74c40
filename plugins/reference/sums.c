/* Sums in the order that docs/numerics.md fixes: 16 lanes, a tree, chunks. */
#include "ref.h"

/* lane i takes the terms i, i+16, i+32, ... of a chunk; the tree adds halves. */
static float tree(const float lane[16]) {
  float s[16];
  for (int i = 0; i < 16; ++i)
    s[i] = lane[i];
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i)
      s[i] += s[i + half];
  return s[0];
}

/* Chunk sums are added in order, starting from the first chunk's sum itself. */
#define STRIDED_SUM(name, EXTRA_PARAM, term)                                                   \
  float name(const float *x, int64_t n, int64_t stride EXTRA_PARAM) {                          \
    float total = 0.0f;                                                                        \
    for (int64_t begin = 0; begin < n; begin += REF_SUM_CHUNK) {                               \
      const int64_t end = ref_min64(begin + REF_SUM_CHUNK, n);                                 \
      float lane[16] = {0};                                                                    \
      int64_t i = begin;                                                                       \
      for (; end - i >= 16; i += 16)                                                           \
        for (int l = 0; l < 16; ++l) {                                                         \
          const float v = x[(i + l) * stride];                                                 \
          lane[l] += (term);                                                                   \
        }                                                                                      \
      for (int l = 0; i < end; ++i, ++l) {                                                     \
        const float v = x[i * stride];                                                         \
        lane[l] += (term);                                                                     \
      }                                                                                        \
      total = begin == 0 ? tree(lane) : total + tree(lane);                                    \
    }                                                                                          \
    return total;                                                                              \
  }
#define NO_PARAM
#define MEAN_PARAM , float mean
STRIDED_SUM(ref_sum_f32, NO_PARAM, v)
STRIDED_SUM(ref_sum_squares_f32, NO_PARAM, v * v)
STRIDED_SUM(ref_sum_centered_f32, MEAN_PARAM, (v - mean) * (v - mean))

#define BOX_SUM(name, strided, EXTRA_PARAM, EXTRA_ARG, term)                                                        \
  float name(const float *x, uint32_t rank, const int64_t *dims, const int64_t *strides EXTRA_PARAM) {            \
    int64_t d[QE_MAX_RANK], s[QE_MAX_RANK];                                                                       \
    const uint32_t r = ref_box_merge(rank, dims, strides, d, s);                                                  \
    if (r <= 1)                                                                                                   \
      return strided(x, r ? d[0] : 1, r ? s[0] : 1 EXTRA_ARG);                                                    \
    const int64_t n = ref_count(r, d);                                                                            \
    ref_iter it;                                                                                                  \
    ref_iter_start(&it, r, d, s, 0);                                                                              \
    float total = 0.0f;                                                                                           \
    for (int64_t begin = 0; begin < n; begin += REF_SUM_CHUNK) {                                                  \
      const int64_t count = ref_min64(REF_SUM_CHUNK, n - begin);                                                  \
      float lane[16] = {0};                                                                                       \
      for (int64_t i = 0; i < count; ++i, ref_iter_next(&it)) {                                                   \
        const float v = x[it.offset];                                                                             \
        lane[i % 16] += (term);                                                                                   \
      }                                                                                                           \
      total = begin == 0 ? tree(lane) : total + tree(lane);                                                       \
    }                                                                                                             \
    return total;                                                                                                 \
  }
#define NO_ARG
#define MEAN_ARG , mean
BOX_SUM(ref_sum_box_f32, ref_sum_f32, NO_PARAM, NO_ARG, v)
BOX_SUM(ref_sum_squares_box_f32, ref_sum_squares_f32, NO_PARAM, NO_ARG, v * v)
BOX_SUM(ref_sum_centered_box_f32, ref_sum_centered_f32, MEAN_PARAM, MEAN_ARG, (v - mean) * (v - mean))
