/* Elements taken from, put into or joined to other tensors: Concat, Split, Slice, Pad, Gather, Trilu. */
#include <string.h>

#include "registry/infer.h"

qe_status_t qe__infer_concat(qe__infer_ctx *c) {
  uint32_t axis;
  char ta[200], tb[200];
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__need_rank(c, 0, 1, QE_MAX_RANK));
  if (qe__node_attr(c->node, "axis") == NULL) return qe__fail(QE_ERROR_FORMAT, "attribute 'axis' is missing");
  const uint32_t rank = c->in[0].rank;
  QE_TRY(qe__attr_axis(c, 0, rank, &axis));
  int64_t dims[QE_MAX_RANK];
  memcpy(dims, c->in[0].dims, sizeof dims);
  for (uint32_t i = 1; i < c->n_in; i++) {
    if (!c->in[i].present) return qe__fail(QE_ERROR_FORMAT, "input %u is missing and not optional", (unsigned)i);
    QE_TRY(qe__need_same_type(c, i));
    bool fits = c->in[i].rank == rank;
    for (uint32_t d = 0; fits && d < rank; d++) fits = d == axis || c->in[i].dims[d] == dims[d];
    if (!fits) {
      return qe__fail(QE_ERROR_SHAPE, "input %u %s does not fit input 0 %s: all dimensions but %u must be equal",
                      (unsigned)i, qe__in_text(c, i, tb, sizeof tb), qe__in_text(c, 0, ta, sizeof ta), (unsigned)axis);
    }
    QE_TRY(qe__dim_add(dims[axis], c->in[i].dims[axis], &dims[axis]));
  }
  c->params->axis = axis;
  qe__set_out(c, 0, c->in[0].dtype, rank, dims);
  return QE_OK;
}

/* Sizes of the parts when no input gives them. */
static qe_status_t even_parts(const qe__infer_ctx *c, int64_t size, int64_t *parts) {
  int64_t count;
  const bool given = qe__node_attr(c->node, "num_outputs") != NULL;
  QE_TRY(qe__attr_int(c, "num_outputs", c->n_out, &count));
  if (count != (int64_t)c->n_out) {
    return qe__fail(QE_ERROR_FORMAT, "attribute 'num_outputs' is %lld but the node has %u outputs", (long long)count,
                    (unsigned)c->n_out);
  }
  const int64_t each = qe__ceil_div(size, count), last = size - each * (count - 1);
  if (last < 0 || (!given && last != each)) {
    return qe__fail(QE_ERROR_SHAPE, "dimension of %lld elements cannot be split into %lld %sparts", (long long)size,
                    (long long)count, given ? "" : "equal ");
  }
  for (int64_t i = 0; i < count; i++) parts[i] = i + 1 < count ? each : last;
  return QE_OK;
}

qe_status_t qe__infer_split(qe__infer_ctx *c) {
  uint32_t axis;
  int64_t parts[QE__MAX_OUTPUTS], dims[QE_MAX_RANK];
  size_t n = c->n_out;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__need_rank(c, 0, 1, QE_MAX_RANK));
  QE_TRY(qe__attr_axis(c, 0, c->in[0].rank, &axis));
  const int64_t size = c->in[0].dims[axis];
  if (qe__has(c, 1)) {
    int64_t sum = 0;
    QE_TRY(qe__read_ints(c, 1, "split", QE__MAX_OUTPUTS, parts, &n));
    for (size_t i = 0; i < n; i++) {
      if (parts[i] < 0)
        return qe__fail(QE_ERROR_SHAPE, "input 1 (split) holds %lld; at least 0 was expected", (long long)parts[i]);
      QE_TRY(qe__dim_add(sum, parts[i], &sum));
    }
    if (n != c->n_out || sum != size) {
      return qe__fail(QE_ERROR_SHAPE,
                      "input 1 (split) has %llu parts of %lld elements in all; %u parts of %lld were expected",
                      (unsigned long long)n, (long long)sum, (unsigned)c->n_out, (long long)size);
    }
  } else {
    QE_TRY(even_parts(c, size, parts));
  }
  memcpy(dims, c->in[0].dims, sizeof dims);
  c->params->axis = axis;
  for (uint32_t i = 0; i < c->n_out; i++) {
    dims[axis] = parts[i];
    qe__set_out(c, i, c->in[0].dtype, c->in[0].rank, dims);
  }
  return QE_OK;
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

