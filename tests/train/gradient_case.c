/* Gradients against central differences (gradient_case.h). */
#include "gradient_case.h"

#include <math.h>
#include <string.h>

#include "graph/model.h"
#include "train/differentiate.h"
#include "train/shapes.h"
#include "train/unroll.h"

static const float STEP = 1.0f / 256.0f;

int64_t case_below(gradient_case *t, int64_t n) {
  t->state = t->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int64_t)((t->state >> 33) % (uint64_t)n);
}

bool case_coin(gradient_case *t) { return case_below(t, 2) != 0; }

static void shuffle(gradient_case *t) {
  for (int i = 0; i < CASE_GRID; i++) t->grid[i] = i;
  for (int i = CASE_GRID - 1; i > 0; i--) {
    const int j = (int)case_below(t, i + 1), v = t->grid[i];
    t->grid[i] = t->grid[j];
    t->grid[j] = v;
  }
}

static qe__value_id add_input(gradient_case *t, qe_tensor_t *data, bool wrt) {
  qe__value_id v;
  cr_assert_lt(t->n_in, CASE_INPUTS);
  cr_assert_eq(qe__graph_add_value(t->e.g, NULL, qe_tensor_dtype(data), &v), QE_OK);
  qe__value *value = &t->e.g->values[v];
  value->rank = (int32_t)qe_tensor_rank(data);
  for (uint32_t d = 0; d < qe_tensor_rank(data); d++) value->dims[d] = qe_tensor_dims(data)[d];
  cr_assert_eq(qe__graph_add_input(t->e.g, v), QE_OK);
  t->in[t->n_in] = v;
  t->data[t->n_in] = data;
  t->wrt[t->n_in++] = wrt;
  return v;
}

qe__value_id case_input_at(gradient_case *t, uint32_t rank, const int64_t *dims, float scale, float offset) {
  qe_tensor_t *data = NULL;
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, rank, dims, &data), QE_OK);
  float *x = qe_tensor_data(data);
  for (int64_t i = 0; i < qe_tensor_count(data); i++) {
    x[i] = offset + scale * (-1.5f + 3.0f * ((float)t->grid[t->taken++ % CASE_GRID] + 0.5f) / CASE_GRID);
  }
  return add_input(t, data, true);
}

qe__value_id case_input(gradient_case *t, uint32_t rank, const int64_t *dims) { return case_input_at(t, rank, dims, 1.0f, 0.0f); }

qe__value_id case_positive(gradient_case *t, uint32_t rank, const int64_t *dims) { return case_input_at(t, rank, dims, 0.6f, 1.25f); }

qe__value_id case_given(gradient_case *t, qe_tensor_t *data) { return add_input(t, data, false); }

uint32_t case_dims(gradient_case *t, uint32_t least_rank, uint32_t most_rank, int64_t most, int64_t *dims) {
  const uint32_t rank = least_rank + (uint32_t)case_below(t, (int64_t)(most_rank - least_rank) + 1);
  int64_t count = 1;
  for (uint32_t d = 0; d < rank; d++) {
    const int64_t room = 64 / count;
    dims[d] = 1 + case_below(t, most < room ? most : room);
    count *= dims[d];
  }
  return rank;
}

uint32_t case_broadcast(gradient_case *t, uint32_t rank, const int64_t *dims, int64_t *out) {
  const uint32_t dropped = (uint32_t)case_below(t, (int64_t)rank + 1);
  for (uint32_t d = dropped; d < rank; d++) out[d - dropped] = case_below(t, 3) == 0 ? 1 : dims[d];
  return rank - dropped;
}

/* sum(y * weights) with y from the session, in double. */
static double loss_of(gradient_case *t, qe_session_t *s, const char *y, const float *weights) {
  qe_named_tensor_t in[CASE_INPUTS], out = {y, NULL};
  for (uint32_t i = 0; i < t->n_in; i++) in[i] = (qe_named_tensor_t){NULL, t->data[i]};
  cr_assert_eq(qe_session_run(s, t->n_in, in, 1, &out), QE_OK, "%s, seed %llu: %s", t->name, (unsigned long long)t->seed, qe_last_error());
  const float *v = qe_tensor_const_data(out.tensor);
  double sum = 0.0;
  for (int64_t i = 0; i < qe_tensor_count(out.tensor); i++) sum += (double)v[i] * (double)weights[i];
  qe_tensor_release(&out.tensor);
  return sum;
}

static void compare(gradient_case *t, qe_session_t *s, const char *y, const float *weights, uint32_t i, const float *gradient) {
  const int64_t n = qe_tensor_count(t->data[i]);
  float *x = qe_tensor_data(t->data[i]);
  double *expected = calloc((size_t)n + 1, sizeof *expected), most = 0.0;
  for (int64_t k = 0; k < n; k++) {
    const float old = x[k];
    x[k] = old + STEP;
    const double right = loss_of(t, s, y, weights), at = (double)x[k];
    x[k] = old - STEP;
    expected[k] = (right - loss_of(t, s, y, weights)) / (at - (double)x[k]);
    x[k] = old;
    most = fmax(most, fabs(expected[k]));
  }
  for (int64_t k = 0; k < n; k++) {
    const double error = fabs((double)gradient[k] - expected[k]);
    cr_assert(error <= 2e-3 + 3e-3 * most, "%s, seed %llu: d loss / d input %u [%lld] is %g; differences say %g (largest %g)", t->name,
              (unsigned long long)t->seed, (unsigned)i, (long long)k, (double)gradient[k], expected[k], most);
  }
  free(expected);
}

