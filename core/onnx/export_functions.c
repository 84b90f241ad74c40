/* Nodes of domain "qengine": the call, and once for each body the function that it calls. */
#include <stdlib.h>
#include <string.h>

#include "onnx/attributes.h"
#include "onnx/export.h"
#include "onnx/functions.h"

static qe_status_t no_memory(void) { return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting"); }

/* A copy of the first n bytes. */
static char *piece(qe__export *ex, const char *text, size_t n) {
  char *copy = qe__arena_alloc(&ex->arena, n + 1, 1);
  if (copy != NULL) memcpy(copy, text, n);
  return copy;
}

/* The words of a list between any of `separators`. */
static qe_status_t words(qe__export *ex, const char *list, size_t length, const char *separators, size_t *n,
                         char ***out) {
  const char *at = list, *end = list + length;
  *n = 0;
  *out = qe__arena_alloc(&ex->arena, length / 2 + 2, sizeof **out);
  if (*out == NULL) return no_memory();
  while (at < end) {
    at += strspn(at, separators);
    size_t size = strcspn(at, separators);
    if (at >= end) break;
    if (at + size > end) size = (size_t)(end - at);
    if (size == 0) break;
    if (((*out)[*n] = piece(ex, at, size)) == NULL) return no_memory();
    (*n)++;
    at += size;
  }
  return QE_OK;
}

static Onnx__AttributeProto__AttributeType type_of(char kind) {
  switch (kind) {
    case 'i': return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    case 'f': return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
    case 's': return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
    case 'I': return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    case 'F': return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
    default: return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
  }
}

/* "name:kind=value" or "name:kind@other" */
static qe_status_t body_attribute(qe__export *ex, Onnx__NodeProto *node, const char *text) {
  const size_t n = strcspn(text, ":");
  char *name = piece(ex, text, n);
  if (name == NULL) return no_memory();
  const char kind = text[n + 1], *value = text + n + 3;
  if (text[n + 2] == '@') return qe__export_attr_reference(ex, node, name, type_of(kind), value);
  if (kind == 'i') return qe__export_attr_int(ex, node, name, strtoll(value, NULL, 10));
  if (kind == 'f') return qe__export_attr_float(ex, node, name, strtof(value, NULL));
  int64_t list[QE_MAX_RANK];
  size_t count = 0;
  for (char *end; count < QE_MAX_RANK && *value != '\0'; value = *end == ',' ? end + 1 : end) {
    list[count++] = strtoll(value, &end, 10);
  }
  return qe__export_attr_ints(ex, node, name, count, list);
}

/* "out out = Op(in, in) attribute attribute" */
static qe_status_t body_node(qe__export *ex, const char *text, Onnx__NodeProto **out) {
  const char *equals = strstr(text, " = "), *open = strchr(text, '('), *close = strchr(text, ')');
  Onnx__NodeProto *n = qe__arena_alloc(&ex->arena, 1, sizeof *n);
  char **attributes;
  size_t count;
  if (n == NULL) return no_memory();
  onnx__node_proto__init(n);
  n->op_type = piece(ex, equals + 3, (size_t)(open - equals - 3));
  if (n->op_type == NULL) return no_memory();
  QE_TRY(words(ex, text, (size_t)(equals - text), " ", &n->n_output, &n->output));
  QE_TRY(words(ex, open + 1, (size_t)(close - open - 1), ", ", &n->n_input, &n->input));
  QE_TRY(words(ex, close + 1, strlen(close + 1), " ", &count, &attributes));
  for (size_t i = 0; i < count; i++) QE_TRY(body_attribute(ex, n, attributes[i]));
  *out = n;
  return QE_OK;
}

static qe_status_t body(qe__export *ex, const qe__function *f, unsigned features, Onnx__FunctionProto *p) {
  size_t lines = 0;
  while (f->lines[lines].text != NULL) lines++;
  p->node = qe__arena_alloc(&ex->arena, lines, sizeof(Onnx__NodeProto *));
  if (p->node == NULL) return no_memory();
  for (size_t i = 0; i < lines; i++) {
    if ((f->lines[i].when & ~features) != 0) continue;
    QE_TRY(body_node(ex, f->lines[i].text, &p->node[p->n_node]));
    p->n_node++;
  }
  return QE_OK;
}

/* Adds the function of this name unless the file has it. */
static qe_status_t define(qe__export *ex, const qe__function *f, unsigned features, const char *name) {
  for (size_t i = 0; i < ex->n_functions; i++) {
    if (strcmp(ex->functions[i]->name, name) == 0) return QE_OK;
  }
  Onnx__FunctionProto *p = qe__arena_alloc(&ex->arena, 1, sizeof *p);
  Onnx__OperatorSetIdProto *opset = qe__arena_alloc(&ex->arena, 1, sizeof *opset);
  if (p == NULL || opset == NULL) return no_memory();
  onnx__function_proto__init(p);
  onnx__operator_set_id_proto__init(opset);
  p->name = qe__arena_format(&ex->arena, "%s", name);
  p->domain = qe__arena_format(&ex->arena, "%s", QE__FUNCTION_DOMAIN);
  opset->domain = qe__arena_format(&ex->arena, "%s", "");
  opset->has_version = 1;
  opset->version = ex->opset;
  p->n_opset_import = 1;
  p->opset_import = qe__arena_alloc(&ex->arena, 1, sizeof(Onnx__OperatorSetIdProto *));
  if (p->name == NULL || p->domain == NULL || opset->domain == NULL || p->opset_import == NULL) return no_memory();
  p->opset_import[0] = opset;
  QE_TRY(words(ex, f->inputs, strlen(f->inputs), " ", &p->n_input, &p->input));
  QE_TRY(words(ex, f->outputs, strlen(f->outputs), " ", &p->n_output, &p->output));
  QE_TRY(words(ex, f->attributes, strlen(f->attributes), " ", &p->n_attribute, &p->attribute));
  QE_TRY(body(ex, f, features, p));
  void *array = ex->functions;
  QE_TRY(qe__grow(&array, &ex->cap_functions, ex->n_functions, sizeof(Onnx__FunctionProto *)));
  ex->functions = array;
  ex->functions[ex->n_functions++] = p;
  return QE_OK;
}

/* Runtimes want to be told the hidden size; here it is R's second dimension. */
static qe_status_t hidden_size(qe__export *ex, const qe__node *n, Onnx__NodeProto *node) {
  if (n->op->id != QE__OP_DynamicQuantizeGRU && n->op->id != QE__OP_DynamicQuantizeRNN) return QE_OK;
  const qe_tensor_t *r = n->n_in > 2 && n->in[2] != QE__NO_VALUE ? ex->g->values[n->in[2]].data : NULL;
  if (r == NULL || r->rank != 3 || qe__node_attr(n, "hidden_size") != NULL) return QE_OK;
  return qe__export_attr_int(ex, node, "hidden_size", r->dims[1]);
}

qe_status_t qe__export_call(qe__export *ex, const qe__node *n, char **in, char **out) {
  const qe__function *f = qe__function_of(n->op->id);
  if (f == NULL) return qe__fail(QE_ERROR_INTERNAL, "node '%s': op %s cannot be in a file", n->name, n->op->name);
  const unsigned features = qe__function_features(ex->g, n, ex->opset);
  char name[128], *all[4] = {NULL};
  size_t n_out = 1;
  for (const char *at = f->outputs; (at = strchr(at, ' ')) != NULL; at++) n_out++;
  for (size_t i = 0; i < n_out; i++) { /* runtimes want every output of a function to have a name */
    all[i] = i < n->n_out ? out[i] : NULL;
    if (all[i] == NULL || all[i][0] == '\0') QE_TRY(qe__export_between(ex, n->name, "unread", &all[i]));
  }
  qe__function_name(f, features, name, sizeof name);
  QE_TRY(define(ex, f, features, name));
  Onnx__NodeProto *node;
  QE_TRY(qe__export_node(ex, QE__FUNCTION_DOMAIN, name, n->name, n->n_in, in, n_out, all, &node));
  QE_TRY(qe__export_attrs(ex, node, n));
  return hidden_size(ex, n, node);
}
