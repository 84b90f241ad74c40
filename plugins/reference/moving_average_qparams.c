/*
 * MovingAverageQParams, row-major: state + c * (new - state) for minimum and maximum of every channel, and scale and zero
 * point for that range as core/tensor chooses them (docs/numerics.md, choose_qparams). A state that was never fed (minimum
 * above maximum) takes the new pair as it is, and so it does with c = 1. A range that is no number gives parameters that are
 * none either, so that whoever trains sees it. A tile is a channel.
 */
#include "quant.h"

enum { NEW_STATE, SCALE, ZERO_POINT };

int ref_moving_average_qparams_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = p->in[0]->dims[1];
  return 0;
}

static float choose(const qe_op_params *a, float min, float max, float *zero) {
  const float lo = min < 0.0f ? min : 0.0f, hi = max > 0.0f ? max : 0.0f;
  const float span = (float)(a->starts[1] - a->starts[0]), eps = a->epsilon == 0.0f ? 0x1p-23f : a->epsilon;
  float s;
  if (a->mode == 1) {
    s = (-lo > hi ? -lo : hi) / (span / 2.0f);
  } else {
    s = (hi - lo) / span;
    if (!isfinite(s)) /* hi - lo may exceed the largest float although the quotient does not */
      s = hi / span - lo / span;
  }
  s = s < eps ? eps : s;
  if (min != min || max != max)
    s = NAN;
  *zero = a->mode == 1 ? (float)a->starts[2]
                       : (float)ref_rne_sat(-(lo / s), (int32_t)a->starts[0], (int32_t)a->starts[0], (int32_t)a->starts[1]);
  return s;
}

int ref_moving_average_qparams_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  const int64_t channels = p->in[0]->dims[1];
  const float c = p->params->alpha;
  const float *now = call->in[0], *before = call->in[1];
  for (int64_t i = tile_begin; i < tile_end; ++i) {
    float lo = now[i], hi = now[channels + i], zero;
    if (!(before[i] > before[channels + i]) && c != 1.0f) {
      lo = before[i] + c * (lo - before[i]);
      hi = before[channels + i] + c * (hi - before[channels + i]);
    }
    const float scale = choose(p->params, lo, hi, &zero);
    if (ref_has_out(p, NEW_STATE)) {
      ((float *)call->out[NEW_STATE])[i] = lo;
      ((float *)call->out[NEW_STATE])[channels + i] = hi;
    }
    if (ref_has_out(p, SCALE))
      ((float *)call->out[SCALE])[i] = scale;
    if (ref_has_out(p, ZERO_POINT))
      ((float *)call->out[ZERO_POINT])[i] = zero;
  }
  return 0;
}
