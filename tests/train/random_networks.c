/*
 * Gradients of random networks along random directions, and of the same networks with values computed again: whole
 * graphs of layers, fused or not, with every constant that a layer can learn as an input.
 */
#include <math.h>
#include <string.h>

#include "flow/flow_internal.h"
#include "graph/model.h"
#include "support/random_graph.h"
#include "train/differentiate.h"
#include "train/emit.h"
#include "train/recompute.h"
#include "train/shapes.h"
#include "train/unroll.h"

enum { MOST_INPUTS = 128, DIRECTIONS = 4 };

typedef struct network {
  uint64_t seed;
  qe_model_t *m;
  qe__value_id loss;
  uint32_t n, n_grad;
  qe__value_id in[MOST_INPUTS], grad[MOST_INPUTS];
  qe_tensor_t *data[MOST_INPUTS];
} network;

static bool learns(const qe__node *n, uint32_t input) {
  switch (n->op->id) {
    case QE__OP_Conv: case QE__OP_ConvTranspose: case QE__OP_Gemm: case QE__OP_MatMul: case QE__OP_BatchNormalization:
    case QE__OP_LayerNormalization: case QE__OP_InstanceNormalization: case QE__OP_PRelu: case QE__OP_Add: case QE__OP_Sub: case QE__OP_Mul:
    case QE__OP_Div: return true;
    case QE__OP_LSTM: return input != 4;
    default: return false;
  }
}

/* What layers learn becomes inputs, with the constants as their first data. */
static void free_constants(network *w) {
  qe__graph *g = w->m->graph;
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    for (uint32_t i = 0; i < g->nodes[k]->n_in; i++) {
      const qe__value_id v = g->nodes[k]->in[i];
      if (v == QE__NO_VALUE || !g->values[v].data || g->values[v].dtype != QE_FLOAT32 || !learns(g->nodes[k], i) || w->n == MOST_INPUTS) continue;
      cr_assert_eq(qe__tensor_copy(g->values[v].data, &w->data[w->n]), QE_OK);
      qe_tensor_release(&g->values[v].data);
      cr_assert_eq(qe__graph_add_input(g, v), QE_OK);
      w->in[w->n++] = v;
    }
  }
}

/* The sum of output 0 under weights that are the same for the same seed. */
static void add_loss(network *w) {
  qe__graph *g = w->m->graph;
  qe__emit e = {.g = g};
  const qe__shape y = qe__shape_of(g, g->outputs[0]);
  qe_tensor_t *weights = test_random(y.rank, y.dims, 1.0f, w->seed);
  qe__value_id v;
  cr_assert_eq(qe__graph_add_constant(g, NULL, weights, &v), QE_OK);
  qe_tensor_release(&weights);
  v = qe__emit_binary(&e, QE__OP_Mul, g->outputs[0], v);
  w->loss = qe__emit_sum(&e, v, (1u << y.rank) - 1u, false);
  cr_assert_eq(e.status, QE_OK, "%s", qe_last_error());
  g->n_outputs = 0;
  cr_assert_eq(qe__graph_add_output(g, w->loss), QE_OK);
}

