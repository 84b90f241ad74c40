/* One step of LSTM, GRU and RNN: which sums are made when. */
#include "recurrent/recurrent.h"

static fb_rnn_cell cell_of(const fb_rnn_job *j, int64_t row, const float *xg) {
  const int64_t n = j->s.hidden, at = row * j->s.gates * n, sequence = j->running[row];
  fb_rnn_cell cell = j->cell;
  cell.xg = xg + at;
  cell.hg = j->hg + at;
  cell.h = j->h + sequence * n;
  cell.c = j->c + sequence * n;
  cell.reset = j->reset + row * n;
  return cell;
}

static void each_cell(const fb_rnn_job *j, const float *xg, void (*loop)(const fb_rnn_cell *cell)) {
  for (int64_t i = 0; i < j->rows; ++i) {
    const fb_rnn_cell cell = cell_of(j, i, xg);
    loop(&cell);
  }
}

static void lstm(fb_rnn_job *j, const float *h, const float *xg) {
  j->kind->maker->multiply(j, FB_RNN_GATES, h, j->rows, j->hg);
  each_cell(j, xg, j->kind->loops->lstm);
}

static void gru(fb_rnn_job *j, const float *h, const float *xg) {
  const fb_rnn_matrix *late = &j->s.matrix[FB_RNN_LATE];
  j->kind->maker->multiply(j, FB_RNN_GATES, h, j->rows, j->hg);
  each_cell(j, xg, j->kind->loops->gru_reset);
  if (late->n > 0) j->kind->maker->multiply(j, FB_RNN_LATE, j->reset, j->rows, j->hg + late->first);
  each_cell(j, xg, j->kind->loops->gru);
}

static void rnn(fb_rnn_job *j, const float *h, const float *xg) {
  j->kind->maker->multiply(j, FB_RNN_GATES, h, j->rows, j->hg);
  each_cell(j, xg, j->kind->loops->rnn);
}

const fb_rnn_op fb_rnn_lstm = {
    .gates = 4, .cell = true, .functions = {QE_RNN_SIGMOID, QE_RNN_TANH, QE_RNN_TANH}, .step = lstm};
const fb_rnn_op fb_rnn_gru = {
    .gates = 3, .splits = true, .functions = {QE_RNN_SIGMOID, QE_RNN_TANH, QE_RNN_TANH}, .step = gru};
const fb_rnn_op fb_rnn_rnn = {.gates = 1, .functions = {QE_RNN_TANH, QE_RNN_TANH, QE_RNN_TANH}, .step = rnn};
