/*
 * DequantizeLinear -> op -> QuantizeLinear becomes one quantized node when all parameters are constant and nothing else
 * reads the float values between (docs/onnx.md lists the rules). What does not fit stays as the file says it.
 */
#include <math.h>

#include "onnx/fuse_util.h"
#include "onnx/onnx.h"
#include "onnx/qdq.h"
#include "registry/quant_rule.h"

typedef struct fuser {
  qe__graph *g;
  uint32_t n_values; /* of the graph as it was */
  qe__uses uses; /* of the graph as it was; code values may have gained readers since, float values between have not */
} fuser;

/* What follows an op: [Add of a bias] [Relu | Clip]* QuantizeLinear. */
typedef struct tail {
  qe__node *add;          /* bias of a MatMul, or NULL */
  qe__value_id add_bias;
  qe__node *acts[4];
  uint32_t n_acts;
  qe__act act;
  qe__node *quantize;
} tail;

static const qe_qparams_t *params(const fuser *f, qe__value_id v) { return &f->g->values[v].q.view; }

static bool code8(const fuser *f, qe__value_id v) {
  return qe__dtype_is_code8(f->g->values[v].dtype) && params(f, v)->count > 0;
}
static bool code8_per_tensor(const fuser *f, qe__value_id v) { return code8(f, v) && params(f, v)->count == 1; }

/* The codes a float value was dequantized from, or QE__NO_VALUE. */
static qe__value_id codes_of(const fuser *f, qe__value_id v) {
  const int32_t p = v != QE__NO_VALUE && (uint32_t)v < f->n_values ? f->uses.producer[v] : -1;
  return p >= 0 && qe__qdq_is_dequantize(f->g->nodes[p]) ? f->g->nodes[p]->in[0] : QE__NO_VALUE;
}

/* The only reader of v, or NULL. */
static qe__node *only_reader(const fuser *f, qe__value_id v) {
  if (!qe__fuse_single_use(&f->uses, v)) return NULL;
  qe__node *n = f->g->nodes[f->uses.node[f->uses.start[v]]];
  return n->dead ? NULL : n;
}

static bool scalar_constant(const fuser *f, const qe__node *n, uint32_t i, float fallback, float *out) {
  *out = fallback;
  if (i >= n->n_in || n->in[i] == QE__NO_VALUE) return true;
  const qe_tensor_t *t = f->g->values[n->in[i]].data;
  if (t == NULL || t->count != 1 || t->dtype != QE_FLOAT32) return false;
  *out = (float)qe__tensor_float_at(t, 0);
  return *out == *out;
}

/* Whether n clamps its input; the bounds are intersected with *act. */
static bool is_activation(const fuser *f, const qe__node *n, qe__act *act) {
  float lo = 0.0f, hi = INFINITY;
  if (n->act.lo != -INFINITY || n->act.hi != INFINITY) return false;
  if (n->op->id == QE__OP_Clip) {
    if (!scalar_constant(f, n, 1, -INFINITY, &lo) || !scalar_constant(f, n, 2, INFINITY, &hi)) return false;
  } else if (n->op->id != QE__OP_Relu) {
    return false;
  }
  const qe__act both = {fmaxf(act->lo, lo), fminf(act->hi, hi)};
  if (!(both.lo <= both.hi)) return false;
  *act = both;
  return true;
}

/* The node that adds a constant vector to a MatMul's result. */
static bool is_bias_add(const fuser *f, const qe__node *n, qe__value_id product, qe__value_id *bias) {
  if (n->op->id != QE__OP_Add || n->quantized || n->n_in != 2) return false;
  *bias = n->in[n->in[0] == product ? 1 : 0];
  if (*bias == product || *bias == QE__NO_VALUE) return false;
  const qe__value_id codes = codes_of(f, *bias);
  const qe_tensor_t *t = f->g->values[codes != QE__NO_VALUE ? codes : *bias].data;
  return t != NULL && t->rank == 1 && (codes == QE__NO_VALUE || t->dtype == QE_INT32);
}

static bool find_tail(const fuser *f, qe__node *n, tail *t) {
  *t = (tail){.act = n->act, .add_bias = QE__NO_VALUE};
  qe__value_id v = n->out[0];
  qe__node *next = only_reader(f, v);
  if (next != NULL && n->op->id == QE__OP_MatMul && n->n_in == 2 && is_bias_add(f, next, v, &t->add_bias)) {
    if (n->act.lo != -INFINITY || n->act.hi != INFINITY) return false;
    t->add = next;
    t->act = next->act;
    v = next->out[0];
    next = only_reader(f, v);
  }
  while (next != NULL && t->n_acts < 4 && next->n_out == 1 && next->in[0] == v && is_activation(f, next, &t->act)) {
    t->acts[t->n_acts++] = next;
    v = next->out[0];
    next = only_reader(f, v);
  }
  if (next == NULL || !qe__qdq_is_quantize(next) || !code8_per_tensor(f, next->out[0])) return false;
  t->quantize = next;
  return true;
}

