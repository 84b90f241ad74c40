/*
 * Unary float32 ops, element by element: y = act(f(x)). Each row below is the definition of its op: IEEE operations in
 * the written order, one rounding each; exp, log1p, tanh, erf, sin and cos are those of math_functions.h.
 */
#include "math_functions.h"
#include "ref.h"

/* Within `expression`: x the element, a the op's params. */
#define UNARY(stem, expression)                                                                 \
  int ref_##stem##_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) { \
    (void)self;                                                                                 \
    const qe_problem *p = call->problem;                                                        \
    const qe_op_params *a = p->params;                                                          \
    (void)a;                                                                                    \
    const float *in = call->in[0];                                                              \
    float *out = call->out[0];                                                                  \
    int64_t begin, end;                                                                         \
    ref_flat_range(p, tile_begin, tile_end, &begin, &end);                                      \
    for (int64_t i = begin; i < end; ++i) {                                                     \
      const float x = in[i];                                                                    \
      out[i] = ref_act((expression), p->act_lo, p->act_hi);                                     \
    }                                                                                           \
    return 0;                                                                                   \
  }

/* Low bound first, then high (Clip with lo > hi gives hi); NaN stays NaN. */
static float clamp(float v, float lo, float hi) {
  v = v < lo ? lo : v;
  return v > hi ? hi : v;
}

/* max(x, 0) + log1p(exp(-|x|)): no overflow on either side. */
static float softplus(float x) { return (x < 0.0f ? 0.0f : x) + ref_log1p(ref_exp(-fabsf(x))); }

/* (x / 2) (1 + erf(x / sqrt 2)), or with mode 1: (x / 2) (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). */
static float gelu(float x, uint32_t mode) {
  if (mode == 0)
    return (0.5f * x) * (1.0f + ref_erf(x * 0.70710678f));
  return (0.5f * x) * (1.0f + ref_tanh(0.79788456f * (x + 0.044715f * ((x * x) * x))));
}

/* clang-format off */
UNARY(relu,             x < 0.0f ? 0.0f : x)
UNARY(clip,             clamp(x, a->clip_lo, a->clip_hi))
UNARY(leaky_relu,       x < 0.0f ? a->alpha * x : x)
UNARY(elu,              x < 0.0f ? a->alpha * (ref_exp(x) - 1.0f) : x)
UNARY(selu,             x > 0.0f ? a->gamma * x : a->gamma * (a->alpha * ref_exp(x) - a->alpha))
UNARY(celu,             x < 0.0f ? a->alpha * (ref_exp(x / a->alpha) - 1.0f) : x)
UNARY(thresholded_relu, x <= a->alpha ? 0.0f : x)
UNARY(sigmoid,          ref_sigmoid(x))
UNARY(hard_sigmoid,     clamp(a->alpha * x + a->beta, 0.0f, 1.0f))
UNARY(tanh,             ref_tanh(x))
UNARY(hard_swish,       x * clamp(x * (1.0f / 6.0f) + 0.5f, 0.0f, 1.0f))
UNARY(silu,             x * ref_sigmoid(x))
UNARY(mish,             x * ref_tanh(softplus(x)))
UNARY(gelu,             gelu(x, a->mode))
UNARY(softplus,         softplus(x))
UNARY(softsign,         x / (1.0f + fabsf(x)))
UNARY(erf,              ref_erf(x))
UNARY(exp,              ref_exp(x))
UNARY(log,              ref_log(x))
UNARY(sqrt,             sqrtf(x))
UNARY(neg,              -x)
UNARY(abs,              fabsf(x))
UNARY(reciprocal,       1.0f / x)
UNARY(floor,            floorf(x))
UNARY(ceil,             ceilf(x))
UNARY(round,            nearbyintf(x))
UNARY(sign,             x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x)
UNARY(sin,              ref_sin(x))
UNARY(cos,              ref_cos(x))
/* clang-format on */
