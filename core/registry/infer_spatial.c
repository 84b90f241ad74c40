/* Convolutions and pooling: windows that slide over the spatial dimensions. */
#include "registry/infer.h"

typedef enum auto_pad { NOTSET = 0, SAME_UPPER = 1, SAME_LOWER = 2, VALID = 3 } auto_pad;

static const char *const auto_pad_names[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};

static qe_status_t positive_ints(const qe__infer_ctx *c, const char *name, uint32_t count, int64_t *out) {
  const int64_t *values;
  size_t n;
  QE_TRY(qe__attr_ints(c, name, count, &values, &n));
  for (uint32_t i = 0; i < count; i++) {
    out[i] = values != NULL ? values[i] : 1;
    if (out[i] < 1)
      return qe__fail(QE_ERROR_SHAPE, "attribute '%s' holds %lld; at least 1 was expected", name, (long long)out[i]);
  }
  return QE_OK;
}

/* Strides, dilations, pads, auto_pad. The pads of SAME_* follow later, from the sizes. */
static qe_status_t read_window(qe__infer_ctx *c, uint32_t spatial, uint32_t *mode) {
  qe_op_params *p = c->params;
  const int64_t *pads;
  size_t n;
  p->spatial = spatial;
  QE_TRY(positive_ints(c, "strides", spatial, p->stride));
  QE_TRY(positive_ints(c, "dilations", spatial, p->dilation));
  QE_TRY(qe__attr_choice(c, "auto_pad", auto_pad_names, NOTSET, mode));
  QE_TRY(qe__attr_ints(c, "pads", 2 * (size_t)spatial, &pads, &n));
  for (uint32_t i = 0; i < spatial; i++) {
    if (pads == NULL || *mode != NOTSET) continue;
    p->pad_begin[i] = pads[i];
    p->pad_end[i] = pads[spatial + i];
    if (pads[i] < 0 || pads[spatial + i] < 0) {
      return qe__fail(QE_ERROR_UNSUPPORTED, "attribute 'pads' is negative (%lld, %lld); use a Slice before it",
                      (long long)pads[i], (long long)pads[spatial + i]);
    }
  }
  return QE_OK;
}

/* The kernel's extent with dilation: (k - 1) * d + 1. */
static qe_status_t extent(int64_t kernel, int64_t dilation, int64_t *out) {
  QE_TRY(qe__dim_mul(kernel - 1, dilation, out));
  return qe__dim_add(*out, 1, out);
}

/* Output size of one spatial dimension; fills the pads of SAME_*. */
static qe_status_t window_out(qe_op_params *p, uint32_t i, int64_t in, uint32_t mode, bool ceil_mode, int64_t *out) {
  int64_t size, total;
  QE_TRY(extent(p->kernel[i], p->dilation[i], &size));
  if (mode == SAME_UPPER || mode == SAME_LOWER) {
    *out = qe__ceil_div(in, p->stride[i]);
    if (in == 0) return QE_OK;
    QE_TRY(qe__dim_mul(*out - 1, p->stride[i], &total));
    QE_TRY(qe__dim_add(total, size - in, &total));
    if (total < 0) total = 0;
    p->pad_begin[i] = mode == SAME_UPPER ? total / 2 : total - total / 2;
    p->pad_end[i] = total - p->pad_begin[i];
    return QE_OK;
  }
  int64_t room;
  QE_TRY(qe__dim_add(in, p->pad_begin[i], &room));
  QE_TRY(qe__dim_add(room, p->pad_end[i], &room));
  QE_TRY(qe__dim_add(room, -size, &room));
  if (ceil_mode && mode != VALID) {
    *out = qe__ceil_div(room, p->stride[i]) + 1;
    /* a window that would start in the padding after the input is left out */
    if (*out > 0 && *out - 1 > qe__floor_div(in + p->pad_begin[i] - 1, p->stride[i])) (*out)--;
  } else {
    *out = qe__floor_div(room, p->stride[i]) + 1;
  }
  if (*out > 0) return QE_OK;
  return qe__fail(QE_ERROR_SHAPE,
                  "spatial dimension %u is %lld, padded %lld; the kernel covers %lld, so nothing would be left",
                  (unsigned)i, (long long)in, (long long)(in + p->pad_begin[i] + p->pad_end[i]), (long long)size);
}