static void run_case(const gradient_test *test, uint64_t seed) {
  gradient_case t = {.name = test->name, .seed = seed, .state = seed * 7919 + 17};
  qe_model_t *m = NULL;
  qe_session_t *s = NULL;
  qe__value_id wrt[CASE_INPUTS], grad[CASE_INPUTS];
  uint32_t n = 0, index[CASE_INPUTS];
  for (const char *c = test->name; *c != '\0'; c++) t.state = t.state * 31 + (uint64_t)*c;
  cr_assert_eq(qe__graph_create(&t.e.g), QE_OK);
  qe__graph *g = t.e.g;
  shuffle(&t);
  const qe__value_id y = test->build(&t);
  cr_assert_eq(t.e.status, QE_OK, "%s, seed %llu: %s", t.name, (unsigned long long)seed, qe_last_error());
  /* the loss: the sum of y under weights */
  const qe__shape shape = qe__shape_of(g, y);
  const int64_t count = qe__shape_count(&shape, 0, shape.rank);
  qe_tensor_t *w = NULL;
  cr_assert_eq(qe_tensor_create(QE_FLOAT32, shape.rank, shape.dims, &w), QE_OK);
  float *weights = qe_tensor_data(w);
  for (int64_t i = 0; i < count; i++) weights[i] = (case_coin(&t) ? 1.0f : -1.0f) * (0.5f + (float)case_below(&t, 100) / 100.0f);
  qe__value_id weighed;
  cr_assert_eq(qe__graph_add_constant(g, NULL, w, &weighed), QE_OK);
  const qe__value_id product = qe__emit_binary(&t.e, QE__OP_Mul, y, weighed);
  const qe__value_id loss = shape.rank > 0 ? qe__emit_sum(&t.e, product, (1u << shape.rank) - 1u, false) : product;
  for (uint32_t i = 0; i < t.n_in; i++) {
    if (!t.wrt[i]) continue;
    index[n] = i;
    wrt[n++] = t.in[i];
  }
  cr_assert_eq(qe__graph_add_output(g, loss), QE_OK);
  cr_assert_eq(qe__train_shapes(g), QE_OK, "%s, seed %llu: %s", t.name, (unsigned long long)seed, qe_last_error());
  cr_assert_eq(qe__unroll_recurrent(g), QE_OK, "%s, seed %llu: %s", t.name, (unsigned long long)seed, qe_last_error());
  cr_assert_eq(qe__differentiate(g, loss, n, wrt, grad), QE_OK, "%s, seed %llu: %s", t.name, (unsigned long long)seed, qe_last_error());
  cr_assert_eq(qe__graph_verify(g), QE_OK, "%s, seed %llu: %s", t.name, (unsigned long long)seed, qe_last_error());
  char *y_name = strdup(g->values[y].name);
  qe_named_tensor_t in[CASE_INPUTS], out[CASE_INPUTS];
  char *names[CASE_INPUTS];
  for (uint32_t i = 0; i < n; i++) {
    cr_assert_neq(grad[i], QE__NO_VALUE, "%s, seed %llu: no gradient for input %u", t.name, (unsigned long long)seed, (unsigned)index[i]);
    const qe__shape of = qe__shape_of(g, wrt[i]), is = qe__shape_of(g, grad[i]);
    cr_assert(qe__same_shape(&of, &is), "%s, seed %llu: the gradient of input %u has another shape", t.name, (unsigned long long)seed, (unsigned)index[i]);
    out[i] = (qe_named_tensor_t){names[i] = strdup(g->values[grad[i]].name), NULL};
  }
  for (uint32_t i = 0; i < t.n_in; i++) in[i] = (qe_named_tensor_t){NULL, t.data[i]};
  const qe_session_options_t o = {.struct_size = sizeof o, .threads = 1};
  cr_assert_eq(qe__model_wrap(g, &m), QE_OK);
  cr_assert_eq(qe_session_create(m, &o, &s), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_session_run(s, t.n_in, in, n, out), QE_OK, "%s, seed %llu: %s", t.name, (unsigned long long)seed, qe_last_error());
  for (uint32_t i = 0; i < n; i++) compare(&t, s, y_name, weights, index[i], qe_tensor_const_data(out[i].tensor));
  for (uint32_t i = 0; i < n; i++) {
    qe_tensor_release(&out[i].tensor);
    free(names[i]);
  }
  free(y_name);
  qe_session_destroy(&s);
  qe_model_destroy(&m);
  qe_tensor_release(&w);
  for (uint32_t i = 0; i < t.n_in; i++) qe_tensor_release(&t.data[i]);
}

void check_gradients(const gradient_test *tests, size_t count, uint64_t seeds) {
  for (size_t i = 0; i < count; i++) {
    for (uint64_t seed = 1; seed <= seeds; seed++) run_case(&tests[i], seed);
  }
}
