/* Parameters of FakeQuantize and FakeQuantizeGrad: scales and zero points as float32 inputs, one or one per channel. */
#ifndef QE_REFERENCE_FAKE_QUANTIZE_H
#define QE_REFERENCE_FAKE_QUANTIZE_H

#include "nest.h"
#include "quant.h"

typedef struct ref_fake {
  const float *scales, *zeros;
  int64_t scale_step, zero_step; /* elements from one channel's to the next one's */
  int32_t lo, hi;                /* quant_min, quant_max */
  int32_t axis;                  /* -1: per tensor */
} ref_fake;

/* One pair of parameters, the zero point as the code that it stands for. */
typedef struct ref_fake_pair {
  float scale;
  int32_t zero;
} ref_fake_pair;

/* The scale is input `first`, the zero point the one after; in: the call's inputs. */
static inline ref_fake ref_fake_of(const qe_problem *p, uint32_t first, const void *const *in) {
  return (ref_fake){.scales = in[first],
                    .zeros = in[first + 1],
                    .scale_step = p->in[first]->strides[0],
                    .zero_step = p->in[first + 1]->strides[0],
                    .lo = (int32_t)p->params->starts[0],
                    .hi = (int32_t)p->params->starts[1],
                    .axis = (int32_t)p->params->axis};
}

static inline ref_fake_pair ref_fake_pair_of(const ref_fake *f, int64_t channel) {
  return (ref_fake_pair){f->scales[channel * f->scale_step],
                         ref_rne_sat(f->zeros[channel * f->zero_step], 0, f->lo, f->hi)};
}

static inline int64_t ref_fake_channels(const qe_problem *p, const qe_operand *x) {
  return p->params->axis < 0 ? 1 : x->dims[p->params->axis];
}

/* Strides of an operand that holds the number of the channel of each element of x. */
static inline void ref_fake_channel_strides(const qe_problem *p, int64_t strides[QE_MAX_RANK]) {
  for (uint32_t d = 0; d < QE_MAX_RANK; ++d)
    strides[d] = p->params->axis >= 0 && d == (uint32_t)p->params->axis;
}

#endif
