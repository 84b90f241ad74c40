/*
 * Unrolling: xg of some steps at a time is one product, cut into steps; each step adds hg, a product with the state, and
 * runs the formulas of docs/numerics.md ("LSTM, GRU, RNN") as they stand there, operation by operation.
 */
#include "train/unroll.h"

#include <math.h>

#include "registry/quant_rule.h"
#include "train/emit.h"

enum { X, W, R, B, LENGTHS, H0, C0, P };
enum { MAX_PARTS = QE__MAX_OUTPUTS }; /* operands that one Split or Concat may have */
enum { PRODUCT_ROWS = 256 };          /* of x in one product: enough for speed, few enough that xg is short-lived */

typedef struct layer {
  qe__emit e;
  const qe__node *n;
  qe_op_params params;
  int64_t steps, batch, inputs, hidden, gates, directions;
  int64_t chunk, n_chunks; /* steps in one product, but for the last; products */
  bool batch_first;
  qe__value_id one, low, high; /* 1, -clip, clip (where there is a clip) */
} layer;

/* One direction. */
typedef struct direction {
  uint32_t index;
  bool backward;
  qe__value_id w, r, wb, rb;       /* [gates * hidden, ...], biases or QE__NO_VALUE */
  qe__value_id r_last, rb_last;    /* GRU, reset before the product: r and rb hold the first two gates, these the last */
  qe__value_id peephole[3];        /* [hidden], or QE__NO_VALUE */
  qe__value_id h, c;               /* the state */
} direction;

static bool has(const layer *l, uint32_t i) { return i < l->n->n_in && l->n->in[i] != QE__NO_VALUE; }

/* ---- parts ---- */

/* v cut along a dimension into n parts: each of `size`, in order. */
static void cut(qe__emit *e, qe__value_id v, uint32_t axis, uint32_t n, const int64_t *sizes, qe__value_id *parts) {
  if (n == 1) {
    parts[0] = v;
    return;
  }
  const qe__attr attr = QE__INT("axis", axis);
  const qe__value_id in[2] = {v, qe__emit_ints(e, n, sizes)};
  qe__emit_outputs(e, QE__OP_Split, 2, in, 1, &attr, n, NULL, parts);
}

static void cut_in_two(qe__emit *e, qe__value_id v, uint32_t axis, int64_t first, int64_t second, qe__value_id *a, qe__value_id *b) {
  qe__value_id parts[2];
  cut(e, v, axis, 2, (int64_t[]){first, second}, parts);
  *a = parts[0];
  *b = parts[1];
}

/* The rows of v in n parts of so many rows, the last one of `last`; of more than a Split gives, in steps. */
static void cut_rows(qe__emit *e, qe__value_id v, int64_t n, int64_t rows, int64_t last, qe__value_id *parts) {
  int64_t sizes[MAX_PARTS], each = 1;
  qe__value_id big[MAX_PARTS];
  while ((n + each - 1) / each > MAX_PARTS) each *= MAX_PARTS;
  const uint32_t count = (uint32_t)((n + each - 1) / each);
  const int64_t rest = n - each * ((int64_t)count - 1);
  for (uint32_t i = 0; i < count; i++) sizes[i] = i + 1 < count ? rows * each : rows * (rest - 1) + last;
  cut(e, v, 0, count, sizes, each == 1 ? parts : big);
  for (uint32_t i = 0; each > 1 && i < count; i++)
    cut_rows(e, big[i], i + 1 < count ? each : rest, rows, i + 1 < count ? rows : last, parts + each * (int64_t)i);
}

static qe__value_id add(layer *l, qe__value_id a, qe__value_id b) { return qe__emit_binary(&l->e, QE__OP_Add, a, b); }
static qe__value_id mul(layer *l, qe__value_id a, qe__value_id b) { return qe__emit_binary(&l->e, QE__OP_Mul, a, b); }

/* v * m^T + bias */
static qe__value_id product(layer *l, qe__value_id v, qe__value_id m, qe__value_id bias) {
  const qe__attr turned = QE__INT("transB", 1);
  return qe__emit_node(&l->e, QE__OP_Gemm, bias != QE__NO_VALUE ? 3 : 2, (qe__value_id[]){v, m, bias}, 1, &turned);
}

