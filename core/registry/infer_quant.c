/* QuantizeLinear and its relatives, and the two ops that only the planner writes. */
#include "registry/infer.h"

/* Scale and zero point inputs (1, 2): one number, or one per element of dimension `axis`. */
static qe_status_t computed_parameters(qe__infer_ctx *c) {
  int64_t block;
  uint32_t axis;
  QE_TRY(qe__need_type(c, 1, QE__T(FLOAT32)));
  QE_TRY(qe__attr_int(c, "block_size", 0, &block));
  if (block != 0)
    return qe__fail(QE_ERROR_UNSUPPORTED, "attribute 'block_size' is %lld; blocked quantization is not supported",
                    (long long)block);
  const bool scalar = c->in[1].rank == 0 || (c->in[1].rank == 1 && c->in[1].dims[0] == 1);
  if (!scalar) {
    QE_TRY(qe__attr_axis(c, 1, c->in[0].rank, &axis));
    QE_TRY(qe__need_vector(c, 1, c->in[0].dims[axis], "scale"));
    c->params->axis = axis;
  }
  if (!qe__has(c, 2)) return QE_OK;
  if (scalar && c->in[2].rank == 0) return QE_OK;
  return qe__need_vector(c, 2, scalar ? 1 : c->in[1].dims[0], "zero point");
}

static qe_status_t constant_parameters(qe__infer_ctx *c) {
  uint32_t axis = 0;
  if (qe__node_attr(c->node, "axis") != NULL && c->in[0].rank > 0) QE_TRY(qe__attr_axis(c, 0, c->in[0].rank, &axis));
  c->params->axis = axis;
  return QE_OK;
}

qe_status_t qe__infer_quantize(qe__infer_ctx *c) {
  const qe__dtypes codes = QE__T_CODE;
  qe_dtype_t dtype = c->out[0].dtype;
  int64_t wanted;
  if (c->in[0].dtype != QE_FLOAT32 && c->in[0].dtype != QE_INT32 && c->in[0].dtype != QE_FLOAT16) {
    return qe__fail(QE_ERROR_DTYPE, "input 0 is %s; float32 was expected", qe_dtype_name(c->in[0].dtype));
  }
  QE_TRY(qe__attr_int(c, "output_dtype", 0, &wanted));
  if (qe__has(c, 1)) {
    QE_TRY(computed_parameters(c));
    if (qe__has(c, 2)) dtype = c->in[2].dtype;
    else if (wanted != 0) dtype = qe__dtype_valid(wanted) ? (qe_dtype_t)wanted : QE_DTYPE_NONE;
    else dtype = QE_UINT8;
  } else {
    QE_TRY(constant_parameters(c));
    if (dtype == QE_DTYPE_NONE)
      return qe__fail(QE_ERROR_FORMAT, "it has no parameters: neither inputs nor a quantized output value");
  }
  if ((unsigned)dtype >= 32 || (1u << (unsigned)dtype & codes) == 0) {
    return qe__fail(QE_ERROR_DTYPE, "the output would be %s, which is no type to quantize to", qe_dtype_name(dtype));
  }
  qe__set_out(c, 0, dtype, c->in[0].rank, c->in[0].dims);
  c->out[0].dtype = dtype;
  return QE_OK;
}

qe_status_t qe__infer_dequantize(qe__infer_ctx *c) {
  const unsigned type = (unsigned)c->in[0].dtype;
  if (type >= 32 || (1u << type & QE__T_CODE) == 0) {
    return qe__fail(QE_ERROR_DTYPE, "input 0 is %s, which is no quantized type", qe_dtype_name(c->in[0].dtype));
  }
  if (qe__has(c, 1)) QE_TRY(computed_parameters(c));
  else QE_TRY(constant_parameters(c));
  if (qe__has(c, 2) && c->in[2].dtype != c->in[0].dtype) {
    return qe__fail(QE_ERROR_DTYPE, "input 2 (zero point) is %s; input 0 is %s", qe_dtype_name(c->in[2].dtype),
                    qe_dtype_name(c->in[0].dtype));
  }
  qe__set_out(c, 0, QE_FLOAT32, c->in[0].rank, c->in[0].dims);
  c->out[0].dtype = QE_FLOAT32;
  return QE_OK;
}

qe_status_t qe__infer_dynamic_quantize(qe__infer_ctx *c) {
  if (c->in[0].dtype != QE_FLOAT32)
    return qe__fail(QE_ERROR_DTYPE, "input 0 is %s; float32 was expected", qe_dtype_name(c->in[0].dtype));
  qe__set_out(c, 0, QE_UINT8, c->in[0].rank, c->in[0].dims);
  qe__set_out(c, 1, QE_FLOAT32, 0, NULL);
  qe__set_out(c, 2, QE_UINT8, 0, NULL);
  return QE_OK;
}

/* The table holds bytes; what they mean is the output value's type, which the caller knows. */
qe_status_t qe__infer_lookup(qe__infer_ctx *c) {
  const qe_dtype_t preset = c->out[0].dtype;
  QE_TRY(qe__need_type(c, 0, QE__T_BYTE));
  QE_TRY(qe__need_type(c, 1, QE__T_BYTE));
  QE_TRY(qe__need_vector(c, 1, 256, "table"));
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, c->in[0].dims);
  if (preset == QE_UINT8 || preset == QE_INT8) c->out[0].dtype = preset;
  return QE_OK;
}

qe_status_t qe__infer_relayout(qe__infer_ctx *c) {
  QE_TRY(qe__need_type(c, 0, QE__T_ANY));
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, c->in[0].dims);
  return QE_OK;
}
