/*
 * ONNX to graph: checks the model, lists every op that is not supported, adds constants and inputs, converts node after
 * node, and lets the QDQ patterns be recognised. Nothing the file says about intermediate shapes is trusted.
 */
#include <stdio.h>
#include <string.h>

#include "graph/names.h"
#include "onnx/functions.h"
#include "onnx/import.h"
#include "onnx/inline.h"
#include "onnx/onnx.h"
#include "onnx/recognize.h"
#include "onnx/tensor_proto.h"

const qe__conversion *qe__import_conversion(const char *domain, const char *op) {
  const qe__conversion *const tables[] = {qe__import_basic, qe__import_shapes, qe__import_microsoft,
                                          qe__import_quantized_ops, qe__import_qlinear, qe__import_dynamic,
                                          qe__import_attention};
  for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
    for (const qe__conversion *c = tables[t]; c->op != NULL; c++) {
      if (strcmp(c->op, op) == 0 && strcmp(c->domain, domain) == 0) return c;
    }
  }
  return strcmp(domain, QE__FUNCTION_DOMAIN) == 0 && qe__function_find(op) != NULL ? &qe__import_call : NULL;
}

static bool is_plain_op(const char *domain, const char *op) {
  const qe__op_schema *schema = domain[0] == '\0' ? qe__op_find(op) : NULL;
  return schema != NULL && schema->domain[0] == '\0';
}

/* ---- model ---- */

static qe_status_t check_model(const Onnx__ModelProto *m, int64_t *opset) {
  *opset = 0;
  if (m->graph == NULL) return qe__fail(QE_ERROR_FORMAT, "it has no graph; is it an ONNX model?");
  for (size_t i = 0; i < m->n_opset_import; i++) {
    const char *domain = m->opset_import[i]->domain;
    if (domain == NULL || domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0) *opset = m->opset_import[i]->version;
  }
  if (*opset == 0) return qe__fail(QE_ERROR_FORMAT, "it does not say which opset of ONNX it uses (opset_import)");
  if (*opset < 1 || *opset > QE__ONNX_MAX_OPSET) {
    return qe__fail(QE_ERROR_UNSUPPORTED,
                    "it uses ONNX opset %lld; opsets %d to %d are supported; convert it with onnx.version_converter",
                    (long long)*opset, QE__ONNX_MIN_OPSET, QE__ONNX_MAX_OPSET);
  }
  if (m->graph->n_sparse_initializer > 0) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "sparse initializers are not supported; make them dense");
  }
  if (m->graph->n_node > (size_t)1 << 22) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "it has %zu nodes; at most 4194304 are supported", m->graph->n_node);
  }
  return QE_OK;
}

/* Ops that have not changed since before opset 7, with the opset of their present form. */
static bool older_form_is_same(const char *op, int64_t opset) {
  static const struct { const char *op; int64_t since; } same[] = {
      {"Abs", 6},           {"Ceil", 6},          {"Concat", 4},   {"Constant", 1},
      {"Conv", 1},          {"ConvTranspose", 1}, {"Elu", 6},      {"Exp", 6},
      {"Flatten", 1},       {"Floor", 6},         {"Gather", 1},   {"GlobalAveragePool", 1},
      {"GlobalMaxPool", 1}, {"HardSigmoid", 6},   {"Identity", 1}, {"InstanceNormalization", 6},
      {"LeakyRelu", 6},     {"Log", 6},           {"MatMul", 1},   {"Neg", 6},
      {"Not", 1},           {"Reciprocal", 6},    {"Relu", 6},     {"Reshape", 5},
      {"Selu", 6},          {"Shape", 1},         {"Sigmoid", 6},  {"Softplus", 1},
      {"Softsign", 1},      {"Sqrt", 6},          {"Tanh", 6},     {"Transpose", 1},
  };
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
    if (strcmp(same[i].op, op) == 0) return opset >= same[i].since;
  }
  return false;
}

/* A node's name for messages, cut to fit; the one that a node without a name will get. */
static const char *label(const Onnx__NodeProto *n, size_t index, char *buffer, size_t size) {
  if (n->name != NULL && n->name[0] != '\0') snprintf(buffer, size, "%s", n->name);
  else snprintf(buffer, size, "%s_%zu", n->op_type, index);
  return buffer;
}

