/* Recomputed values: the same bytes, less memory. */
#include "train/recompute.h"

#include <string.h>

#include "gradient_case.h"
#include "graph/model.h"
#include "train/differentiate.h"
#include "train/shapes.h"
#include "train/unroll.h"

enum { INPUTS = 64 };

typedef struct net {
  qe__emit e;
  uint32_t n_in, n_wrt;
  qe__value_id in[INPUTS], wrt[INPUTS];
  qe_tensor_t *data[INPUTS];
  qe__value_id loss;
} net;

static qe__value_id input(net *t, uint32_t rank, const int64_t *dims, float scale, bool wrt) {
  qe__value_id v;
  cr_assert_lt(t->n_in, INPUTS);
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, rank, dims, &t->data[t->n_in]), QE_OK);
  float *x = qe_tensor_data(t->data[t->n_in]);
  for (int64_t i = 0; i < qe_tensor_count(t->data[t->n_in]); i++) x[i] = scale * (float)((i * 37 + t->n_in * 11) % 101 - 50) / 50.0f;
  cr_assert_eq(qe__graph_add_value(t->e.g, NULL, QE_FLOAT32, &v), QE_OK);
  t->e.g->values[v].rank = (int32_t)rank;
  for (uint32_t d = 0; d < rank; d++) t->e.g->values[v].dims[d] = dims[d];
  cr_assert_eq(qe__graph_add_input(t->e.g, v), QE_OK);
  t->in[t->n_in++] = v;
  if (wrt) t->wrt[t->n_wrt++] = v;
  return v;
}

/* `depth` blocks of convolution, BatchNorm, Relu, every other one with a way around it; statistics are results, too. */
static void convolutional(net *t, int depth) {
  int64_t pads[4] = {1, 1, 1, 1};
  const int64_t c = 8;
  qe__value_id x = input(t, 4, (int64_t[]){4, c, 12, 12}, 1.0f, false);
  for (int i = 0; i < depth; i++) {
    const qe__value_id w = input(t, 4, (int64_t[]){c, c, 3, 3}, 0.3f, true), before = x;
    qe__value_id in[3], out[3];
    x = qe__emit_node(&t->e, QE__OP_Conv, 2, (qe__value_id[]){x, w}, 1, &QE__INTS("pads", 4, pads));
    in[0] = x;
    in[1] = input(t, 1, &c, 1.0f, true);
    in[2] = input(t, 1, &c, 0.2f, true);
    qe__emit_outputs(&t->e, QE__OP_BatchNormTrain, 3, in, 0, NULL, 3, NULL, out);
    x = out[0];
    if (i % 2) x = qe__emit_binary(&t->e, QE__OP_Add, x, before);
    x = qe__emit_unary(&t->e, QE__OP_Relu, x);
    cr_assert_eq(qe__graph_add_output(t->e.g, out[1]), QE_OK);
  }
  t->loss = qe__emit_sum(&t->e, qe__emit_binary(&t->e, QE__OP_Mul, x, x), 15u, false);
}

/* `depth` LSTM layers. */
static void recurrent(net *t, int depth, int64_t steps) {
  const int64_t batch = 64, h = 16;
  qe__value_id x = input(t, 3, (int64_t[]){steps, batch, h}, 1.0f, true);
  for (int i = 0; i < depth; i++) {
    qe__value_id l[4] = {x};
    l[1] = input(t, 3, (int64_t[]){1, 4 * h, h}, 0.4f, true);
    l[2] = input(t, 3, (int64_t[]){1, 4 * h, h}, 0.4f, true);
    l[3] = input(t, 2, (int64_t[]){1, 8 * h}, 0.1f, true);
    x = qe__emit_reshape(&t->e, qe__emit_node(&t->e, QE__OP_LSTM, 4, l, 0, NULL), 3, (int64_t[]){steps, batch, h});
  }
  t->loss = qe__emit_sum(&t->e, x, 7u, false);
}