static network make(uint64_t seed, bool recompute) {
  network w = {.seed = seed, .n = 1, .m = random_graph_make(seed, 2, 1)};
  qe__graph *g = w.m->graph;
  w.in[0] = g->inputs[0];
  w.data[0] = test_random(4, (int64_t[]){2, 4, 6, 6}, 1.0f, seed);
  if (seed % 2) cr_assert_eq(qe__fuse(g), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
  free_constants(&w);
  g->n_outputs = 1;
  cr_assert_eq(qe__train_shapes(g), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
  cr_assert_eq(qe__unroll_recurrent(g), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
  add_loss(&w);
  const uint32_t n_forward = g->n_nodes;
  cr_assert_eq(qe__check_gradients(g, w.loss, w.n, w.in), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
  cr_assert_eq(qe__differentiate(g, w.loss, w.n, w.in, w.grad), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
  for (uint32_t i = 0; i < w.n; i++) {
    if (w.grad[i] != QE__NO_VALUE) cr_assert_eq(qe__graph_add_output(g, w.grad[i]), QE_OK);
  }
  if (recompute) cr_assert_eq(qe__recompute(g, n_forward), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
  cr_assert_eq(qe__graph_verify(g), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
  return w;
}

static void release(network *w) {
  qe_model_destroy(&w->m);
  for (uint32_t i = 0; i < w->n; i++) qe_tensor_release(&w->data[i]);
}

/* Results: the loss, then the gradients that there are. */
static uint32_t run(network *w, qe_session_t *s, uint32_t n_out, qe_named_tensor_t *out) {
  const qe__graph *g = w->m->graph;
  qe_named_tensor_t in[MOST_INPUTS] = {0};
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    for (uint32_t k = 0; k < w->n; k++) {
      if (w->in[k] == g->inputs[i]) in[i].tensor = w->data[k];
    }
  }
  memset(out, 0, n_out * sizeof *out);
  if (n_out == 1) out[0].name = g->values[w->loss].name;
  cr_assert_eq(qe_session_run(s, g->n_inputs, in, n_out, out), QE_OK, "seed %llu: %s", (unsigned long long)w->seed, qe_last_error());
  return g->n_outputs;
}

static qe_session_t *session(const network *w) {
  qe_session_t *s = NULL;
  const qe_session_options_t o = {.struct_size = sizeof o, .threads = 1};
  cr_assert_eq(qe_session_create(w->m, &o, &s), QE_OK, "%s", qe_last_error());
  return s;
}

static double loss_at(network *w, qe_session_t *s) {
  qe_named_tensor_t out;
  run(w, s, 1, &out);
  const double loss = (double)*(const float *)qe_tensor_const_data(out.tensor);
  qe_tensor_release(&out.tensor);
  return loss;
}

static void move(network *w, uint64_t direction, float by) {
  for (uint32_t i = 0; i < w->n; i++) {
    qe_tensor_t *u = test_random(qe_tensor_rank(w->data[i]), qe_tensor_dims(w->data[i]), 1.0f, w->seed * 1000 + direction * 50 + i);
    for (int64_t k = 0; k < qe_tensor_count(u); k++) ((float *)qe_tensor_data(w->data[i]))[k] += by * ((const float *)qe_tensor_const_data(u))[k];
    qe_tensor_release(&u);
  }
}

/* The loss's slope along a direction by the gradients. */
static double slope(const network *w, uint64_t direction, const qe_named_tensor_t *out) {
  double sum = 0.0;
  for (uint32_t i = 0, at = 1; i < w->n; i++) {
    if (w->grad[i] == QE__NO_VALUE) continue;
    qe_tensor_t *u = test_random(qe_tensor_rank(w->data[i]), qe_tensor_dims(w->data[i]), 1.0f, w->seed * 1000 + direction * 50 + i);
    const float *d = qe_tensor_const_data(u), *g = qe_tensor_const_data(out[at++].tensor);
    for (int64_t k = 0; k < qe_tensor_count(u); k++) sum += (double)d[k] * (double)g[k];
    qe_tensor_release(&u);
  }
  return sum;
}

/* Kinks within a step are no errors of the gradient: most directions have to fit, by the steepest one's measure. */
static int directions_that_fit(network *w) {
  qe_named_tensor_t out[MOST_INPUTS + 1];
  qe_session_t *s = session(w);
  const float step = 1.0f / 1024.0f;
  double error[DIRECTIONS], steepest = 0.0, noise = 0.0;
  int fit = 0;
  const uint32_t n = run(w, s, w->m->graph->n_outputs, out);
  for (uint64_t d = 0; d < DIRECTIONS; d++) {
    move(w, d, step);
    const double right = loss_at(w, s);
    move(w, d, -2.0f * step);
    const double left = loss_at(w, s), by_differences = (right - left) / (2.0 * (double)step);
    move(w, d, step);
    error[d] = fabs(by_differences - slope(w, d, out));
    steepest = fmax(steepest, fabs(by_differences));
    noise = fmax(noise, fabs(right) + fabs(left));
  }
  for (uint64_t d = 0; d < DIRECTIONS; d++) fit += error[d] <= 0.01 + 0.05 * steepest + 2e-4 * noise;
  for (uint32_t i = 0; i < n; i++) qe_tensor_release(&out[i].tensor);
  qe_session_destroy(&s);
  return fit;
}

Test(random_networks, directions) {
  for (uint64_t seed = 1; seed <= 120; seed++) {
    network w = make(seed, false);
    const int fit = directions_that_fit(&w);
    cr_assert_geq(fit, DIRECTIONS - 1, "seed %llu: only %d of %d slopes fit", (unsigned long long)seed, fit, DIRECTIONS);
    release(&w);
  }
}

Test(random_networks, recomputed_bytes) {
  for (uint64_t seed = 1; seed <= 60; seed++) {
    qe_named_tensor_t a[MOST_INPUTS + 1], b[MOST_INPUTS + 1];
    network kept = make(seed, false), again = make(seed, true);
    qe_session_t *s = session(&kept), *t = session(&again);
    const uint32_t n = run(&kept, s, kept.m->graph->n_outputs, a);
    cr_assert_eq(run(&again, t, n, b), n);
    for (uint32_t i = 0; i < n; i++) {
      cr_assert_eq(memcmp(qe_tensor_const_data(a[i].tensor), qe_tensor_const_data(b[i].tensor), (size_t)qe_tensor_count(a[i].tensor) * sizeof(float)), 0,
                   "seed %llu: output %u has other bytes", (unsigned long long)seed, (unsigned)i);
      qe_tensor_release(&a[i].tensor);
      qe_tensor_release(&b[i].tensor);
    }
    qe_session_destroy(&s);
    qe_session_destroy(&t);
    release(&kept);
    release(&again);
  }
}
