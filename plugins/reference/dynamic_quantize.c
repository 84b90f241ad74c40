/*
 * DynamicQuantizeLinear, as ONNX defines it: lo = min(0, min x), hi = max(0, max x); s = (hi - lo) / 255;
 * z = rne(sat(0 - lo / s)); q = sat(rne(x / s) + z). A range that gives no scale (all zero, empty) has s = 1, z = 0;
 * NaN takes no part in the range and becomes z. One tile: the range needs every element.
 */
#include "quant.h"

int ref_dynamic_quantize_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  (void)p;
  plan->tiles = 1;
  return 0;
}

int ref_dynamic_quantize_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  const qe_problem *p = call->problem;
  if (tile_begin == tile_end)
    return 0;
  const float *x = call->in[0];
  const int64_t n = p->in[0]->count;
  float lo = 0.0f, hi = 0.0f;
  for (int64_t i = 0; i < n; ++i) {
    lo = x[i] < lo ? x[i] : lo;
    hi = x[i] > hi ? x[i] : hi;
  }
  int32_t zero;
  const float scale = ref_dynamic_params(lo, hi, &zero);
  if (ref_has_out(p, 0)) {
    uint8_t *y = call->out[0];
    for (int64_t i = 0; i < n; ++i)
      y[i] = (uint8_t)ref_rne_sat(x[i] / scale, zero, 0, 255);
  }
  if (ref_has_out(p, 1))
    *(float *)call->out[1] = scale;
  if (ref_has_out(p, 2))
    *(uint8_t *)call->out[2] = (uint8_t)zero;
  return 0;
}
