/* BatchNormalization: its factors and how it is cut. */
#ifndef QE_CPU_FLOAT_BATCH_NORM_H
#define QE_CPU_FLOAT_BATCH_NORM_H

#include "codes/nest.h"

#define FB_BATCH_NORM_TILE 32768 /* elements */

/* Factors are packed when scale and variance are constant. */
bool fb_batch_norm_packs(const qe_problem *p);
/* f = scale / sqrt(var + epsilon) for every channel. */
void fb_batch_norm_factors(const qe_problem *p, const float *scale, const float *var, float *f);
/* y, x, and the number of the channel as a third operand; closed. */
void fb_batch_norm_nest(fb_nest *nest, const qe_problem *p);

#endif
