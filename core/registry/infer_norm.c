/* Normalizations and softmax. */
#include "registry/infer.h"

static qe_status_t float_input(const qe__infer_ctx *c, uint32_t lo, uint32_t hi) {
  QE_TRY(qe__need_type(c, 0, QE__T_FLOAT));
  return qe__need_rank(c, 0, lo, hi);
}

static qe_status_t epsilon_of(qe__infer_ctx *c) {
  QE_TRY(qe__attr_float(c, "epsilon", 1e-5f, &c->params->epsilon));
  if (c->params->epsilon >= 0.0f) return QE_OK;
  return qe__fail(QE_ERROR_NUMERIC, "attribute 'epsilon' is %g; at least 0 was expected", (double)c->params->epsilon);
}

/* Inputs first.. are one number per channel. */
static qe_status_t channel_vectors(const qe__infer_ctx *c, uint32_t first, uint32_t count) {
  static const char *const names[] = {"", "scale", "bias", "mean", "variance"};
  for (uint32_t i = first; i < first + count; i++) {
    QE_TRY(qe__need_same_type(c, i));
    QE_TRY(qe__need_vector(c, i, c->in[0].dims[1], names[i]));
  }
  return QE_OK;
}

qe_status_t qe__infer_batch_norm(qe__infer_ctx *c) {
  bool training;
  QE_TRY(float_input(c, 2, QE_MAX_RANK));
  QE_TRY(epsilon_of(c));
  QE_TRY(channel_vectors(c, 1, 4));
  QE_TRY(qe__attr_flag(c, "training_mode", false, &training));
  if (training)
    return qe__fail(QE_ERROR_UNSUPPORTED, "attribute 'training_mode' is 1; export the model in inference mode");
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, c->in[0].dims);
  return QE_OK;
}

qe_status_t qe__infer_instance_norm(qe__infer_ctx *c) {
  QE_TRY(float_input(c, 3, QE_MAX_RANK));
  QE_TRY(epsilon_of(c));
  QE_TRY(channel_vectors(c, 1, 2));
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, c->in[0].dims);
  return QE_OK;
}

qe_status_t qe__infer_group_norm(qe__infer_ctx *c) {
  QE_TRY(float_input(c, 2, QE_MAX_RANK));
  QE_TRY(epsilon_of(c));
  QE_TRY(channel_vectors(c, 1, 2));
  int64_t groups;
  QE_TRY(qe__attr_int(c, "num_groups", 0, &groups));
  if (groups < 1 || c->in[0].dims[1] % groups != 0) {
    return qe__fail(QE_ERROR_SHAPE, "attribute 'num_groups' is %lld; it must divide the %lld channels",
                    (long long)groups, (long long)c->in[0].dims[1]);
  }
  c->params->groups = groups;
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, c->in[0].dims);
  return QE_OK;
}

/* Scale or bias has exactly the normalized dimensions; leading ones are tolerated. */
static qe_status_t normalized_shape(const qe__infer_ctx *c, uint32_t i, const char *what, uint32_t axis) {
  const qe__operand_info *x = &c->in[0], *w = &c->in[i];
  const uint32_t inner = x->rank - axis;
  bool fits = w->rank >= inner && w->rank <= x->rank;
  for (uint32_t d = 0; fits && d < w->rank; d++) {
    fits = w->dims[d] == (d < w->rank - inner ? 1 : x->dims[x->rank - w->rank + d]);
  }
  if (fits) return QE_OK;
  char tx[200], tw[200];
  return qe__fail(QE_ERROR_SHAPE, "input %u (%s) has shape %s; the dimensions of %s from %u on were expected",
                  (unsigned)i, what, qe__in_text(c, i, tw, sizeof tw), qe__in_text(c, 0, tx, sizeof tx),
                  (unsigned)axis);
}

qe_status_t qe__infer_layer_norm(qe__infer_ctx *c) {
  uint32_t axis;
  QE_TRY(float_input(c, 1, QE_MAX_RANK));
  QE_TRY(epsilon_of(c));
  QE_TRY(qe__attr_axis(c, -1, c->in[0].rank, &axis));
  c->params->axis = axis;
  for (uint32_t i = 1; i < 3; i++) {
    if (!qe__has(c, i)) continue;
    QE_TRY(qe__need_same_type(c, i));
    QE_TRY(normalized_shape(c, i, i == 1 ? "scale" : "bias", axis));
  }
  int64_t outer[QE_MAX_RANK];
  for (uint32_t d = 0; d < c->in[0].rank; d++) outer[d] = d < axis ? c->in[0].dims[d] : 1;
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, c->in[0].dims);
  qe__set_out(c, 1, QE_FLOAT32, c->in[0].rank, outer);
  qe__set_out(c, 2, QE_FLOAT32, c->in[0].rank, outer);
  return QE_OK;
}

qe_status_t qe__infer_softmax(qe__infer_ctx *c) {
  uint32_t axis;
  QE_TRY(float_input(c, 1, QE_MAX_RANK));
  QE_TRY(qe__attr_axis(c, -1, c->in[0].rank, &axis));
  c->params->axis = axis;
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, c->in[0].dims);
  return QE_OK;
}
