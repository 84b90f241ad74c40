/*
 * The transcendental functions of the float contract: erf and tanh of our own, the others SLEEF's deterministic scalar
 * variants, which agree bit for bit with its vector ones. Never libm here.
 */
#ifndef QE_REFERENCE_MATH_FUNCTIONS_H
#define QE_REFERENCE_MATH_FUNCTIONS_H

#include "erf_tanh.h"

/* sleef.h declares its purecfma functions only where the compiler promises a fast fma; the library always has them. */
#ifndef FP_FAST_FMA
#define FP_FAST_FMA 1
#endif
#include <sleef.h>

static inline float ref_exp(float x) { return Sleef_finz_expf1_u10purecfma(x); }
static inline float ref_log(float x) { return Sleef_finz_logf1_u10purecfma(x); }
static inline float ref_log1p(float x) { return Sleef_finz_log1pf1_u10purecfma(x); }
static inline float ref_sin(float x) { return Sleef_finz_sinf1_u10purecfma(x); }
static inline float ref_cos(float x) { return Sleef_finz_cosf1_u10purecfma(x); }
static inline float ref_pow(float x, float y) { return Sleef_finz_powf1_u10purecfma(x, y); }
static inline float ref_sigmoid(float x) { return 1.0f / (1.0f + ref_exp(-x)); }

#endif
