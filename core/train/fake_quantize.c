/*
 * Fake-quantize in the training graph: on weights (with the BatchNorm that conversion folds into them), then on
 * activations. The formulas are those of conversion, so that the frozen form computes what the converted model does.
 */
#include <math.h>
#include <string.h>

#include "registry/quant_rule.h"
#include "train/program.h"

static bool float_op(const qe__node *n, uint16_t op) { return !n->dead && n->op->id == op; }

static qe__value_id min_max(qe__step_builder *b, const qe__fake *f, qe__value_id x) {
  const qe__attr axis = QE__INT("axis", f->axis);
  return qe__emit_node(&b->e, QE__OP_MinMax, 1, &x, 1, &axis);
}

/* out: the moved state, scale, zero point. */
static void qparams(qe__step_builder *b, const qe__fake *f, qe__value_id range, qe__value_id state, float constant, qe__value_id out[3]) {
  const qe__value_id in[2] = {range, state};
  float scale;
  int32_t middle = 0;
  if (f->args.symmetric) {
    qe__emit_failed(&b->e, qe_choose_qparams(-1.0f, 1.0f, (qe_dtype_t)f->args.dtype, f->args.quant_min, f->args.quant_max, 1, f->args.eps, &scale, &middle));
  }
  const qe__attr attr[] = {QE__INT("quant_min", f->args.quant_min), QE__INT("quant_max", f->args.quant_max), QE__INT("symmetric", f->args.symmetric),
                           QE__INT("zero_point", middle), QE__FLOAT("epsilon", f->args.eps > 0.0f ? f->args.eps : 0x1p-23f), QE__FLOAT("averaging_constant", constant)};
  qe__emit_outputs(&b->e, QE__OP_MovingAverageQParams, 2, in, sizeof attr / sizeof attr[0], attr, 3, NULL, out);
}

static int32_t find_learned(const qe_trainer_t *t, int32_t fake, bool zero_point) {
  for (uint32_t i = 0; i < t->n_parameters; i++) {
    if (t->parameters[i].fake == fake && t->parameters[i].zero_point == zero_point) return (int32_t)i;
  }
  return -1;
}

/* Scale and zero point of place `index` for tensor x; what is observed becomes an output of the graph. */
static void params_of(qe__step_builder *b, int32_t index, qe__value_id x, qe__value_id *scale, qe__value_id *zero_point) {
  const qe__fake *f = &b->t->qat->qat->fakes[index];
  qe__value_id made[3] = {QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE};
  if (f->kind == QE__FAKE_FIXED) {
    *scale = qe__emit_vector(&b->e, 1, &f->scale);
    *zero_point = qe__emit_vector(&b->e, 1, &f->zero_point);
    return;
  }
  const int32_t statistic = qe__find_statistic(b->t, QE__NO_VALUE, index);
  const int32_t learned = b->phase.learn ? find_learned(b->t, index, false) : -1;
  if (learned >= 0) {
    *scale = b->parameter[learned];
    const int32_t zero = find_learned(b->t, index, true);
    const float middle = f->args.dtype == QE_UINT8 && f->args.symmetric ? 128.0f : 0.0f;
    if (zero >= 0) {
      *zero_point = b->parameter[zero];
    } else {
      float *zeros = qe__calloc((size_t)f->channels, sizeof *zeros);
      if (!zeros) b->e.status = QE_ERROR_OUT_OF_MEMORY;
      for (int64_t c = 0; zeros && c < f->channels; c++) zeros[c] = middle;
      if (zeros) *zero_point = qe__emit_vector(&b->e, f->channels, zeros);
      qe__free(zeros);
    }
    return;
  }
  if (statistic < 0) { /* a weight without memory */
    const qe__value_id now = min_max(b, f, x);
    qparams(b, f, now, now, 1.0f, made);
  } else if (b->phase.observe) {
    const qe__value_id now = min_max(b, f, x);
    qparams(b, f, now, b->statistic[statistic], qe__fake_averaging(f), made);
    qe__step_output(b, QE__YIELD_STATISTIC, (uint32_t)statistic, now, QE__NO_VALUE);
  } else {
    qparams(b, f, b->statistic[statistic], b->statistic[statistic], 1.0f, made);
  }
  *scale = made[1];
  *zero_point = made[2];
}

