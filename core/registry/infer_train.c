/* Training: gradients that no other op computes, losses, optimizers. docs/kernels.md says what the kernels are given. */
#include "registry/infer.h"

static qe_status_t all_float32(const qe__infer_ctx *c, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (qe__has(c, i)) QE_TRY(qe__need_type(c, i, QE__T(FLOAT32)));
  }
  return QE_OK;
}

/* Input i has the shape of input j. */
static qe_status_t same_shape(const qe__infer_ctx *c, uint32_t i, uint32_t j) {
  const qe__operand_info *a = &c->in[i], *b = &c->in[j];
  bool same = a->rank == b->rank;
  for (uint32_t d = 0; same && d < a->rank; d++) same = a->dims[d] == b->dims[d];
  if (same) return QE_OK;
  char ta[200], tb[200];
  return qe__fail(QE_ERROR_SHAPE, "input %u has shape %s; that of input %u, %s, was expected", (unsigned)i,
                  qe__in_text(c, i, ta, sizeof ta), (unsigned)j, qe__in_text(c, j, tb, sizeof tb));
}

static void out_like(qe__infer_ctx *c, uint32_t i, uint32_t input) {
  if (i < c->n_out) qe__set_out(c, i, QE_FLOAT32, c->in[input].rank, c->in[input].dims);
}

static void out_vector(qe__infer_ctx *c, uint32_t i, int64_t n) {
  if (i < c->n_out) qe__set_out(c, i, QE_FLOAT32, 1, &n);
}

static qe_status_t epsilon(qe__infer_ctx *c, float fallback) {
  QE_TRY(qe__attr_float(c, "epsilon", fallback, &c->params->epsilon));
  if (c->params->epsilon >= 0.0f) return QE_OK;
  return qe__fail(QE_ERROR_NUMERIC, "attribute 'epsilon' is %g; at least 0 was expected", (double)c->params->epsilon);
}

/* ---- normalization ---- */

qe_status_t qe__infer_batch_norm_train(qe__infer_ctx *c) {
  QE_TRY(all_float32(c, 4));
  QE_TRY(qe__need_rank(c, 0, 2, QE_MAX_RANK));
  QE_TRY(epsilon(c, 1e-5f));
  const int64_t channels = c->in[0].dims[1];
  for (uint32_t i = 1; i < 4; i++) {
    if (qe__has(c, i)) QE_TRY(qe__need_vector(c, i, channels, "channels"));
  }
  out_like(c, 0, 0);
  out_vector(c, 1, channels);
  out_vector(c, 2, channels);
  return QE_OK;
}

qe_status_t qe__infer_batch_norm_grad(qe__infer_ctx *c) {
  QE_TRY(all_float32(c, 6));
  QE_TRY(qe__need_rank(c, 0, 2, QE_MAX_RANK));
  QE_TRY(same_shape(c, 1, 0));
  QE_TRY(epsilon(c, 1e-5f));
  const int64_t channels = c->in[0].dims[1];
  for (uint32_t i = 2; i < 6; i++) {
    if (qe__has(c, i)) QE_TRY(qe__need_vector(c, i, channels, "channels"));
  }
  out_like(c, 0, 0);
  for (uint32_t i = 1; i < 4; i++) out_vector(c, i, channels);
  return QE_OK;
}

qe_status_t qe__infer_layer_norm_grad(qe__infer_ctx *c) {
  uint32_t axis;
  QE_TRY(all_float32(c, 3));
  QE_TRY(qe__need_rank(c, 0, 1, QE_MAX_RANK));
  QE_TRY(same_shape(c, 1, 0));
  QE_TRY(epsilon(c, 1e-5f));
  QE_TRY(qe__attr_axis(c, -1, c->in[0].rank, &axis));
  c->params->axis = axis;
  const uint32_t inner = c->in[0].rank - axis;
  bool fits = c->in[2].rank == inner;
  for (uint32_t d = 0; fits && d < inner; d++) fits = c->in[2].dims[d] == c->in[0].dims[axis + d];
  if (!fits) return qe__fail(QE_ERROR_SHAPE, "the scale does not have the dimensions of the input from %u on", (unsigned)axis);
  out_like(c, 0, 0);
  out_like(c, 1, 2);
  out_like(c, 2, 2);
  return QE_OK;
}

/* ---- losses, element by element ---- */

qe_status_t qe__infer_clip_grad(qe__infer_ctx *c) {
  QE_TRY(all_float32(c, 2));
  QE_TRY(same_shape(c, 1, 0));
  QE_TRY(qe__attr_float(c, "min", c->params->clip_lo, &c->params->clip_lo));
  QE_TRY(qe__attr_float(c, "max", c->params->clip_hi, &c->params->clip_hi));
  out_like(c, 0, 0);
  return QE_OK;
}

