/* RNN, ONNX semantics, in float32, on codes, dynamically quantized: H' = f(xg + hg). */
#include "recurrent.h"

static void finish(const ref_cell *cell) {
  for (int64_t j = 0; j < cell->hidden; ++j)
    cell->h[j] = ref_cell_activate(cell, 0, QE_RNN_TANH, cell->xg[j] + cell->hg[j]);
}

const ref_rnn_op ref_rnn_only_op = {.gates = 1, .finish = finish};

REF_RECURRENT_KERNEL(rnn, ref_recurrent, ref_rnn_only_op)
REF_RECURRENT_KERNEL(qrnn, ref_recurrent_static, ref_rnn_only_op)
REF_RECURRENT_KERNEL(dynamic_rnn, ref_recurrent_dynamic, ref_rnn_only_op)