/* ---- weighted ops ---- */

/* The dimension of w that the outputs run along; -1: unknown. */
static int32_t output_axis(const fuser *f, const qe__node *n, qe__value_id w) {
  switch (n->op->id) {
    case QE__OP_Conv: return 0;
    case QE__OP_ConvTranspose: return 1;
    case QE__OP_Gemm: return qe__node_int(n, "transB", 0) != 0 ? 0 : 1;
    default: return f->g->values[w].data != NULL ? (int32_t)f->g->values[w].data->rank - 1 : -1;
  }
}

static bool weight_fits(const fuser *f, const qe__node *n, qe__value_id w) {
  if (!code8(f, w)) return false;
  if (params(f, w)->axis >= 0) {
    if (params(f, w)->axis != output_axis(f, n, w)) return false;
    if (n->op->id == QE__OP_ConvTranspose && qe__node_int(n, "group", 1) != 1) return false;
  }
  if (n->op->id != QE__OP_Gemm) return true;
  const bool has_c = n->n_in > 2 && n->in[2] != QE__NO_VALUE;
  return qe__node_float(n, "alpha", 1.0f) == 1.0f && (!has_c || qe__node_float(n, "beta", 1.0f) == 1.0f) &&
         qe__node_int(n, "transA", 0) == 0;
}

static int64_t output_channels(const fuser *f, const qe__node *n, qe__value_id w) {
  const qe_tensor_t *t = f->g->values[w].data;
  const int32_t axis = output_axis(f, n, w);
  if (t == NULL || axis < 0 || axis >= (int32_t)t->rank) return -1;
  int64_t channels = t->dims[axis];
  if (n->op->id == QE__OP_ConvTranspose && !qe__mul_i64(channels, qe__node_int(n, "group", 1), &channels)) return -1;
  return channels;
}

static qe_status_t give_bias(qe__node *n, qe__value_id bias) {
  if (n->n_in < 3) {
    qe__value_id *in = qe__realloc(n->in, 3, sizeof *in);
    if (in == NULL) return QE_ERROR_OUT_OF_MEMORY;
    n->in = in;
    n->n_in = 3;
  }
  n->in[2] = bias;
  return QE_OK;
}

/* ---- one node ---- */

static qe_status_t note_origin(qe__node *n, const tail *t) {
  QE_TRY(qe__fuse_origin(n, n->name));
  if (t->add != NULL) QE_TRY(qe__fuse_origin(n, t->add->name));
  for (uint32_t i = 0; i < t->n_acts; i++) QE_TRY(qe__fuse_origin(n, t->acts[i]->name));
  return qe__fuse_origin(n, t->quantize->name);
}

static qe_status_t commit(fuser *f, qe__node *n, const tail *t) {
  const uint32_t first = qe__fuse_first_data_input(n), count = qe__fuse_data_inputs(n);
  QE_TRY(note_origin(n, t));
  for (uint32_t i = first; i < n->n_in && i < first + count; i++) n->in[i] = codes_of(f, n->in[i]);
  n->out[0] = t->quantize->out[0];
  f->uses.producer[n->out[0]] = -1; /* no DequantizeLinear, which is all that is asked */
  n->quantized = true;
  n->act = t->act;
  if (t->add != NULL) qe__node_kill(t->add);
  for (uint32_t i = 0; i < t->n_acts; i++) qe__node_kill(t->acts[i]);
  qe__node_kill(t->quantize);
  return QE_OK;
}

static qe_status_t fuse_weighted(fuser *f, qe__node *n) {
  tail t;
  if (!find_tail(f, n, &t)) return QE_OK;
  const qe__value_id x = codes_of(f, n->in[0]), w = codes_of(f, n->in[1]);
  if (x == QE__NO_VALUE || w == QE__NO_VALUE || !code8_per_tensor(f, x) || !weight_fits(f, n, w)) return QE_OK;
  const qe__value_id real = t.add != NULL ? t.add_bias : n->n_in > 2 ? n->in[2] : QE__NO_VALUE;
  if (real != QE__NO_VALUE) {
    qe__value_id bias;
    QE_TRY(qe__qdq_bias(f->g, n, x, w, real, codes_of(f, real), output_channels(f, n, w), &bias));
    if (bias == QE__NO_VALUE) return QE_OK;
    QE_TRY(give_bias(n, bias));
  }
  return commit(f, n, &t);
}

