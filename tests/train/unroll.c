/* Recurrent layers step by step: the same bytes as the op, and the right gradients. */
#include "train/unroll.h"

#include <string.h>

#include "gradient_case.h"
#include "graph/model.h"
#include "train/shapes.h"

typedef struct sizes {
  int64_t steps, batch, inputs, hidden, gates, directions;
  bool batch_first, smooth; /* smooth: no Relu, and a clip that nothing reaches */
} sizes;

/* A layer with everything that it may have, or not. Its outputs in out: Y, Y_h, Y_c. */
static void random_layer(gradient_case *t, uint16_t op, sizes *s, qe__value_id *out) {
  static const char *const names[] = {"Tanh", "Sigmoid", "Relu"};
  static char word[14];
  const uint32_t most = op == QE__OP_LSTM ? 8 : 6;
  char *activations[6];
  qe__attr attr[6];
  uint32_t n = 0;
  s->gates = op == QE__OP_LSTM ? 4 : op == QE__OP_GRU ? 3 : 1;
  s->directions = 1;
  strcpy(word, case_coin(t) ? "forward" : "reverse");
  if (case_below(t, 3) == 0) {
    strcpy(word, "bidirectional");
    s->directions = 2;
  }
  attr[n++] = QE__STRING("direction", word);
  s->batch_first = case_coin(t);
  attr[n++] = QE__INT("layout", s->batch_first);
  if (op == QE__OP_LSTM) attr[n++] = QE__INT("input_forget", case_below(t, 3) == 0);
  if (op == QE__OP_GRU) attr[n++] = QE__INT("linear_before_reset", case_coin(t));
  if (case_below(t, 3) == 0) attr[n++] = QE__FLOAT("clip", s->smooth ? 9.0f : 0.77f);
  const size_t each = op == QE__OP_LSTM ? 3 : op == QE__OP_GRU ? 2 : 1, count = each * (size_t)s->directions;
  for (size_t i = 0; i < count; i++) activations[i] = (char *)(uintptr_t)names[case_below(t, s->smooth ? 2 : 3)];
  if (case_below(t, 3) == 0) attr[n++] = (qe__attr){.name = "activations", .kind = QE__ATTR_STRINGS, .count = count, .strings = activations};
  const int64_t rows = s->gates * s->hidden, d = s->directions;
  qe__value_id in[8];
  for (uint32_t i = 0; i < 8; i++) in[i] = QE__NO_VALUE;
  in[0] = case_input(t, 3, (int64_t[]){s->batch_first ? s->batch : s->steps, s->batch_first ? s->steps : s->batch, s->inputs});
  in[1] = case_input_at(t, 3, (int64_t[]){d, rows, s->inputs}, 0.5f, 0.0f);
  in[2] = case_input_at(t, 3, (int64_t[]){d, rows, s->hidden}, 0.5f, 0.0f);
  const int64_t state[3] = {s->batch_first ? s->batch : d, s->batch_first ? d : s->batch, s->hidden};
  if (case_coin(t)) in[3] = case_input_at(t, 2, (int64_t[]){d, 2 * rows}, 0.3f, 0.0f);
  if (case_coin(t)) in[5] = case_input(t, 3, state);
  if (op == QE__OP_LSTM && case_coin(t)) in[6] = case_input(t, 3, state);
  if (op == QE__OP_LSTM && case_coin(t)) in[7] = case_input_at(t, 2, (int64_t[]){d, 3 * s->hidden}, 0.5f, 0.0f);
  if (case_coin(t)) { /* lengths that are all there is */
    int32_t lengths[8];
    qe_tensor_t *data = NULL;
    for (int64_t i = 0; i < s->batch; i++) lengths[i] = (int32_t)s->steps;
    cr_assert_eq(qe_tensor_from_data(QE_INT32, 1, &s->batch, lengths, &data), QE_OK);
    cr_assert_eq(qe__graph_add_constant(t->e.g, NULL, data, &in[4]), QE_OK);
    qe_tensor_release(&data);
  }
  qe__emit_outputs(&t->e, op, most, in, n, attr, op == QE__OP_LSTM ? 3 : 2, NULL, out);
  cr_assert_eq(t->e.status, QE_OK, "%s", qe_last_error());
}

/* ---- bytes ---- */

static void start(gradient_case *t, uint64_t seed) {
  *t = (gradient_case){.state = seed * 104729 + 3, .seed = seed};
  cr_assert_eq(qe__graph_create(&t->e.g), QE_OK);
  for (int i = 0; i < CASE_GRID; i++) t->grid[i] = (int)case_below(t, CASE_GRID);
}

static void run(const qe__graph *g, gradient_case *t, uint32_t n_out, qe_tensor_t **result) {
  qe_model_t *m = NULL;
  qe_session_t *s = NULL;
  qe__graph *copy = NULL;
  qe_named_tensor_t in[CASE_INPUTS], out[3] = {0};
  for (uint32_t i = 0; i < t->n_in; i++) in[i] = (qe_named_tensor_t){NULL, t->data[i]};
  cr_assert_eq(qe__graph_clone(g, &copy), QE_OK);
  cr_assert_eq(qe__model_wrap(copy, &m), QE_OK);
  cr_assert_eq(qe_session_create(m, NULL, &s), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_session_run(s, t->n_in, in, n_out, out), QE_OK, "seed %llu: %s", (unsigned long long)t->seed, qe_last_error());
  for (uint32_t i = 0; i < n_out; i++) result[i] = out[i].tensor;
  qe_session_destroy(&s);
  qe_model_destroy(&m);
}

