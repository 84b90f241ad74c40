/* The transcendental functions of the float contract: erf and tanh of our own, else SLEEF's deterministic vector variants, equal to the scalar ones. */
#ifndef QE_CPU_FLOAT_MATH_H
#define QE_CPU_FLOAT_MATH_H

#include "float/erf_tanh.h"

#include <sleef.h>

static inline fb_f fbv_exp(fb_f x) { return FBV_SLEEF(exp)(x); }
static inline fb_f fbv_log(fb_f x) { return FBV_SLEEF(log)(x); }
static inline fb_f fbv_log1p(fb_f x) { return FBV_SLEEF(log1p)(x); }
static inline fb_f fbv_sin(fb_f x) { return FBV_SLEEF(sin)(x); }
static inline fb_f fbv_pow(fb_f x, fb_f y) { return FBV_SLEEF(pow)(x, y); }
static inline fb_f fbv_cos(fb_f x) { return FBV_SLEEF(cos)(x); }

static inline fb_f fbv_sigmoid(fb_f x) { return fbv_set1(1.0f) / (fbv_set1(1.0f) + fbv_exp(fbv_neg(x))); }
static inline fb_f fbv_positive(fb_f x) { return fbv_max(fbv_set1(0.0f), x); } /* x < 0 ? 0 : x; -0 and NaN stay */

#endif
