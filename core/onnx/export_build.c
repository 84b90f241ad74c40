/* The pieces of a ModelProto: names, nodes, attributes, constants. */
#include "onnx/export.h"

#include <string.h>

#include "onnx/functions.h"

static char empty_name[1] = "";

static char *fresh(qe__export *ex, const char *base, bool node) {
  for (unsigned i = 0;; i++) {
    char *name = i == 0 ? qe__arena_format(&ex->arena, "%s", base) : qe__arena_format(&ex->arena, "%s_%u", base, i);
    qe__name *entry = name != NULL ? qe__names_add(ex->names, name) : NULL;
    if (entry == NULL) return NULL;
    if (node ? entry->node : entry->value >= 0) continue;
    if (node) entry->node = true;
    else entry->value = INT32_MAX;
    return name;
  }
}

char *qe__export_value_name(qe__export *ex, const char *base) { return fresh(ex, base, false); }
char *qe__export_node_name(qe__export *ex, const char *base) { return fresh(ex, base, true); }

qe_status_t qe__export_between(qe__export *ex, const char *base, const char *suffix, char **out) {
  char *wish = qe__arena_format(&ex->arena, "%s_%s", base, suffix);
  *out = wish != NULL ? qe__export_value_name(ex, wish) : NULL;
  return *out != NULL ? QE_OK : qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting");
}

qe_status_t qe__export_node(qe__export *ex, const char *domain, const char *op, const char *name, size_t n_in,
                            char *const *in, size_t n_out, char *const *out, Onnx__NodeProto **node) {
  while (n_in > 0 && (in[n_in - 1] == NULL || in[n_in - 1][0] == '\0')) n_in--;
  while (n_out > 0 && (out[n_out - 1] == NULL || out[n_out - 1][0] == '\0')) n_out--;
  Onnx__NodeProto *n = qe__arena_alloc(&ex->arena, 1, sizeof *n);
  char **names = qe__arena_alloc(&ex->arena, n_in + n_out + 1, sizeof *names);
  if (n == NULL || names == NULL) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting");
  onnx__node_proto__init(n);
  for (size_t i = 0; i < n_in; i++) names[i] = in[i] != NULL ? in[i] : empty_name;
  for (size_t i = 0; i < n_out; i++) names[n_in + i] = out[i] != NULL ? out[i] : empty_name;
  n->n_input = n_in;
  n->input = names;
  n->n_output = n_out;
  n->output = names + n_in;
  n->op_type = qe__arena_format(&ex->arena, "%s", op);
  if (name != NULL) {
    n->name = qe__arena_format(&ex->arena, "%s", name);
  } else {
    char *base = qe__arena_format(&ex->arena, "%s/%s", n_out > 0 ? out[0] : "", op);
    n->name = base != NULL ? qe__export_node_name(ex, base) : NULL;
  }
  if (domain[0] != '\0') {
    n->domain = qe__arena_format(&ex->arena, "%s", domain);
    if (strcmp(domain, QE__FUNCTION_DOMAIN) != 0) ex->microsoft = true;
  }
  void *array = ex->nodes;
  QE_TRY(qe__grow(&array, &ex->cap_nodes, ex->n_nodes, sizeof(Onnx__NodeProto *)));
  ex->nodes = array;
  if (n->op_type == NULL || n->name == NULL || (domain[0] != '\0' && n->domain == NULL)) {
    return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting");
  }
  ex->nodes[ex->n_nodes++] = n;
  if (node != NULL) *node = n;
  return QE_OK;
}

/* Room for one more attribute of the node. */
static Onnx__AttributeProto *add_attr(qe__export *ex, Onnx__NodeProto *node, const char *name,
                                      Onnx__AttributeProto__AttributeType type) {
  Onnx__AttributeProto *a = qe__arena_alloc(&ex->arena, 1, sizeof *a);
  Onnx__AttributeProto **list = qe__arena_alloc(&ex->arena, node->n_attribute + 1, sizeof(Onnx__AttributeProto *));
  if (a == NULL || list == NULL) return NULL;
  onnx__attribute_proto__init(a);
  a->name = qe__arena_format(&ex->arena, "%s", name);
  if (a->name == NULL) return NULL;
  a->has_type = 1;
  a->type = type;
  if (node->n_attribute > 0) memcpy(list, node->attribute, node->n_attribute * sizeof(Onnx__AttributeProto *));
  list[node->n_attribute++] = a;
  node->attribute = list;
  return a;
}

