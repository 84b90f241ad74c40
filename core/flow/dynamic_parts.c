/* What the nodes of the dynamic flow are made of: codes of arriving values, shared weights, named constants. */
#include <float.h>
#include <string.h>

#include "flow/dynamic.h"
#include "registry/quant_rule.h"

static char *name_after(const qe__dynamic *d, qe__value_id like, const char *suffix) {
  char *base = qe__format("%s%s", d->g->values[like].name, suffix);
  char *name = base ? qe__graph_fresh_name(d->g, base) : NULL;
  qe__free(base);
  return name;
}

qe_status_t qe__dynamic_value(qe__dynamic *d, qe__value_id like, const char *suffix, qe_dtype_t dtype, qe__value_id *out) {
  char *name = name_after(d, like, suffix);
  const qe_status_t status = name ? qe__graph_add_value(d->g, name, dtype, out) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(name);
  return status;
}

qe_status_t qe__dynamic_node(qe__dynamic *d, const char *op, qe__value_id like, uint32_t n_in, const qe__value_id *in,
                             uint32_t n_out, const qe__value_id *out, qe__node **node) {
  char suffix[64] = "_";
  strncat(suffix, op, sizeof suffix - 2);
  char *name = name_after(d, like, suffix);
  const qe_status_t status = name ? qe__graph_add_node(d->g, op, name, n_in, in, n_out, out, node) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(name);
  return status;
}

qe_status_t qe__dynamic_constant(qe__dynamic *d, qe__value_id like, const char *suffix, qe_tensor_t *t, qe__value_id *out) {
  char *name = name_after(d, like, suffix);
  const qe_status_t status = name ? qe__graph_add_constant(d->g, name, t, out) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(name);
  return status;
}

static qe_status_t scalar(qe__dynamic *d, qe__value_id like, const char *suffix, qe_dtype_t dtype, const void *value, qe__value_id *out) {
  qe_tensor_t *t = NULL;
  QE_TRY(qe_tensor_from_data(dtype, 0, NULL, value, &t));
  const qe_status_t status = qe__dynamic_constant(d, like, suffix, t, out);
  qe_tensor_release(&t);
  return status;
}

/* The codes have their value's shape. */
static qe_status_t codes_like(qe__dynamic *d, qe__value_id x, qe_dtype_t dtype, qe__value_id *out) {
  QE_TRY(qe__dynamic_value(d, x, "_quantized", dtype, out));
  const qe__value *from = &d->g->values[x];
  qe__value *to = &d->g->values[*out];
  to->rank = from->rank;
  memcpy(to->dims, from->dims, sizeof to->dims);
  return QE_OK;
}

/* s = max(max|x| / 127, the smallest normal number), z = 0; standard ops, so that every runtime computes it. */
static qe_status_t symmetric_codes(qe__dynamic *d, qe__value_id x, qe__arrival *out) {
  const float steps = 127.0f, least = FLT_MIN;
  const int8_t zero = 0;
  qe__value_id magnitude, largest, divided, seven, floor_, z;
  qe__node *n;
  QE_TRY(qe__dynamic_value(d, x, "_magnitude", QE_FLOAT32, &magnitude));
  QE_TRY(qe__dynamic_node(d, "Abs", x, 1, &x, 1, &magnitude, NULL));
  QE_TRY(qe__dynamic_value(d, x, "_largest", QE_FLOAT32, &largest));
  QE_TRY(qe__dynamic_node(d, "ReduceMax", x, 1, &magnitude, 1, &largest, &n));
  QE_TRY(qe__node_set_int(n, "keepdims", 0));
  QE_TRY(scalar(d, x, "_steps", QE_FLOAT32, &steps, &seven));
  QE_TRY(qe__dynamic_value(d, x, "_step", QE_FLOAT32, &divided));
  QE_TRY(qe__dynamic_node(d, "Div", x, 2, (qe__value_id[]){largest, seven}, 1, &divided, NULL));
  QE_TRY(scalar(d, x, "_least", QE_FLOAT32, &least, &floor_));
  QE_TRY(qe__dynamic_value(d, x, "_scale", QE_FLOAT32, &out->scale));
  QE_TRY(qe__dynamic_node(d, "Max", x, 2, (qe__value_id[]){divided, floor_}, 1, &out->scale, NULL));
  QE_TRY(scalar(d, x, "_zero_point", QE_INT8, &zero, &z));
  QE_TRY(codes_like(d, x, QE_INT8, &out->codes));
  out->zero_point = QE__NO_VALUE;
  return qe__dynamic_node(d, "QuantizeLinear", x, 3, (qe__value_id[]){x, out->scale, z}, 1, &out->codes, NULL);
}

static qe_status_t affine_codes(qe__dynamic *d, qe__value_id x, qe__arrival *out) {
  QE_TRY(codes_like(d, x, QE_UINT8, &out->codes));
  QE_TRY(qe__dynamic_value(d, x, "_scale", QE_FLOAT32, &out->scale));
  QE_TRY(qe__dynamic_value(d, x, "_zero_point", QE_UINT8, &out->zero_point));
  return qe__dynamic_node(d, "DynamicQuantizeLinear", x, 1, &x, 3,
                  (qe__value_id[]){out->codes, out->scale, out->zero_point}, NULL);
}

qe_status_t qe__dynamic_codes(qe__dynamic *d, qe__value_id x, qe_dtype_t dtype, qe__arrival *out) {
  qe__arrival *have = &d->arrivals[dtype == QE_INT8][x];
  if (have->codes == QE__NO_VALUE) QE_TRY((dtype == QE_INT8 ? symmetric_codes : affine_codes)(d, x, have));
  *out = *have;
  return QE_OK;
}

qe__dynamic_weight *qe__dynamic_weight_find(qe__dynamic *d, qe__value_id of, int kind, const qe_observer_config_t *config) {
  for (size_t i = 0; i < d->n_weights; i++) {
    qe__dynamic_weight *w = &d->weights[i];
    if (w->of == of && w->kind == kind && (w->config == config || memcmp(w->config, config, sizeof *config) == 0)) return w;
  }
  return NULL;
}

qe_status_t qe__dynamic_weight_add(qe__dynamic *d, const qe__dynamic_weight *w, qe__dynamic_weight **out) {
  QE_TRY(qe__grow((void **)&d->weights, &d->cap_weights, d->n_weights, sizeof *d->weights));
  d->weights[d->n_weights] = *w;
  *out = &d->weights[d->n_weights++];
  return QE_OK;
}

qe_status_t qe__dynamic_check_dtype(const qe__node *n, const char *what, qe_dtype_t dtype) {
  if (qe__dtype_is_code8(dtype)) return QE_OK;
  return qe__fail(QE_ERROR_UNSUPPORTED,
                  "node '%s': its qconfig asks for %s codes of its %s, which the dynamic flow does not have; use int8 or "
                  "uint8",
                  n->name, qe_dtype_name(dtype), what);
}

const char *qe__dynamic_activation_text(qe_dtype_t dtype) { return dtype == QE_INT8 ? "int8 dynamic" : "uint8 dynamic"; }
