/*
 * GRU, ONNX semantics (gates z r h), in float32, on codes, dynamically quantized:
 *   z = f(xg + hg)   r = f(xg + hg)
 *   h = g(xg + hg) with hg from r * H, or with linear_before_reset h = g(xg + r * hg) with hg from H
 *   H' = (1 - z) * h + z * H
 */
#include "recurrent.h"

static void reset(const ref_cell *cell) {
  const int64_t n = cell->hidden;
  const bool linear_before_reset = cell->p->params->select_last_index != 0;
  const float *xr = cell->xg + n, *hr = cell->hg + n;
  for (int64_t j = 0; j < n; ++j) {
    const float r = ref_cell_activate(cell, 0, QE_RNN_SIGMOID, xr[j] + hr[j]);
    cell->reset[j] = linear_before_reset ? r : r * cell->h[j];
  }
}

static void finish(const ref_cell *cell) {
  const int64_t n = cell->hidden;
  const bool linear_before_reset = cell->p->params->select_last_index != 0;
  const float *xz = cell->xg, *xh = xz + 2 * n, *hz = cell->hg, *hh = hz + 2 * n;
  for (int64_t j = 0; j < n; ++j) {
    const float z = ref_cell_activate(cell, 0, QE_RNN_SIGMOID, xz[j] + hz[j]);
    const float h =
        ref_cell_activate(cell, 1, QE_RNN_TANH, xh[j] + (linear_before_reset ? cell->reset[j] * hh[j] : hh[j]));
    cell->h[j] = (1.0f - z) * h + z * cell->h[j];
  }
}

const ref_rnn_op ref_gru_op = {.gates = 3, .reset = reset, .finish = finish};

REF_RECURRENT_KERNEL(gru, ref_recurrent, ref_gru_op)
REF_RECURRENT_KERNEL(qgru, ref_recurrent_static, ref_gru_op)
REF_RECURRENT_KERNEL(dynamic_gru, ref_recurrent_dynamic, ref_gru_op)
