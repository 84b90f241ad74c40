/* Linear, normalization and embedding modules. */
#include "graph/build.h"

/* [out, in] -> [in, out]. */
static qe_status_t transposed(const qe_tensor_t *w, qe_tensor_t **out) {
  const int64_t rows = w->dims[0], cols = w->dims[1];
  const int64_t dims[2] = {cols, rows};
  QE_TRY(qe_tensor_create(QE_FLOAT32, 2, dims, out));
  const float *src = w->data;
  float *dst = (*out)->data;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < cols; c++) dst[c * rows + r] = src[r * cols + c];
  }
  return QE_OK;
}

qe_value_t qe_linear(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias) {
  qe__build b;
  qe_value_t v = -1;
  qe__value_id in[3] = {x, QE__NO_VALUE, QE__NO_VALUE};
  qe_tensor_t *turned = NULL;
  qe_status_t status;
  if (!qe__build_ok(m)) return -1;
  QE_TRY_GOTO(qe__build_begin(m, "Linear", name, &b), done);
  QE_TRY_GOTO(qe__build_operand(&b, x), done);
  QE_TRY_GOTO(qe__build_weight(&b, "weight", weight, 2), done);
  /* Gemm takes matrices only; without one MatMul applies the weight to the last dimension */
  const bool gemm = m->graph->values[x].rank == 2;
  if (!gemm) QE_TRY_GOTO(transposed(weight, &turned), done);
  QE_TRY_GOTO(qe__build_constant(&b, "weight", gemm ? weight : turned, &in[1]), done);
  if (bias != NULL) {
    QE_TRY_GOTO(qe__build_weight(&b, "bias", bias, 1), done);
    QE_TRY_GOTO(qe__build_constant(&b, "bias", bias, &in[2]), done);
  }
  QE_TRY_GOTO(qe__build_node(&b, gemm ? "Gemm" : "MatMul", bias != NULL ? 3 : 2, in, 1, &v), done);
  if (gemm) QE_TRY_GOTO(qe__node_set_int(b.node, "transB", 1), done);
  status = qe__build_end(&b);
done:
  qe_tensor_release(&turned);
  qe__build_close(&b);
  return qe__build_result(m, status, v);
}

/* A constant vector of zeros where torch allows no bias but the op needs one. */
static qe_status_t zeros(const qe__build *b, const char *suffix, int64_t count, qe__value_id *out) {
  qe_tensor_t *t;
  *out = QE__NO_VALUE;
  QE_TRY(qe_tensor_create(QE_FLOAT32, 1, &count, &t));
  const qe_status_t status = qe__build_constant(b, suffix, t, out);
  qe_tensor_release(&t);
  return status;
}

qe_value_t qe_batch_norm(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias,
                         qe_tensor_t *running_mean, qe_tensor_t *running_var, float eps) {
  static const char *const names[] = {"weight", "bias", "running_mean", "running_var"};
  qe_tensor_t *tensors[4] = {weight, bias, running_mean, running_var};
  qe__build b;
  qe_value_t v = -1;
  qe__value_id in[5] = {x, QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE, QE__NO_VALUE};
  qe_status_t status;
  if (!qe__build_ok(m)) return -1;
  QE_TRY_GOTO(qe__build_begin(m, "BatchNormalization", name, &b), done);
  QE_TRY_GOTO(qe__build_operand(&b, x), done);
  for (size_t i = 0; i < 4; i++) {
    if (i == 1 && bias == NULL) {
      QE_TRY_GOTO(zeros(&b, names[i], weight->dims[0], &in[1 + i]), done);
      continue;
    }
    QE_TRY_GOTO(qe__build_weight(&b, names[i], tensors[i], 1), done);
    QE_TRY_GOTO(qe__build_constant(&b, names[i], tensors[i], &in[1 + i]), done);
  }
  QE_TRY_GOTO(qe__build_node(&b, "BatchNormalization", 5, in, 1, &v), done);
  QE_TRY_GOTO(qe__node_set_float(b.node, "epsilon", eps), done);
  status = qe__build_end(&b);
done:
  qe__build_close(&b);
  return qe__build_result(m, status, v);
}

qe_value_t qe_layer_norm(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias,
                         float eps) {
  qe__build b;
  qe_value_t v = -1;
  qe__value_id in[3] = {x, QE__NO_VALUE, QE__NO_VALUE};
  qe_status_t status;
  if (!qe__build_ok(m)) return -1;
  QE_TRY_GOTO(qe__build_begin(m, "LayerNormalization", name, &b), done);
  QE_TRY_GOTO(qe__build_operand(&b, x), done);
  QE_TRY_GOTO(qe__build_weight(&b, "weight", weight, 0), done);
  if (weight->rank == 0) {
    status =
        qe__fail(QE_ERROR_SHAPE, "module '%s': weight is a scalar; the normalized dimensions were expected", b.name);
    goto done;
  }
  QE_TRY_GOTO(qe__build_constant(&b, "weight", weight, &in[1]), done);
  if (bias != NULL) {
    QE_TRY_GOTO(qe__build_weight(&b, "bias", bias, weight->rank), done);
    QE_TRY_GOTO(qe__build_constant(&b, "bias", bias, &in[2]), done);
  }
  QE_TRY_GOTO(qe__build_node(&b, "LayerNormalization", bias != NULL ? 3 : 2, in, 1, &v), done);
  QE_TRY_GOTO(qe__node_set_int(b.node, "axis", -(int64_t)weight->rank), done);
  QE_TRY_GOTO(qe__node_set_float(b.node, "epsilon", eps), done);
  status = qe__build_end(&b);
done:
  qe__build_close(&b);
  return qe__build_result(m, status, v);
}