/* Activation number `which` of the direction, of v clipped. */
static qe__value_id activate(layer *l, const direction *d, uint32_t which, int64_t fallback, qe__value_id v) {
  static const uint16_t ops[] = {[QE_RNN_TANH] = QE__OP_Tanh, [QE_RNN_SIGMOID] = QE__OP_Sigmoid, [QE_RNN_RELU] = QE__OP_Relu};
  const int64_t code = l->params.perm[3 * d->index + which];
  if (l->low != QE__NO_VALUE) v = qe__emit_node(&l->e, QE__OP_Clip, 3, (qe__value_id[]){v, l->low, l->high}, 0, NULL);
  return qe__emit_unary(&l->e, ops[code == QE_RNN_DEFAULT ? fallback : code], v);
}

/* ---- one step ---- */

static qe__value_id with_peephole(layer *l, const direction *d, uint32_t which, qe__value_id v, qe__value_id c) {
  return d->peephole[which] == QE__NO_VALUE ? v : add(l, v, mul(l, d->peephole[which], c));
}

static void lstm_step(layer *l, direction *d, qe__value_id xg) {
  enum { I, O, F, C };
  const int64_t sizes[4] = {l->hidden, l->hidden, l->hidden, l->hidden};
  qe__value_id gate[4];
  cut(&l->e, add(l, xg, product(l, d->h, d->r, d->rb)), 1, 4, sizes, gate);
  const qe__value_id i = activate(l, d, 0, QE_RNN_SIGMOID, with_peephole(l, d, 0, gate[I], d->c));
  qe__value_id f;
  if (l->params.select_last_index) f = qe__emit_binary(&l->e, QE__OP_Sub, l->one, i);
  else f = activate(l, d, 0, QE_RNN_SIGMOID, with_peephole(l, d, 2, gate[F], d->c));
  const qe__value_id candidate = activate(l, d, 1, QE_RNN_TANH, gate[C]), kept = mul(l, f, d->c);
  d->c = add(l, kept, mul(l, i, candidate));
  const qe__value_id o = activate(l, d, 0, QE_RNN_SIGMOID, with_peephole(l, d, 1, gate[O], d->c));
  d->h = mul(l, o, activate(l, d, 2, QE_RNN_TANH, d->c));
}

static void gru_step(layer *l, direction *d, qe__value_id xg) {
  qe__value_id x_zr, x_h, h_zr, h_h, z, r;
  cut_in_two(&l->e, xg, 1, 2 * l->hidden, l->hidden, &x_zr, &x_h);
  h_zr = product(l, d->h, d->r, d->rb);
  if (l->params.select_last_index) cut_in_two(&l->e, h_zr, 1, 2 * l->hidden, l->hidden, &h_zr, &h_h);
  cut_in_two(&l->e, activate(l, d, 0, QE_RNN_SIGMOID, add(l, x_zr, h_zr)), 1, l->hidden, l->hidden, &z, &r);
  if (l->params.select_last_index) h_h = mul(l, r, h_h);
  else h_h = product(l, mul(l, r, d->h), d->r_last, d->rb_last);
  const qe__value_id candidate = activate(l, d, 1, QE_RNN_TANH, add(l, x_h, h_h));
  const qe__value_id fresh = mul(l, qe__emit_binary(&l->e, QE__OP_Sub, l->one, z), candidate);
  d->h = add(l, fresh, mul(l, z, d->h));
}

static void rnn_step(layer *l, direction *d, qe__value_id xg) {
  d->h = activate(l, d, 0, QE_RNN_TANH, add(l, xg, product(l, d->h, d->r, d->rb)));
}

static void step(layer *l, direction *d, qe__value_id xg) {
  if (l->n->op->id == QE__OP_LSTM) lstm_step(l, d, xg);
  else if (l->n->op->id == QE__OP_GRU) gru_step(l, d, xg);
  else rnn_step(l, d, xg);
}

/* ---- a layer ---- */

/* Input i of [directions, ...]: this direction's part, as a value of `rank` dimensions. */
static qe__value_id part(layer *l, uint32_t i, uint32_t index, uint32_t rank, int64_t d0, int64_t d1) {
  if (!has(l, i)) return QE__NO_VALUE;
  const qe__value_id v = qe__emit_slice(&l->e, l->n->in[i], 0, index, (int64_t)index + 1);
  return qe__emit_reshape(&l->e, v, rank, (int64_t[]){d0, d1});
}