/* One message with all unsupported ops (each op once, the first node that has it). */
static qe_status_t check_ops(const Onnx__ModelProto *m, int64_t opset) {
  enum { SHOWN = 16 };
  char text[2048] = "", name[41];
  size_t used = 0, bad = 0;
  const Onnx__NodeProto *seen[SHOWN];
  for (size_t i = 0; i < m->graph->n_node; i++) {
    const Onnx__NodeProto *n = m->graph->node[i];
    if (n->op_type == NULL || n->op_type[0] == '\0') {
      return qe__fail(QE_ERROR_FORMAT, "node %zu ('%s') has no op", i, n->name != NULL ? n->name : "");
    }
    const char *domain = qe__import_domain(n);
    if (opset < QE__ONNX_MIN_OPSET && !older_form_is_same(n->op_type, opset)) {
      return qe__fail(
          QE_ERROR_UNSUPPORTED,
          "it uses ONNX opset %lld, and %s (node '%s') had another form then; opsets %d to %d are supported; "
          "convert it with onnx.version_converter",
          (long long)opset, n->op_type, label(n, i, name, sizeof name), QE__ONNX_MIN_OPSET, QE__ONNX_MAX_OPSET);
    }
    if (is_plain_op(domain, n->op_type) || qe__import_conversion(domain, n->op_type) != NULL) continue;
    bool known = false;
    for (size_t k = 0; k < bad && k < SHOWN; k++) {
      known = known || (strcmp(seen[k]->op_type, n->op_type) == 0 && strcmp(qe__import_domain(seen[k]), domain) == 0);
    }
    if (known) continue;
    if (bad < SHOWN) {
      seen[bad] = n;
      const int wrote =
          snprintf(text + used, sizeof text - used, "%s%.40s%s%.40s (node '%s')", bad > 0 ? ", " : "", domain,
                   domain[0] != '\0' ? "." : "", n->op_type, label(n, i, name, sizeof name));
      if (wrote > 0) used += (size_t)wrote < sizeof text - used ? (size_t)wrote : 0;
    }
    bad++;
  }
  if (bad == 0) return QE_OK;
  return qe__fail(QE_ERROR_UNSUPPORTED,
                  "%zu op%s not supported (opset %lld): %s%s; docs/ops.md lists the ops there are", bad,
                  bad == 1 ? " is" : "s are", (long long)opset, text, bad > SHOWN ? ", ..." : "");
}

/* ---- constants and inputs ---- */

static qe_status_t add_initializers(qe__import *im, const Onnx__GraphProto *graph) {
  for (size_t i = 0; i < graph->n_initializer; i++) {
    const Onnx__TensorProto *proto = graph->initializer[i];
    qe_tensor_t *t = NULL;
    qe__value_id v;
    if (proto->name == NULL || proto->name[0] == '\0') {
      return qe__fail(QE_ERROR_FORMAT, "initializer %zu has no name", i);
    }
    QE_TRY(qe__tensor_from_proto(proto, im->source, &im->external, &t));
    const qe_status_t status = qe__graph_add_constant(im->g, proto->name, t, &v);
    qe_tensor_release(&t);
    QE_TRY(status);
  }
  return QE_OK;
}

static qe_status_t input_shape(const Onnx__TensorShapeProto *shape, const char *name, qe__value *v) {
  if (shape->n_dim > QE_MAX_RANK) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "input '%s' has rank %zu; at most %d is supported", name, shape->n_dim,
                    QE_MAX_RANK);
  }
  v->rank = (int32_t)shape->n_dim;
  for (size_t d = 0; d < shape->n_dim; d++) {
    const Onnx__TensorShapeProto__Dimension *dim = shape->dim[d];
    v->dims[d] = -1;
    if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE) {
      if (dim->dim_value >= 0) v->dims[d] = dim->dim_value; /* some exporters write -1 for a dynamic dimension */
      else if (dim->dim_value < -1) {
        return qe__fail(QE_ERROR_SHAPE, "input '%s': dimension %zu is %lld", name, d, (long long)dim->dim_value);
      }
    } else if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM && dim->dim_param != NULL &&
               dim->dim_param[0] != '\0') {
      v->symbols[d] = qe__strdup(dim->dim_param);
      if (v->symbols[d] == NULL) return QE_ERROR_OUT_OF_MEMORY;
    }
  }
  return QE_OK;
}

