/* Nodes of a graph and their attributes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/names.h"
#include "graph/private.h"

static qe__value_id *copy_ids(const qe__value_id *ids, uint32_t count) {
  qe__value_id *copy = qe__calloc(count > 0 ? count : 1, sizeof *copy);
  if (copy != NULL && count > 0) memcpy(copy, ids, count * sizeof *copy);
  return copy;
}

qe_status_t qe__graph_add_node(qe__graph *g, const char *op, const char *name, uint32_t n_in, const qe__value_id *in,
                               uint32_t n_out, const qe__value_id *out, qe__node **node) {
  if (node != NULL) *node = NULL;
  const qe__op_schema *schema = qe__op_find(op);
  if (schema == NULL) {
    return qe__fail(QE_ERROR_NOT_FOUND, "node '%s': no op is named '%s'; docs/ops.md lists those there are",
                    name != NULL ? name : "?", op);
  }
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  qe__node *n = qe__calloc(1, sizeof *n);
  if (n == NULL) return status;
  n->op = schema;
  n->name = name != NULL ? qe__strdup(name) : qe__graph_fresh_name(g, schema->name);
  n->n_in = n_in;
  n->n_out = n_out;
  n->in = copy_ids(in, n_in);
  n->out = copy_ids(out, n_out);
  n->act = (qe__act){.lo = -INFINITY, .hi = INFINITY};
  if (n->name == NULL || n->in == NULL || n->out == NULL) goto fail;
  qe__name *entry = qe__names_add(g->names, n->name);
  if (entry == NULL) goto fail;
  if (entry->node) {
    status = qe__fail(QE_ERROR_EXISTS, "graph '%s' has two nodes named '%s'; every node needs a name of its own",
                      g->name, n->name);
    goto fail;
  }
  void *array = g->nodes;
  QE_TRY_GOTO(qe__grow(&array, &g->cap_nodes, g->n_nodes, sizeof *g->nodes), fail);
  g->nodes = array;
  g->nodes[g->n_nodes++] = n;
  entry->node = true;
  if (node != NULL) *node = n;
  return QE_OK;
fail:
  qe__node_destroy(n);
  return status;
}

static void attr_clear(qe__attr *a) {
  qe__free(a->name);
  qe__free(a->s);
  qe__free(a->ints);
  qe__free(a->floats);
  if (a->strings != NULL) {
    for (size_t i = 0; i < a->count; i++) qe__free(a->strings[i]);
  }
  qe__free(a->strings);
  qe_tensor_release(&a->tensor);
}

void qe__node_destroy(qe__node *n) {
  if (n == NULL) return;
  for (uint32_t i = 0; i < n->n_attr; i++) attr_clear(&n->attr[i]);
  qe__free(n->attr);
  qe__free(n->in);
  qe__free(n->out);
  qe__free(n->name);
  qe__free(n->origin);
  qe_tensor_release(&n->channel_stats);
  qe__free(n);
}

const char *qe__node_text(const qe__node *n, char *buffer, size_t size) {
  snprintf(buffer, size, "node '%s' (%s)", n->name, n->op->name);
  return buffer;
}

/* Copies what src points to into *dst, which the caller clears on failure. */
static qe_status_t attr_copy(const qe__attr *src, qe__attr *dst) {
  *dst = (qe__attr){.kind = src->kind, .i = src->i, .f = src->f};
  dst->name = qe__strdup(src->name);
  if (dst->name == NULL) return QE_ERROR_OUT_OF_MEMORY;
  const size_t room = src->count > 0 ? src->count : 1;
  switch (src->kind) {
    case QE__ATTR_INT:
    case QE__ATTR_FLOAT:
      return QE_OK;
    case QE__ATTR_STRING:
      dst->s = qe__strdup(src->s);
      return dst->s != NULL ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
    case QE__ATTR_INTS:
      dst->ints = qe__calloc(room, sizeof *dst->ints);
      if (dst->ints == NULL) return QE_ERROR_OUT_OF_MEMORY;
      if (src->count > 0) memcpy(dst->ints, src->ints, src->count * sizeof *dst->ints);
      break;
    case QE__ATTR_FLOATS:
      dst->floats = qe__calloc(room, sizeof *dst->floats);
      if (dst->floats == NULL) return QE_ERROR_OUT_OF_MEMORY;
      if (src->count > 0) memcpy(dst->floats, src->floats, src->count * sizeof *dst->floats);
      break;
    case QE__ATTR_STRINGS:
      dst->strings = qe__calloc(room, sizeof *dst->strings);
      if (dst->strings == NULL) return QE_ERROR_OUT_OF_MEMORY;
      for (size_t i = 0; i < src->count; i++) {
        dst->strings[i] = qe__strdup(src->strings[i]);
        if (dst->strings[i] == NULL) {
          dst->count = i;
          return QE_ERROR_OUT_OF_MEMORY;
        }
      }
      break;
    case QE__ATTR_TENSOR:
      dst->tensor = qe_tensor_retain(src->tensor);
      return QE_OK;
  }
  dst->count = src->count;
  return QE_OK;
}

