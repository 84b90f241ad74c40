/* Quantized nodes: as operators on integers where the format asks for it and there is one, else dequantize -> op ->
 * quantize. */
#include <math.h>

#include "onnx/export.h"
#include "registry/quant_rule.h"

bool qe__export_act_implied(const qe__graph *g, const qe__node *n, int32_t *lo, int32_t *hi) {
  const qe__value *y = &g->values[n->out[0]];
  int32_t qmin = 0, qmax = 0;
  (void)qe__dtype_integer_range(y->dtype, &qmin, &qmax);
  qe__act_codes(&n->act, y->dtype, &y->q.view, lo, hi);
  return *lo == qmin && *hi == qmax;
}

qe_status_t qe__export_params(qe__export *ex, qe__value_id v, char **scale, char **zero_point) {
  const qe__value *value = &ex->g->values[v];
  const qe_qparams_t *q = &value->q.view;
  if (ex->scale[v] == NULL) {
    const uint32_t rank = q->axis >= 0 ? 1 : 0;
    const int64_t count = q->count;
    const size_t code_bytes = qe_dtype_bits(value->dtype) / 8;
    QE_TRY(qe__export_constant(ex, qe__arena_format(&ex->arena, "%s_scale", value->name), QE_FLOAT32, rank, &count,
                               q->scales, q->count * sizeof *q->scales, &ex->scale[v]));
    if (value->dtype == QE_INT32) {
      ex->zero_point[v] = qe__arena_format(&ex->arena, "%s", "");
    } else if (code_bytes == 0) {
      return qe__fail(QE_ERROR_UNSUPPORTED, "value '%s': export of %s codes is not supported", value->name,
                      qe_dtype_name(value->dtype));
    } else {
      unsigned char *codes = qe__arena_alloc(&ex->arena, q->count, code_bytes);
      if (codes == NULL) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting");
      for (uint32_t i = 0; i < q->count; i++) {
        for (size_t b = 0; b < code_bytes; b++) {
          codes[i * code_bytes + b] = (unsigned char)((uint32_t)q->zero_points[i] >> 8 * b & 0xff);
        }
      }
      QE_TRY(qe__export_constant(ex, qe__arena_format(&ex->arena, "%s_zero_point", value->name), value->dtype, rank,
                                 &count, codes, q->count * code_bytes, &ex->zero_point[v]));
    }
  }
  *scale = ex->scale[v];
  *zero_point = ex->zero_point[v];
  return QE_OK;
}

qe_status_t qe__export_linear(qe__export *ex, const char *op, const char *name, qe__value_id params, char *in,
                              char *out) {
  Onnx__NodeProto *node;
  char *inputs[3] = {in, NULL, NULL};
  QE_TRY(qe__export_params(ex, params, &inputs[1], &inputs[2]));
  QE_TRY(qe__export_node(ex, "", op, name, 3, inputs, 1, &out, &node));
  const int32_t axis = ex->g->values[params].q.view.axis;
  return axis >= 0 ? qe__export_attr_int(ex, node, "axis", axis) : QE_OK;
}

/* The float form of an input: one DequantizeLinear per reader, which is what runtimes fuse. */
static qe_status_t write_input(qe__export *ex, const qe__node *n, uint32_t i, char **name) {
  const qe__value_id v = n->in[i];
  QE_TRY(qe__export_input(ex, n, i, name));
  if (v == QE__NO_VALUE || ex->g->values[v].q.view.count == 0) return QE_OK;
  char *codes = *name;
  char *base = qe__arena_format(&ex->arena, "%s_for_%s", codes, n->name);
  *name = base != NULL ? qe__export_value_name(ex, base) : NULL;
  if (*name == NULL) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting");
  return qe__export_linear(ex, "DequantizeLinear", NULL, v, codes, *name);
}

static qe_status_t write_qdq(qe__export *ex, const qe__node *n) {
  static const qe__act none = {-INFINITY, INFINITY};
  char **in = qe__arena_alloc(&ex->arena, (size_t)n->n_in + 1, sizeof *in);
  char **out = qe__arena_alloc(&ex->arena, (size_t)n->n_out + 1, sizeof *out);
  if (in == NULL || out == NULL) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting");
  for (uint32_t i = 0; i < n->n_in; i++) QE_TRY(write_input(ex, n, i, &in[i]));
  for (uint32_t i = 0; i < n->n_out; i++) {
    QE_TRY(qe__export_value(ex, n->out[i], &out[i]));
    if (n->out[i] == QE__NO_VALUE || ex->g->values[n->out[i]].q.view.count == 0) continue;
    char *base = qe__arena_format(&ex->arena, "%s_real", out[i]);
    out[i] = base != NULL ? qe__export_value_name(ex, base) : NULL;
    if (out[i] == NULL) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting");
  }
  int32_t lo, hi;
  const bool coded = n->out[0] != QE__NO_VALUE && ex->g->values[n->out[0]].q.view.count > 0;
  QE_TRY(qe__export_plain(ex, n, in, out, coded && qe__export_act_implied(ex->g, n, &lo, &hi) ? &none : &n->act));
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] == QE__NO_VALUE || ex->g->values[n->out[i]].q.view.count == 0) continue;
    QE_TRY(qe__export_linear(ex, "QuantizeLinear", NULL, n->out[i], out[i], ex->g->values[n->out[i]].name));
  }
  return QE_OK;
}

qe_status_t qe__export_quantized(qe__export *ex, const qe__node *n) {
  bool done = false;
  if (ex->format == QE_FORMAT_QOPERATOR) QE_TRY(qe__export_qoperator(ex, n, &done));
  return done ? QE_OK : write_qdq(ex, n);
}