/* x [N, C, spatial...], w of the same rank; kernel from w, compared with kernel_shape; groups; channel counts. */
static qe_status_t read_conv(qe__infer_ctx *c, bool transposed, uint32_t *mode, int64_t *channels) {
  qe_op_params *p = c->params;
  char x[200], w[200];
  QE_TRY(qe__need_rank(c, 0, 3, 2 + QE_MAX_SPATIAL));
  QE_TRY(qe__need_rank(c, 1, c->in[0].rank, c->in[0].rank));
  const uint32_t spatial = c->in[0].rank - 2;
  QE_TRY(read_window(c, spatial, mode));
  const int64_t *shape;
  size_t n;
  QE_TRY(qe__attr_ints(c, "kernel_shape", spatial, &shape, &n));
  for (uint32_t i = 0; i < spatial; i++) {
    p->kernel[i] = c->in[1].dims[2 + i];
    if (p->kernel[i] < 1 || (shape != NULL && shape[i] != p->kernel[i])) {
      return qe__fail(QE_ERROR_SHAPE, "weight %s has kernel size %lld in spatial dimension %u; %lld was expected",
                      qe__in_text(c, 1, w, sizeof w), (long long)p->kernel[i], (unsigned)i,
                      (long long)(shape != NULL ? shape[i] : 1));
    }
  }
  QE_TRY(qe__attr_int(c, "group", 1, &p->groups));
  const int64_t in_channels = c->in[0].dims[1], w0 = c->in[1].dims[0], w1 = c->in[1].dims[1];
  if (p->groups < 1)
    return qe__fail(QE_ERROR_SHAPE, "attribute 'group' is %lld; at least 1 was expected", (long long)p->groups);
  int64_t wanted;
  QE_TRY(qe__dim_mul(w1, p->groups, &wanted));
  if (transposed) {
    *channels = wanted;
    if (in_channels != w0 || w0 % p->groups != 0) {
      return qe__fail(QE_ERROR_SHAPE,
                      "input %s has %lld channels; weight %s with group %lld takes %lld, a multiple of the groups",
                      qe__in_text(c, 0, x, sizeof x), (long long)in_channels, qe__in_text(c, 1, w, sizeof w),
                      (long long)p->groups, (long long)w0);
    }
  } else {
    *channels = w0;
    if (in_channels != wanted || w0 % p->groups != 0) {
      return qe__fail(
          QE_ERROR_SHAPE,
          "input %s has %lld channels; weight %s with group %lld takes %lld and its first dimension must be a "
          "multiple of the groups",
          qe__in_text(c, 0, x, sizeof x), (long long)in_channels, qe__in_text(c, 1, w, sizeof w), (long long)p->groups,
          (long long)wanted);
    }
  }
  return QE_OK;
}

static qe_status_t conv_out(qe__infer_ctx *c, qe_dtype_t dtype) {
  uint32_t mode;
  int64_t dims[QE_MAX_RANK] = {c->in[0].dims[0]};
  QE_TRY(read_conv(c, false, &mode, &dims[1]));
  for (uint32_t i = 0; i < c->params->spatial; i++) {
    QE_TRY(window_out(c->params, i, c->in[0].dims[2 + i], mode, false, &dims[2 + i]));
  }
  qe__set_out(c, 0, dtype, c->in[0].rank, dims);
  return QE_OK;
}

/* Float (or, on a quantized node, coded) x, weight and bias. */
static qe_status_t conv_types(qe__infer_ctx *c, int64_t channels) {
  QE_TRY(qe__need_type(c, 0, QE__T_FLOAT));
  QE_TRY(qe__need_same_type(c, 1));
  if (!qe__has(c, 2)) return QE_OK;
  QE_TRY(qe__need_same_type(c, 2));
  return qe__need_vector(c, 2, channels, "bias");
}

qe_status_t qe__infer_conv(qe__infer_ctx *c) {
  QE_TRY(conv_out(c, c->in[0].dtype));
  return conv_types(c, c->out[0].dims[1]);
}

qe_status_t qe__infer_conv_integer(qe__infer_ctx *c) {
  QE_TRY(qe__need_type(c, 0, QE__T_BYTE));
  QE_TRY(qe__need_type(c, 1, QE__T_BYTE));
  QE_TRY(conv_out(c, QE_INT32));
  for (uint32_t i = 2; i < 4; i++) {
    if (!qe__has(c, i)) continue;
    const bool scalar = c->in[i].rank == 0 || (c->in[i].rank == 1 && c->in[i].dims[0] == 1);
    if (c->in[i].dtype != c->in[i - 2].dtype) {
      return qe__fail(QE_ERROR_DTYPE, "input %u (zero point) is %s; the tensor it belongs to is %s", (unsigned)i,
                      qe_dtype_name(c->in[i].dtype), qe_dtype_name(c->in[i - 2].dtype));
    }
    if (!scalar)
      QE_TRY(i == 3 ? qe__need_vector(c, i, c->in[1].dims[0], "zero point of the weight")
                    : qe__need_vector(c, i, 1, "zero point of x"));
  }
  return QE_OK;
}

