#include "train/compose.h"

bool qe__compose_try(qe__compose *e, qe_status_t status) {
  if (e->status == QE_OK) e->status = status;
  return e->status == QE_OK;
}

qe__node *qe__compose_node(qe__compose *e, const char *op, uint32_t n_in, const qe__value_id *in, uint32_t n_out, qe__value_id *out) {
  qe__node *node = NULL;
  for (uint32_t i = 0; i < n_out; i++) {
    out[i] = QE__NO_VALUE;
    if (e->status == QE_OK) e->status = qe__graph_add_value(e->g, NULL, QE_FLOAT32, &out[i]);
  }
  if (e->status == QE_OK) e->status = qe__graph_add_node(e->g, op, NULL, n_in, in, n_out, out, &node);
  return e->status == QE_OK ? node : NULL;
}

qe__value_id qe__compose1(qe__compose *e, const char *op, qe__value_id a) {
  qe__value_id out;
  (void)qe__compose_node(e, op, 1, &a, 1, &out);
  return out;
}

qe__value_id qe__compose2(qe__compose *e, const char *op, qe__value_id a, qe__value_id b) {
  const qe__value_id in[2] = {a, b};
  qe__value_id out;
  (void)qe__compose_node(e, op, 2, in, 1, &out);
  return out;
}

static qe__value_id constant(qe__compose *e, qe_dtype_t dtype, uint32_t rank, int64_t count, const void *data) {
  qe_tensor_t *t = NULL;
  qe__value_id v = QE__NO_VALUE;
  if (e->status == QE_OK) e->status = qe_tensor_from_data(dtype, rank, &count, data, &t);
  if (e->status == QE_OK) e->status = qe__graph_add_constant(e->g, NULL, t, &v);
  qe_tensor_release(&t);
  return v;
}

qe__value_id qe__compose_float(qe__compose *e, float value) { return constant(e, QE_FLOAT32, 0, 1, &value); }

qe__value_id qe__compose_floats(qe__compose *e, int64_t count, const float *values) { return constant(e, QE_FLOAT32, 1, count, values); }

qe__value_id qe__compose_ints(qe__compose *e, size_t count, const int64_t *values) { return constant(e, QE_INT64, 1, (int64_t)count, values); }

qe__value_id qe__compose_reshape(qe__compose *e, qe__value_id x, size_t rank, const int64_t *dims) {
  return qe__compose2(e, "Reshape", x, qe__compose_ints(e, rank, dims));
}