/* Logits [..., classes], labels of the dimensions before. */
static qe_status_t cross_entropy(qe__infer_ctx *c, uint32_t logits) {
  const qe__operand_info *x = &c->in[logits], *t = &c->in[logits + 1];
  bool has_ignored;
  QE_TRY(qe__need_type(c, logits, QE__T(FLOAT32)));
  QE_TRY(qe__need_type(c, logits + 1, QE__T(INT64)));
  QE_TRY(qe__need_rank(c, logits, 2, QE_MAX_RANK));
  bool fits = t->rank + 1 == x->rank;
  for (uint32_t d = 0; fits && d < t->rank; d++) fits = t->dims[d] == x->dims[d];
  if (!fits || x->dims[x->rank - 1] < 1) {
    char tx[200], tt[200];
    return qe__fail(QE_ERROR_SHAPE, "labels have shape %s; the dimensions of the logits %s without the last were expected",
                    qe__in_text(c, logits + 1, tt, sizeof tt), qe__in_text(c, logits, tx, sizeof tx));
  }
  QE_TRY(qe__attr_float(c, "label_smoothing", 0.0f, &c->params->alpha));
  has_ignored = qe__node_attr(c->node, "ignore_index") != NULL;
  QE_TRY(qe__attr_int(c, "ignore_index", -1, &c->params->starts[0]));
  c->params->mode = has_ignored;
  if (c->params->alpha >= 0.0f && c->params->alpha < 1.0f) return QE_OK;
  return qe__fail(QE_ERROR_NUMERIC, "attribute 'label_smoothing' is %g; 0 to below 1 was expected", (double)c->params->alpha);
}

qe_status_t qe__infer_softmax_cross_entropy(qe__infer_ctx *c) {
  QE_TRY(cross_entropy(c, 0));
  qe__set_out(c, 0, QE_FLOAT32, 0, NULL);
  return QE_OK;
}

qe_status_t qe__infer_softmax_cross_entropy_grad(qe__infer_ctx *c) {
  QE_TRY(all_float32(c, 1));
  QE_TRY(qe__need_rank(c, 0, 0, 0));
  QE_TRY(cross_entropy(c, 1));
  out_like(c, 0, 1);
  return QE_OK;
}

qe_status_t qe__infer_random_dropout(qe__infer_ctx *c) {
  QE_TRY(all_float32(c, 1));
  QE_TRY(qe__need_type(c, 1, QE__T(INT64)));
  QE_TRY(qe__need_vector(c, 1, 2, "key"));
  QE_TRY(qe__attr_float(c, "ratio", 0.5f, &c->params->alpha));
  QE_TRY(qe__attr_int(c, "stream", 0, &c->params->starts[0]));
  if (!(c->params->alpha >= 0.0f && c->params->alpha < 1.0f))
    return qe__fail(QE_ERROR_NUMERIC, "attribute 'ratio' is %g; 0 to below 1 was expected", (double)c->params->alpha);
  out_like(c, 0, 0);
  return QE_OK;
}

/* ---- other gradients ---- */

static qe_status_t shape_attribute(const qe__infer_ctx *c, uint32_t rank, int64_t *dims) {
  const int64_t *shape;
  size_t n;
  QE_TRY(qe__attr_ints(c, "shape", rank, &shape, &n));
  if (!shape) return qe__fail(QE_ERROR_FORMAT, "attribute 'shape' is missing");
  for (uint32_t d = 0; d < rank; d++) dims[d] = shape[d];
  return QE_OK;
}

qe_status_t qe__infer_gather_grad(qe__infer_ctx *c) {
  int64_t dims[QE_MAX_RANK];
  size_t rank;
  const int64_t *shape;
  uint32_t axis;
  QE_TRY(all_float32(c, 1));
  QE_TRY(qe__need_type(c, 1, QE__T_INDEX));
  QE_TRY(qe__attr_ints(c, "shape", SIZE_MAX, &shape, &rank));
  if (!shape || rank < 1 || rank > QE_MAX_RANK) return qe__fail(QE_ERROR_FORMAT, "attribute 'shape' is missing or has no dimension");
  QE_TRY(shape_attribute(c, (uint32_t)rank, dims));
  QE_TRY(qe__attr_axis(c, 0, (uint32_t)rank, &axis));
  const qe__operand_info *dy = &c->in[0], *i = &c->in[1];
  bool fits = dy->rank == rank - 1 + i->rank;
  for (uint32_t d = 0; fits && d < dy->rank; d++) {
    const int64_t want = d < axis ? dims[d] : d < axis + i->rank ? i->dims[d - axis] : dims[d + 1 - i->rank];
    fits = dy->dims[d] == want;
  }
  if (!fits) return qe__fail(QE_ERROR_SHAPE, "input 0 does not have the shape of what Gather gives");
  c->params->axis = axis;
  qe__set_out(c, 0, QE_FLOAT32, (uint32_t)rank, dims);
  return QE_OK;
}

/* ---- fake quantization ---- */

