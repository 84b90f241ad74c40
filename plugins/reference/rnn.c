/* RNN, float32, ONNX semantics: H' = f(xg + hg). */
#include "recurrent.h"

enum { GATES = 1 };

int ref_rnn_supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  return ref_recurrent_supports(p, GATES, reason, reason_size);
}

int ref_rnn_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  return ref_recurrent_plan(p, GATES, plan);
}

int ref_rnn_prepack(void *self, const qe_problem *p, void *packed) {
  (void)self;
  return ref_recurrent_prepack(p, GATES, packed);
}

static void step(ref_cell *cell) {
  ref_cell_hidden(cell, cell->h, 0, cell->shape.hidden);
  for (int64_t j = 0; j < cell->shape.hidden; ++j)
    cell->h[j] = ref_cell_activate(cell, 0, QE_RNN_TANH, cell->xg[j] + cell->hg[j]);
}

int ref_rnn_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  return ref_recurrent_run(self, call, GATES, step, tile_begin, tile_end);
}
