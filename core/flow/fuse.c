/*
 * Fusion before quantization: BatchNorm into the convolution or linear before it, a constant Add into its bias,
 * Relu / Relu6 / Clip into the op before them; Identity and Dropout disappear, constants are folded. In place, one pass in topological
 * order, so that chains (Conv, Add, BatchNorm, Relu) fuse as a whole.
 */
#include <math.h>
#include <string.h>

#include "flow/flow_internal.h"
#include "graph/model.h"
#include "registry/quant_rule.h"

typedef struct fuser {
  qe__graph *g;
  bool training;     /* BatchNorm stays a node of its own, Dropout stays */
  qe__uses uses;
  int32_t *producer; /* per value: the node that computes it now, or -1 */
} fuser;

static bool read_once(const fuser *f, qe__value_id v) {
  return !f->uses.is_output[v] && f->uses.start[v + 1] - f->uses.start[v] == 1;
}

static const qe_tensor_t *constant_f32(const fuser *f, const qe__node *n, uint32_t i) {
  if (i >= n->n_in || n->in[i] == QE__NO_VALUE) return NULL;
  const qe_tensor_t *t = f->g->values[n->in[i]].data;
  return t && t->dtype == QE_FLOAT32 ? t : NULL;
}

static bool has_act(const qe__node *n) { return n->act.lo > -INFINITY || n->act.hi < INFINITY; }

/* Node a takes over the output of node b, which goes away. */
static qe_status_t merge(fuser *f, qe__node *a, qe__node *b) {
  char *origin = qe__format("%s, %s", a->origin ? a->origin : a->name, b->origin ? b->origin : b->name);
  if (!origin) return QE_ERROR_OUT_OF_MEMORY;
  qe__free(a->origin);
  a->origin = origin;
  f->producer[b->out[0]] = f->producer[a->out[0]];
  f->producer[a->out[0]] = -1;
  a->out[0] = b->out[0];
  qe__node_kill(b);
  return QE_OK;
}

/* ---- weights with one factor per output channel ---- */

typedef struct channel_view { /* output channel of weight element i */
  int64_t channels, inner, outer_block, per_group;
  bool transposed_conv;
} channel_view;

static bool view_channels(const qe__node *n, const qe_tensor_t *w, channel_view *v) {
  memset(v, 0, sizeof *v);
  uint32_t axis;
  switch (n->op->id) {
    case QE__OP_Conv: axis = 0; break;
    case QE__OP_ConvTranspose: axis = 1; v->transposed_conv = true; break;
    case QE__OP_Gemm: axis = qe__node_int(n, "transB", 0) ? 0 : 1; break;
    case QE__OP_MatMul: axis = 1; break;
    default: return false;
  }
  if (w->rank < 2 || (n->op->id == QE__OP_MatMul && w->rank != 2)) return false;
  v->inner = 1;
  for (uint32_t d = axis + 1; d < w->rank; d++) v->inner *= w->dims[d];
  v->per_group = w->dims[axis];
  v->channels = v->per_group;
  if (v->transposed_conv) {
    const int64_t groups = qe__node_int(n, "group", 1);
    if (groups <= 0 || w->dims[0] % groups != 0) return false;
    v->channels = v->per_group * groups;
    v->outer_block = w->dims[0] / groups * v->per_group * v->inner; /* elements of one group */
  }
  return w->count > 0;
}

static int64_t channel_of(const channel_view *v, int64_t i) {
  const int64_t c = i / v->inner % v->per_group;
  return v->transposed_conv ? i / v->outer_block * v->per_group + c : c;
}

static qe_status_t set_constant(fuser *f, qe__node *n, uint32_t index, qe_tensor_t *t, const char *suffix) {
  const qe__value_id old = n->in[index];
  char *base = qe__format("%s%s", old != QE__NO_VALUE ? f->g->values[old].name : n->name, suffix);
  char *name = base ? qe__graph_fresh_name(f->g, base) : NULL;
  qe__free(base);
  qe_status_t status = name ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
  qe__value_id v;
  if (status == QE_OK) status = qe__graph_add_constant(f->g, name, t, &v);
  if (status == QE_OK) n->in[index] = v;
  qe__free(name);
  return status;
}

static qe_status_t ensure_bias_slot(qe__node *n) {
  if (n->n_in >= 3) return QE_OK;
  qe__value_id *in = qe__realloc(n->in, 3, sizeof *in);
  if (!in) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = n->n_in; i < 3; i++) in[i] = QE__NO_VALUE;
  n->in = in;
  n->n_in = 3;
  return QE_OK;
}