/* One dimension: start, end and step as given become start, step and the number of elements taken. */
static void resolve_slice(int64_t size, int64_t *start, int64_t end, int64_t *step, int64_t *count) {
  if (*start < 0) *start += size;
  if (end < 0) end += size;
  *step = clamp(*step, -size - 1, size + 1); /* a longer step takes one element just as well */
  if (*step > 0) {
    *start = clamp(*start, 0, size);
    end = clamp(end, 0, size);
    *count = end > *start ? (end - *start - 1) / *step + 1 : 0;
  } else {
    *start = clamp(*start, 0, size - 1);
    end = clamp(end, -1, size - 1);
    *count = end < *start ? (*start - end - 1) / -*step + 1 : 0;
  }
  if (*count == 0) *start = 0;
}

qe_status_t qe__infer_slice(qe__infer_ctx *c) {
  qe_op_params *p = c->params;
  const uint32_t rank = c->in[0].rank;
  int64_t starts[QE_MAX_RANK], ends[QE_MAX_RANK], axes[QE_MAX_RANK], steps[QE_MAX_RANK], dims[QE_MAX_RANK] = {0};
  size_t n, m;
  uint32_t set;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__read_ints(c, 1, "starts", QE_MAX_RANK, starts, &n));
  QE_TRY(qe__read_ints(c, 2, "ends", QE_MAX_RANK, ends, &m));
  if (m != n)
    return qe__fail(QE_ERROR_SHAPE, "%llu starts but %llu ends", (unsigned long long)n, (unsigned long long)m);
  for (size_t i = 0; i < n; i++) {
    axes[i] = (int64_t)i;
    steps[i] = 1;
  }
  if (qe__has(c, 3)) {
    QE_TRY(qe__read_ints(c, 3, "axes", QE_MAX_RANK, axes, &m));
    if (m != n)
      return qe__fail(QE_ERROR_SHAPE, "%llu starts but %llu axes", (unsigned long long)n, (unsigned long long)m);
  }
  if (qe__has(c, 4)) {
    QE_TRY(qe__read_ints(c, 4, "steps", QE_MAX_RANK, steps, &m));
    if (m != n)
      return qe__fail(QE_ERROR_SHAPE, "%llu starts but %llu steps", (unsigned long long)n, (unsigned long long)m);
  }
  QE_TRY(qe__axis_set("axes", axes, n, rank, &set));
  for (uint32_t d = 0; d < rank; d++) {
    p->steps[d] = 1;
    dims[d] = c->in[0].dims[d];
  }
  for (size_t i = 0; i < n; i++) {
    const size_t d = (size_t)(axes[i] < 0 ? axes[i] + (int64_t)rank : axes[i]);
    if (steps[i] == 0) return qe__fail(QE_ERROR_SHAPE, "input 4 (steps) holds 0");
    p->starts[d] = starts[i];
    p->steps[d] = steps[i];
    resolve_slice(c->in[0].dims[d], &p->starts[d], ends[i], &p->steps[d], &dims[d]);
  }
  qe__set_out(c, 0, c->in[0].dtype, rank, dims);
  return QE_OK;
}

/* One padded dimension is possible in this mode. */
static qe_status_t check_pad(uint32_t mode, uint32_t d, int64_t size, int64_t begin, int64_t end) {
  if (mode == QE_PAD_CONSTANT || (begin <= 0 && end <= 0)) return QE_OK;
  if (mode == QE_PAD_WRAP && (begin < 0 || end < 0)) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "pads %lld and %lld of dimension %u: mode wrap cannot cut and pad at once",
                    (long long)begin, (long long)end, (unsigned)d);
  }
  const int64_t kept = size + (begin < 0 ? begin : 0) + (end < 0 ? end : 0);
  const int64_t most = mode == QE_PAD_REFLECT ? kept - 1 : kept > 0 ? INT64_MAX : 0;
  if (begin <= most && end <= most) return QE_OK;
  return qe__fail(QE_ERROR_SHAPE, "pads %lld and %lld are too long for dimension %u of %lld elements in this mode",
                  (long long)begin, (long long)end, (unsigned)d, (long long)size);
}

/* The filling value. On a quantized node a float stands for a real number, whose code the planner writes to fill_int.
 */
static qe_status_t read_fill(qe__infer_ctx *c) {
  if (!qe__has(c, 2)) return QE_OK;
  QE_TRY(qe__need_same_type(c, 2));
  QE_TRY(qe__need_scalar_value(c, 2, "constant_value"));
  const qe_tensor_t *t = c->in[2].data;
  c->params->fill = (float)qe__tensor_float_at(t, 0);
  if ((1u << (unsigned)t->dtype & QE__T_FLOAT) == 0) c->params->fill_int = qe__tensor_int_at(t, 0);
  return QE_OK;
}