static void same_bytes(uint16_t op, uint64_t seed, int64_t steps) {
  gradient_case t;
  qe__value_id out[3];
  qe_tensor_t *before[3], *after[3];
  start(&t, seed);
  sizes s = {.steps = steps, .batch = 1 + case_below(&t, 4), .inputs = 1 + case_below(&t, 9), .hidden = 1 + case_below(&t, 9)};
  random_layer(&t, op, &s, out);
  const uint32_t n_out = op == QE__OP_LSTM ? 3 : 2;
  for (uint32_t i = 0; i < n_out; i++) cr_assert_eq(qe__graph_add_output(t.e.g, out[i]), QE_OK);
  run(t.e.g, &t, n_out, before);
  cr_assert_eq(qe__train_shapes(t.e.g), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__unroll_recurrent(t.e.g), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__graph_verify(t.e.g), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
  for (uint32_t k = 0; k < t.e.g->n_nodes; k++) cr_assert_neq(t.e.g->nodes[k]->op->id, op);
  run(t.e.g, &t, n_out, after);
  for (uint32_t i = 0; i < n_out; i++) {
    cr_assert_eq(qe_tensor_count(before[i]), qe_tensor_count(after[i]));
    cr_assert_eq(memcmp(qe_tensor_const_data(before[i]), qe_tensor_const_data(after[i]), (size_t)qe_tensor_count(before[i]) * sizeof(float)), 0,
                 "%s, seed %llu: output %u has other bytes", qe__op_at(op)->name, (unsigned long long)seed, (unsigned)i);
    qe_tensor_release(&before[i]);
    qe_tensor_release(&after[i]);
  }
  for (uint32_t i = 0; i < t.n_in; i++) qe_tensor_release(&t.data[i]);
  qe__graph_destroy(&t.e.g);
}

Test(unroll, same_bytes) {
  static const uint16_t ops[] = {QE__OP_LSTM, QE__OP_GRU, QE__OP_RNN};
  for (uint64_t seed = 1; seed <= 40; seed++) {
    for (int i = 0; i < 3; i++) same_bytes(ops[i], seed, 1 + (int64_t)(seed % 6));
  }
}

Test(unroll, more_steps_than_operands) {
  same_bytes(QE__OP_GRU, 1, 64);
  same_bytes(QE__OP_GRU, 2, 65);
  same_bytes(QE__OP_RNN, 3, 200);
}

/* ---- what is refused ---- */

Test(unroll, shorter_sequences) {
  gradient_case t;
  qe__value_id in[5], out;
  qe_tensor_t *data = NULL;
  start(&t, 1);
  t.e.name = "layer";
  in[0] = case_input(&t, 3, (int64_t[]){3, 2, 4});
  in[1] = case_input(&t, 3, (int64_t[]){1, 5, 4});
  in[2] = case_input(&t, 3, (int64_t[]){1, 5, 5});
  in[3] = QE__NO_VALUE;
  cr_assert_eq(qe_tensor_from_data(QE_INT32, 1, (int64_t[]){2}, (int32_t[]){3, 2}, &data), QE_OK);
  cr_assert_eq(qe__graph_add_constant(t.e.g, "lens", data, &in[4]), QE_OK);
  qe_tensor_release(&data);
  out = qe__emit_node(&t.e, QE__OP_RNN, 5, in, 0, NULL);
  cr_assert_eq(qe__graph_add_output(t.e.g, out), QE_OK);
  cr_assert_eq(qe__unroll_recurrent(t.e.g), QE_ERROR_UNSUPPORTED);
  cr_assert(strstr(qe_last_error(), "layer/RNN") && strstr(qe_last_error(), "lens"), "%s", qe_last_error());
  for (uint32_t i = 0; i < t.n_in; i++) qe_tensor_release(&t.data[i]);
  qe__graph_destroy(&t.e.g);
}

/* ---- gradients ---- */

/* Y, or all outputs, so that every way back is taken. */
static qe__value_id layer_result(gradient_case *t, uint16_t op) {
  qe__value_id out[3], flat[3];
  sizes s = {.steps = 1 + case_below(t, 7), .batch = 1 + case_below(t, 2), .inputs = 1 + case_below(t, 3), .hidden = 1 + case_below(t, 3),
             .smooth = true};
  random_layer(t, op, &s, out);
  const uint32_t n = op == QE__OP_LSTM ? 3 : 2;
  if (case_coin(t)) return out[0];
  for (uint32_t i = 0; i < n; i++) {
    const qe__shape shape = qe__shape_of(t->e.g, out[i]);
    flat[i] = qe__emit_reshape(&t->e, out[i], 1, (int64_t[]){qe__shape_count(&shape, 0, shape.rank)});
  }
  return qe__emit_node(&t->e, QE__OP_Concat, n, flat, 1, &QE__INT("axis", 0));
}

static qe__value_id build_LSTM(gradient_case *t) { return layer_result(t, QE__OP_LSTM); }
static qe__value_id build_GRU(gradient_case *t) { return layer_result(t, QE__OP_GRU); }
static qe__value_id build_RNN(gradient_case *t) { return layer_result(t, QE__OP_RNN); }

static const gradient_test layers[] = {{"LSTM", build_LSTM}, {"GRU", build_GRU}, {"RNN", build_RNN}};

Test(unroll, gradients) { CHECK_GRADIENTS(layers, 12); }