/* Bias of a weighted node as float32 [channels] (zeros when there is none); false: not a constant of that form. */
static bool read_bias(const fuser *f, const qe__node *n, int64_t channels, float *bias) {
  memset(bias, 0, (size_t)channels * sizeof *bias);
  if (n->n_in < 3 || n->in[2] == QE__NO_VALUE) return true;
  const qe_tensor_t *b = constant_f32(f, n, 2);
  if (!b || (b->count != channels && b->count != 1) || (b->count > 1 && b->dims[b->rank - 1] != channels)) return false;
  for (int64_t c = 0; c < channels; c++) bias[c] = ((const float *)b->data)[b->count == 1 ? 0 : c];
  return true;
}

static qe_status_t write_bias(fuser *f, qe__node *n, int64_t channels, const float *bias, const char *suffix) {
  qe_tensor_t *t = NULL;
  QE_TRY(ensure_bias_slot(n));
  QE_TRY(qe_tensor_from_data(QE_FLOAT32, 1, &channels, bias, &t));
  const qe_status_t status = set_constant(f, n, 2, t, n->in[2] == QE__NO_VALUE ? ".bias" : suffix);
  qe_tensor_release(&t);
  return status;
}

static bool plain_gemm(const qe__node *n) {
  return n->op->id != QE__OP_Gemm || (qe__node_float(n, "alpha", 1.0f) == 1.0f && qe__node_float(n, "beta", 1.0f) == 1.0f);
}

/* What the BatchNorm says about the channels it makes: mean beta, deviation |gamma|. Used by equalization. */
static qe_status_t keep_channel_stats(qe__node *n, int64_t channels, const float *gamma, const float *beta) {
  qe_tensor_t *t = NULL;
  QE_TRY(qe_tensor_create(QE_FLOAT32, 2, (int64_t[]){2, channels}, &t));
  float *stats = t->data;
  for (int64_t c = 0; c < channels; c++) {
    stats[c] = beta[c];
    stats[channels + c] = fabsf(gamma[c]);
  }
  qe_tensor_release(&n->channel_stats);
  n->channel_stats = t;
  return QE_OK;
}

/* ---- the rules ---- */

/* w' = w * (gamma * r), b' = (b - mean) * r * gamma + beta with r = 1 / sqrt(var + eps): torch's fuse_conv_bn_weights. */
static qe_status_t fold_batch_norm(fuser *f, qe__node *n, qe__node *bn, bool *done) {
  const qe_tensor_t *w = constant_f32(f, n, 1), *t[4];
  channel_view view;
  qe_status_t status = QE_OK;
  if (!w || has_act(n) || !plain_gemm(n) || !view_channels(n, w, &view)) return QE_OK;
  if (n->op->id == QE__OP_MatMul && f->g->values[n->in[0]].rank != 2) return QE_OK; /* dimension 1 is not the last one */
  for (uint32_t i = 0; i < 4; i++) {
    t[i] = constant_f32(f, bn, i + 1);
    if (!t[i] || t[i]->count != view.channels) return QE_OK;
  }
  const float *gamma = t[0]->data, *beta = t[1]->data, *mean = t[2]->data, *var = t[3]->data;
  const float eps = qe__node_float(bn, "epsilon", 1e-5f);
  float *bias = qe__calloc((size_t)view.channels, sizeof *bias), *factor = qe__calloc((size_t)view.channels, sizeof *factor);
  qe_tensor_t *folded = NULL;
  if (!bias || !factor) {
    status = QE_ERROR_OUT_OF_MEMORY;
    goto done;
  }
  if (!read_bias(f, n, view.channels, bias)) goto done;
  QE_TRY_GOTO(qe__tensor_copy(w, &folded), done);
  for (int64_t c = 0; c < view.channels; c++) {
    const float r = 1.0f / sqrtf(var[c] + eps);
    factor[c] = gamma[c] * r;
    const float centered = bias[c] - mean[c];
    const float scaled = centered * r;
    bias[c] = scaled * gamma[c] + beta[c];
  }
  float *values = folded->data;
  for (int64_t i = 0; i < folded->count; i++) values[i] *= factor[channel_of(&view, i)];
  QE_TRY_GOTO(set_constant(f, n, 1, folded, ".folded"), done);
  QE_TRY_GOTO(write_bias(f, n, view.channels, bias, ".folded"), done);
  QE_TRY_GOTO(keep_channel_stats(n, view.channels, gamma, beta), done);
  QE_TRY_GOTO(merge(f, n, bn), done);
  n->act = bn->act;
  *done = true;
done:
  qe_tensor_release(&folded);
  qe__free(bias);
  qe__free(factor);
  return status;
}

