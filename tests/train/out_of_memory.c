/* Every allocation of differentiation, unrolling and recomputation fails once: an error each time, and no damage. */
#include "graph/model.h"
#include "support/models.h"
#include "train/differentiate.h"
#include "train/emit.h"
#include "train/recompute.h"
#include "train/shapes.h"
#include "train/unroll.h"

/* x [6, 2, 4] -> LSTM -> Reshape by its own shape -> Gemm, Max of three, Softmax -> sum. */
static qe_model_t *make(void) {
  const int64_t steps = 6, batch = 2, in = 4, hidden = 3;
  qe_model_t *m = NULL;
  cr_assert_eq(qe_model_create("net", &m), QE_OK);
  qe_tensor_t *w = test_random(2, (int64_t[]){4 * hidden, in}, 0.5f, 1), *r = test_random(2, (int64_t[]){4 * hidden, hidden}, 0.5f, 2);
  qe_tensor_t *fc = test_random(2, (int64_t[]){5, hidden}, 0.5f, 3);
  const qe_value_t x = qe_input(m, "x", QE_FLOAT32, 3, (int64_t[]){steps, batch, in});
  const qe_value_t y = qe_lstm(m, "rnn", x, -1, -1, w, r, NULL, NULL, NULL, NULL);
  const qe_value_t shape = qe_op(m, "Shape", NULL, 1, &y, NULL);
  const qe_value_t flat = qe_linear(m, "fc", qe_op(m, "Reshape", NULL, 2, (qe_value_t[]){y, shape}, NULL), fc, NULL);
  const qe_value_t a = qe_relu(m, NULL, flat), b = qe_op(m, "Tanh", NULL, 1, &flat, NULL);
  const qe_value_t most = qe_op(m, "Max", NULL, 3, (qe_value_t[]){a, b, flat}, NULL);
  qe_output(m, "sum", qe_op(m, "ReduceSum", NULL, 1, (qe_value_t[]){qe_softmax(m, NULL, most, -1)}, "{\"keepdims\": 0}"));
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  qe_tensor_release(&w);
  qe_tensor_release(&r);
  qe_tensor_release(&fc);
  return m;
}

static qe_status_t all_of_it(qe__graph *g) {
  const qe__value_id x = g->inputs[0];
  qe__value_id grad;
  QE_TRY(qe__train_shapes(g));
  QE_TRY(qe__unroll_recurrent(g));
  const uint32_t n_forward = g->n_nodes;
  QE_TRY(qe__differentiate(g, g->outputs[0], 1, &x, &grad));
  QE_TRY(qe__graph_add_output(g, grad));
  QE_TRY(qe__recompute(g, n_forward));
  return qe__graph_sweep(g);
}

Test(out_of_memory, training_graph) {
  qe_model_t *m = make();
  long n = 0;
  for (;; n += n < 400 ? 1 : 7) { /* the same helpers over and over: every seventh shows them all */
    qe__graph *g = NULL;
    cr_assert_eq(qe__graph_clone(m->graph, &g), QE_OK);
    qe__fail_allocations_after(n);
    const qe_status_t status = all_of_it(g);
    qe__fail_allocations_after(-1);
    if (status == QE_OK) cr_assert_eq(qe__graph_verify(g), QE_OK, "%s", qe_last_error());
    qe__graph_destroy(&g);
    if (status == QE_OK) break;
    cr_assert_eq(status, QE_ERROR_OUT_OF_MEMORY, "allocation %ld: %s (%s)", n, qe_status_text(status), qe_last_error());
  }
  cr_assert_gt(n, 1000);
  qe_model_destroy(&m);
}
