/* Modules without weights, and any op by name. */
#include <math.h>

#include "graph/build.h"

/* One node over `count` operands, with attributes from JSON; the operands of `optional` may be missing. */
static qe_status_t simple(qe_model_t *m, const char *op, const char *name, uint32_t count, const qe_value_t *xs,
                          bool optional, const char *json, qe_value_t *out) {
  qe__build b;
  *out = -1;
  qe_status_t status = qe__build_begin(m, op, name, &b);
  if (status != QE_OK) return status;
  for (uint32_t i = 0; i < count; i++) {
    if (!(optional && xs[i] < 0)) QE_TRY_GOTO(qe__build_operand(&b, xs[i]), done);
  }
  QE_TRY_GOTO(qe__build_node(&b, op, count, xs, 1, out), done);
  QE_TRY_GOTO(qe__build_attributes(b.node, json), done);
  QE_TRY_GOTO(qe__build_quantization(m->graph, b.node), done);
  status = qe__build_end(&b);
done:
  qe__build_close(&b);
  return status;
}

static qe_value_t unary(qe_model_t *m, const char *op, const char *name, qe_value_t x) {
  qe_value_t v;
  if (!qe__build_ok(m)) return -1;
  const qe_status_t status = simple(m, op, name, 1, &x, false, NULL, &v);
  return qe__build_result(m, status, v);
}

static qe_value_t binary(qe_model_t *m, const char *op, const char *name, qe_value_t a, qe_value_t b) {
  qe_value_t v;
  if (!qe__build_ok(m)) return -1;
  const qe_status_t status = simple(m, op, name, 2, (const qe_value_t[]){a, b}, false, NULL, &v);
  return qe__build_result(m, status, v);
}

qe_value_t qe_relu(qe_model_t *m, const char *name, qe_value_t x) { return unary(m, "Relu", name, x); }
qe_value_t qe_global_avg_pool(qe_model_t *m, const char *name, qe_value_t x) {
  return unary(m, "GlobalAveragePool", name, x);
}
qe_value_t qe_quant_stub(qe_model_t *m, const char *name, qe_value_t x) { return unary(m, "Identity", name, x); }
qe_value_t qe_dequant_stub(qe_model_t *m, const char *name, qe_value_t x) { return unary(m, "Identity", name, x); }
qe_value_t qe_add(qe_model_t *m, const char *name, qe_value_t a, qe_value_t b) { return binary(m, "Add", name, a, b); }
qe_value_t qe_mul(qe_model_t *m, const char *name, qe_value_t a, qe_value_t b) { return binary(m, "Mul", name, a, b); }
qe_value_t qe_matmul(qe_model_t *m, const char *name, qe_value_t a, qe_value_t b) {
  return binary(m, "MatMul", name, a, b);
}

qe_value_t qe_op(qe_model_t *m, const char *op, const char *name, uint32_t count, const qe_value_t *inputs,
                 const char *attributes_json) {
  qe_value_t v = -1;
  qe_status_t status;
  if (!qe__build_ok(m)) return -1;
  if (op == NULL || (count > 0 && inputs == NULL)) {
    status = qe__fail(QE_ERROR_INVALID_ARGUMENT, "qe_op: %s is NULL", op == NULL ? "op" : "inputs");
  } else {
    status = simple(m, op, name, count, inputs, true, attributes_json, &v);
  }
  return qe__build_result(m, status, v);
}

/* One node whose attribute `key` is an axis. */
static qe_value_t with_axis(qe_model_t *m, const char *op, const char *name, uint32_t count, const qe_value_t *xs,
                            int64_t axis) {
  qe__build b;
  qe_value_t v = -1;
  qe_status_t status;
  if (!qe__build_ok(m)) return -1;
  QE_TRY_GOTO(qe__build_begin(m, op, name, &b), done);
  for (uint32_t i = 0; i < count; i++) QE_TRY_GOTO(qe__build_operand(&b, xs[i]), done);
  QE_TRY_GOTO(qe__build_node(&b, op, count, xs, 1, &v), done);
  QE_TRY_GOTO(qe__node_set_int(b.node, "axis", axis), done);
  status = qe__build_end(&b);
done:
  qe__build_close(&b);
  return qe__build_result(m, status, v);
}