/* A state's beginning: as given, or zeros. */
static qe__value_id initial(layer *l, uint32_t i, uint32_t index) {
  const int64_t dims[2] = {l->batch, l->hidden};
  if (!has(l, i)) return qe__emit_filled(&l->e, 2, dims, 0.0f);
  const qe__value_id v = qe__emit_slice(&l->e, l->n->in[i], l->batch_first ? 1 : 0, index, (int64_t)index + 1);
  return qe__emit_reshape(&l->e, v, 2, dims);
}

static void begin_direction(layer *l, uint32_t index, direction *d) {
  const int64_t rows = l->gates * l->hidden, three[3] = {l->hidden, l->hidden, l->hidden};
  const bool lstm = l->n->op->id == QE__OP_LSTM;
  *d = (direction){.index = index, .backward = index == 1 || l->params.mode == 1, .wb = QE__NO_VALUE, .rb = QE__NO_VALUE, .rb_last = QE__NO_VALUE,
                   .r_last = QE__NO_VALUE, .c = QE__NO_VALUE, .peephole = {QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE}};
  d->w = part(l, W, index, 2, rows, l->inputs);
  d->r = part(l, R, index, 2, rows, l->hidden);
  if (has(l, B)) cut_in_two(&l->e, part(l, B, index, 1, 2 * rows, 0), 0, rows, rows, &d->wb, &d->rb);
  if (lstm && has(l, P)) cut(&l->e, part(l, P, index, 1, 3 * l->hidden, 0), 0, 3, three, d->peephole);
  if (l->n->op->id == QE__OP_GRU && !l->params.select_last_index) {
    cut_in_two(&l->e, d->r, 0, 2 * l->hidden, l->hidden, &d->r, &d->r_last);
    if (d->rb != QE__NO_VALUE) cut_in_two(&l->e, d->rb, 0, 2 * l->hidden, l->hidden, &d->rb, &d->rb_last);
  }
  d->h = initial(l, H0, index);
  if (lstm) d->c = initial(l, C0, index);
}

/* x: the rows of each product. xg: room for the steps of one. y: the state after the step of each time. */
static void run_direction(layer *l, direction *d, const qe__value_id *x, qe__value_id *xg, qe__value_id *y) {
  for (int64_t k = 0; k < l->n_chunks; k++) {
    const int64_t at = d->backward ? l->n_chunks - 1 - k : k, first = at * l->chunk;
    const int64_t steps = first + l->chunk > l->steps ? l->steps - first : l->chunk;
    cut_rows(&l->e, product(l, x[at], d->w, d->wb), steps, l->batch, l->batch, xg);
    for (int64_t i = 0; i < steps && l->e.status == QE_OK; i++) {
      const int64_t j = d->backward ? steps - 1 - i : i;
      step(l, d, xg[j]);
      y[first + j] = d->h;
    }
  }
}

/* The states of all times, [steps, 1, batch, hidden], or [batch, steps, 1, hidden]. */
static qe__value_id sequence(layer *l, const qe__value_id *y) {
  const int64_t dims[4] = {l->steps, l->batch_first ? l->batch : 1, l->batch_first ? 1 : l->batch, l->hidden}, perm[4] = {1, 0, 2, 3};
  const qe__value_id v = qe__emit_reshape(&l->e, qe__emit_concat(&l->e, 0, l->steps, y), 4, dims);
  return l->batch_first ? qe__emit_transpose(&l->e, v, perm) : v;
}

static qe__value_id final_state(layer *l, qe__value_id v) {
  const int64_t dims[3] = {l->batch_first ? l->batch : 1, l->batch_first ? 1 : l->batch, l->hidden};
  return qe__emit_reshape(&l->e, v, 3, dims);
}

/* Output i of the layer becomes what computes v. */
static void give(layer *l, uint32_t i, qe__value_id v) {
  qe__graph *g = l->e.g;
  if (l->e.status != QE_OK || i >= l->n->n_out || l->n->out[i] == QE__NO_VALUE) return;
  for (uint32_t k = g->n_nodes; k-- > 0;) {
    if (g->nodes[k]->out[0] != v) continue;
    g->nodes[k]->out[0] = l->n->out[i];
    qe__graph_replace_uses(g, v, l->n->out[i]);
    return;
  }
}