static qe_status_t add_inputs(qe__import *im, const Onnx__GraphProto *graph) {
  for (size_t i = 0; i < graph->n_input; i++) {
    const Onnx__ValueInfoProto *info = graph->input[i];
    if (info->name == NULL || info->name[0] == '\0') return qe__fail(QE_ERROR_FORMAT, "input %zu has no name", i);
    qe__value_id v = qe__graph_find_value(im->g, info->name);
    if (v != QE__NO_VALUE && im->g->values[v].data != NULL) continue;
    if (info->type == NULL || info->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) {
      return qe__fail(
          QE_ERROR_UNSUPPORTED,
          "input '%s' is not a tensor (a sequence, map, optional or sparse tensor); only tensors are supported",
          info->name);
    }
    const Onnx__TypeProto__Tensor *type = info->type->tensor_type;
    if (type == NULL || !qe__dtype_valid(type->elem_type)) {
      return qe__fail(QE_ERROR_UNSUPPORTED, "input '%s' has element type %d, which is not supported", info->name,
                      type != NULL ? (int)type->elem_type : 0);
    }
    QE_TRY(qe__graph_add_value(im->g, info->name, (qe_dtype_t)type->elem_type, &v));
    if (type->shape != NULL) QE_TRY(input_shape(type->shape, info->name, &im->g->values[v]));
    QE_TRY(qe__graph_add_input(im->g, v));
  }
  return QE_OK;
}

/* ---- nodes ---- */

static qe_status_t check_node(const qe__import *im) {
  const Onnx__NodeProto *n = im->node;
  if (n->n_attribute > 64) {
    return qe__import_fail(im, QE_ERROR_FORMAT, "it has %zu attributes; at most 64 are expected", n->n_attribute);
  }
  for (size_t i = 0; i < n->n_attribute; i++) {
    const Onnx__AttributeProto *a = n->attribute[i];
    if (a->name == NULL || a->name[0] == '\0') {
      return qe__import_fail(im, QE_ERROR_FORMAT, "attribute %zu has no name", i);
    }
    for (size_t k = 0; k < i; k++) {
      if (strcmp(n->attribute[k]->name, a->name) == 0) {
        return qe__import_fail(im, QE_ERROR_FORMAT, "attribute '%s' is given twice", a->name);
      }
    }
    if (a->ref_attr_name != NULL && a->ref_attr_name[0] != '\0') {
      return qe__import_fail(im, QE_ERROR_FORMAT,
                             "attribute '%s' refers to a function's attribute, but this is not a function", a->name);
    }
  }
  return QE_OK;
}

/* The name the node will have: the model's, made unique; else one from its op and position. */
static qe_status_t node_name(const qe__import *im, const Onnx__NodeProto *n, size_t index, char **out) {
  const bool given = n->name != NULL && n->name[0] != '\0';
  char *base = given ? qe__strdup(n->name) : qe__format("%s_%zu", n->op_type, index);
  *out = NULL;
  if (base == NULL) return QE_ERROR_OUT_OF_MEMORY;
  const qe__name *entry = qe__names_find(im->g->names, base);
  if (entry == NULL || !entry->node) {
    *out = base;
    return QE_OK;
  }
  *out = qe__graph_fresh_name(im->g, base);
  qe__free(base);
  return *out != NULL ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
}

static qe_status_t constant_tensor(qe__import *im, qe_tensor_t **out) {
  const Onnx__AttributeProto *a;
  if ((a = qe__import_attr(im, "value")) != NULL && a->t != NULL) {
    return qe__tensor_from_proto(a->t, im->source, &im->external, out);
  }
  if ((a = qe__import_attr(im, "value_float")) != NULL) return qe_tensor_from_data(QE_FLOAT32, 0, NULL, &a->f, out);
  if ((a = qe__import_attr(im, "value_int")) != NULL) return qe_tensor_from_data(QE_INT64, 0, NULL, &a->i, out);
  if ((a = qe__import_attr(im, "value_floats")) != NULL) {
    return qe_tensor_from_data(QE_FLOAT32, 1, &(int64_t){(int64_t)a->n_floats}, a->floats, out);
  }
  if ((a = qe__import_attr(im, "value_ints")) != NULL) {
    return qe_tensor_from_data(QE_INT64, 1, &(int64_t){(int64_t)a->n_ints}, a->ints, out);
  }
  return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                         "a constant without a dense numeric value (strings and sparse values are not supported)");
}