static qe_status_t no_memory(void) { return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting"); }

qe_status_t qe__export_attr_int(qe__export *ex, Onnx__NodeProto *node, const char *name, int64_t value) {
  Onnx__AttributeProto *a = add_attr(ex, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
  if (a == NULL) return no_memory();
  a->has_i = 1;
  a->i = value;
  return QE_OK;
}

qe_status_t qe__export_attr_float(qe__export *ex, Onnx__NodeProto *node, const char *name, float value) {
  Onnx__AttributeProto *a = add_attr(ex, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
  if (a == NULL) return no_memory();
  a->has_f = 1;
  a->f = value;
  return QE_OK;
}

qe_status_t qe__export_attr_ints(qe__export *ex, Onnx__NodeProto *node, const char *name, size_t count,
                                 const int64_t *values) {
  Onnx__AttributeProto *a = add_attr(ex, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
  if (a == NULL || (a->ints = qe__arena_alloc(&ex->arena, count + 1, sizeof *a->ints)) == NULL) return no_memory();
  a->n_ints = count;
  if (count > 0) memcpy(a->ints, values, count * sizeof *values);
  return QE_OK;
}

qe_status_t qe__export_attr_reference(qe__export *ex, Onnx__NodeProto *node, const char *name,
                                      Onnx__AttributeProto__AttributeType type, const char *other) {
  Onnx__AttributeProto *a = add_attr(ex, node, name, type);
  if (a == NULL || (a->ref_attr_name = qe__arena_format(&ex->arena, "%s", other)) == NULL) return no_memory();
  return QE_OK;
}

static bool set_bytes(qe__export *ex, ProtobufCBinaryData *out, const char *text) {
  char *copy = qe__arena_format(&ex->arena, "%s", text);
  if (copy == NULL) return false;
  out->data = (uint8_t *)copy;
  out->len = strlen(copy);
  return true;
}

qe_status_t qe__export_attr(qe__export *ex, Onnx__NodeProto *node, const qe__attr *attr) {
  Onnx__AttributeProto *a;
  switch (attr->kind) {
    case QE__ATTR_INT: return qe__export_attr_int(ex, node, attr->name, attr->i);
    case QE__ATTR_FLOAT: return qe__export_attr_float(ex, node, attr->name, attr->f);
    case QE__ATTR_INTS: return qe__export_attr_ints(ex, node, attr->name, attr->count, attr->ints);
    case QE__ATTR_STRING:
      a = add_attr(ex, node, attr->name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
      if (a == NULL || !set_bytes(ex, &a->s, attr->s)) return no_memory();
      a->has_s = 1;
      return QE_OK;
    case QE__ATTR_FLOATS:
      a = add_attr(ex, node, attr->name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS);
      if (a == NULL || (a->floats = qe__arena_alloc(&ex->arena, attr->count + 1, sizeof *a->floats)) == NULL) {
        return no_memory();
      }
      a->n_floats = attr->count;
      if (attr->count > 0) memcpy(a->floats, attr->floats, attr->count * sizeof *attr->floats);
      return QE_OK;
    case QE__ATTR_STRINGS:
      a = add_attr(ex, node, attr->name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS);
      if (a == NULL || (a->strings = qe__arena_alloc(&ex->arena, attr->count + 1, sizeof *a->strings)) == NULL) {
        return no_memory();
      }
      a->n_strings = attr->count;
      for (size_t i = 0; i < attr->count; i++) {
        if (!set_bytes(ex, &a->strings[i], attr->strings[i])) return no_memory();
      }
      return QE_OK;
    case QE__ATTR_TENSOR:
      a = add_attr(ex, node, attr->name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
      if (a == NULL || (a->t = qe__export_tensor(ex, "", attr->tensor)) == NULL) return no_memory();
      return QE_OK;
  }
  return QE_OK;
}

qe_status_t qe__export_attrs(qe__export *ex, Onnx__NodeProto *node, const qe__node *n) {
  for (uint32_t i = 0; i < n->n_attr; i++) QE_TRY(qe__export_attr(ex, node, &n->attr[i]));
  return QE_OK;
}

/* ---- constants ---- */

static Onnx__TensorProto *tensor_proto(qe__export *ex, const char *name, qe_dtype_t dtype, uint32_t rank,
                                       const int64_t *dims, const void *data, size_t bytes) {
  Onnx__TensorProto *p = qe__arena_alloc(&ex->arena, 1, sizeof *p);
  if (p == NULL) return NULL;
  onnx__tensor_proto__init(p);
  p->name = qe__arena_format(&ex->arena, "%s", name);
  p->dims = qe__arena_alloc(&ex->arena, (size_t)rank + 1, sizeof *p->dims);
  if (p->name == NULL || p->dims == NULL) return NULL;
  p->n_dims = rank;
  if (rank > 0) memcpy(p->dims, dims, rank * sizeof *dims);
  p->has_data_type = 1;
  p->data_type = (int32_t)dtype;
  p->has_raw_data = 1;
  p->raw_data.data = (uint8_t *)(uintptr_t)data; /* only read while packing */
  p->raw_data.len = bytes;
  return p;
}

Onnx__TensorProto *qe__export_tensor(qe__export *ex, const char *name, const qe_tensor_t *t) {
  return tensor_proto(ex, name, t->dtype, t->rank, t->dims, t->data, t->bytes);
}

static qe_status_t append_constant(qe__export *ex, Onnx__TensorProto *p) {
  if (p == NULL) return no_memory();
  void *array = ex->constants;
  QE_TRY(qe__grow(&array, &ex->cap_constants, ex->n_constants, sizeof(Onnx__TensorProto *)));
  ex->constants = array;
  ex->constants[ex->n_constants++] = p;
  return QE_OK;
}

qe_status_t qe__export_value(qe__export *ex, qe__value_id v, char **name) {
  *name = empty_name;
  if (v == QE__NO_VALUE) return QE_OK;
  const qe__value *value = &ex->g->values[v];
  *name = value->name;
  if (value->data == NULL || ex->written[v]) return QE_OK;
  ex->written[v] = true;
  return append_constant(ex, qe__export_tensor(ex, value->name, value->data));
}

qe_status_t qe__export_constant(qe__export *ex, const char *base, qe_dtype_t dtype, uint32_t rank, const int64_t *dims,
                                const void *data, size_t bytes, char **name) {
  *name = qe__export_value_name(ex, base);
  void *copy = qe__arena_alloc(&ex->arena, bytes + 1, 1);
  if (*name == NULL || copy == NULL) return no_memory();
  if (bytes > 0) memcpy(copy, data, bytes);
  return append_constant(ex, tensor_proto(ex, *name, dtype, rank, dims, copy, bytes));
}

qe_status_t qe__export_scalar_f32(qe__export *ex, const char *base, float value, char **name) {
  return qe__export_constant(ex, base, QE_FLOAT32, 0, NULL, &value, sizeof value, name);
}
