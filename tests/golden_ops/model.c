/* Graphs of golden cases (model.h): values, constants and their parameters. */
#include "model.h"

#define OK(call) cr_assert_eq(call, QE_OK, "%s", qe_last_error())

void case_model_open(case_model *m, const golden *g, const json_t *c) {
  *m = (case_model){.g = g, .c = c, .params = json_object_get(c, "params"), .expected = json_object_get(c, "expected")};
  m->op = golden_text(c, "op");
  m->name = golden_text(c, "name");
  OK(qe__graph_create(&m->graph));
}

void case_model_close(case_model *m) {
  for (uint32_t i = 0; i < m->n_x; i++) qe_tensor_release(&m->data[i]);
  qe__graph_destroy(&m->graph);
}

static double member(const json_t *object, const char *name, const char *suffix) {
  char key[64];
  snprintf(key, sizeof key, "%s_%s", name, suffix);
  return golden_number(object, key);
}

static void set_params(case_model *m, qe__value_id v, double scale, double zero_point) {
  const float s = (float)scale;
  const int32_t z = (int32_t)zero_point;
  const qe_qparams_t q = {.count = 1, .axis = -1, .scales = &s, .zero_points = &z};
  qe__value *value = &m->graph->values[v];
  OK(qe__qparams_set(&value->q, &q, value->dtype, 0, NULL));
}

qe__value_id case_input(case_model *m, const char *name) {
  qe__value_id v;
  qe_tensor_t *t = golden_tensor(m->g, m->c, "inputs", name);
  cr_assert_not_null(t, "%s: no input %s", m->name, name);
  cr_assert_lt(m->n_x, MODEL_INPUTS);
  OK(qe__graph_add_value(m->graph, name, qe_tensor_dtype(t), &v));
  qe__value *value = &m->graph->values[v];
  value->rank = (int32_t)qe_tensor_rank(t);
  memcpy(value->dims, qe_tensor_dims(t), qe_tensor_rank(t) * sizeof value->dims[0]);
  set_params(m, v, member(m->params, name, "scale"), member(m->params, name, "zero_point"));
  OK(qe__graph_add_input(m->graph, v));
  m->x[m->n_x] = v;
  m->data[m->n_x++] = t;
  return v;
}

static qe__value_id add_constant(case_model *m, qe_tensor_t *t) {
  qe__value_id v;
  OK(qe__graph_add_constant(m->graph, NULL, t, &v));
  qe_tensor_release(&t);
  return v;
}

/* Parameters per channel come as two arrays, float64 and int64. */
static void set_channel_params(case_model *m, qe_tensor_t *t, const char *name, int32_t axis) {
  char scales_name[64], zeros_name[64];
  snprintf(scales_name, sizeof scales_name, "%s_scales", name);
  snprintf(zeros_name, sizeof zeros_name, "%s_zero_points", name);
  qe_tensor_t *scales = golden_tensor(m->g, m->c, "inputs", scales_name);
  qe_tensor_t *zeros = golden_tensor(m->g, m->c, "inputs", zeros_name);
  float s[512];
  int32_t z[512];
  const int64_t n = qe_tensor_count(scales);
  cr_assert_leq(n, 512);
  for (int64_t i = 0; i < n; i++) {
    s[i] = (float)qe__tensor_float_at(scales, i);
    z[i] = (int32_t)qe__tensor_int_at(zeros, i);
  }
  const qe_qparams_t q = {.count = (uint32_t)n, .axis = axis, .scales = s, .zero_points = z};
  OK(qe_tensor_set_qparams(t, &q));
  qe_tensor_release(&scales);
  qe_tensor_release(&zeros);
}

qe__value_id case_constant(case_model *m, const char *name, int32_t axis) {
  char scales[64];
  snprintf(scales, sizeof scales, "%s_scales", name);
  qe_tensor_t *t = golden_tensor(m->g, m->c, "inputs", name);
  if (t == NULL) return QE__NO_VALUE;
  if (golden_has(m->c, "inputs", scales)) {
    set_channel_params(m, t, name, axis);
  } else if (qe_tensor_dtype(t) != QE_FLOAT32) {
    const float s = (float)member(m->params, name, "scale");
    const int32_t z = (int32_t)member(m->params, name, "zero_point");
    const qe_qparams_t q = {.count = 1, .axis = -1, .scales = &s, .zero_points = &z};
    OK(qe_tensor_set_qparams(t, &q));
  }
  return add_constant(m, t);
}

qe__value_id case_bias(case_model *m, qe__value_id x, qe__value_id w) {
  qe_tensor_t *real = golden_tensor(m->g, m->c, "inputs", "bias"), *codes = NULL;
  if (real == NULL) return QE__NO_VALUE;
  const qe_qparams_t *wq = &m->graph->values[w].q.view;
  float s[512];
  int32_t z[512] = {0};
  cr_assert_leq(wq->count, 512u);
  for (uint32_t i = 0; i < wq->count; i++) s[i] = m->graph->values[x].q.view.scales[0] * wq->scales[i];
  const qe_qparams_t q = {.count = wq->count, .axis = wq->count > 1 ? 0 : -1, .scales = s, .zero_points = z};
  OK(qe_quantize(real, QE_INT32, &q, &codes));
  qe_tensor_release(&real);
  return add_constant(m, codes);
}

qe__value_id case_floats(case_model *m, const float *values, int64_t count) {
  qe_tensor_t *t = NULL;
  OK(qe_tensor_from_data(QE_FLOAT32, 1, &count, values, &t));
  return add_constant(m, t);
}

qe__value_id case_scalar(case_model *m, float value) {
  qe_tensor_t *t = NULL;
  OK(qe_tensor_from_data(QE_FLOAT32, 0, NULL, &value, &t));
  return add_constant(m, t);
}

qe__value_id case_ints(case_model *m, const int64_t *values, int64_t count) {
  qe_tensor_t *t = NULL;
  OK(qe_tensor_from_data(QE_INT64, 1, &count, values, &t));
  return add_constant(m, t);
}

qe__value_id case_one_code(case_model *m, float real) {
  qe_tensor_t *t = NULL;
  const int8_t code = (int8_t)((real > 0.0f) - (real < 0.0f));
  const float s = code != 0 ? fabsf(real) : 1.0f;
  const int32_t z = 0;
  const qe_qparams_t q = {.count = 1, .axis = -1, .scales = &s, .zero_points = &z};
  OK(qe_tensor_from_data(QE_INT8, 0, NULL, &code, &t));
  OK(qe_tensor_set_qparams(t, &q));
  return add_constant(m, t);
}

void case_node(case_model *m, const char *op, uint32_t n_in, const qe__value_id *in) {
  qe__value_id y;
  const qe_dtype_t dtype = strcmp(golden_text(m->expected, "y_dtype"), "qint8") == 0 ? QE_INT8 : QE_UINT8;
  OK(qe__graph_add_value(m->graph, "y", dtype, &y));
  set_params(m, y, golden_number(m->expected, "y_scale"), golden_number(m->expected, "y_zero_point"));
  OK(qe__graph_add_node(m->graph, op, m->name, n_in, in, 1, &y, &m->node));
  m->node->quantized = true;
  OK(qe__graph_add_output(m->graph, y));
}

size_t case_array(const case_model *m, const char *name, int64_t values[8]) {
  const json_t *array = json_object_get(m->params, name);
  const size_t n = json_array_size(array);
  cr_assert_leq(n, 8u, "%s: %s has %zu members", m->name, name, n);
  for (size_t i = 0; i < n; i++) values[i] = json_integer_value(json_array_get(array, i));
  return n;
}