/* A constant that adds one number per output channel: [C] after MatMul / Gemm, [C,1,1] after a 2-d convolution; with
 * leading ones as far as they do not raise the result's rank. */
static bool is_channel_constant(const fuser *f, const qe__node *n, const qe_tensor_t *c, int64_t channels) {
  const bool last = n->op->id == QE__OP_Gemm || n->op->id == QE__OP_MatMul;
  const uint32_t w_rank = f->g->values[n->in[1]].data->rank, behind = last ? 0 : w_rank - 2;
  const int32_t x_rank = f->g->values[n->in[0]].rank;
  const uint32_t rank = n->op->id != QE__OP_MatMul ? w_rank : x_rank > 0 ? (uint32_t)x_rank : 1;
  return c->count == channels && c->rank > behind && c->rank <= rank && c->dims[c->rank - 1 - behind] == channels;
}

static qe_status_t fold_add(fuser *f, qe__node *n, qe__node *add, bool *done) {
  const qe_tensor_t *w = constant_f32(f, n, 1);
  channel_view view;
  const uint32_t other = add->in[0] == n->out[0] ? 1 : 0;
  const qe_tensor_t *c = constant_f32(f, add, other);
  if (!w || !c || has_act(n) || !plain_gemm(n) || !view_channels(n, w, &view) || !is_channel_constant(f, n, c, view.channels)) return QE_OK;
  float *bias = qe__calloc((size_t)view.channels, sizeof *bias);
  if (!bias) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = QE_OK;
  if (n->n_in >= 3 && n->in[2] != QE__NO_VALUE) { /* bias + constant would round differently from two additions only */
    if (!read_bias(f, n, view.channels, bias)) goto done;
  }
  for (int64_t i = 0; i < view.channels; i++) bias[i] += ((const float *)c->data)[i];
  QE_TRY_GOTO(write_bias(f, n, view.channels, bias, ".sum"), done);
  QE_TRY_GOTO(merge(f, n, add), done);
  n->act = add->act;
  *done = true;
done:
  qe__free(bias);
  return status;
}

/* alpha goes into the weight, beta into the bias. */
static qe_status_t fold_gemm_factors(fuser *f, qe__node *n) {
  const float alpha = qe__node_float(n, "alpha", 1.0f), beta = qe__node_float(n, "beta", 1.0f);
  const qe_tensor_t *w = constant_f32(f, n, 1), *c = constant_f32(f, n, 2);
  const bool has_bias = n->n_in > 2 && n->in[2] != QE__NO_VALUE;
  if (plain_gemm(n) || !w || (has_bias && !c)) return QE_OK;
  for (uint32_t i = 1; i <= (has_bias ? 2u : 1u); i++) {
    const float factor = i == 1 ? alpha : beta;
    qe_tensor_t *t = NULL;
    if (factor == 1.0f) continue;
    QE_TRY(qe__tensor_copy(i == 1 ? w : c, &t));
    for (int64_t k = 0; k < t->count; k++) ((float *)t->data)[k] *= factor;
    const qe_status_t status = set_constant(f, n, i, t, ".scaled");
    qe_tensor_release(&t);
    QE_TRY(status);
  }
  qe__node_remove_attr(n, "alpha");
  qe__node_remove_attr(n, "beta");
  return QE_OK;
}

/* Kernels of other types than float32 know of no activation. */
static bool takes_act(const fuser *f, const qe__node *n) {
  if (n->out[0] == QE__NO_VALUE || f->g->values[n->out[0]].dtype != QE_FLOAT32) return false;
  if (n->op->id == QE__OP_BatchNormalization || n->op->id == QE__OP_MatMulNBits ||
      n->op->id == QE__OP_MatMulIntegerToFloat) {
    return true;
  }
  return n->op->qexec == QE__X_KERNEL && n->op->qrule == QE__Q_OBSERVED;
}