/* X, W and R from codes, Y to codes; the other operands stay float, as do the final states. */
static qe_status_t fuse_recurrent(fuser *f, qe__node *n) {
  tail t;
  if (n->n_in < 3 || !find_tail(f, n, &t) || t.n_acts > 0) return QE_OK;
  for (uint32_t i = 0; i < 3; i++) {
    const qe__value_id codes = codes_of(f, n->in[i]);
    if (codes == QE__NO_VALUE || !code8(f, codes)) return QE_OK;
    if (params(f, codes)->count != 1 && (i == 0 || params(f, codes)->axis != 1)) return QE_OK;
  }
  return commit(f, n, &t);
}

static bool same_params(const fuser *f, qe__value_id a, qe__value_id b) {
  return f->g->values[a].dtype == f->g->values[b].dtype && qe__qparams_equal(params(f, a), params(f, b));
}

/* Split: every part is quantized with the parameters of the whole. */
static qe_status_t fuse_split(fuser *f, qe__node *n, qe__value_id x) {
  qe__node *q[QE__MAX_OUTPUTS] = {NULL};
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] == QE__NO_VALUE) continue;
    q[i] = only_reader(f, n->out[i]);
    if (q[i] == NULL || !qe__qdq_is_quantize(q[i]) || !code8_per_tensor(f, q[i]->out[0]) ||
        !same_params(f, x, q[i]->out[0])) {
      return QE_OK;
    }
  }
  QE_TRY(qe__fuse_origin(n, n->name));
  n->in[0] = x;
  n->quantized = true;
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (q[i] == NULL) continue;
    QE_TRY(qe__fuse_origin(n, q[i]->name));
    n->out[i] = q[i]->out[0];
    f->uses.producer[n->out[i]] = -1;
    qe__node_kill(q[i]);
  }
  return QE_OK;
}

static qe_status_t fuse_plain(fuser *f, qe__node *n, qe__qexec exec) {
  const uint32_t first = qe__fuse_first_data_input(n), count = qe__fuse_data_inputs(n);
  if (n->n_in < first + count || count == 0) return QE_OK;
  for (uint32_t i = first; i < first + count; i++) {
    const qe__value_id x = codes_of(f, n->in[i]);
    if (x == QE__NO_VALUE || !code8_per_tensor(f, x)) return QE_OK;
  }
  const qe__value_id x = codes_of(f, n->in[first]);
  if (n->op->id == QE__OP_Split) return fuse_split(f, n, x);
  tail t;
  float bound;
  if (n->n_out != 1 || !find_tail(f, n, &t)) return QE_OK;
  if (n->op->id == QE__OP_Clip &&
      (!scalar_constant(f, n, 1, 0.0f, &bound) || !scalar_constant(f, n, 2, 0.0f, &bound))) {
    return QE_OK;
  }
  if (n->op->id == QE__OP_Pad && !scalar_constant(f, n, 2, 0.0f, &bound)) return QE_OK;
  if (exec == QE__X_MOVE && qe__node_qrule(n) == QE__Q_SHARE && !same_params(f, x, t.quantize->out[0])) return QE_OK;
  return commit(f, n, &t);
}

static qe_status_t fuse_node(fuser *f, qe__node *n) {
  const qe__qexec exec = qe__node_qexec(n);
  if (n->dead || n->quantized || exec == QE__X_FLOAT || n->n_in == 0 || n->in[0] == QE__NO_VALUE ||
      n->out[0] == QE__NO_VALUE) {
    return QE_OK;
  }
  if (n->op->id == QE__OP_QuantizeLinear || n->op->id == QE__OP_DequantizeLinear ||
      n->op->id == QE__OP_DynamicQuantizeLinear) {
    return QE_OK;
  }
  if (qe__op_is_recurrent(n->op->id)) return fuse_recurrent(f, n);
  return qe__op_is_weighted(n->op->id) ? fuse_weighted(f, n) : fuse_plain(f, n, exec);
}

qe_status_t qe__qdq_fuse(qe__graph *g) {
  QE_TRY(qe__qdq_clean(g));
  fuser f = {.g = g, .n_values = g->n_values};
  qe_status_t status;
  QE_TRY_GOTO(qe__graph_uses(g, &f.uses), done);
  for (uint32_t i = 0; i < g->n_nodes; i++) QE_TRY_GOTO(fuse_node(&f, g->nodes[i]), done);
  QE_TRY_GOTO(qe__graph_sweep(g), done);
  status = qe__graph_sort(g);
done:
  qe__uses_free(&f.uses);
  return status;
}
