/* FakeQuantize and FakeQuantizeGrad: their parameters and how they are cut. */
#ifndef QE_CPU_TRAIN_FAKE_QUANTIZE_H
#define QE_CPU_TRAIN_FAKE_QUANTIZE_H

#include "codes/nest.h"

#define FB_FAKE_TILE 65536 /* elements */

typedef struct fb_fake {
  const float *scales, *zeros;
  int64_t scale_step, zero_step; /* elements from one channel's to the next one's */
  int32_t lo, hi;                /* quant_min, quant_max */
  int32_t axis;                  /* -1: per tensor */
} fb_fake;

/* The scale is input `first`, the zero point the one after; in: the call's inputs. */
fb_fake fb_fake_of(const qe_problem *p, uint32_t first, const void *const *in);
static inline float fb_fake_scale(const fb_fake *f, int64_t channel) { return f->scales[channel * f->scale_step]; }
static inline int32_t fb_fake_zero(const fb_fake *f, int64_t channel) {
  return fb_round_code(f->zeros[channel * f->zero_step], 0, f->lo, f->hi);
}

#define FB_FAKE_CHUNK 256 /* channels whose parameters are prepared at once */

/* Scales and ranges less the zero point of n <= FB_FAKE_CHUNK channels that follow each other. */
typedef struct fb_fake_channels {
  float scales[FB_FAKE_CHUNK], lo[FB_FAKE_CHUNK], hi[FB_FAKE_CHUNK];
} fb_fake_channels;
static inline void fb_fake_prepare(fb_fake_channels *to, const fb_fake *f, int64_t channel, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const int32_t zero = fb_fake_zero(f, channel + i);
    to->scales[i] = fb_fake_scale(f, channel + i);
    to->lo[i] = (float)(f->lo - zero);
    to->hi[i] = (float)(f->hi - zero);
  }
}

/* Output 0, then the first n inputs, then the number of the channel; closed. */
void fb_fake_nest(fb_nest *nest, const qe_problem *p, uint32_t n);

/* FakeQuantizeGrad: the first tiles are pieces of dx, then comes one for each channel's sums. */
int64_t fb_fake_grad_pieces(const qe_problem *p);
bool fb_fake_grad_sums(const qe_problem *p);
/* Terms of a channel that are gathered at a time. */
int64_t fb_fake_grad_terms(const qe_problem *p);

#endif
