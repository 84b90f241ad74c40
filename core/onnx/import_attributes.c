/* Attributes of the node being converted: typed access, and a record of which were looked at. */
#include <stdio.h>
#include <string.h>

#include "onnx/attributes.h"
#include "onnx/import.h"
#include "onnx/tensor_proto.h"

static const char *name_of(const Onnx__AttributeProto *a) { return a->name != NULL ? a->name : ""; }

const Onnx__AttributeProto *qe__import_attr(qe__import *im, const char *name) {
  for (size_t i = 0; i < im->node->n_attribute; i++) {
    if (strcmp(name_of(im->node->attribute[i]), name) != 0) continue;
    im->consumed |= UINT64_C(1) << i;
    return im->node->attribute[i];
  }
  return NULL;
}

static qe_status_t wrong_type(const qe__import *im, const Onnx__AttributeProto *a, const char *expected) {
  return qe__import_fail(im, QE_ERROR_FORMAT, "attribute '%s' has type %d; expected %s", name_of(a), (int)a->type,
                         expected);
}

qe_status_t qe__import_int(qe__import *im, const char *name, int64_t fallback, int64_t *out) {
  *out = fallback;
  const Onnx__AttributeProto *a = qe__import_attr(im, name);
  if (a == NULL) return QE_OK;
  if (a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT) return wrong_type(im, a, "an integer");
  *out = a->i;
  return QE_OK;
}

qe_status_t qe__import_float(qe__import *im, const char *name, float fallback, float *out) {
  *out = fallback;
  const Onnx__AttributeProto *a = qe__import_attr(im, name);
  if (a == NULL) return QE_OK;
  if (a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT) return wrong_type(im, a, "a float");
  *out = a->f;
  return QE_OK;
}

/* A zero-terminated copy; zero bytes inside are refused. */
static char *string_of(const ProtobufCBinaryData *s) {
  if (s->len > 0 && memchr(s->data, 0, s->len) != NULL) return NULL;
  return qe__strndup(s->len > 0 ? (const char *)s->data : "", s->len);
}

qe_status_t qe__import_string(qe__import *im, const char *name, const char *fallback, char *buffer, size_t size) {
  snprintf(buffer, size, "%s", fallback != NULL ? fallback : "");
  const Onnx__AttributeProto *a = qe__import_attr(im, name);
  if (a == NULL) return QE_OK;
  if (a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING) return wrong_type(im, a, "a string");
  if (a->s.len >= size) {
    return qe__import_fail(im, QE_ERROR_FORMAT, "attribute '%s' is a string of %zu bytes; at most %zu are expected",
                           name, a->s.len, size - 1);
  }
  if (a->s.len > 0) memcpy(buffer, a->s.data, a->s.len);
  buffer[a->s.len] = '\0';
  return QE_OK;
}

qe_status_t qe__import_ints(qe__import *im, const char *name, bool *present, const int64_t **values, size_t *count) {
  *present = false;
  *values = NULL;
  *count = 0;
  const Onnx__AttributeProto *a = qe__import_attr(im, name);
  if (a == NULL) return QE_OK;
  if (a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS) return wrong_type(im, a, "a list of integers");
  *present = true;
  *values = a->ints;
  *count = a->n_ints;
  return QE_OK;
}

qe_status_t qe__import_floats(qe__import *im, const char *name, bool *present, const float **values, size_t *count) {
  *present = false;
  *values = NULL;
  *count = 0;
  const Onnx__AttributeProto *a = qe__import_attr(im, name);
  if (a == NULL) return QE_OK;
  if (a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS) return wrong_type(im, a, "a list of floats");
  *present = true;
  *values = a->floats;
  *count = a->n_floats;
  return QE_OK;
}

