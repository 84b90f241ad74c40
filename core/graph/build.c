/* Building models: inputs, outputs, the end, and the steps that every module is made of. */
#include "graph/build.h"

#include <string.h>

#include "onnx/onnx.h"

bool qe__build_ok(const qe_model_t *m) { return m != NULL && m->build_status == QE_OK; }

qe_value_t qe__build_fail(qe_model_t *m, qe_status_t status) {
  if (m != NULL && m->build_status == QE_OK) {
    m->build_status = status;
    m->build_error = qe__strdup(qe_last_error());
  }
  return -1;
}

qe_value_t qe__build_result(qe_model_t *m, qe_status_t status, qe_value_t value) {
  return status == QE_OK ? value : qe__build_fail(m, status);
}

qe_status_t qe_model_create(const char *name, qe_model_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  qe__graph *g;
  QE_TRY(qe__graph_create(&g));
  char *copy = qe__strdup(name != NULL ? name : "model");
  if (copy == NULL) {
    qe__graph_destroy(&g);
    return QE_ERROR_OUT_OF_MEMORY;
  }
  qe__free(g->name);
  g->name = copy;
  return qe__model_wrap(g, out);
}

static qe_status_t add_input(qe_model_t *m, const char *name, qe_dtype_t dtype, uint32_t rank, const int64_t *dims,
                             qe_value_t *out) {
  *out = -1;
  QE_CHECK_ARG(rank <= QE_MAX_RANK, "an input has more than 8 dimensions");
  QE_CHECK_ARG(rank == 0 || dims != NULL, "an input's dims are NULL");
  QE_CHECK_ARG(qe__dtype_valid(dtype), "an input's type is unknown");
  for (uint32_t d = 0; d < rank; d++) {
    if (dims[d] < -1) {
      return qe__fail(QE_ERROR_SHAPE, "input '%s': dimension %u is %lld; a size, or -1 for a dynamic one, was expected",
                      name != NULL ? name : "", (unsigned)d, (long long)dims[d]);
    }
  }
  QE_TRY(qe__graph_add_value(m->graph, name, dtype, out));
  qe__value *v = &m->graph->values[*out];
  v->rank = (int32_t)rank;
  if (rank > 0) memcpy(v->dims, dims, rank * sizeof dims[0]);
  return qe__graph_add_input(m->graph, *out);
}

qe_value_t qe_input(qe_model_t *m, const char *name, qe_dtype_t dtype, uint32_t rank, const int64_t *dims) {
  qe_value_t v;
  if (!qe__build_ok(m)) return -1;
  const qe_status_t status = add_input(m, name, dtype, rank, dims, &v);
  return qe__build_result(m, status, v);
}

qe_value_t qe_constant(qe_model_t *m, const char *name, qe_tensor_t *data) {
  qe_value_t v = -1;
  if (!qe__build_ok(m)) return -1;
  const qe_status_t status =
      data == NULL ? qe__fail(QE_ERROR_INVALID_ARGUMENT, "constant '%s': data is NULL", name != NULL ? name : "")
                   : qe__graph_add_constant(m->graph, name, data, &v);
  return qe__build_result(m, status, v);
}

static bool produced_by_node(const qe__graph *g, qe_value_t v) {
  if (g->values[v].data != NULL) return false;
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    if (g->inputs[i] == v) return false;
  }
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    if (g->outputs[i] == v) return false;
  }
  return true;
}

static qe_status_t add_output(qe_model_t *m, const char *name, qe_value_t v) {
  qe__graph *g = m->graph;
  if (v < 0 || (uint32_t)v >= g->n_values) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "output '%s': its operand is no value of this model",
                    name != NULL ? name : "");
  }
  if (name == NULL || strcmp(name, g->values[v].name) == 0) return qe__graph_add_output(g, v);
  if (produced_by_node(g, v)) {
    QE_TRY(qe__graph_rename_value(g, v, name));
    return qe__graph_add_output(g, v);
  }
  /* an input, a constant or a value that is an output already keeps its name: a copy carries the new one */
  qe__value_id copy;
  qe__node *n;
  QE_TRY(qe__graph_add_value(g, name, g->values[v].dtype, &copy));
  QE_TRY(qe__graph_add_node(g, "Identity", NULL, 1, &v, 1, &copy, &n));
  QE_TRY(qe__build_infer(g, n));
  return qe__graph_add_output(g, copy);
}

void qe_output(qe_model_t *m, const char *name, qe_value_t v) {
  if (!qe__build_ok(m)) return;
  (void)qe__build_result(m, add_output(m, name, v), 0);
}

qe_status_t qe_model_finish(qe_model_t *m) {
  QE_CHECK_ARG(m != NULL, "model is NULL");
  if (m->build_status != QE_OK)
    return qe__fail(m->build_status, "%s", m->build_error != NULL ? m->build_error : "building failed");
  qe__graph *g = m->graph;
  QE_TRY(qe__graph_sort(g));
  QE_TRY(qe__graph_verify(g));
  bool quantizes = false;
  for (uint32_t i = 0; i < g->n_nodes; i++) quantizes = quantizes || g->nodes[i]->op->id == QE__OP_DequantizeLinear;
  if (!quantizes) return QE_OK;
  QE_TRY(qe__qdq_fuse(g));
  QE_TRY(qe__graph_sweep(g));
  return qe__graph_verify(g);
}