qe_status_t qe__infer_conv_transpose(qe__infer_ctx *c) {
  qe_op_params *p = c->params;
  uint32_t mode;
  int64_t dims[QE_MAX_RANK] = {c->in[0].dims[0]};
  QE_TRY(read_conv(c, true, &mode, &dims[1]));
  const uint32_t spatial = p->spatial;
  const int64_t *extra, *shape;
  size_t n_extra, n_shape;
  QE_TRY(qe__attr_ints(c, "output_padding", spatial, &extra, &n_extra));
  QE_TRY(qe__attr_ints(c, "output_shape", SIZE_MAX, &shape, &n_shape));
  if (n_shape == 0) shape = NULL;
  if (shape != NULL && n_shape != spatial && n_shape != c->in[0].rank) {
    return qe__fail(QE_ERROR_SHAPE, "attribute 'output_shape' has %llu entries; %u were expected",
                    (unsigned long long)n_shape, (unsigned)spatial);
  }
  for (uint32_t i = 0; i < spatial; i++) {
    int64_t full, size;
    const int64_t in = c->in[0].dims[2 + i], pad_out = extra != NULL ? extra[i] : 0;
    if (pad_out < 0)
      return qe__fail(QE_ERROR_SHAPE, "attribute 'output_padding' holds %lld; at least 0 was expected",
                      (long long)pad_out);
    QE_TRY(extent(p->kernel[i], p->dilation[i], &size));
    QE_TRY(qe__dim_mul(p->stride[i], in - 1, &full));
    QE_TRY(qe__dim_add(full, size, &full));
    QE_TRY(qe__dim_add(full, pad_out, &full));
    int64_t *out = &dims[2 + i];
    if (shape != NULL || mode == SAME_UPPER || mode == SAME_LOWER) {
      if (shape != NULL) *out = shape[n_shape - spatial + i];
      else QE_TRY(qe__dim_mul(in, p->stride[i], out));
      int64_t total = *out < 0 ? -1 : full - *out;
      if (total < 0) total = 0; /* more output than the input reaches: the rest holds the bias */
      p->pad_begin[i] = mode == SAME_UPPER ? total / 2 : total - total / 2;
      p->pad_end[i] = total - p->pad_begin[i];
    } else {
      QE_TRY(qe__dim_add(full, -p->pad_begin[i], out));
      QE_TRY(qe__dim_add(*out, -p->pad_end[i], out));
    }
    if (*out < 1) {
      return qe__fail(QE_ERROR_SHAPE,
                      "spatial dimension %u would be %lld after removing the pads %lld and %lld from %lld", (unsigned)i,
                      (long long)*out, (long long)p->pad_begin[i], (long long)p->pad_end[i], (long long)full);
    }
  }
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, dims);
  return conv_types(c, dims[1]);
}

static qe_status_t pool(qe__infer_ctx *c, bool max) {
  qe_op_params *p = c->params;
  uint32_t mode;
  bool ceil_mode, include_pad;
  QE_TRY(qe__need_type(c, 0, max ? QE__T_FLOAT | QE__T_BYTE : QE__T_FLOAT));
  QE_TRY(qe__need_rank(c, 0, 3, 2 + QE_MAX_SPATIAL));
  const uint32_t spatial = c->in[0].rank - 2;
  QE_TRY(read_window(c, spatial, &mode));
  if (qe__node_attr(c->node, "kernel_shape") == NULL)
    return qe__fail(QE_ERROR_FORMAT, "attribute 'kernel_shape' is missing");
  QE_TRY(positive_ints(c, "kernel_shape", spatial, p->kernel));
  QE_TRY(qe__attr_flag(c, "ceil_mode", false, &ceil_mode));
  QE_TRY(qe__attr_flag(c, "count_include_pad", false, &include_pad));
  p->count_include_pad = !max && include_pad;
  bool column_major = false;
  if (max) QE_TRY(qe__attr_flag(c, "storage_order", false, &column_major));
  p->mode = column_major;
  int64_t dims[QE_MAX_RANK] = {c->in[0].dims[0], c->in[0].dims[1]};
  for (uint32_t i = 0; i < spatial; i++) {
    int64_t size;
    QE_TRY(extent(p->kernel[i], p->dilation[i], &size));
    if (p->pad_begin[i] >= size || p->pad_end[i] >= size) {
      return qe__fail(
          QE_ERROR_SHAPE,
          "pads %lld and %lld of spatial dimension %u reach the kernel's %lld: a window would see padding only",
          (long long)p->pad_begin[i], (long long)p->pad_end[i], (unsigned)i, (long long)size);
    }
    QE_TRY(window_out(p, i, c->in[0].dims[2 + i], mode, ceil_mode, &dims[2 + i]));
  }
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, dims);
  if (max && c->n_out > 1) qe__set_out(c, 1, QE_INT64, c->in[0].rank, dims);
  return QE_OK;
}