qe_value_t qe_flatten(qe_model_t *m, const char *name, qe_value_t x, int64_t axis) {
  return with_axis(m, "Flatten", name, 1, &x, axis);
}
qe_value_t qe_softmax(qe_model_t *m, const char *name, qe_value_t x, int64_t axis) {
  return with_axis(m, "Softmax", name, 1, &x, axis);
}

qe_value_t qe_concat(qe_model_t *m, const char *name, uint32_t count, const qe_value_t *xs, int64_t axis) {
  if (!qe__build_ok(m)) return -1;
  if (count == 0 || xs == NULL) {
    return qe__build_fail(
        m, qe__fail(QE_ERROR_INVALID_ARGUMENT, "module '%s': nothing to concatenate", name != NULL ? name : "Concat"));
  }
  return with_axis(m, "Concat", name, count, xs, axis);
}

qe_value_t qe_reshape(qe_model_t *m, const char *name, qe_value_t x, uint32_t rank, const int64_t *dims) {
  qe__build b;
  qe_value_t v = -1;
  qe__value_id in[2] = {x, QE__NO_VALUE};
  qe_status_t status;
  if (!qe__build_ok(m)) return -1;
  QE_TRY_GOTO(qe__build_begin(m, "Reshape", name, &b), done);
  QE_TRY_GOTO(qe__build_operand(&b, x), done);
  if (rank > QE_MAX_RANK || (rank > 0 && dims == NULL)) {
    status = qe__fail(QE_ERROR_INVALID_ARGUMENT, "module '%s': dims are NULL or more than %d", b.name, QE_MAX_RANK);
    goto done;
  }
  QE_TRY_GOTO(qe__build_ints(&b, "shape", rank, dims, &in[1]), done);
  QE_TRY_GOTO(qe__build_node(&b, "Reshape", 2, in, 1, &v), done);
  status = qe__build_end(&b);
done:
  qe__build_close(&b);
  return qe__build_result(m, status, v);
}

qe_value_t qe_transpose(qe_model_t *m, const char *name, qe_value_t x, uint32_t rank, const int64_t *perm) {
  qe__build b;
  qe_value_t v = -1;
  qe_status_t status;
  if (!qe__build_ok(m)) return -1;
  QE_TRY_GOTO(qe__build_begin(m, "Transpose", name, &b), done);
  QE_TRY_GOTO(qe__build_operand(&b, x), done);
  if (rank > QE_MAX_RANK || (rank > 0 && perm == NULL)) {
    status = qe__fail(QE_ERROR_INVALID_ARGUMENT, "module '%s': perm is NULL or longer than %d", b.name, QE_MAX_RANK);
    goto done;
  }
  QE_TRY_GOTO(qe__build_node(&b, "Transpose", 1, &x, 1, &v), done);
  QE_TRY_GOTO(qe__node_set_ints(b.node, "perm", perm, rank), done);
  status = qe__build_end(&b);
done:
  qe__build_close(&b);
  return qe__build_result(m, status, v);
}

qe_value_t qe_clip(qe_model_t *m, const char *name, qe_value_t x, float lo, float hi) {
  qe__build b;
  qe_value_t v = -1;
  qe__value_id in[3] = {x, QE__NO_VALUE, QE__NO_VALUE};
  qe_status_t status;
  if (!qe__build_ok(m)) return -1;
  QE_TRY_GOTO(qe__build_begin(m, "Clip", name, &b), done);
  QE_TRY_GOTO(qe__build_operand(&b, x), done);
  if (!(lo <= hi)) {
    status = qe__fail(QE_ERROR_INVALID_ARGUMENT, "module '%s': the bounds %g and %g are empty", b.name, (double)lo,
                      (double)hi);
    goto done;
  }
  if (lo > -INFINITY) QE_TRY_GOTO(qe__build_scalar(&b, "min", lo, &in[1]), done);
  if (hi < INFINITY) QE_TRY_GOTO(qe__build_scalar(&b, "max", hi, &in[2]), done);
  QE_TRY_GOTO(qe__build_node(&b, "Clip", in[2] >= 0 ? 3 : in[1] >= 0 ? 2 : 1, in, 1, &v), done);
  status = qe__build_end(&b);
done:
  qe__build_close(&b);
  return qe__build_result(m, status, v);
}

qe_value_t qe_relu6(qe_model_t *m, const char *name, qe_value_t x) { return qe_clip(m, name, x, 0.0f, 6.0f); }
