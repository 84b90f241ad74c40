/*
 * Largest |acc| that weights and the range of the input allow, per output channel: the largest |x - zero point| times
 * the sum of |w - zero point|, plus |bias| where it is added to the accumulator.
 */
#include "runtime/accumulator.h"

#include "registry/quant_rule.h"

/* Weights whose elements i / block are those of one matrix, i / inner % channels those of one channel of it. */
typedef struct product {
  const qe__node *node;
  const qe_tensor_t *w;
  int64_t blocks, channels, inner;
  int64_t max_x;
  const qe_qparams_t *q;     /* zero points of w: per tensor or per channel, */
  const qe_tensor_t *zeros;  /* or these: one, per channel, or per both; both NULL: 0 */
  bool zeros_per_block;      /* one per matrix instead */
  const qe_tensor_t *bias;   /* int32, or NULL */
  bool bias_per_block;       /* a bias has one element per channel of every matrix */
} product;

/* Largest |bias|; 0 when there is none. */
static int64_t largest_bias(const qe_tensor_t *b) {
  int64_t largest = 0;
  for (int64_t i = 0; b && i < b->count; i++) {
    const int64_t v = qe__tensor_int_at(b, i);
    if ((v < 0 ? -v : v) > largest) largest = v < 0 ? -v : v;
  }
  return largest;
}

static int64_t zero_of(const product *p, int64_t block, int64_t channel) {
  if (p->q) return p->q->zero_points[p->q->count > 1 ? channel : 0];
  if (!p->zeros || p->zeros->count == 0) return 0;
  const int64_t count = p->zeros->count;
  if (p->zeros_per_block && count == p->blocks) return qe__tensor_int_at(p->zeros, block);
  if (count == p->blocks * p->channels) return qe__tensor_int_at(p->zeros, block * p->channels + channel);
  return qe__tensor_int_at(p->zeros, count == p->channels ? channel : 0);
}

static qe_status_t check(const product *p) {
  const int64_t sums_count = p->blocks * p->channels, count = p->w->count;
  if (count == 0 || p->blocks < 1 || count % p->blocks != 0 || sums_count < 1) return QE_OK; /* inference refuses it */
  /* most layers are too shallow whatever their weights are: no need to look at them */
  const int64_t depth = count / sums_count;
  if (depth < INT32_MAX && depth * UINT8_MAX * p->max_x <= INT32_MAX - largest_bias(p->bias)) return QE_OK;
  int64_t *sums = qe__calloc((size_t)sums_count, sizeof *sums);
  if (!sums) return QE_ERROR_OUT_OF_MEMORY;
  for (int64_t i = 0; i < count; i++) {
    const int64_t block = i / (count / p->blocks), channel = i / p->inner % p->channels;
    const int64_t v = qe__tensor_int_at(p->w, i) - zero_of(p, block, channel);
    sums[block * p->channels + channel] += v < 0 ? -v : v;
  }
  int64_t worst = 0, worst_channel = 0;
  for (int64_t c = 0; c < sums_count; c++) {
    const int64_t at = p->bias_per_block ? c : c % p->channels;
    const int64_t bias = p->bias && at < p->bias->count ? qe__tensor_int_at(p->bias, at) : 0;
    const int64_t total = sums[c] * p->max_x + (bias < 0 ? -bias : bias);
    if (total > worst) worst = total, worst_channel = c;
  }
  qe__free(sums);
  if (worst <= INT32_MAX) return QE_OK;
  return qe__fail(QE_ERROR_NUMERIC,
                  "node '%s' (%s): the int32 accumulator could reach %lld in output channel %lld (limit 2147483647); "
                  "split the reduction, keep the node float, or use a narrower weight range",
                  p->node->name, p->node->op->name, (long long)worst, (long long)worst_channel);
}

static const qe_tensor_t *constant_in(const qe__graph *g, const qe__node *n, uint32_t i) {
  return i < n->n_in && n->in[i] != QE__NO_VALUE ? g->values[n->in[i]].data : NULL;
}

/* Channels run along the axis of the parameters, else along the op's output axis. */
static int32_t channel_axis(const qe__node *n, const qe__value *w) {
  if (w->q.view.axis >= 0) return w->q.view.axis;
  switch (n->op->id) {
    case QE__OP_Conv: return 0;
    case QE__OP_ConvTranspose: return 1;
    case QE__OP_Gemm: return qe__node_int(n, "transB", 0) ? 0 : 1;
    default: return (int32_t)w->data->rank - 1;
  }
}

