/* Values, constants and nodes that conversions make. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "onnx/import.h"

const char *qe__import_domain(const Onnx__NodeProto *node) {
  if (node->domain == NULL || strcmp(node->domain, "ai.onnx") == 0) return "";
  return node->domain;
}

qe_status_t qe__import_fail(const qe__import *im, qe_status_t status, const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  const char *domain = qe__import_domain(im->node);
  return qe__fail(status, "node '%s' (%s%s%s, opset %lld): %s", im->name, domain, domain[0] != '\0' ? "." : "",
                  im->node->op_type, (long long)im->opset, text);
}

qe_status_t qe__import_value(qe__import *im, const char *name, qe__value_id *out) {
  *out = QE__NO_VALUE;
  if (name == NULL || name[0] == '\0') return QE_OK;
  *out = qe__graph_find_value(im->g, name);
  return *out != QE__NO_VALUE ? QE_OK : qe__graph_add_value(im->g, name, QE_DTYPE_NONE, out);
}

bool qe__import_has_in(const qe__import *im, size_t i) {
  return i < im->node->n_input && im->node->input[i][0] != '\0';
}
bool qe__import_has_out(const qe__import *im, size_t i) {
  return i < im->node->n_output && im->node->output[i][0] != '\0';
}

qe_status_t qe__import_in(qe__import *im, size_t i, qe__value_id *out) {
  return qe__import_value(im, i < im->node->n_input ? im->node->input[i] : NULL, out);
}

qe_status_t qe__import_out(qe__import *im, size_t i, qe__value_id *out) {
  return qe__import_value(im, i < im->node->n_output ? im->node->output[i] : NULL, out);
}

const qe_tensor_t *qe__import_data(const qe__import *im, qe__value_id v) {
  return v != QE__NO_VALUE ? im->g->values[v].data : NULL;
}

/* "conv1_<suffix>", made unique; caller frees. */
static char *temp_name(const qe__import *im, const char *separator, const char *suffix) {
  char *base = qe__format("%s%s%s", im->name, separator, suffix);
  if (base == NULL) return NULL;
  char *name = qe__graph_fresh_name(im->g, base);
  qe__free(base);
  return name;
}

qe_status_t qe__import_temp(qe__import *im, const char *suffix, qe_dtype_t dtype, qe__value_id *out) {
  *out = QE__NO_VALUE;
  char *name = temp_name(im, "_", suffix);
  if (name == NULL) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = qe__graph_add_value(im->g, name, dtype, out);
  qe__free(name);
  return status;
}

static qe_status_t add_constant(qe__import *im, const char *suffix, qe_dtype_t dtype, uint32_t rank, int64_t count,
                                const void *data, qe__value_id *out) {
  *out = QE__NO_VALUE;
  qe_tensor_t *t = NULL;
  QE_TRY(qe_tensor_from_data(dtype, rank, &count, data, &t));
  char *name = temp_name(im, "_", suffix);
  const qe_status_t status = name != NULL ? qe__graph_add_constant(im->g, name, t, out) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(name);
  qe_tensor_release(&t);
  return status;
}

qe_status_t qe__import_const_i64(qe__import *im, const char *suffix, const int64_t *values, size_t count,
                                 qe__value_id *out) {
  return add_constant(im, suffix, QE_INT64, 1, (int64_t)count, values, out);
}

qe_status_t qe__import_const_f32(qe__import *im, const char *suffix, const float *values, size_t count,
                                 qe__value_id *out) {
  return add_constant(im, suffix, QE_FLOAT32, 1, (int64_t)count, values, out);
}

qe_status_t qe__import_scalar_f32(qe__import *im, const char *suffix, float value, qe__value_id *out) {
  return add_constant(im, suffix, QE_FLOAT32, 0, 1, &value, out);
}

int32_t qe__import_rank(const qe__import *im, qe__value_id v) {
  if (v == QE__NO_VALUE) return -1;
  if (im->g->values[v].rank >= 0) return im->g->values[v].rank;
  return (size_t)v < im->n_ranks ? im->ranks[v] : -1;
}

qe_status_t qe__import_set_rank(qe__import *im, qe__value_id v, int32_t rank) {
  while (im->n_ranks <= (size_t)v) {
    void *array = im->ranks;
    QE_TRY(qe__grow(&array, &im->cap_ranks, im->n_ranks, sizeof *im->ranks));
    im->ranks = array;
    im->ranks[im->n_ranks++] = -1;
  }
  im->ranks[v] = rank;
  return QE_OK;
}

qe_status_t qe__import_node(qe__import *im, const char *op, const char *suffix, uint32_t n_in, const qe__value_id *in,
                            uint32_t n_out, const qe__value_id *out, qe__node **node) {
  qe__node *made = NULL;
  char *name = suffix != NULL ? temp_name(im, "/", suffix) : qe__strdup(im->name);
  if (name == NULL) return QE_ERROR_OUT_OF_MEMORY;
  while (n_in > 0 && in[n_in - 1] == QE__NO_VALUE) n_in--;
  while (n_out > 0 && out[n_out - 1] == QE__NO_VALUE) n_out--;
  const qe_status_t status = qe__graph_add_node(im->g, op, name, n_in, in, n_out, out, &made);
  qe__free(name);
  if (node != NULL) *node = made;
  return status;
}

qe_status_t qe__import_unary(qe__import *im, const char *op, const char *suffix, qe__value_id x, qe_dtype_t dtype,
                             qe__value_id *y) {
  QE_TRY(qe__import_temp(im, suffix, dtype, y));
  return qe__import_node(im, op, suffix, 1, &x, 1, y, NULL);
}

qe_status_t qe__import_binary(qe__import *im, const char *op, const char *suffix, qe__value_id a, qe__value_id b,
                              qe_dtype_t dtype, qe__value_id *y) {
  QE_TRY(qe__import_temp(im, suffix, dtype, y));
  return qe__import_node(im, op, suffix, 2, (const qe__value_id[]){a, b}, 1, y, NULL);
}