static bool is_graph_output(const Onnx__GraphProto *graph, const char *name) {
  for (size_t i = 0; i < graph->n_output; i++) {
    if (graph->output[i]->name != NULL && strcmp(graph->output[i]->name, name) == 0) return true;
  }
  return false;
}

/* Whether the node is only another name for a constant; torch shares weights that way. */
static const qe_tensor_t *renamed_constant(const qe__import *im, const Onnx__GraphProto *graph,
                                           const Onnx__NodeProto *n) {
  if (qe__import_domain(n)[0] != '\0' || strcmp(n->op_type, "Identity") != 0 || n->n_input != 1 || n->n_output != 1) {
    return NULL;
  }
  if (is_graph_output(graph, n->output[0])) return NULL;
  const qe__value_id v = qe__graph_find_value(im->g, n->input[0]);
  return v != QE__NO_VALUE ? im->g->values[v].data : NULL;
}

/*
 * First pass: constants become values, and every other output gets its value, so that names made up later cannot meet a
 * name of the model. done[i]: node i needs no conversion.
 */
static qe_status_t add_node_values(qe__import *im, const Onnx__GraphProto *graph, bool *done) {
  for (size_t i = 0; i < graph->n_node; i++) {
    const Onnx__NodeProto *n = graph->node[i];
    char name[256];
    qe__value_id v;
    im->node = n;
    im->consumed = 0;
    im->name = label(n, i, name, sizeof name);
    QE_TRY(check_node(im));
    if (qe__import_domain(n)[0] == '\0' && strcmp(n->op_type, "Constant") == 0 && n->n_output == 1 &&
        n->output[0][0] != '\0') {
      qe_tensor_t *t = NULL;
      qe_status_t status = constant_tensor(im, &t);
      if (status == QE_OK) status = qe__import_check_consumed(im);
      if (status == QE_OK) status = qe__graph_add_constant(im->g, n->output[0], t, &v);
      qe_tensor_release(&t);
      QE_TRY(status);
      done[i] = true;
      continue;
    }
    const qe_tensor_t *shared = renamed_constant(im, graph, n);
    if (shared != NULL) {
      qe_tensor_t *t = qe_tensor_retain((qe_tensor_t *)(uintptr_t)shared);
      const qe_status_t status = qe__graph_add_constant(im->g, n->output[0], t, &v);
      qe_tensor_release(&t);
      QE_TRY(status);
      done[i] = true;
      continue;
    }
    for (size_t k = 0; k < n->n_output; k++) {
      if (n->output[k][0] != '\0') QE_TRY(qe__graph_add_value(im->g, n->output[k], QE_DTYPE_NONE, &v));
    }
  }
  im->name = "?";
  return QE_OK;
}

static qe_status_t convert_node(qe__import *im, const Onnx__NodeProto *n, size_t index) {
  char *name;
  QE_TRY(node_name(im, n, index, &name));
  im->node = n;
  im->index = (uint32_t)index;
  im->name = name;
  im->consumed = 0;
  const uint32_t first = im->g->n_nodes;
  const qe__conversion *c = qe__import_conversion(qe__import_domain(n), n->op_type);
  qe_status_t status = c != NULL ? c->convert(im) : qe__import_as_is(im, n->op_type, NULL);
  if (status == QE_OK) status = qe__import_check_consumed(im);
  for (uint32_t i = first; i < im->g->n_nodes && status == QE_OK; i++) {
    status = qe__import_note_outputs(im, im->g->nodes[i]);
  }
  im->name = "?";
  qe__free(name);
  return status;
}

static qe_status_t add_outputs(qe__import *im, const Onnx__GraphProto *graph) {
  for (size_t i = 0; i < graph->n_output; i++) {
    const char *name = graph->output[i]->name;
    const qe__value_id v = name != NULL ? qe__graph_find_value(im->g, name) : QE__NO_VALUE;
    if (v == QE__NO_VALUE) {
      return qe__fail(QE_ERROR_FORMAT, "output '%s' is no input, no constant and no node's output",
                      name != NULL ? name : "");
    }
    QE_TRY(qe__graph_add_output(im->g, v));
  }
  return QE_OK;
}