static bool clip_bounds(const fuser *f, const qe__node *n, float *lo, float *hi) {
  *lo = n->op->id == QE__OP_Relu ? 0.0f : -INFINITY;
  *hi = INFINITY;
  for (uint32_t i = 1; i <= 2 && i < n->n_in; i++) {
    if (n->in[i] == QE__NO_VALUE) continue;
    const qe_tensor_t *t = constant_f32(f, n, i);
    if (!t || t->count != 1) return false;
    *(i == 1 ? lo : hi) = *(const float *)t->data;
  }
  return *lo <= *hi;
}

static float clamp(float v, float lo, float hi) { return v < lo ? lo : v > hi ? hi : v; }

static qe_status_t fold_act(fuser *f, qe__node *n, qe__node *act) {
  float lo, hi;
  if (!takes_act(f, n) || has_act(act) || !clip_bounds(f, act, &lo, &hi)) return QE_OK;
  QE_TRY(merge(f, n, act));
  n->act.lo = clamp(n->act.lo, lo, hi);
  n->act.hi = clamp(n->act.hi, lo, hi);
  return QE_OK;
}

static qe__node *producer_of(const fuser *f, qe__value_id v) {
  const int32_t p = v == QE__NO_VALUE ? -1 : f->producer[v];
  return p < 0 ? NULL : f->g->nodes[p];
}

static qe_status_t fuse_node(fuser *f, qe__node *n) {
  if (n->op->id == QE__OP_Gemm) return fold_gemm_factors(f, n);
  const uint32_t tries = n->op->id == QE__OP_Add ? 2 : 1;
  for (uint32_t i = 0; i < tries && i < n->n_in; i++) {
    qe__node *before = producer_of(f, n->in[i]);
    bool done = false;
    if (!before || before->quantized || n->quantized || !read_once(f, n->in[i])) continue;
    if (n->op->id == QE__OP_BatchNormalization && qe__op_is_weighted(before->op->id)) QE_TRY(f->training ? QE_OK : fold_batch_norm(f, before, n, &done));
    else if (n->op->id == QE__OP_Add && qe__op_is_weighted(before->op->id)) QE_TRY(fold_add(f, before, n, &done));
    else if (n->op->id == QE__OP_Relu || n->op->id == QE__OP_Clip) return fold_act(f, before, n);
    if (done) break;
  }
  return QE_OK;
}

/* Identity and Dropout: their readers read their input, unless they make a graph output. */
static qe_status_t drop(qe__graph *g, bool keep_dropout) {
  qe__uses uses;
  QE_TRY(qe__graph_uses(g, &uses));
  for (uint32_t k = 0; k < g->n_nodes; k++) {
    qe__node *n = g->nodes[k];
    if ((n->op->id != QE__OP_Identity && (n->op->id != QE__OP_Dropout || keep_dropout)) || uses.is_output[n->out[0]]) continue;
    if (n->quantized && !qe__qparams_equal(&g->values[n->in[0]].q.view, &g->values[n->out[0]].q.view)) continue;
    if (g->values[n->out[0]].q.view.count != g->values[n->in[0]].q.view.count) continue;
    qe__graph_replace_uses(g, n->out[0], n->in[0]);
    qe__node_kill(n);
  }
  qe__uses_free(&uses);
  return qe__graph_sweep(g);
}

static qe_status_t fuse(qe__graph *g, bool training) {
  fuser f = {.g = g, .training = training};
  QE_TRY(drop(g, training));
  QE_TRY(qe__fold_constants(g));
  QE_TRY(qe__graph_uses(g, &f.uses));
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  /* fusing adds constants, never readers, so counts of older values stay right */
  f.producer = qe__calloc(g->n_values + 1, sizeof *f.producer);
  if (!f.producer) goto done;
  for (uint32_t v = 0; v < g->n_values; v++) f.producer[v] = f.uses.producer[v];
  status = QE_OK;
  const uint32_t n_nodes = g->n_nodes;
  for (uint32_t k = 0; k < n_nodes && status == QE_OK; k++) status = fuse_node(&f, g->nodes[k]);
  if (status == QE_OK) status = qe__graph_sweep(g);
done:
  qe__free(f.producer);
  qe__uses_free(&f.uses);
  return status;
}

qe_status_t qe__fuse(qe__graph *g) { return fuse(g, false); }

qe_status_t qe__drop_identities(qe__graph *g) { return drop(g, false); }

qe_status_t qe__fuse_for_training(qe__graph *g) { return fuse(g, true); }

qe_status_t qe_fuse(qe_model_t *model) {
  QE_CHECK_ARG(model, "model is NULL");
  return qe__fuse(model->graph);
}