qe_status_t qe__infer_pool(qe__infer_ctx *c) { return pool(c, c->node->op->id == QE__OP_MaxPool); }

/* ---- gradients ---- */

static qe_status_t expect_dims(const qe__operand_info *dy, const qe__operand_info *y) {
  bool same = dy->rank == y->rank;
  for (uint32_t d = 0; same && d < y->rank; d++) same = dy->dims[d] == y->dims[d];
  return same ? QE_OK : qe__fail(QE_ERROR_SHAPE, "input 0 does not have the shape of the output that it is the gradient of");
}

/* A pooling of input x, whose output's gradient is input 0 of c. */
static qe_status_t pool_grad(qe__infer_ctx *c, const qe__operand_info *x, bool max) {
  qe__operand_info y = {.present = true};
  qe__infer_ctx forward = {.node = c->node, .n_in = 1, .n_out = 1, .in = x, .out = &y, .params = c->params};
  QE_TRY(pool(&forward, max));
  QE_TRY(qe__need_type(c, 0, QE__T(FLOAT32)));
  QE_TRY(expect_dims(&c->in[0], &y));
  qe__set_out(c, 0, QE_FLOAT32, x->rank, x->dims);
  return QE_OK;
}

qe_status_t qe__infer_max_pool_grad(qe__infer_ctx *c) {
  QE_TRY(qe__need_type(c, 1, QE__T(FLOAT32)));
  return pool_grad(c, &c->in[1], true);
}

qe_status_t qe__infer_average_pool_grad(qe__infer_ctx *c) {
  qe__operand_info x = c->in[0];
  const int64_t *shape;
  size_t n;
  QE_TRY(qe__attr_ints(c, "shape", x.rank, &shape, &n));
  if (!shape) return qe__fail(QE_ERROR_FORMAT, "attribute 'shape' is missing");
  for (uint32_t d = 0; d < x.rank; d++) x.dims[d] = shape[d];
  return pool_grad(c, &x, false);
}

/* dy [N, O, spatial...], x [N, C, spatial...] -> dw [O, C / group, kernel_shape...]. */
qe_status_t qe__infer_conv_weight_grad(qe__infer_ctx *c) {
  qe_op_params *p = c->params;
  const qe__operand_info *dy = &c->in[0], *x = &c->in[1];
  uint32_t mode;
  for (uint32_t i = 0; i < 2; i++) {
    QE_TRY(qe__need_type(c, i, QE__T(FLOAT32)));
    QE_TRY(qe__need_rank(c, i, 3, 2 + QE_MAX_SPATIAL));
  }
  const uint32_t spatial = x->rank - 2;
  QE_TRY(read_window(c, spatial, &mode));
  if (qe__node_attr(c->node, "kernel_shape") == NULL) return qe__fail(QE_ERROR_FORMAT, "attribute 'kernel_shape' is missing");
  QE_TRY(positive_ints(c, "kernel_shape", spatial, p->kernel));
  QE_TRY(qe__attr_int(c, "group", 1, &p->groups));
  if (p->groups < 1 || x->dims[1] % p->groups != 0 || dy->dims[1] % p->groups != 0) {
    return qe__fail(QE_ERROR_SHAPE, "attribute 'group' is %lld; it must divide %lld and %lld channels", (long long)p->groups,
                    (long long)x->dims[1], (long long)dy->dims[1]);
  }
  qe__operand_info y = {.rank = x->rank, .dims = {x->dims[0], dy->dims[1]}};
  int64_t dims[QE_MAX_RANK] = {dy->dims[1], x->dims[1] / p->groups};
  for (uint32_t i = 0; i < spatial; i++) {
    dims[2 + i] = p->kernel[i];
    QE_TRY(window_out(p, i, x->dims[2 + i], mode, false, &y.dims[2 + i]));
  }
  QE_TRY(expect_dims(dy, &y));
  qe__set_out(c, 0, QE_FLOAT32, x->rank, dims);
  return QE_OK;
}

qe_status_t qe__infer_global_pool(qe__infer_ctx *c) {
  const bool max = c->node->op->id == QE__OP_GlobalMaxPool;
  QE_TRY(qe__need_type(c, 0, max ? QE__T_FLOAT | QE__T_BYTE : QE__T_FLOAT));
  QE_TRY(qe__need_rank(c, 0, 3, QE_MAX_RANK));
  int64_t dims[QE_MAX_RANK] = {c->in[0].dims[0], c->in[0].dims[1]};
  for (uint32_t d = 2; d < c->in[0].rank; d++) {
    if (c->in[0].dims[d] == 0)
      return qe__fail(QE_ERROR_SHAPE, "dimension %u is 0: there is nothing to pool", (unsigned)d);
    dims[d] = 1;
  }
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, dims);
  return QE_OK;
}
