/* Types, shapes as data, and tensors made from numbers. */
#include <math.h>

#include "registry/infer.h"

qe_status_t qe__infer_cast(qe__infer_ctx *c) {
  int64_t to;
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  QE_TRY(qe__attr_int(c, "to", 0, &to));
  if (!qe__dtype_valid(to)) {
    return qe__fail(QE_ERROR_UNSUPPORTED,
                    "attribute 'to' is %lld, no element type that is supported (ONNX numbers; float32 is 1)",
                    (long long)to);
  }
  qe__set_out(c, 0, (qe_dtype_t)to, c->in[0].rank, c->in[0].dims);
  return QE_OK;
}

qe_status_t qe__infer_shape(qe__infer_ctx *c) {
  int64_t start, end;
  const int64_t rank = c->in[0].rank;
  QE_TRY(qe__attr_int(c, "start", 0, &start));
  QE_TRY(qe__attr_int(c, "end", rank, &end));
  if (start < 0) start += rank;
  if (end < 0) end += rank;
  start = start < 0 ? 0 : start > rank ? rank : start;
  end = end < 0 ? 0 : end > rank ? rank : end;
  const int64_t count = end > start ? end - start : 0;
  c->params->starts[0] = start;
  qe__set_out(c, 0, QE_INT64, 1, &count);
  return QE_OK;
}

qe_status_t qe__infer_size(qe__infer_ctx *c) {
  qe__set_out(c, 0, QE_INT64, 0, NULL);
  return QE_OK;
}

qe_status_t qe__infer_constant_of_shape(qe__infer_ctx *c) {
  int64_t dims[QE_MAX_RANK] = {0};
  size_t n;
  qe_dtype_t dtype = QE_FLOAT32;
  QE_TRY(qe__read_ints(c, 0, "shape", QE_MAX_RANK, dims, &n));
  const qe__attr *value = qe__node_attr(c->node, "value");
  if (value != NULL) {
    if (value->kind != QE__ATTR_TENSOR || value->tensor->count != 1) {
      return qe__fail(QE_ERROR_FORMAT, "attribute 'value' is not a tensor of one element");
    }
    dtype = value->tensor->dtype;
    c->params->fill = (float)qe__tensor_float_at(value->tensor, 0);
    if ((1u << (unsigned)dtype & QE__T_FLOAT) == 0) c->params->fill_int = qe__tensor_int_at(value->tensor, 0);
  }
  for (size_t d = 0; d < n; d++) {
    if (dims[d] < 0)
      return qe__fail(QE_ERROR_SHAPE, "input 0 (shape) holds %lld; at least 0 was expected", (long long)dims[d]);
  }
  qe__set_out(c, 0, dtype, (uint32_t)n, dims);
  return QE_OK;
}

/* ceil((limit - start) / delta) without overflow; more than int64 holds counts as the largest. */
static int64_t range_count_int(int64_t start, int64_t limit, int64_t delta) {
  const bool up = delta > 0;
  if (up ? limit <= start : limit >= start) return 0;
  const uint64_t span = up ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
  const uint64_t step = up ? (uint64_t)delta : 0 - (uint64_t)delta;
  const uint64_t count = (span - 1) / step + 1;
  return count > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)count;
}

qe_status_t qe__infer_range(qe__infer_ctx *c) {
  static const char *const names[] = {"start", "limit", "delta"};
  QE_TRY(qe__need_type(c, 0, QE__T(FLOAT32) | QE__T(FLOAT64) | QE__T(INT16) | QE__T(INT32) | QE__T(INT64)));
  for (uint32_t i = 0; i < 3; i++) {
    QE_TRY(qe__need_same_type(c, i));
    QE_TRY(qe__need_scalar_value(c, i, names[i]));
  }
  int64_t count;
  if (c->in[0].dtype == QE_FLOAT32 || c->in[0].dtype == QE_FLOAT64) {
    const double start = qe__tensor_float_at(c->in[0].data, 0), limit = qe__tensor_float_at(c->in[1].data, 0);
    const double delta = qe__tensor_float_at(c->in[2].data, 0);
    /* the difference is rounded to the element type before it is divided, as ONNX Runtime does */
    const double span = c->in[0].dtype == QE_FLOAT32 ? (double)(float)(limit - start) : limit - start;
    const double exact = ceil(span / delta);
    if (delta == 0.0 || !isfinite(exact) || exact > 9.0e15) {
      return qe__fail(QE_ERROR_SHAPE, "start %g, limit %g and delta %g give no finite range", start, limit, delta);
    }
    count = exact > 0.0 ? (int64_t)exact : 0;
  } else {
    const int64_t delta = qe__tensor_int_at(c->in[2].data, 0);
    if (delta == 0) return qe__fail(QE_ERROR_SHAPE, "input 2 (delta) is 0");
    count = range_count_int(qe__tensor_int_at(c->in[0].data, 0), qe__tensor_int_at(c->in[1].data, 0), delta);
  }
  qe__set_out(c, 0, c->in[0].dtype, 1, &count);
  return QE_OK;
}

qe_status_t qe__infer_one_hot(qe__infer_ctx *c) {
  int64_t dims[QE_MAX_RANK] = {0};
  uint32_t axis;
  QE_TRY(qe__need_type(c, 0, QE__T_NUMBER));
  QE_TRY(qe__need_rank(c, 0, 0, QE_MAX_RANK - 1));
  QE_TRY(qe__need_type(c, 1, QE__T_NUMBER));
  QE_TRY(qe__need_scalar_value(c, 1, "depth"));
  QE_TRY(qe__need_vector(c, 2, 2, "values"));
  const qe_tensor_t *t = c->in[1].data;
  double real = 0.0;
  int64_t depth = 0;
  if ((1u << (unsigned)t->dtype & QE__T_FLOAT) != 0) {
    real = qe__tensor_float_at(t, 0);
    depth = real >= 1.0 && real < 9.0e15 ? (int64_t)real : 0;
  } else {
    depth = qe__tensor_int_at(t, 0);
  }
  if (depth < 1) return qe__fail(QE_ERROR_SHAPE, "input 1 (depth) is %lld; at least 1 was expected", (long long)depth);
  const uint32_t rank = c->in[0].rank + 1;
  QE_TRY(qe__attr_axis(c, -1, rank, &axis));
  for (uint32_t d = 0; d < rank; d++) dims[d] = d < axis ? c->in[0].dims[d] : d == axis ? depth : c->in[0].dims[d - 1];
  c->params->axis = axis;
  qe__set_out(c, 0, c->in[2].dtype, rank, dims);
  return QE_OK;
}
