/* Values of a graph and their names. */
#include <string.h>

#include "graph/graph.h"
#include "graph/names.h"

char *qe__graph_fresh_name(const qe__graph *g, const char *base) {
  if (!qe__names_taken(g->names, base)) return qe__strdup(base);
  /* taken implies that the entry exists; its suffix counter keeps a series of n names linear */
  qe__name *entry = qe__names_find(g->names, base);
  for (;;) {
    char *name = qe__format("%s_%u", base, (unsigned)entry->suffix);
    if (name == NULL || !qe__names_taken(g->names, name)) return name;
    qe__free(name);
    entry->suffix++;
  }
}

static bool valid_id(const qe__graph *g, qe__value_id v) { return v >= 0 && (uint32_t)v < g->n_values; }

qe_status_t qe__graph_add_value(qe__graph *g, const char *name, qe_dtype_t dtype, qe__value_id *out) {
  *out = QE__NO_VALUE;
  if (g->n_values >= (uint32_t)INT32_MAX) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "graph '%s' has %u values, more than can be numbered", g->name,
                    (unsigned)g->n_values);
  }
  char *copy = name != NULL ? qe__strdup(name) : qe__graph_fresh_name(g, "value");
  if (copy == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  qe__name *entry = qe__names_add(g->names, copy);
  if (entry == NULL) goto fail;
  if (entry->value >= 0) {
    status = qe__fail(QE_ERROR_EXISTS, "graph '%s' has two values named '%s'; every value needs a name of its own",
                      g->name, copy);
    goto fail;
  }
  void *array = g->values;
  QE_TRY_GOTO(qe__grow(&array, &g->cap_values, g->n_values, sizeof *g->values), fail);
  g->values = array;
  qe__value *v = &g->values[g->n_values];
  memset(v, 0, sizeof *v);
  v->name = copy;
  v->dtype = dtype;
  v->rank = -1;
  for (size_t d = 0; d < QE_MAX_RANK; d++) v->dims[d] = -1;
  entry->value = (int32_t)g->n_values;
  *out = (qe__value_id)g->n_values++;
  return QE_OK;
fail:
  qe__free(copy);
  return status;
}

qe_status_t qe__graph_add_constant(qe__graph *g, const char *name, qe_tensor_t *data, qe__value_id *out) {
  *out = QE__NO_VALUE;
  qe__qparams q = {0};
  const qe_qparams_t *source = qe_tensor_qparams(data);
  if (source != NULL) QE_TRY(qe__qparams_set(&q, source, data->dtype, data->rank, data->dims));
  const qe_status_t status = qe__graph_add_value(g, name, data->dtype, out);
  if (status != QE_OK) {
    qe__qparams_clear(&q);
    return status;
  }
  qe__value *v = &g->values[*out];
  v->rank = (int32_t)data->rank;
  for (uint32_t d = 0; d < data->rank; d++) v->dims[d] = data->dims[d];
  v->data = qe_tensor_retain(data);
  v->q = q;
  return QE_OK;
}

qe_status_t qe__graph_rename_value(qe__graph *g, qe__value_id v, const char *name) {
  if (!valid_id(g, v)) return qe__fail(QE_ERROR_INTERNAL, "graph '%s' has no value %d", g->name, (int)v);
  if (strcmp(g->values[v].name, name) == 0) return QE_OK;
  char *copy = qe__strdup(name);
  if (copy == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe__name *entry = qe__names_add(g->names, copy);
  if (entry == NULL || entry->value >= 0) {
    const qe_status_t status =
        entry == NULL
            ? QE_ERROR_OUT_OF_MEMORY
            : qe__fail(QE_ERROR_EXISTS, "graph '%s': value '%s' cannot be renamed to '%s', another value has that name",
                       g->name, g->values[v].name, name);
    qe__free(copy);
    return status;
  }
  entry->value = v;
  qe__name *old = qe__names_find(g->names, g->values[v].name);
  if (old != NULL && old->value == v) old->value = -1;
  qe__free(g->values[v].name);
  g->values[v].name = copy;
  return QE_OK;
}

qe__value_id qe__graph_find_value(const qe__graph *g, const char *name) {
  const qe__name *entry = qe__names_find(g->names, name);
  return entry != NULL ? entry->value : QE__NO_VALUE;
}

static qe_status_t append(const qe__graph *g, qe__value_id **list, size_t *capacity, uint32_t *count, qe__value_id v) {
  if (!valid_id(g, v)) return qe__fail(QE_ERROR_INTERNAL, "graph '%s' has no value %d", g->name, (int)v);
  void *array = *list;
  QE_TRY(qe__grow(&array, capacity, *count, sizeof **list));
  *list = array;
  (*list)[(*count)++] = v;
  return QE_OK;
}

qe_status_t qe__graph_add_input(qe__graph *g, qe__value_id v) {
  return append(g, &g->inputs, &g->cap_inputs, &g->n_inputs, v);
}

qe_status_t qe__graph_add_output(qe__graph *g, qe__value_id v) {
  return append(g, &g->outputs, &g->cap_outputs, &g->n_outputs, v);
}
