/* Reductions, arg-max and -min, cumulative sums. */
#include "registry/infer.h"

static qe__dtypes reduce_types(uint16_t op) {
  const qe__dtypes wide = QE__T_FLOAT | QE__T_INDEX | QE__T(UINT32) | QE__T(UINT64);
  return op == QE__OP_ReduceMax || op == QE__OP_ReduceMin ? wide | QE__T_BYTE : wide;
}

/* Input `i`, when given and not empty, names dimensions; otherwise all, or none when noop_with_empty_axes says so. */
static qe_status_t reduced_axes(const qe__infer_ctx *c, uint32_t i, uint32_t *axes) {
  int64_t list[QE_MAX_RANK];
  size_t count = 0;
  const uint32_t rank = c->in[0].rank;
  *axes = 0;
  if (qe__has(c, i)) QE_TRY(qe__read_ints(c, i, "axes", QE_MAX_RANK, list, &count));
  if (count > 0) return qe__axis_set("axes", list, count, rank, axes);
  bool noop;
  QE_TRY(qe__attr_flag(c, "noop_with_empty_axes", false, &noop));
  *axes = noop ? 0 : (1u << rank) - 1u;
  return QE_OK;
}

static uint32_t drop_axes(const qe__operand_info *in, uint32_t axes, bool keep, int64_t *dims) {
  uint32_t rank = 0;
  for (uint32_t d = 0; d < in->rank; d++) {
    if ((axes >> d & 1u) == 0) dims[rank++] = in->dims[d];
    else if (keep) dims[rank++] = 1;
  }
  return rank;
}

qe_status_t qe__infer_reduce(qe__infer_ctx *c) {
  bool keep;
  int64_t dims[QE_MAX_RANK] = {0};
  QE_TRY(qe__need_type(c, 0, reduce_types(c->node->op->id)));
  QE_TRY(reduced_axes(c, 1, &c->params->axes));
  QE_TRY(qe__attr_flag(c, "keepdims", true, &keep));
  c->params->keepdims = keep;
  const uint32_t rank = drop_axes(&c->in[0], c->params->axes, keep, dims);
  qe__set_out(c, 0, c->in[0].dtype, rank, dims);
  return QE_OK;
}

qe_status_t qe__infer_arg(qe__infer_ctx *c) {
  bool keep, last;
  uint32_t axis;
  int64_t dims[QE_MAX_RANK] = {0};
  QE_TRY(qe__need_type(c, 0, QE__T_NUMBER));
  QE_TRY(qe__need_rank(c, 0, 1, QE_MAX_RANK));
  QE_TRY(qe__attr_axis(c, 0, c->in[0].rank, &axis));
  QE_TRY(qe__attr_flag(c, "keepdims", true, &keep));
  QE_TRY(qe__attr_flag(c, "select_last_index", false, &last));
  if (c->in[0].dims[axis] == 0)
    return qe__fail(QE_ERROR_SHAPE, "dimension %u is 0: there is no element to point at", (unsigned)axis);
  c->params->axis = axis;
  c->params->keepdims = keep;
  c->params->select_last_index = last;
  const uint32_t rank = drop_axes(&c->in[0], 1u << axis, keep, dims);
  qe__set_out(c, 0, QE_INT64, rank, dims);
  return QE_OK;
}

qe_status_t qe__infer_cumsum(qe__infer_ctx *c) {
  bool exclusive, reverse;
  int64_t value;
  size_t count;
  uint32_t axis;
  QE_TRY(qe__need_type(c, 0, QE__T_FLOAT | QE__T_INDEX | QE__T(UINT32) | QE__T(UINT64)));
  QE_TRY(qe__need_rank(c, 0, 1, QE_MAX_RANK));
  QE_TRY(qe__need_scalar_value(c, 1, "axis"));
  QE_TRY(qe__read_ints(c, 1, "axis", 1, &value, &count));
  QE_TRY(qe__positive_axis("input 1 (axis)", value, c->in[0].rank, &axis));
  QE_TRY(qe__attr_flag(c, "exclusive", false, &exclusive));
  QE_TRY(qe__attr_flag(c, "reverse", false, &reverse));
  c->params->axis = axis;
  c->params->mode = (exclusive ? 1u : 0u) | (reverse ? 2u : 0u);
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, c->in[0].dims);
  return QE_OK;
}