static qe__value_id quantized(qe__step_builder *b, const qe__fake *f, qe__value_id x, qe__value_id scale, qe__value_id zero_point) {
  const qe__value_id in[3] = {x, scale, zero_point};
  const qe__attr attr[] = {QE__INT("axis", f->axis), QE__INT("quant_min", f->clamp_min), QE__INT("quant_max", f->clamp_max)};
  return qe__emit_node(&b->e, QE__OP_FakeQuantize, 3, in, 3, attr);
}

static qe__value_id fake_weight(qe__step_builder *b, int32_t index, qe__value_id w) {
  qe__value_id scale = QE__NO_VALUE, zero_point = QE__NO_VALUE;
  if (!b->phase.fake_quantize && !b->phase.observe) return w;
  params_of(b, index, w, &scale, &zero_point);
  return b->phase.fake_quantize ? quantized(b, &b->t->qat->qat->fakes[index], w, scale, zero_point) : w;
}

/* ---- weights with a BatchNorm behind them ---- */

/* factor [channels] in a shape that multiplies weight w of node n; of a grouped transposed convolution, with w's groups apart. */
static qe__value_id scaled_weight(qe__step_builder *b, const qe__node *n, qe__value_id w, qe__value_id factor) {
  const qe__value *v = &b->e.g->values[w];
  const uint32_t rank = (uint32_t)v->rank;
  int64_t dims[QE_MAX_RANK + 1], shape[QE_MAX_RANK + 1];
  for (uint32_t d = 0; d < rank; d++) {
    dims[d] = v->dims[d];
    shape[d] = 1;
  }
  switch (n->op->id) {
    case QE__OP_Conv: shape[0] = -1; break;
    case QE__OP_ConvTranspose: {
      const int64_t groups = qe__node_int(n, "group", 1);
      if (groups == 1) {
        shape[1] = -1;
        break;
      }
      int64_t apart[QE_MAX_RANK + 1] = {groups, dims[0] / groups}, each[QE_MAX_RANK + 1] = {groups, 1, dims[1]};
      for (uint32_t d = 1; d < rank; d++) apart[d + 1] = dims[d];
      for (uint32_t d = 2; d < rank; d++) each[d + 1] = 1;
      const qe__value_id groups_of_w = qe__emit_reshape(&b->e, w, rank + 1, apart);
      const qe__value_id product = qe__emit_binary(&b->e, QE__OP_Mul, groups_of_w, qe__emit_reshape(&b->e, factor, rank + 1, each));
      return qe__emit_reshape(&b->e, product, rank, dims);
    }
    default: shape[n->op->id == QE__OP_Gemm && qe__node_int(n, "transB", 0) ? 0 : rank - 1] = -1; break;
  }
  return qe__emit_binary(&b->e, QE__OP_Mul, w, qe__emit_reshape(&b->e, factor, rank, shape));
}

typedef struct folding { /* a weighted node and its BatchNorm, in the graph that is made */
  qe__node *n, *bn;
  qe__value_id weight, bias, gamma, beta, mean, var, r, factor;
} folding;

/* [channels] to [1, channels, 1, ...] beside a result of the rank of the weight. */
static qe__value_id beside(qe__step_builder *b, const folding *f, qe__value_id v) {
  const int64_t shape[QE_MAX_RANK] = {1, -1, 1, 1, 1, 1, 1, 1};
  return qe__emit_reshape(&b->e, v, (uint32_t)b->e.g->values[f->weight].rank, shape);
}

static qe__node *set_inputs(qe__step_builder *b, qe__node *n, qe__value_id w, qe__value_id bias) {
  const qe__value_id in[3] = {n->in[0], w, bias};
  qe__emit_failed(&b->e, qe__node_become(n, n->op->id, 3, in));
  return n;
}

/* As conversion folds it: one convolution with its final bias. */
static void frozen(qe__step_builder *b, folding *f, int32_t fake) {
  qe__emit *e = &b->e;
  const qe__value_id bias = f->bias != QE__NO_VALUE ? f->bias : qe__emit_scalar(e, 0.0f);
  const qe__value_id scaled = qe__emit_binary(e, QE__OP_Mul, qe__emit_binary(e, QE__OP_Sub, bias, f->mean), f->r);
  const qe__value_id folded = qe__emit_binary(e, QE__OP_Add, qe__emit_binary(e, QE__OP_Mul, scaled, f->gamma), f->beta);
  set_inputs(b, f->n, fake_weight(b, fake, scaled_weight(b, f->n, f->weight, f->factor)), folded);
  f->n->act = f->bn->act;
  f->n->out[0] = f->bn->out[0];
  qe__node_kill(f->bn);
}