/* Attributes quant_min and quant_max. */
static qe_status_t code_range(qe__infer_ctx *c) {
  int64_t *lo = &c->params->starts[0], *hi = &c->params->starts[1];
  QE_TRY(qe__attr_int(c, "quant_min", 0, lo));
  QE_TRY(qe__attr_int(c, "quant_max", 255, hi));
  if (*lo < *hi && *lo >= -32768 && *hi <= 65535) return QE_OK;
  return qe__fail(QE_ERROR_NUMERIC, "quant_min %lld and quant_max %lld are no range", (long long)*lo, (long long)*hi);
}

/* Attribute axis of input x: -1 (per tensor) or one of its dimensions; how many pairs of parameters that makes. */
static qe_status_t channel_axis(qe__infer_ctx *c, uint32_t x, int64_t *channels) {
  QE_TRY(qe__attr_int(c, "axis", -1, &c->params->axis));
  const int64_t axis = c->params->axis;
  if (axis < -1 || axis >= (int64_t)c->in[x].rank)
    return qe__fail(QE_ERROR_SHAPE, "attribute 'axis' is %lld; -1 to %d was expected", (long long)axis, (int)c->in[x].rank - 1);
  *channels = axis < 0 ? 1 : c->in[x].dims[axis];
  return QE_OK;
}

/* Attributes axis (-1 per tensor), quant_min, quant_max; scale and zero point at inputs first, first + 1. */
static qe_status_t fake_quantize(qe__infer_ctx *c, uint32_t x, uint32_t first) {
  int64_t n;
  QE_TRY(all_float32(c, first + 2));
  QE_TRY(channel_axis(c, x, &n));
  QE_TRY(code_range(c));
  QE_TRY(qe__attr_float(c, "grad_factor", 1.0f, &c->params->alpha));
  QE_TRY(qe__need_vector(c, first, n, "scale"));
  return qe__need_vector(c, first + 1, n, "zero_point");
}

qe_status_t qe__infer_fake_quantize(qe__infer_ctx *c) {
  QE_TRY(fake_quantize(c, 0, 1));
  out_like(c, 0, 0);
  return QE_OK;
}

qe_status_t qe__infer_fake_quantize_grad(qe__infer_ctx *c) {
  QE_TRY(fake_quantize(c, 1, 2));
  QE_TRY(same_shape(c, 0, 1));
  out_like(c, 0, 0);
  out_like(c, 1, 2);
  out_like(c, 2, 3);
  return QE_OK;
}

qe_status_t qe__infer_min_max(qe__infer_ctx *c) {
  int64_t dims[2] = {2};
  QE_TRY(all_float32(c, 1));
  QE_TRY(channel_axis(c, 0, &dims[1]));
  qe__set_out(c, 0, QE_FLOAT32, 2, dims);
  return QE_OK;
}

qe_status_t qe__infer_moving_average_qparams(qe__infer_ctx *c) {
  bool symmetric;
  QE_TRY(all_float32(c, 2));
  QE_TRY(qe__need_rank(c, 0, 2, 2));
  QE_TRY(same_shape(c, 1, 0));
  QE_TRY(epsilon(c, 0x1p-23f));
  QE_TRY(code_range(c));
  QE_TRY(qe__attr_int(c, "zero_point", 0, &c->params->starts[2]));
  QE_TRY(qe__attr_flag(c, "symmetric", false, &symmetric));
  QE_TRY(qe__attr_float(c, "averaging_constant", 1.0f, &c->params->alpha));
  c->params->mode = symmetric;
  if (c->in[0].dims[0] != 2) return qe__fail(QE_ERROR_SHAPE, "input 0 has %lld rows; 2, minima and maxima, were expected", (long long)c->in[0].dims[0]);
  out_like(c, 0, 0);
  out_vector(c, 1, c->in[0].dims[1]);
  out_vector(c, 2, c->in[0].dims[1]);
  return QE_OK;
}

/* ---- optimizers ---- */

/* Weight, gradient and `states` of one shape, then the hyperparameters. */
static qe_status_t update(qe__infer_ctx *c, uint32_t states, int64_t hyper) {
  QE_TRY(all_float32(c, 3 + states));
  for (uint32_t i = 1; i < 2 + states; i++) QE_TRY(same_shape(c, i, 0));
  QE_TRY(qe__need_vector(c, 2 + states, hyper, "hyperparameters"));
  for (uint32_t i = 0; i < 1 + states; i++) out_like(c, i, 0);
  return QE_OK;
}

qe_status_t qe__infer_sgd_update(qe__infer_ctx *c) {
  bool nesterov;
  QE_TRY(qe__attr_flag(c, "nesterov", false, &nesterov));
  c->params->mode = nesterov;
  return update(c, 1, 4);
}

qe_status_t qe__infer_adam_update(qe__infer_ctx *c) { return update(c, 2, 8); }