qe_status_t qe__node_copy_attr(qe__node *n, const qe__attr *attr) {
  qe__attr copy;
  qe_status_t status = attr_copy(attr, &copy);
  if (status != QE_OK) goto fail;
  for (uint32_t i = 0; i < n->n_attr; i++) {
    if (strcmp(n->attr[i].name, attr->name) != 0) continue;
    attr_clear(&n->attr[i]);
    n->attr[i] = copy;
    return QE_OK;
  }
  qe__attr *grown = qe__realloc(n->attr, (size_t)n->n_attr + 1, sizeof *grown);
  if (grown == NULL) {
    status = QE_ERROR_OUT_OF_MEMORY;
    goto fail;
  }
  n->attr = grown;
  n->attr[n->n_attr++] = copy;
  return QE_OK;
fail:
  attr_clear(&copy);
  return status;
}

/* The setters describe the attribute with the caller's pointers; qe__node_copy_attr makes the copies, so nothing is
 * written through the casts below. */
qe_status_t qe__node_set_int(qe__node *n, const char *name, int64_t value) {
  return qe__node_copy_attr(n, &(qe__attr){.name = (char *)(uintptr_t)name, .kind = QE__ATTR_INT, .i = value});
}

qe_status_t qe__node_set_float(qe__node *n, const char *name, float value) {
  return qe__node_copy_attr(n, &(qe__attr){.name = (char *)(uintptr_t)name, .kind = QE__ATTR_FLOAT, .f = value});
}

qe_status_t qe__node_set_string(qe__node *n, const char *name, const char *value) {
  return qe__node_copy_attr(
      n, &(qe__attr){.name = (char *)(uintptr_t)name, .kind = QE__ATTR_STRING, .s = (char *)(uintptr_t)value});
}

qe_status_t qe__node_set_ints(qe__node *n, const char *name, const int64_t *values, size_t count) {
  return qe__node_copy_attr(n, &(qe__attr){.name = (char *)(uintptr_t)name, .kind = QE__ATTR_INTS, .count = count,
                                           .ints = (int64_t *)(uintptr_t)values});
}

qe_status_t qe__node_set_floats(qe__node *n, const char *name, const float *values, size_t count) {
  return qe__node_copy_attr(n, &(qe__attr){.name = (char *)(uintptr_t)name, .kind = QE__ATTR_FLOATS, .count = count,
                                           .floats = (float *)(uintptr_t)values});
}

qe_status_t qe__node_set_strings(qe__node *n, const char *name, const char *const *values, size_t count) {
  return qe__node_copy_attr(n, &(qe__attr){.name = (char *)(uintptr_t)name, .kind = QE__ATTR_STRINGS, .count = count,
                                           .strings = (char **)(uintptr_t)values});
}

qe_status_t qe__node_set_tensor(qe__node *n, const char *name, qe_tensor_t *tensor) {
  return qe__node_copy_attr(n, &(qe__attr){.name = (char *)(uintptr_t)name, .kind = QE__ATTR_TENSOR, .tensor = tensor});
}

const qe__attr *qe__node_attr(const qe__node *n, const char *name) {
  for (uint32_t i = 0; i < n->n_attr; i++) {
    if (strcmp(n->attr[i].name, name) == 0) return &n->attr[i];
  }
  return NULL;
}

int64_t qe__node_int(const qe__node *n, const char *name, int64_t fallback) {
  const qe__attr *a = qe__node_attr(n, name);
  return a != NULL && a->kind == QE__ATTR_INT ? a->i : fallback;
}

float qe__node_float(const qe__node *n, const char *name, float fallback) {
  const qe__attr *a = qe__node_attr(n, name);
  if (a != NULL && a->kind == QE__ATTR_INT) return (float)a->i;
  return a != NULL && a->kind == QE__ATTR_FLOAT ? a->f : fallback;
}

const char *qe__node_string(const qe__node *n, const char *name, const char *fallback) {
  const qe__attr *a = qe__node_attr(n, name);
  return a != NULL && a->kind == QE__ATTR_STRING ? a->s : fallback;
}

void qe__node_remove_attr(qe__node *n, const char *name) {
  for (uint32_t i = 0; i < n->n_attr; i++) {
    if (strcmp(n->attr[i].name, name) != 0) continue;
    attr_clear(&n->attr[i]);
    memmove(&n->attr[i], &n->attr[i + 1], (n->n_attr - i - 1) * sizeof n->attr[0]);
    n->n_attr--;
    return;
  }
}

qe_status_t qe__node_become(qe__node *n, uint16_t op, uint32_t n_in, const qe__value_id *in) {
  while (n_in > 0 && in[n_in - 1] == QE__NO_VALUE) n_in--;
  qe__value_id *copy = copy_ids(in, n_in);
  if (copy == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe__free(n->in);
  n->in = copy;
  n->n_in = n_in;
  n->op = qe__op_at(op);
  return QE_OK;
}

void qe__node_kill(qe__node *n) { n->dead = true; }