/* torch's ConvBn: convolve with the scaled, fake-quantized weight, divide by the scale, then BatchNorm with the batch's statistics. */
static void approximate(qe__step_builder *b, folding *f, int32_t fake) {
  qe__emit *e = &b->e;
  const qe__value_id multiplier = qe__emit_unary(e, QE__OP_Reciprocal, f->factor);
  const qe__value_id u = f->n->out[0];
  qe__value_id in[4] = {u, f->gamma, f->beta, multiplier};
  const qe__act act = f->bn->act;
  const qe__value_id y = f->bn->out[0];
  const float eps = qe__node_float(f->bn, "epsilon", 1e-5f);
  const int32_t mean = qe__find_statistic(b->t, f->bn->in[3], -1), var = qe__find_statistic(b->t, f->bn->in[4], -1);
  set_inputs(b, f->n, fake_weight(b, fake, scaled_weight(b, f->n, f->weight, f->factor)), QE__NO_VALUE);
  if (f->bias != QE__NO_VALUE) {
    const qe__value_id product = qe__emit_binary(e, QE__OP_Mul, u, beside(b, f, multiplier));
    in[0] = qe__emit_binary(e, QE__OP_Add, product, beside(b, f, f->bias));
    in[3] = QE__NO_VALUE;
  }
  qe__node_kill(f->bn);
  qe__step_batch_norm(b, in[3] == QE__NO_VALUE ? 3 : 4, in, eps, act, y, mean, var);
}

static qe__value_id mean_over_batch(qe__step_builder *b, qe__value_id x, uint32_t rank) {
  int64_t axes[QE_MAX_RANK] = {0};
  for (uint32_t d = 2; d < rank; d++) axes[d - 1] = d;
  return qe__emit_binary(&b->e, QE__OP_ReduceMean, x, qe__emit_ints(&b->e, rank - 1, axes));
}

/* torch's slow path: statistics of the float convolution, so that a gamma of 0 divides nothing. */
static void exact(qe__step_builder *b, folding *f, int32_t fake) {
  qe__emit *e = &b->e;
  const uint32_t rank = (uint32_t)e->g->values[f->weight].rank;
  const qe__act act = f->bn->act;
  const qe__value_id y = f->bn->out[0], w = scaled_weight(b, f->n, f->weight, f->factor);
  const float eps = qe__node_float(f->bn, "epsilon", 1e-5f);
  const int32_t mean_at = qe__find_statistic(b->t, f->bn->in[3], -1), var_at = qe__find_statistic(b->t, f->bn->in[4], -1);
  const qe__value_id in[2] = {f->n->in[0], f->weight}; /* a bias only moves the mean */
  const qe__value_id plain = qe__emit_node(e, f->n->op->id, 2, in, f->n->n_attr, f->n->attr);
  const qe__value_id mean = mean_over_batch(b, plain, rank), d = qe__emit_binary(e, QE__OP_Sub, plain, mean);
  const qe__value_id var = mean_over_batch(b, qe__emit_binary(e, QE__OP_Mul, d, d), rank);
  const qe__value_id inverse = qe__emit_unary(e, QE__OP_Reciprocal, qe__emit_unary(e, QE__OP_Sqrt, qe__emit_binary(e, QE__OP_Add, var, qe__emit_scalar(e, eps))));
  const qe__value_id ratio = qe__emit_binary(e, QE__OP_Div, inverse, beside(b, f, f->r)); /* running deviation / batch deviation */
  set_inputs(b, f->n, fake_weight(b, fake, w), QE__NO_VALUE);
  const qe__value_id shift = qe__emit_binary(e, QE__OP_Mul, qe__emit_binary(e, QE__OP_Mul, mean, beside(b, f, f->gamma)), inverse);
  const qe__value_id offset = qe__emit_binary(e, QE__OP_Sub, beside(b, f, f->beta), shift), product = qe__emit_binary(e, QE__OP_Mul, f->n->out[0], ratio);
  qe__node_kill(f->bn);
  qe__emit_binary(e, QE__OP_Add, product, offset);
  qe__node *last = qe__emit_last(e);
  if (!last) return;
  last->act = act;
  last->out[0] = y;
  const int64_t flat = -1;
  qe__value_id moved = qe__emit_reshape(e, mean, 1, &flat);
  if (f->bias != QE__NO_VALUE) moved = qe__emit_binary(e, QE__OP_Add, moved, f->bias);
  if (mean_at >= 0) qe__step_output(b, QE__YIELD_STATISTIC, (uint32_t)mean_at, moved, plain);
  if (var_at >= 0) qe__step_output(b, QE__YIELD_STATISTIC, (uint32_t)var_at, qe__emit_reshape(e, var, 1, &flat), plain);
}

