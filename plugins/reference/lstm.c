/*
 * LSTM, ONNX semantics (gates i o f c; peepholes i o f), in float32, on codes, dynamically quantized:
 *   i = f((xg + hg) + Pi * C)   f = f((xg + hg) + Pf * C), or 1 - i with input_forget   c = g(xg + hg)
 *   C' = f * C + i * c          o = f((xg + hg) + Po * C')                               H' = o * h(C')
 * Without peepholes their term is left out.
 */
#include "recurrent.h"

/* Gate number `gate` at unit j before its activation; peephole row and cell value where the gate has one. */
static float gate_input(const ref_cell *cell, int64_t gate, int64_t j, int64_t peephole, float c) {
  const int64_t n = cell->hidden, at = gate * n + j;
  const float v = cell->xg[at] + cell->hg[at];
  return cell->peephole && peephole >= 0 ? v + cell->peephole[peephole * n + j] * c : v;
}

static void finish(const ref_cell *cell) {
  enum { I, O, F, C };
  const bool input_forget = cell->p->params->select_last_index != 0;
  for (int64_t j = 0; j < cell->hidden; ++j) {
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

const ref_rnn_op ref_lstm_op = {.gates = 4, .has_cell = true, .finish = finish};

REF_RECURRENT_KERNEL(lstm, ref_recurrent, ref_lstm_op)
REF_RECURRENT_KERNEL(qlstm, ref_recurrent_static, ref_lstm_op)
REF_RECURRENT_KERNEL(dynamic_lstm, ref_recurrent_dynamic, ref_lstm_op)
