/* Linear layers of the dynamic flow: Gemm and MatMul with a constant matrix. */
#include <stdio.h>
#include <string.h>

#include "flow/dynamic.h"

const char *qe__linear_refusal(const qe__graph *g, const qe__node *n) {
  const qe_tensor_t *w = g->values[n->in[1]].data;
  if (n->quantized) return "it is quantized already";
  if (!w) return n->op->id == QE__OP_MatMul ? "both operands are computed" : "its weight is not a constant";
  if (g->values[n->in[0]].data || g->values[n->in[0]].dtype != QE_FLOAT32) return "its input is not a computed float32 value";
  if (w->dtype != QE_FLOAT32 || w->rank != 2) return "its weight is not a float32 matrix";
  if (n->op->id == QE__OP_Gemm) {
    if (qe__node_int(n, "transA", 0)) return "it transposes its input";
    if (qe__node_float(n, "alpha", 1.0f) != 1.0f || qe__node_float(n, "beta", 1.0f) != 1.0f) return "alpha or beta is not 1";
  }
  if (n->n_in < 3 || n->in[2] == QE__NO_VALUE) return NULL;
  const qe__value *b = &g->values[n->in[2]];
  const int64_t columns = w->dims[qe__weight_axis(g, n)];
  if (b->dtype != QE_FLOAT32) return "its bias is not float32";
  if (b->data) return b->data->count == 1 || b->data->count == columns ? NULL : "its bias is not one number per output";
  return b->rank == 1 && b->dims[0] == columns ? NULL : "its bias is computed, and not known to be one number per output";
}

qe_status_t qe__linear_bias(qe__dynamic *d, const qe__node *n, qe__value_id *out) {
  const qe__value_id v = *out = n->n_in > 2 ? n->in[2] : QE__NO_VALUE;
  const qe_tensor_t *b = v == QE__NO_VALUE ? NULL : d->g->values[v].data;
  const int64_t columns = d->g->values[n->in[1]].data->dims[qe__weight_axis(d->g, n)];
  if (!b || (b->rank == 1 && b->count == columns)) return QE_OK;
  qe_tensor_t *t = NULL;
  QE_TRY(qe_tensor_create(QE_FLOAT32, 1, &columns, &t));
  for (int64_t i = 0; i < columns; i++) ((float *)t->data)[i] = ((const float *)b->data)[b->count > 1 ? i : 0];
  const qe_status_t status = qe__dynamic_constant(d, v, "_vector", t, out);
  qe_tensor_release(&t);
  return status;
}

static bool all_zero(const qe_qparams_t *q) {
  for (uint32_t i = 0; i < q->count; i++) {
    if (q->zero_points[i] != 0) return false;
  }
  return true;
}

/* Scale and zero points as constants of their own; one number each when the weight has one pair. */
static qe_status_t add_params(qe__dynamic *d, const qe_tensor_t *codes, qe__dynamic_weight *w) {
  const qe_qparams_t *q = qe_tensor_qparams(codes);
  const int64_t n = q->count;
  const uint32_t rank = n > 1 ? 1 : 0;
  qe_tensor_t *scale = NULL, *zero = NULL;
  qe_status_t status;
  QE_TRY_GOTO(qe_tensor_from_data(QE_FLOAT32, rank, &n, q->scales, &scale), done);
  QE_TRY_GOTO(qe__dynamic_constant(d, w->of, "_scale", scale, &w->scale), done);
  w->zero_point = QE__NO_VALUE;
  if (all_zero(q)) goto done;
  QE_TRY_GOTO(qe_tensor_create(codes->dtype, rank, &n, &zero), done);
  for (int64_t i = 0; i < n; i++) ((uint8_t *)zero->data)[i] = (uint8_t)(q->zero_points[i] & 0xff);
  status = qe__dynamic_constant(d, w->of, "_zero_point", zero, &w->zero_point);
done:
  qe_tensor_release(&scale);
  qe_tensor_release(&zero);
  return status;
}

qe_status_t qe__dynamic_matrix(qe__dynamic *d, const qe__node *n, qe__value_id of, int32_t axis, const qe_observer_config_t *config,
                               qe__dynamic_weight **out) {
  if ((*out = qe__dynamic_weight_find(d, of, axis, config)) != NULL) return QE_OK;
  qe__dynamic_weight w = {.of = of, .kind = axis, .config = config};
  qe_tensor_t *codes = NULL, *plain = NULL;
  qe_status_t status;
  QE_TRY(qe__quantize_constant(d->g->values[of].data, config, axis, NULL, NULL, n->name, &codes, &w.sqnr_db));
  const qe_qparams_t *q = qe_tensor_qparams(codes);
  if (q->count > 1) snprintf(w.scheme, sizeof w.scheme, "%s per_channel(%d)", qe_dtype_name(codes->dtype), q->axis);
  else snprintf(w.scheme, sizeof w.scheme, "%s per_tensor", qe_dtype_name(codes->dtype));
  QE_TRY_GOTO(qe_tensor_from_data(codes->dtype, codes->rank, codes->dims, codes->data, &plain), done);
  QE_TRY_GOTO(qe__dynamic_constant(d, w.of, "_quantized", plain, &w.codes), done);
  QE_TRY_GOTO(add_params(d, codes, &w), done);
  status = qe__dynamic_weight_add(d, &w, out);
done:
  qe_tensor_release(&codes);
  qe_tensor_release(&plain);
  return status;
}

qe_status_t qe__dynamic_linear(qe__dynamic *d, qe__node *n, const qe_qconfig_t *q, qe__dynamic_note *note) {
  const int32_t axis = qe__weight_axis(d->g, n);
  qe__dynamic_weight *w;
  qe__arrival x;
  qe__value_id bias;
  note->refusal = qe__linear_refusal(d->g, n);
  if (!note->refusal && qe__observer_config_is_none(&q->weight)) note->refusal = "its qconfig does not quantize the weight";
  if (note->refusal) return QE_OK;
  QE_TRY(qe__dynamic_check_dtype(n, "input", q->activation.dtype));
  QE_TRY(qe__dynamic_check_dtype(n, "weight", q->weight.dtype));
  QE_TRY(qe__dynamic_matrix(d, n, n->in[1], axis, &q->weight, &w));
  note->sqnr_db = w->sqnr_db;
  note->activation = qe__dynamic_activation_text(q->activation.dtype);
  memcpy(note->weight, w->scheme, sizeof note->weight);
  QE_TRY(qe__dynamic_codes(d, n->in[0], q->activation.dtype, &x));
  QE_TRY(qe__linear_bias(d, n, &bias));
  const qe__value_id in[7] = {x.codes, w->codes, x.scale, w->scale, x.zero_point, w->zero_point, bias};
  QE_TRY(qe__node_become(n, QE__OP_MatMulIntegerToFloat, 7, in));
  qe__linear_drop_attributes(n, axis == 0);
  return QE_OK;
}

void qe__linear_drop_attributes(qe__node *n, bool keep_trans_b) {
  static const char *const gone[] = {"alpha", "beta", "transA", "transB"};
  for (size_t i = 0; i < 3 + (size_t)!keep_trans_b; i++) qe__node_remove_attr(n, gone[i]);
}
