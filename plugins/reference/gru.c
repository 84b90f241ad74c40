/*
 * GRU, float32, ONNX semantics (gates z r h):
 *   z = f(xg + hg)   r = f(xg + hg)
 *   h = g(xg + hg) with hg from r * H, or with linear_before_reset h = g(xg + r * hg) with hg from H
 *   H' = (1 - z) * h + z * H
 */
#include "recurrent.h"

enum { GATES = 3 };

int ref_gru_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return ref_recurrent_supports(p, GATES, reason, reason_size);
}

int ref_gru_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  return ref_recurrent_plan(p, GATES, plan);
}

int ref_gru_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  return ref_recurrent_prepack(p, GATES, packed);
}

static void step(ref_cell *cell) {
  const int64_t n = cell->shape.hidden;
  const bool linear_before_reset = cell->p->params->select_last_index != 0;
  const float *xz = cell->xg, *xr = xz + n, *xh = xr + n, *hz = cell->hg, *hr = hz + n, *hh = hr + n;
  float *reset = cell->extra;
  ref_cell_hidden(cell, cell->h, 0, linear_before_reset ? 3 * n : 2 * n);
  for (int64_t j = 0; j < n; ++j) {
    const float r = ref_cell_activate(cell, 0, QE_RNN_SIGMOID, xr[j] + hr[j]);
    reset[j] = linear_before_reset ? r : r * cell->h[j];
  }
  if (!linear_before_reset)
    ref_cell_hidden(cell, reset, 2 * n, n);
  for (int64_t j = 0; j < n; ++j) {
    const float z = ref_cell_activate(cell, 0, QE_RNN_SIGMOID, xz[j] + hz[j]);
    const float h = ref_cell_activate(cell, 1, QE_RNN_TANH, xh[j] + (linear_before_reset ? reset[j] * hh[j] : hh[j]));
    cell->h[j] = (1.0f - z) * h + z * cell->h[j];
  }
}

int ref_gru_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  return ref_recurrent_run(self, call, GATES, step, tile_begin, tile_end);
}
