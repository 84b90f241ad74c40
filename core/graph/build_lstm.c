/* One LSTM layer: torch's weights become an ONNX LSTM node, and the direction axis of its result is dropped. */
#include <string.h>

#include "graph/build.h"

/* torch orders the gates i f g o, ONNX i o f c. */
static const int64_t gate_order[4] = {0, 3, 1, 2};

/* Copies 4 gates of `block` floats each into dst, in ONNX's order. */
static void reorder(const float *src, int64_t block, float *dst) {
  for (size_t gate = 0; gate < 4; gate++)
    memcpy(dst + (int64_t)gate * block, src + gate_order[gate] * block, (size_t)block * sizeof *dst);
}

static qe_status_t gate_constant(const qe__build *b, const char *suffix, uint32_t rank, const int64_t *dims,
                                 const qe_tensor_t *first, const qe_tensor_t *second, qe__value_id *out) {
  qe_tensor_t *t;
  QE_TRY(qe_tensor_create(QE_FLOAT32, rank, dims, &t));
  float *dst = t->data;
  if (first != NULL && first->count > 0) reorder(first->data, first->count / 4, dst);
  if (second != NULL && second->count > 0) reorder(second->data, second->count / 4, dst + t->count / 2);
  const qe_status_t status = qe__build_constant(b, suffix, t, out);
  qe_tensor_release(&t);
  return status;
}

/* Weights and biases against one another: [4H, in], [4H, H], [4H], [4H]. */
static qe_status_t check_weights(const qe__build *b, const qe_tensor_t *w, const qe_tensor_t *r, const qe_tensor_t *bw,
                                 const qe_tensor_t *br) {
  QE_TRY(qe__build_weight(b, "weight_ih", w, 2));
  QE_TRY(qe__build_weight(b, "weight_hh", r, 2));
  const int64_t rows = r->dims[0], hidden = r->dims[1];
  if (hidden < 1 || rows % 4 != 0 || rows / 4 != hidden || w->dims[0] != rows) {
    return qe__fail(QE_ERROR_SHAPE,
                    "module '%s': weight_ih is [%lld,%lld] and weight_hh [%lld,%lld]; [4H,in] and [4H,H] were expected",
                    b->name, (long long)w->dims[0], (long long)w->dims[1], (long long)rows, (long long)hidden);
  }
  const qe_tensor_t *biases[2] = {bw, br};
  for (size_t i = 0; i < 2; i++) {
    if (biases[i] == NULL) continue;
    QE_TRY(qe__build_weight(b, i == 0 ? "bias_ih" : "bias_hh", biases[i], 1));
    if (biases[i]->dims[0] != rows) {
      return qe__fail(QE_ERROR_SHAPE, "module '%s': a bias has %lld elements; %lld were expected", b->name,
                      (long long)biases[i]->dims[0], (long long)rows);
    }
  }
  return QE_OK;
}

qe_value_t qe_lstm(qe_model_t *m, const char *name, qe_value_t x, qe_value_t h0, qe_value_t c0, qe_tensor_t *weight_ih,
                   qe_tensor_t *weight_hh, qe_tensor_t *bias_ih, qe_tensor_t *bias_hh, qe_value_t *hn, qe_value_t *cn) {
  qe__build b;
  qe__value_id in[7] = {x,
                        QE__NO_VALUE,
                        QE__NO_VALUE,
                        QE__NO_VALUE,
                        QE__NO_VALUE,
                        h0 < 0 ? QE__NO_VALUE : h0,
                        c0 < 0 ? QE__NO_VALUE : c0};
  qe__value_id out[3] = {-1, -1, -1}, squeeze[2] = {-1, -1};
  qe_value_t v = -1;
  qe_status_t status;
  if (hn != NULL) *hn = -1;
  if (cn != NULL) *cn = -1;
  if (!qe__build_ok(m)) return -1;
  QE_TRY_GOTO(qe__build_begin(m, "LSTM", name, &b), done);
  QE_TRY_GOTO(qe__build_operand(&b, x), done);
  if (h0 >= 0) QE_TRY_GOTO(qe__build_operand(&b, h0), done);
  if (c0 >= 0) QE_TRY_GOTO(qe__build_operand(&b, c0), done);
  QE_TRY_GOTO(check_weights(&b, weight_ih, weight_hh, bias_ih, bias_hh), done);
  const int64_t rows = weight_hh->dims[0], hidden = weight_hh->dims[1], axis = 1;
  QE_TRY_GOTO(
      gate_constant(&b, "weight_ih", 3, (const int64_t[]){1, rows, weight_ih->dims[1]}, weight_ih, NULL, &in[1]), done);
  QE_TRY_GOTO(gate_constant(&b, "weight_hh", 3, (const int64_t[]){1, rows, hidden}, weight_hh, NULL, &in[2]), done);
  if (bias_ih != NULL || bias_hh != NULL) {
    QE_TRY_GOTO(gate_constant(&b, "bias", 2, (const int64_t[]){1, 2 * rows}, bias_ih, bias_hh, &in[3]), done);
  }
  const uint32_t n_in = in[6] >= 0 ? 7 : in[5] >= 0 ? 6 : in[3] >= 0 ? 4 : 3;
  QE_TRY_GOTO(qe__build_node(&b, "LSTM", n_in, in, cn != NULL ? 3 : hn != NULL ? 2 : 1, out), done);
  QE_TRY_GOTO(qe__node_set_int(b.node, "hidden_size", hidden), done);
  QE_TRY_GOTO(qe__build_end(&b), done);
  QE_TRY_GOTO(qe__build_ints(&b, "direction_axis", 1, &axis, &squeeze[1]), done);
  squeeze[0] = out[0];
  QE_TRY_GOTO(qe__build_node(&b, "Squeeze", 2, squeeze, 1, &v), done);
  QE_TRY_GOTO(qe__build_end(&b), done);
  if (hn != NULL) *hn = out[1];
  if (cn != NULL) *cn = out[2];
done:
  qe__build_close(&b);
  return qe__build_result(m, status, v);
}