/* The largest |code - zero point| of a value quantized per tensor. */
static int64_t largest_distance(const qe__value *x) {
  int32_t lo, hi;
  (void)qe__dtype_integer_range(x->dtype, &lo, &hi);
  const int64_t zero = x->q.view.zero_points[0];
  return zero - lo > hi - zero ? zero - lo : hi - zero;
}

/* Weights and input are quantized values of the graph. */
static qe_status_t check_quantized(const qe__graph *g, const qe__node *n) {
  const qe__value *x = &g->values[n->in[0]], *w = &g->values[n->in[1]];
  const qe_tensor_t *bias = constant_in(g, n, 2);
  product p = {.node = n, .w = w->data, .blocks = 1, .inner = 1, .q = &w->q.view, .bias_per_block = true};
  p.max_x = largest_distance(x);
  if (bias && bias->dtype == QE_INT32) p.bias = bias;
  const uint32_t rank = w->data->rank;
  const int32_t axis = channel_axis(n, w);
  if (rank == 0 || axis >= (int32_t)rank) return QE_OK; /* inference refuses it */
  for (uint32_t d = (uint32_t)axis + 1; d < rank; d++) p.inner *= w->data->dims[d];
  /* matrices of a batch and groups of a transposed convolution have sums of their own */
  if (n->op->id == QE__OP_ConvTranspose) p.blocks = qe__node_int(n, "group", 1);
  if (n->op->id == QE__OP_MatMul) {
    p.bias_per_block = false;
    for (uint32_t d = 0; d + 2 < rank; d++) p.blocks *= w->data->dims[d];
    if (rank == 1) p.inner = w->data->dims[0]; /* one column */
  }
  p.channels = w->data->dims[axis] / (rank == 1 ? (p.inner > 0 ? p.inner : 1) : 1);
  return check(&p);
}

/* The other operand is quantized as it arrives: any zero point, so up to 255 away from it. */
static qe_status_t check_dynamic(const qe__graph *g, const qe__node *n, uint32_t weight, uint32_t zeros, bool turned) {
  const qe_tensor_t *w = constant_in(g, n, weight);
  if (!w || !qe__dtype_is_code8(w->dtype) || w->rank == 0) return QE_OK;
  product p = {.node = n, .w = w, .blocks = 1, .inner = 1, .max_x = UINT8_MAX, .zeros = constant_in(g, n, zeros)};
  for (uint32_t d = 0; d + 2 < w->rank; d++) p.blocks *= w->dims[d];
  p.channels = w->rank == 1 ? 1 : w->dims[turned ? w->rank - 2 : w->rank - 1];
  if (turned) p.inner = w->dims[w->rank - 1];
  if (w->rank == 1) p.inner = w->count;
  p.zeros_per_block = p.zeros && p.zeros->rank == 1 && n->op->id != QE__OP_MatMulIntegerToFloat;
  return p.inner > 0 ? check(&p) : QE_OK;
}

/* LSTM, GRU, RNN on codes: weight W (1) meets X's codes, R (2) those of H, which has Y's parameters. */
static qe_status_t check_recurrent(const qe__graph *g, const qe__node *n, uint32_t weight) {
  const qe_tensor_t *w = constant_in(g, n, weight);
  const qe__value *other = &g->values[weight == 1 ? n->in[0] : n->out[0]];
  if (!w || w->rank != 3 || w->dims[2] == 0) return QE_OK;
  product p = {.node = n, .w = w, .blocks = w->dims[0], .channels = w->dims[1], .inner = w->dims[2]};
  p.q = &g->values[n->in[weight]].q.view;
  p.max_x = largest_distance(other);
  return check(&p);
}

qe_status_t qe__check_accumulator(const qe__graph *g, const qe__node *n) {
  if (n->op->id == QE__OP_MatMulIntegerToFloat) return check_dynamic(g, n, 1, 5, qe__node_int(n, "transB", 0) != 0);
  if (n->op->id == QE__OP_DynamicQuantizeLSTM || n->op->id == QE__OP_DynamicQuantizeGRU ||
      n->op->id == QE__OP_DynamicQuantizeRNN) { /* W, then R */
    const uint32_t zeros = n->op->id == QE__OP_DynamicQuantizeLSTM ? 9 : 7;
    QE_TRY(check_dynamic(g, n, 1, zeros, false));
    return check_dynamic(g, n, 2, zeros + 2, false);
  }
  if (n->quantized && qe__op_is_recurrent(n->op->id)) {
    QE_TRY(check_recurrent(g, n, 1));
    return check_recurrent(g, n, 2);
  }
  if (!n->quantized || !qe__op_is_weighted(n->op->id)) return QE_OK;
  const qe__value *w = &g->values[n->in[1]];
  return w->data && qe__dtype_is_code8(w->dtype) ? check_quantized(g, n) : QE_OK;
}