static void fold(qe__step_builder *b, qe__node *n, qe__node *bn, int32_t fake) {
  qe__emit *e = &b->e;
  folding f = {.n = n, .bn = bn, .weight = n->in[1], .bias = n->n_in > 2 ? n->in[2] : QE__NO_VALUE, .gamma = bn->in[1], .beta = bn->in[2], .mean = bn->in[3], .var = bn->in[4]};
  f.r = qe__emit_unary(e, QE__OP_Reciprocal, qe__emit_unary(e, QE__OP_Sqrt, qe__emit_binary(e, QE__OP_Add, f.var, qe__emit_scalar(e, qe__node_float(bn, "epsilon", 1e-5f)))));
  f.factor = qe__emit_binary(e, QE__OP_Mul, f.gamma, f.r);
  if (b->phase.freeze_bn) frozen(b, &f, fake);
  else if (b->t->options.bn_exact) exact(b, &f, fake);
  else approximate(b, &f, fake);
}

/* ---- activations ---- */

static void fake_activation(qe__step_builder *b, int32_t index, qe__value_id *scale, qe__value_id *zero_point) {
  const qe__qat *q = b->t->qat->qat;
  const qe__fake *f = &q->fakes[index];
  qe__graph *g = b->e.g;
  if (!b->phase.fake_quantize && !b->phase.observe) return;
  if (f->kind == QE__FAKE_SHARED) {
    for (uint32_t i = 0; i < q->n_fakes; i++) {
      if (q->fakes[i].node >= 0 || q->fakes[i].value != f->shared) continue;
      scale[index] = scale[i];
      zero_point[index] = zero_point[i];
    }
    if (scale[index] == QE__NO_VALUE) return;
  } else {
    params_of(b, index, f->value, &scale[index], &zero_point[index]);
  }
  if (!b->phase.fake_quantize || b->e.status != QE_OK) return;
  const uint32_t n_nodes = g->n_nodes;
  const qe__value_id x = f->value, y = quantized(b, f, x, scale[index], zero_point[index]);
  for (uint32_t k = 0; k < n_nodes && b->e.status == QE_OK; k++) {
    qe__node *n = g->nodes[k];
    const bool own = n->op->id == QE__OP_MinMax || n->op->id == QE__OP_FakeQuantize;
    const bool reads = f->everyone || (k < q->base->graph->n_nodes && q->quantized[k]);
    for (uint32_t i = 0; i < n->n_in && reads && !own && !n->dead; i++) {
      if (n->in[i] == x && (f->everyone || qe__is_data_input(n, i))) n->in[i] = y;
    }
  }
  for (uint32_t i = 0; i < g->n_outputs && f->everyone; i++) {
    if (g->outputs[i] == x) g->outputs[i] = y;
  }
}

qe_status_t qe__step_fake_quantize(qe__step_builder *b) {
  const qe__qat *q = b->t->qat->qat;
  qe__value_id *scale = qe__calloc(q->n_fakes + 1, sizeof *scale), *zero_point = qe__calloc(q->n_fakes + 1, sizeof *zero_point);
  if (!scale || !zero_point) b->e.status = QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < q->n_fakes && b->e.status == QE_OK; i++) {
    const qe__fake *f = &q->fakes[i];
    scale[i] = zero_point[i] = QE__NO_VALUE;
    if (f->node < 0) continue;
    qe__node *n = b->e.g->nodes[f->node];
    if (f->batch_norm >= 0 && float_op(b->e.g->nodes[f->batch_norm], QE__OP_BatchNormalization)) fold(b, n, b->e.g->nodes[f->batch_norm], (int32_t)i);
    else n->in[f->input] = fake_weight(b, (int32_t)i, n->in[f->input]);
  }
  for (uint32_t i = 0; i < q->n_fakes && b->e.status == QE_OK; i++) {
    if (q->fakes[i].node < 0) fake_activation(b, (int32_t)i, scale, zero_point);
  }
  qe__free(scale);
  qe__free(zero_point);
  return b->e.status;
}
