/*
 * The channels of a tensor [N, C, ...] of any strides, some neighbouring ones at a time, and the elements of each in
 * row-major order of sample and position. Where channels lie side by side in memory the loops over them vectorize.
 */
#ifndef QE_REFERENCE_CHANNELS_H
#define QE_REFERENCE_CHANNELS_H

#include "ref.h"

#define REF_CHANNELS 32 /* of one tile */

typedef struct ref_channels {
  uint32_t rank; /* of the box of samples and positions */
  int64_t dims[QE_MAX_RANK], strides[QE_MAX_RANK];
  int64_t step; /* from channel to channel */
} ref_channels;

/* Needs rank >= 2. */
static inline ref_channels ref_channels_of(const qe_operand *x) {
  ref_channels c = {.step = x->strides[1]};
  int64_t dims[QE_MAX_RANK], strides[QE_MAX_RANK];
  uint32_t n = 0;
  for (uint32_t d = 0; d < x->rank; ++d) {
    if (d == 1)
      continue;
    dims[n] = x->dims[d];
    strides[n++] = x->strides[d];
  }
  c.rank = ref_box_merge(n, dims, strides, c.dims, c.strides);
  return c;
}

/* Elements of one channel. */
static inline int64_t ref_channels_elements(const qe_operand *x) {
  return ref_count(x->rank - 2u, x->dims + 2) * x->dims[0];
}

static inline void ref_channels_start(ref_iter *it, const ref_channels *c) {
  ref_iter_start(it, c->rank, c->dims, c->strides, 0);
}

/* row[i] = x[i * step] */
static inline void ref_channels_load(float *row, const float *x, int64_t step, int64_t n) {
  if (step == 1)
    for (int64_t i = 0; i < n; ++i)
      row[i] = x[i];
  else
    for (int64_t i = 0; i < n; ++i)
      row[i] = x[i * step];
}

static inline void ref_channels_store(float *y, int64_t step, const float *row, int64_t n) {
  if (step == 1)
    for (int64_t i = 0; i < n; ++i)
      y[i] = row[i];
  else
    for (int64_t i = 0; i < n; ++i)
      y[i * step] = row[i];
}

#endif
