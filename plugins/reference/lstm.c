/*
 * LSTM, float32, ONNX semantics (gates i o f c; peepholes i o f):
 *   i = f((xg + hg) + Pi * C)   f = f((xg + hg) + Pf * C), or 1 - i with input_forget   c = g(xg + hg)
 *   C' = f * C + i * c          o = f((xg + hg) + Po * C')                               H' = o * h(C')
 * Without peepholes their term is left out.
 */
#include "recurrent.h"

enum { GATES = 4 };

int ref_lstm_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return ref_recurrent_supports(p, GATES, reason, reason_size);
}

int ref_lstm_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  return ref_recurrent_plan(p, GATES, plan);
}

int ref_lstm_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  return ref_recurrent_prepack(p, GATES, packed);
}

/* Gate number `gate` at unit j before its activation; peephole row and cell value where the gate has one. */
static float gate_input(const ref_cell *cell, int64_t gate, int64_t j, int64_t peephole, float c) {
  const int64_t n = cell->shape.hidden, at = gate * n + j;
  const float v = cell->xg[at] + cell->hg[at];
  return cell->peephole && peephole >= 0 ? v + cell->peephole[peephole * n + j] * c : v;
}

static void step(ref_cell *cell) {
  enum { I, O, F, C };
  const int64_t n = cell->shape.hidden;
  const bool input_forget = cell->p->params->select_last_index != 0;
  ref_cell_hidden(cell, cell->h, 0, GATES * n);
  for (int64_t j = 0; j < n; ++j) {
    const float old = cell->c[j];
    const float i = ref_cell_activate(cell, 0, QE_RNN_SIGMOID, gate_input(cell, I, j, 0, old));
    const float f =
        input_forget ? 1.0f - i : ref_cell_activate(cell, 0, QE_RNN_SIGMOID, gate_input(cell, F, j, 2, old));
    const float candidate = ref_cell_activate(cell, 1, QE_RNN_TANH, gate_input(cell, C, j, -1, 0.0f));
    const float now = f * old + i * candidate;
    const float o = ref_cell_activate(cell, 0, QE_RNN_SIGMOID, gate_input(cell, O, j, 1, now));
    cell->c[j] = now;
    cell->h[j] = o * ref_cell_activate(cell, 2, QE_RNN_TANH, now);
  }
}

int ref_lstm_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  return ref_recurrent_run(self, call, GATES, step, tile_begin, tile_end);
}