static qe_status_t set_name(qe__graph *g, const char *name) {
  if (name == NULL || name[0] == '\0') return QE_OK;
  char *copy = qe__strdup(name);
  if (copy == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe__free(g->name);
  g->name = copy;
  return QE_OK;
}

static qe_status_t fill(qe__import *im, const Onnx__ModelProto *m) {
  const Onnx__GraphProto *graph = m->graph;
  qe_status_t status;
  QE_TRY(set_name(im->g, graph->name));
  for (size_t i = 0; i < m->n_metadata_props; i++) {
    const Onnx__StringStringEntryProto *p = m->metadata_props[i];
    if (p->key != NULL) QE_TRY(qe__graph_set_metadata(im->g, p->key, p->value != NULL ? p->value : ""));
  }
  QE_TRY(add_initializers(im, graph));
  QE_TRY(add_inputs(im, graph));
  bool *done = qe__calloc(graph->n_node + 1, sizeof *done);
  if (done == NULL) return QE_ERROR_OUT_OF_MEMORY;
  QE_TRY_GOTO(add_node_values(im, graph, done), done);
  for (size_t i = 0; i < graph->n_node; i++) {
    if (!done[i]) QE_TRY_GOTO(convert_node(im, graph->node[i], i), done);
  }
  QE_TRY_GOTO(add_outputs(im, graph), done);
  QE_TRY_GOTO(qe__graph_sort(im->g), done);
  QE_TRY_GOTO(qe__graph_verify(im->g), done);
  QE_TRY_GOTO(qe__recognize(im), done);
  QE_TRY_GOTO(qe__import_tidy(im->g), done);
  QE_TRY_GOTO(qe__qdq_fuse(im->g), done);
  QE_TRY_GOTO(qe__import_absorb_clamps(im->g), done); /* Q -> Clip of the codes -> DQ, narrow ranges */
  QE_TRY_GOTO(qe__graph_sweep(im->g), done);
  QE_TRY_GOTO(qe__graph_verify(im->g), done);
  qe__import_infer(im->g);
  status = qe__graph_verify(im->g);
done:
  qe__free(done);
  return status;
}

static qe_status_t import(const qe__source *source, const char *directory, const char *name, qe__graph **out) {
  *out = NULL;
  if (name == NULL) name = "model";
  qe__proto_memory memory;
  ProtobufCMessage *message = NULL;
  uint8_t hash[32];
  QE_TRY(qe__proto_unpack(&onnx__model_proto__descriptor, source, name, hash, &memory, &message));
  Onnx__ModelProto model = *(const Onnx__ModelProto *)(const void *)message; /* its graph gets other nodes */
  Onnx__GraphProto graph;
  qe__arena arena = {NULL};
  qe__import im = {.source = source, .external = {.directory = directory}, .name = "?"};
  qe_status_t status;
  QE_TRY_GOTO(check_model(&model, &im.opset), done);
  QE_TRY_GOTO(qe__onnx_inline(&model, im.opset, &arena, &graph), done);
  model.graph = &graph;
  QE_TRY_GOTO(check_ops(&model, im.opset), done);
  QE_TRY_GOTO(qe__graph_create(&im.g), done);
  QE_TRY_GOTO(fill(&im, &model), done);
  memcpy(im.g->model_hash, hash, sizeof hash);
done:
  qe__external_close(&im.external);
  qe__free(im.ranks);
  qe__arena_free(&arena);
  qe__proto_release(&memory, &message);
  if (status != QE_OK) {
    qe__graph_destroy(&im.g);
    return qe__fail_in(status, "%s", name);
  }
  *out = im.g;
  return QE_OK;
}

qe_status_t qe__onnx_import(const void *data, size_t size, const char *directory, const char *name, qe__graph **out) {
  return import(&(qe__source){.data = data, .size = size}, directory, name, out);
}

qe_status_t qe__onnx_import_file(const qe__file *file, const char *directory, qe__graph **out) {
  return import(&(qe__source){.file = file, .size = (size_t)file->size}, directory, file->path, out);
}