static qe_status_t copy_string(const qe__import *im, const Onnx__AttributeProto *a, qe__node *node) {
  char *s = string_of(&a->s);
  if (s == NULL) return qe__import_fail(im, QE_ERROR_FORMAT, "attribute '%s' is not text", name_of(a));
  const qe_status_t status = qe__node_set_string(node, name_of(a), s);
  qe__free(s);
  return status;
}

static qe_status_t copy_strings(const qe__import *im, const Onnx__AttributeProto *a, qe__node *node) {
  qe_status_t status = QE_OK;
  char **strings = qe__calloc(a->n_strings > 0 ? a->n_strings : 1, sizeof *strings);
  if (strings == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < a->n_strings && status == QE_OK; i++) {
    strings[i] = string_of(&a->strings[i]);
    if (strings[i] == NULL) status = qe__import_fail(im, QE_ERROR_FORMAT, "attribute '%s' is not text", name_of(a));
  }
  if (status == QE_OK) status = qe__node_set_strings(node, name_of(a), (const char *const *)strings, a->n_strings);
  for (size_t i = 0; i < a->n_strings; i++) qe__free(strings[i]);
  qe__free(strings);
  return status;
}

static qe_status_t copy_tensor(qe__import *im, const Onnx__AttributeProto *a, qe__node *node) {
  qe_tensor_t *t = NULL;
  if (a->t == NULL) return qe__import_fail(im, QE_ERROR_FORMAT, "attribute '%s' has no tensor", name_of(a));
  QE_TRY(qe__tensor_from_proto(a->t, im->source, &im->external, &t));
  const qe_status_t status = qe__node_set_tensor(node, name_of(a), t);
  qe_tensor_release(&t);
  return status;
}

static qe_status_t copy_attribute(qe__import *im, const Onnx__AttributeProto *a, qe__attr_kind kind, qe__node *node) {
  static const struct { int type; const char *text; } expected[] = {
    [QE__ATTR_INT] = {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, "an integer"},
    [QE__ATTR_FLOAT] = {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, "a float"},
    [QE__ATTR_STRING] = {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, "a string"},
    [QE__ATTR_INTS] = {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, "a list of integers"},
    [QE__ATTR_FLOATS] = {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS, "a list of floats"},
    [QE__ATTR_STRINGS] = {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS, "a list of strings"},
    [QE__ATTR_TENSOR] = {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR, "a tensor"},
  };
  if ((int)a->type != expected[kind].type) return wrong_type(im, a, expected[kind].text);
  switch (kind) {
    case QE__ATTR_INT: return qe__node_set_int(node, name_of(a), a->i);
    case QE__ATTR_FLOAT: return qe__node_set_float(node, name_of(a), a->f);
    case QE__ATTR_STRING: return copy_string(im, a, node);
    case QE__ATTR_INTS: return qe__node_set_ints(node, name_of(a), a->ints, a->n_ints);
    case QE__ATTR_FLOATS: return qe__node_set_floats(node, name_of(a), a->floats, a->n_floats);
    case QE__ATTR_STRINGS: return copy_strings(im, a, node);
    case QE__ATTR_TENSOR: return copy_tensor(im, a, node);
  }
  return QE_OK;
}

qe_status_t qe__import_copy_attributes(qe__import *im, qe__node *node) {
  for (size_t i = 0; i < im->node->n_attribute; i++) {
    const Onnx__AttributeProto *a = im->node->attribute[i];
    qe__attr_kind kind;
    const char *name = name_of(a);
    if ((im->consumed >> i & 1) != 0 || !qe__onnx_attribute(node->op->id, name, strlen(name), &kind)) continue;
    im->consumed |= UINT64_C(1) << i;
    QE_TRY(copy_attribute(im, a, kind, node));
  }
  return QE_OK;
}

qe_status_t qe__import_check_consumed(const qe__import *im) {
  for (size_t i = 0; i < im->node->n_attribute; i++) {
    if ((im->consumed >> i & 1) != 0) continue;
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "attribute '%s' is not supported",
                           name_of(im->node->attribute[i]));
  }
  return QE_OK;
}