/* ids: room for three for each step. */
static qe_status_t unroll(layer *l, qe__value_id *ids) {
  qe__emit *e = &l->e;
  const int64_t turned[3] = {1, 0, 2}, rows[2] = {l->steps * l->batch, l->inputs};
  qe__value_id *parts = ids, *xg = ids + l->steps, *y = xg + l->steps;
  direction d[2];
  qe__value_id all[2], h[2], c[2];
  qe__value_id x = l->batch_first ? qe__emit_transpose(e, l->n->in[X], turned) : l->n->in[X];
  x = qe__emit_reshape(e, x, 2, rows);
  cut_rows(e, x, l->n_chunks, l->chunk * l->batch, (l->steps - (l->n_chunks - 1) * l->chunk) * l->batch, parts);
  l->one = qe__emit_scalar(e, 1.0f);
  l->low = l->high = QE__NO_VALUE;
  if (l->params.clip_hi < INFINITY) {
    l->low = qe__emit_scalar(e, -l->params.clip_hi);
    l->high = qe__emit_scalar(e, l->params.clip_hi);
  }
  for (uint32_t i = 0; i < l->directions; i++) {
    begin_direction(l, i, &d[i]);
    run_direction(l, &d[i], parts, xg, y);
    if (l->n->out[0] != QE__NO_VALUE) all[i] = sequence(l, y);
    h[i] = final_state(l, d[i].h);
    if (d[i].c != QE__NO_VALUE) c[i] = final_state(l, d[i].c);
  }
  if (l->n->out[0] != QE__NO_VALUE) give(l, 0, qe__emit_concat(e, l->batch_first ? 2 : 1, l->directions, all));
  give(l, 1, qe__emit_concat(e, l->batch_first ? 1 : 0, l->directions, h));
  if (l->n->op->id == QE__OP_LSTM) give(l, 2, qe__emit_concat(e, l->batch_first ? 1 : 0, l->directions, c));
  return e->status;
}

/* Every sequence has all the steps. */
static qe_status_t check_lengths(const layer *l) {
  if (!has(l, LENGTHS)) return QE_OK;
  const qe__value *v = &l->e.g->values[l->n->in[LENGTHS]];
  bool full = v->data != NULL;
  for (int64_t i = 0; full && i < v->data->count; i++) full = qe__tensor_int_at(v->data, i) == l->steps;
  if (full) return QE_OK;
  return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (%s): training needs sequences of full length, but '%s' (sequence_lens) is not a constant of %lld everywhere; "
                  "leave it out, or train on batches of equal length", l->n->name, l->n->op->name, v->name, (long long)l->steps);
}

static qe_status_t unroll_node(qe__graph *g, qe__node *n) {
  layer l = {.e = {.g = g, .name = n->name}, .n = n};
  if (n->quantized) return qe__fail(QE_ERROR_UNSUPPORTED, "node '%s' (%s) works on codes; train the float model", n->name, n->op->name);
  QE_TRY(qe__infer_concrete(g, n, &l.params));
  const qe__shape x = qe__shape_of(g, n->in[X]), w = qe__shape_of(g, n->in[W]), r = qe__shape_of(g, n->in[R]);
  l.batch_first = l.params.axis != 0;
  l.steps = x.dims[l.batch_first ? 1 : 0];
  l.batch = x.dims[l.batch_first ? 0 : 1];
  l.inputs = x.dims[2];
  l.hidden = r.dims[2];
  l.directions = w.dims[0];
  l.gates = w.dims[1] / l.hidden;
  QE_TRY(check_lengths(&l));
  if (l.steps < 1) return qe__fail(QE_ERROR_SHAPE, "node '%s' (%s): its input '%s' has no steps", n->name, n->op->name, g->values[n->in[X]].name);
  l.chunk = l.batch < 1 ? l.steps : (PRODUCT_ROWS + l.batch - 1) / l.batch;
  l.n_chunks = (l.steps + l.chunk - 1) / l.chunk;
  qe__value_id *ids = qe__calloc((size_t)l.steps, 3 * sizeof *ids);
  if (ids == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe__node_kill(n);
  const qe_status_t status = unroll(&l, ids);
  qe__free(ids);
  return status;
}

qe_status_t qe__unroll_recurrent(qe__graph *g) {
  const uint32_t n_nodes = g->n_nodes;
  bool any = false;
  for (uint32_t k = 0; k < n_nodes; k++) {
    if (g->nodes[k]->dead || !qe__op_is_recurrent(g->nodes[k]->op->id)) continue;
    QE_TRY(unroll_node(g, g->nodes[k]));
    any = true;
  }
  if (!any) return QE_OK;
  QE_TRY(qe__graph_sort(g));
  return qe__graph_sweep(g);
}