qe_status_t qe__infer_pad(qe__infer_ctx *c) {
  static const char *const modes[] = {"constant", "reflect", "edge", "wrap", NULL};
  qe_op_params *p = c->params;
  const uint32_t rank = c->in[0].rank;
  int64_t pads[2 * QE_MAX_RANK], axes[QE_MAX_RANK], dims[QE_MAX_RANK] = {0};
  size_t n_pads, n = rank;
  uint32_t set;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__attr_choice(c, "mode", modes, 0, &p->mode));
  QE_TRY(qe__read_ints(c, 1, "pads", 2 * QE_MAX_RANK, pads, &n_pads));
  QE_TRY(read_fill(c));
  for (uint32_t d = 0; d < rank; d++) {
    axes[d] = d;
    dims[d] = c->in[0].dims[d];
  }
  if (qe__has(c, 3)) QE_TRY(qe__read_ints(c, 3, "axes", QE_MAX_RANK, axes, &n));
  QE_TRY(qe__axis_set("axes", axes, n, rank, &set));
  if (n_pads != 2 * n) {
    return qe__fail(QE_ERROR_SHAPE, "input 1 (pads) has %llu entries; two for each of %llu dimensions were expected",
                    (unsigned long long)n_pads, (unsigned long long)n);
  }
  for (size_t i = 0; i < n; i++) {
    const uint32_t d = (uint32_t)(axes[i] < 0 ? axes[i] + (int64_t)rank : axes[i]);
    p->starts[d] = pads[i];
    QE_TRY(qe__dim_add(dims[d], pads[i], &dims[d]));
    QE_TRY(qe__dim_add(dims[d], pads[n + i], &dims[d]));
    if (dims[d] < 0) {
      return qe__fail(QE_ERROR_SHAPE, "pads %lld and %lld cut more than the %lld elements of dimension %u",
                      (long long)pads[i], (long long)pads[n + i], (long long)c->in[0].dims[d], (unsigned)d);
    }
    QE_TRY(check_pad(p->mode, d, c->in[0].dims[d], pads[i], pads[n + i]));
  }
  qe__set_out(c, 0, c->in[0].dtype, rank, dims);
  return QE_OK;
}

qe_status_t qe__infer_gather(qe__infer_ctx *c) {
  uint32_t axis, rank = 0;
  int64_t dims[2 * QE_MAX_RANK] = {0};
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__need_rank(c, 0, 1, QE_MAX_RANK));
  if (c->in[1].dtype != QE_INT64 && c->in[1].dtype != QE_INT32) {
    return qe__fail(QE_ERROR_DTYPE, "input 1 (indices) is %s; int32 or int64 was expected",
                    qe_dtype_name(c->in[1].dtype));
  }
  QE_TRY(qe__attr_axis(c, 0, c->in[0].rank, &axis));
  for (uint32_t d = 0; d < axis; d++) dims[rank++] = c->in[0].dims[d];
  for (uint32_t d = 0; d < c->in[1].rank; d++) dims[rank++] = c->in[1].dims[d];
  for (uint32_t d = axis + 1; d < c->in[0].rank; d++) dims[rank++] = c->in[0].dims[d];
  c->params->axis = axis;
  qe__set_out(c, 0, c->in[0].dtype, rank, dims);
  return QE_OK;
}

qe_status_t qe__infer_gather_elements(qe__infer_ctx *c) {
  uint32_t axis;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__need_rank(c, 0, 1, QE_MAX_RANK));
  QE_TRY(qe__need_rank(c, 1, c->in[0].rank, c->in[0].rank));
  if (c->in[1].dtype != QE_INT64 && c->in[1].dtype != QE_INT32) {
    return qe__fail(QE_ERROR_DTYPE, "input 1 (indices) is %s; int32 or int64 was expected",
                    qe_dtype_name(c->in[1].dtype));
  }
  QE_TRY(qe__attr_axis(c, 0, c->in[0].rank, &axis));
  for (uint32_t d = 0; d < c->in[0].rank; d++) {
    if (d == axis || c->in[1].dims[d] <= c->in[0].dims[d]) continue;
    char ta[200], tb[200];
    return qe__fail(QE_ERROR_SHAPE, "indices %s reach past data %s in dimension %u", qe__in_text(c, 1, tb, sizeof tb),
                    qe__in_text(c, 0, ta, sizeof ta), (unsigned)d);
  }
  c->params->axis = axis;
  qe__set_out(c, 0, c->in[0].dtype, c->in[1].rank, c->in[1].dims);
  return QE_OK;
}

qe_status_t qe__infer_trilu(qe__infer_ctx *c) {
  bool upper;
  size_t count;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__need_rank(c, 0, 2, QE_MAX_RANK));
  QE_TRY(qe__attr_flag(c, "upper", true, &upper));
  c->params->mode = upper;
  if (qe__has(c, 1)) {
    QE_TRY(qe__need_scalar_value(c, 1, "k"));
    QE_TRY(qe__read_ints(c, 1, "k", 1, &c->params->starts[0], &count));
  }
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, c->in[0].dims);
  return QE_OK;
}