/* Results of the loss, statistics and gradients; the arena's bytes. */
static uint64_t run(net *t, bool recompute, qe_tensor_t **result, uint32_t *n_out) {
  qe__graph *g = NULL;
  qe_model_t *m = NULL;
  qe_session_t *s = NULL;
  qe__value_id grad[INPUTS];
  qe_named_tensor_t in[INPUTS], out[INPUTS * 2] = {0};
  qe_session_stats_t stats = {.struct_size = sizeof stats};
  cr_assert_eq(qe__graph_clone(t->e.g, &g), QE_OK);
  cr_assert_eq(qe__graph_add_output(g, t->loss), QE_OK);
  cr_assert_eq(qe__train_shapes(g), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__unroll_recurrent(g), QE_OK, "%s", qe_last_error());
  const uint32_t n_forward = g->n_nodes;
  cr_assert_eq(qe__differentiate(g, t->loss, t->n_wrt, t->wrt, grad), QE_OK, "%s", qe_last_error());
  for (uint32_t i = 0; i < t->n_wrt; i++) cr_assert_eq(qe__graph_add_output(g, grad[i]), QE_OK);
  const uint32_t n_nodes = g->n_nodes;
  if (recompute) {
    cr_assert_eq(qe__recompute(g, n_forward), QE_OK, "%s", qe_last_error());
    cr_assert_gt(g->n_nodes, n_nodes, "nothing was copied");
    cr_assert_leq(g->n_nodes, n_nodes + n_forward);
  }
  cr_assert_eq(qe__graph_verify(g), QE_OK, "%s", qe_last_error());
  *n_out = g->n_outputs;
  for (uint32_t i = 0; i < t->n_in; i++) in[i] = (qe_named_tensor_t){NULL, t->data[i]};
  cr_assert_eq(qe__model_wrap(g, &m), QE_OK);
  cr_assert_eq(qe_session_create(m, &(qe_session_options_t){.struct_size = sizeof(qe_session_options_t), .threads = 1}, &s), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_session_run(s, t->n_in, in, *n_out, out), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_session_get_stats(s, &stats), QE_OK);
  for (uint32_t i = 0; i < *n_out; i++) result[i] = out[i].tensor;
  qe_session_destroy(&s);
  qe_model_destroy(&m);
  return stats.arena_bytes;
}

/* Bytes with recomputation are at most `percent` of those without. */
static void compare(net *t, uint64_t percent) {
  qe_tensor_t *before[INPUTS * 2], *after[INPUTS * 2];
  uint32_t n, same;
  cr_assert_eq(t->e.status, QE_OK, "%s", qe_last_error());
  const uint64_t all = run(t, false, before, &n), less = run(t, true, after, &same);
  cr_assert_eq(n, same);
  for (uint32_t i = 0; i < n; i++) {
    cr_assert_eq(memcmp(qe_tensor_const_data(before[i]), qe_tensor_const_data(after[i]), (size_t)qe_tensor_count(before[i]) * sizeof(float)), 0,
                 "output %u has other bytes", (unsigned)i);
    qe_tensor_release(&before[i]);
    qe_tensor_release(&after[i]);
  }
  cr_assert_leq(less * 100, all * percent, "%llu bytes of %llu", (unsigned long long)less, (unsigned long long)all);
  for (uint32_t i = 0; i < t->n_in; i++) qe_tensor_release(&t->data[i]);
  qe__graph_destroy(&t->e.g);
}

Test(recompute, convolutional_network) {
  net t = {0};
  cr_assert_eq(qe__graph_create(&t.e.g), QE_OK);
  convolutional(&t, 16);
  compare(&t, 50);
}

Test(recompute, recurrent_layers) {
  net t = {0};
  cr_assert_eq(qe__graph_create(&t.e.g), QE_OK);
  recurrent(&t, 4, 24);
  compare(&t, 60);
}

/* Two nodes: there is nothing to gain, and nothing changes. */
Test(recompute, nothing_to_gain) {
  net t = {0};
  qe__value_id grad;
  cr_assert_eq(qe__graph_create(&t.e.g), QE_OK);
  const qe__value_id x = input(&t, 1, (int64_t[]){5}, 1.0f, true);
  t.loss = qe__emit_sum(&t.e, qe__emit_unary(&t.e, QE__OP_Exp, x), 1u, false);
  cr_assert_eq(qe__graph_add_output(t.e.g, t.loss), QE_OK);
  const uint32_t n_forward = t.e.g->n_nodes;
  cr_assert_eq(qe__differentiate(t.e.g, t.loss, 1, &x, &grad), QE_OK);
  const uint32_t n = t.e.g->n_nodes;
  cr_assert_eq(qe__recompute(t.e.g, n_forward), QE_OK);
  cr_assert_eq(t.e.g->n_nodes, n);
  qe_tensor_release(&t.data[0]);
  qe__graph_destroy(&t.e.g);
}