qe_status_t qe__build_begin(qe_model_t *m, const char *op, const char *name, qe__build *b) {
  *b = (qe__build){.m = m};
  b->name = name != NULL ? qe__strdup(name) : qe__graph_fresh_name(m->graph, op);
  return b->name != NULL ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
}

void qe__build_close(qe__build *b) { qe__free(b->name); }

qe_status_t qe__build_operand(const qe__build *b, qe_value_t v) {
  if (v >= 0 && (uint32_t)v < b->m->graph->n_values) return QE_OK;
  return qe__fail(QE_ERROR_INVALID_ARGUMENT, "module '%s': an operand is no value of this model (%d)", b->name, (int)v);
}

qe_status_t qe__build_constant(const qe__build *b, const char *suffix, qe_tensor_t *data, qe__value_id *out) {
  *out = QE__NO_VALUE;
  char *base = qe__format("%s.%s", b->name, suffix);
  if (base == NULL) return QE_ERROR_OUT_OF_MEMORY;
  char *name = qe__graph_fresh_name(b->m->graph, base);
  qe__free(base);
  if (name == NULL) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = qe__graph_add_constant(b->m->graph, name, data, out);
  qe__free(name);
  return status;
}

static qe_status_t add_new_constant(const qe__build *b, const char *suffix, qe_dtype_t dtype, uint32_t rank,
                                    const int64_t *dims, const void *data, qe__value_id *out) {
  qe_tensor_t *t;
  *out = QE__NO_VALUE;
  QE_TRY(qe_tensor_from_data(dtype, rank, dims, data, &t));
  const qe_status_t status = qe__build_constant(b, suffix, t, out);
  qe_tensor_release(&t);
  return status;
}

qe_status_t qe__build_ints(const qe__build *b, const char *suffix, size_t count, const int64_t *values,
                           qe__value_id *out) {
  const int64_t dims[1] = {(int64_t)count};
  return add_new_constant(b, suffix, QE_INT64, 1, dims, values, out);
}

qe_status_t qe__build_scalar(const qe__build *b, const char *suffix, float value, qe__value_id *out) {
  return add_new_constant(b, suffix, QE_FLOAT32, 0, NULL, &value, out);
}

qe_status_t qe__build_weight(const qe__build *b, const char *suffix, const qe_tensor_t *data, uint32_t rank) {
  if (data == NULL) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "module '%s': %s is NULL", b->name, suffix);
  if (data->dtype != QE_FLOAT32) {
    return qe__fail(QE_ERROR_DTYPE, "module '%s': %s is %s; float32 was expected", b->name, suffix,
                    qe_dtype_name(data->dtype));
  }
  if (rank != 0 && data->rank != rank) {
    return qe__fail(QE_ERROR_SHAPE, "module '%s': %s has rank %u; %u was expected", b->name, suffix,
                    (unsigned)data->rank, (unsigned)rank);
  }
  return QE_OK;
}

/* A value named like the module, unless that name is another value's. */
static qe_status_t add_result(const qe__build *b, const char *suffix, qe__value_id *out) {
  qe__graph *g = b->m->graph;
  *out = QE__NO_VALUE;
  char *base = suffix[0] == '\0' ? qe__strdup(b->name) : qe__format("%s.%s", b->name, suffix);
  if (base == NULL) return QE_ERROR_OUT_OF_MEMORY;
  if (qe__graph_find_value(g, base) != QE__NO_VALUE) {
    char *fresh = qe__graph_fresh_name(g, base);
    qe__free(base);
    if (fresh == NULL) return QE_ERROR_OUT_OF_MEMORY;
    base = fresh;
  }
  const qe_status_t status = qe__graph_add_value(g, base, QE_DTYPE_NONE, out);
  qe__free(base);
  return status;
}

qe_status_t qe__build_node(qe__build *b, const char *op, uint32_t n_in, const qe__value_id *in, uint32_t n_out,
                           qe__value_id *out) {
  static const char *const suffixes[] = {"", "output_1", "output_2"};
  for (uint32_t i = 0; i < n_out; i++) QE_TRY(add_result(b, suffixes[i < 3 ? i : 2], &out[i]));
  char *name = b->node == NULL ? qe__strdup(b->name) : qe__graph_fresh_name(b->m->graph, b->name);
  if (name == NULL) return QE_ERROR_OUT_OF_MEMORY;
  const qe_status_t status = qe__graph_add_node(b->m->graph, op, name, n_in, in, n_out, out, &b->node);
  qe__free(name);
  return status;
}

qe_status_t qe__build_end(qe__build *b) {
  const qe_status_t status = qe__build_infer(b->m->graph, b->node);
  return status == QE_OK ? QE_OK : qe__fail_in(status, "building '%s'", b->m->graph->name);
}
