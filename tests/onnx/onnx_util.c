/* Models made by hand as protobuf messages, graphs made through the API, and comparing graphs. */
#include "onnx_util.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/model.h"
#include "registry/quant_rule.h"
#include "support/scratch.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())

void proto_open(proto_model *m, int64_t opset) {
  memset(m, 0, sizeof *m);
  m->opset = opset;
  OK(qe__graph_create(&m->empty));
  m->ex = (qe__export){.g = m->empty, .opset = opset};
  OK(qe__names_create(&m->ex.names));
}

void proto_close(proto_model *m) {
  qe__names_destroy(&m->ex.names);
  qe__arena_free(&m->ex.arena);
  qe__free(m->ex.nodes);
  qe__free(m->ex.constants);
  qe__free(m->ex.functions);
  qe__graph_destroy(&m->empty);
}

static char *text(proto_model *m, const char *s) { return qe__arena_format(&m->ex.arena, "%s", s); }

void proto_input(proto_model *m, const char *name, int elem_type, size_t rank, const int64_t *dims) {
  Onnx__ValueInfoProto *info = qe__arena_alloc(&m->ex.arena, 1, sizeof *info);
  Onnx__TypeProto *type = qe__arena_alloc(&m->ex.arena, 1, sizeof *type);
  Onnx__TypeProto__Tensor *tensor = qe__arena_alloc(&m->ex.arena, 1, sizeof *tensor);
  Onnx__TensorShapeProto *shape = qe__arena_alloc(&m->ex.arena, 1, sizeof *shape);
  onnx__value_info_proto__init(info);
  onnx__type_proto__init(type);
  onnx__type_proto__tensor__init(tensor);
  onnx__tensor_shape_proto__init(shape);
  info->name = text(m, name);
  info->type = type;
  type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  type->tensor_type = tensor;
  tensor->has_elem_type = 1;
  tensor->elem_type = elem_type;
  tensor->shape = shape;
  shape->n_dim = rank;
  shape->dim = qe__arena_alloc(&m->ex.arena, rank + 1, sizeof(Onnx__TensorShapeProto__Dimension *));
  for (size_t d = 0; d < rank; d++) {
    shape->dim[d] = qe__arena_alloc(&m->ex.arena, 1, sizeof(Onnx__TensorShapeProto__Dimension));
    onnx__tensor_shape_proto__dimension__init(shape->dim[d]);
    if (dims[d] == -1) {
      shape->dim[d]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
      shape->dim[d]->dim_param = text(m, "n");
    } else {
      shape->dim[d]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
      shape->dim[d]->dim_value = dims[d];
    }
  }
  m->inputs[m->n_inputs++] = info;
}

void proto_output(proto_model *m, const char *name) {
  Onnx__ValueInfoProto *info = qe__arena_alloc(&m->ex.arena, 1, sizeof *info);
  onnx__value_info_proto__init(info);
  info->name = text(m, name);
  m->outputs[m->n_outputs++] = info;
}

void proto_const(proto_model *m, const char *name, qe_dtype_t dtype, size_t rank, const int64_t *dims,
                 const void *data) {
  int64_t count = 1;
  char *unused;
  for (size_t d = 0; d < rank; d++) count *= dims[d];
  OK(qe__export_constant(&m->ex, name, dtype, (uint32_t)rank, dims, data, (size_t)count * qe_dtype_bits(dtype) / 8,
                         &unused));
}

void proto_f32(proto_model *m, const char *name, float value) { proto_const(m, name, QE_FLOAT32, 0, NULL, &value); }
void proto_u8(proto_model *m, const char *name, int value) {
  proto_const(m, name, QE_UINT8, 0, NULL, &(uint8_t){(uint8_t)value});
}
void proto_i8(proto_model *m, const char *name, int value) {
  proto_const(m, name, QE_INT8, 0, NULL, &(int8_t){(int8_t)value});
}

static size_t split_names(proto_model *m, const char *names, char **out) {
  char *copy = text(m, names), *save = NULL;
  size_t n = 0;
  for (char *at = strtok_r(copy, " ", &save); at != NULL && n < 32; at = strtok_r(NULL, " ", &save)) {
    out[n++] = strcmp(at, "-") == 0 ? text(m, "") : at;
  }
  return n;
}

Onnx__NodeProto *proto_node(proto_model *m, const char *domain, const char *op, const char *name, const char *inputs,
                            const char *outputs) {
  char *in[32], *out[32];
  Onnx__NodeProto *n = NULL;
  const size_t n_in = split_names(m, inputs, in), n_out = split_names(m, outputs, out);
  OK(qe__export_node(&m->ex, domain, op, name, n_in, in, n_out, out, &n));
  return n;
}

Onnx__FunctionProto *proto_function(proto_model *m, size_t first, const char *domain, const char *name,
                                    const char *inputs, const char *outputs, const char *attributes) {
  char *names[3][32];
  Onnx__FunctionProto *f = qe__arena_alloc(&m->ex.arena, 1, sizeof *f);
  onnx__function_proto__init(f);
  f->domain = text(m, domain);
  f->name = text(m, name);
  f->n_input = split_names(m, inputs, names[0]);
  f->n_output = split_names(m, outputs, names[1]);
  f->n_attribute = split_names(m, attributes, names[2]);
  char ***const lists[3] = {&f->input, &f->output, &f->attribute};
  for (size_t i = 0; i < 3; i++) {
    *lists[i] = qe__arena_alloc(&m->ex.arena, 32, sizeof(char *));
    memcpy(*lists[i], names[i], sizeof names[i]);
  }
  f->n_node = m->ex.n_nodes - first;
  f->node = qe__arena_alloc(&m->ex.arena, f->n_node + 1, sizeof(Onnx__NodeProto *));
  for (size_t i = 0; i < f->n_node; i++) f->node[i] = m->ex.nodes[first + i];
  m->ex.n_nodes = first;
  f->n_opset_import = 1;
  f->opset_import = qe__arena_alloc(&m->ex.arena, 1, sizeof(Onnx__OperatorSetIdProto *));
  f->opset_import[0] = qe__arena_alloc(&m->ex.arena, 1, sizeof(Onnx__OperatorSetIdProto));
  onnx__operator_set_id_proto__init(f->opset_import[0]);
  f->opset_import[0]->domain = text(m, "");
  f->opset_import[0]->has_version = 1;
  f->opset_import[0]->version = m->opset;
  void *array = m->ex.functions;
  OK(qe__grow(&array, &m->ex.cap_functions, m->ex.n_functions, sizeof(Onnx__FunctionProto *)));
  m->ex.functions = array;
  m->ex.functions[m->ex.n_functions++] = f;
  return f;
}

void proto_int(proto_model *m, Onnx__NodeProto *n, const char *name, int64_t value) {
  OK(qe__export_attr_int(&m->ex, n, name, value));
}
void proto_float(proto_model *m, Onnx__NodeProto *n, const char *name, float value) {
  OK(qe__export_attr_float(&m->ex, n, name, value));
}
void proto_ints(proto_model *m, Onnx__NodeProto *n, const char *name, size_t count, const int64_t *values) {
  OK(qe__export_attr_ints(&m->ex, n, name, count, values));
}
void proto_string(proto_model *m, Onnx__NodeProto *n, const char *name, const char *value) {
  OK(qe__export_attr(&m->ex, n, &(qe__attr){.name = text(m, name), .kind = QE__ATTR_STRING, .s = text(m, value)}));
}

void *proto_pack(proto_model *m, size_t *size) {
  Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
  Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
  Onnx__OperatorSetIdProto opsets[2] = {ONNX__OPERATOR_SET_ID_PROTO__INIT, ONNX__OPERATOR_SET_ID_PROTO__INIT},
                           *list[2] = {&opsets[0], &opsets[1]};
  opsets[0].has_version = opsets[1].has_version = 1;
  opsets[0].version = m->opset;
  opsets[1].version = 1;
  opsets[1].domain = text(m, "com.microsoft");
  model.has_ir_version = 1;
  model.ir_version = 8;
  model.n_opset_import = 2;
  model.opset_import = list;
  model.graph = &graph;
  model.n_functions = m->ex.n_functions;
  model.functions = m->ex.functions;
  graph.name = text(m, "test");
  graph.n_node = m->ex.n_nodes;
  graph.node = m->ex.nodes;
  graph.n_initializer = m->ex.n_constants;
  graph.initializer = m->ex.constants;
  graph.n_input = m->n_inputs;
  graph.input = m->inputs;
  graph.n_output = m->n_outputs;
  graph.output = m->outputs;
  *size = onnx__model_proto__get_packed_size(&model);
  void *bytes = malloc(*size + 1);
  onnx__model_proto__pack(&model, bytes);
  return bytes;
}

qe_status_t proto_import(proto_model *m, qe__graph **out) {
  size_t size;
  void *bytes = proto_pack(m, &size);
  proto_close(m);
  const qe_status_t status = qe__onnx_import(bytes, size, NULL, "test", out);
  free(bytes);
  return status;
}

const qe__node *find_node(const qe__graph *g, const char *op, unsigned nth) {
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    if (strcmp(g->nodes[i]->op->name, op) == 0 && nth-- == 0) return g->nodes[i];
  }
  return NULL;
}

unsigned count_nodes(const qe__graph *g, const char *op) {
  unsigned n = 0;
  while (find_node(g, op, n) != NULL) n++;
  return n;
}

const qe_tensor_t *input_data(const qe__graph *g, const qe__node *n, uint32_t i) {
  return i < n->n_in && n->in[i] != QE__NO_VALUE ? g->values[n->in[i]].data : NULL;
}

/* ---- comparing ---- */

static char why[512];

static bool same_value(const qe__graph *a, qe__value_id va, const qe__graph *b, qe__value_id vb) {
  if (va == QE__NO_VALUE || vb == QE__NO_VALUE) return va == vb;
  const qe__value *x = &a->values[va], *y = &b->values[vb];
  if (x->dtype != y->dtype || !qe__qparams_equal(&x->q.view, &y->q.view)) return false;
  if ((x->data == NULL) != (y->data == NULL)) return false;
  if (x->data == NULL) return strcmp(x->name, y->name) == 0;
  return x->data->rank == y->data->rank && memcmp(x->data->dims, y->data->dims, x->data->rank * sizeof(int64_t)) == 0 &&
         x->data->bytes == y->data->bytes && memcmp(x->data->data, y->data->data, x->data->bytes) == 0;
}

static bool same_attr(const qe__attr *x, const qe__attr *y) {
  if (x->kind != y->kind || x->i != y->i || memcmp(&x->f, &y->f, sizeof x->f) != 0 || x->count != y->count) {
    return false;
  }
  if (x->s != NULL && strcmp(x->s, y->s) != 0) return false;
  if (x->ints != NULL && memcmp(x->ints, y->ints, x->count * sizeof *x->ints) != 0) return false;
  if (x->floats != NULL && memcmp(x->floats, y->floats, x->count * sizeof *x->floats) != 0) return false;
  for (size_t i = 0; x->strings != NULL && i < x->count; i++) {
    if (strcmp(x->strings[i], y->strings[i]) != 0) return false;
  }
  if (x->tensor != NULL &&
      (x->tensor->bytes != y->tensor->bytes || memcmp(x->tensor->data, y->tensor->data, x->tensor->bytes) != 0)) {
    return false;
  }
  return true;
}

/* Clamps of quantized nodes are the same when they are the same codes. */
static bool same_act(const qe__graph *a, const qe__node *x, const qe__graph *b, const qe__node *y) {
  const qe__value *v = x->out[0] != QE__NO_VALUE ? &a->values[x->out[0]] : NULL;
  int32_t lo[2], hi[2];
  if (v == NULL || v->q.view.count != 1) return x->act.lo == y->act.lo && x->act.hi == y->act.hi;
  qe__act_codes(&x->act, v->dtype, &v->q.view, &lo[0], &hi[0]);
  qe__act_codes(&y->act, b->values[y->out[0]].dtype, &b->values[y->out[0]].q.view, &lo[1], &hi[1]);
  return lo[0] == lo[1] && hi[0] == hi[1];
}

static const char *node_difference(const qe__graph *a, const qe__node *x, const qe__graph *b, const qe__node *y) {
  const char *what = NULL;
  if (x->op != y->op) what = "op";
  else if (strcmp(x->name, y->name) != 0) what = "name";
  else if (x->quantized != y->quantized) what = "quantized";
  else if (x->n_in != y->n_in) what = "number of inputs";
  else if (x->n_out != y->n_out) what = "number of outputs";
  else if (x->n_attr != y->n_attr) what = "number of attributes";
  else if (!same_act(a, x, b, y)) what = "clamp";
  for (uint32_t i = 0; what == NULL && i < x->n_in; i++) {
    if (!same_value(a, x->in[i], b, y->in[i])) what = "an input";
  }
  for (uint32_t i = 0; what == NULL && i < x->n_out; i++) {
    if (!same_value(a, x->out[i], b, y->out[i])) what = "an output";
  }
  for (uint32_t i = 0; what == NULL && i < x->n_attr; i++) {
    const qe__attr *other = qe__node_attr(y, x->attr[i].name);
    if (other == NULL || !same_attr(&x->attr[i], other)) what = x->attr[i].name;
  }
  if (what == NULL) return NULL;
  snprintf(why, sizeof why, "%s '%s' / %s '%s': %s", x->op->name, x->name, y->op->name, y->name, what);
  return why;
}

const char *graph_difference(const qe__graph *a, const qe__graph *b) {
  if (a->n_nodes != b->n_nodes) {
    snprintf(why, sizeof why, "%u nodes / %u nodes", (unsigned)a->n_nodes, (unsigned)b->n_nodes);
    for (uint32_t i = 0; i < a->n_nodes && i < b->n_nodes; i++) {
      if (a->nodes[i]->op != b->nodes[i]->op) {
        snprintf(why, sizeof why, "%u nodes / %u nodes, first at %s '%s' / %s '%s'", (unsigned)a->n_nodes,
                 (unsigned)b->n_nodes, a->nodes[i]->op->name, a->nodes[i]->name, b->nodes[i]->op->name,
                 b->nodes[i]->name);
        break;
      }
    }
    return why;
  }
  for (uint32_t i = 0; i < a->n_nodes; i++) {
    if (node_difference(a, a->nodes[i], b, b->nodes[i]) != NULL) return why;
  }
  if (a->n_inputs != b->n_inputs || a->n_outputs != b->n_outputs) return "number of inputs or outputs";
  for (uint32_t i = 0; i < a->n_inputs; i++) {
    const qe__value *x = &a->values[a->inputs[i]], *y = &b->values[b->inputs[i]];
    if (!same_value(a, a->inputs[i], b, b->inputs[i]) || x->rank != y->rank) return "an input of the graph";
    for (int32_t d = 0; d < x->rank; d++) {
      const bool symbols = (x->symbols[d] == NULL) == (y->symbols[d] == NULL) &&
                           (x->symbols[d] == NULL || strcmp(x->symbols[d], y->symbols[d]) == 0);
      if (x->dims[d] != y->dims[d] || !symbols) return "a dimension of an input of the graph";
    }
  }
  for (uint32_t i = 0; i < a->n_outputs; i++) {
    if (!same_value(a, a->outputs[i], b, b->outputs[i])) return "an output of the graph";
  }
  if (a->n_metadata != b->n_metadata) return "metadata";
  for (uint32_t i = 0; i < a->n_metadata; i++) {
    const qe__metadata *x = &a->metadata[i], *y = &b->metadata[i];
    if (strcmp(x->key, y->key) != 0 || strcmp(x->value, y->value) != 0) {
      return "metadata";
    }
  }
  return NULL;
}

/* ---- files ---- */

qe__graph *round_trip(const qe__graph *g, qe_format_t format) {
  scratch s;
  qe_model_t *model = NULL;
  qe__graph *back = NULL;
  scratch_open(&s);
  const char *path = scratch_file(&s, "round_trip.onnx");
  OK(qe__onnx_export(g, format, path, 1));
  OK(qe_model_load(path, &model));
  OK(qe__graph_clone(model->graph, &back));
  qe_model_destroy(&model);
  scratch_close(&s);
  return back;
}

/* ---- building ---- */

static uint32_t next_random(uint32_t *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

qe_tensor_t *random_codes(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, uint32_t *seed) {
  qe_tensor_t *t = NULL;
  OK(qe_tensor_create(dtype, rank, dims, &t));
  for (size_t i = 0; i < t->bytes; i++) ((uint8_t *)t->data)[i] = (uint8_t)next_random(seed);
  return t;
}

qe__value_id add_codes(qe__graph *g, const char *name, qe_dtype_t dtype, float scale, int32_t zero_point) {
  qe__value_id v;
  OK(qe__graph_add_value(g, name, dtype, &v));
  const qe_qparams_t q = {1, -1, &scale, &zero_point};
  OK(qe__qparams_set(&g->values[v].q, &q, dtype, 0, NULL));
  return v;
}

qe__value_id add_weight(qe__graph *g, const char *name, uint32_t rank, const int64_t *dims, int32_t axis,
                        uint32_t *seed) {
  qe_tensor_t *t = random_codes(QE_INT8, rank, dims, seed);
  float scales[256];
  int32_t zeros[256] = {0};
  const uint32_t count = axis >= 0 ? (uint32_t)dims[axis] : 1;
  for (uint32_t i = 0; i < count; i++) scales[i] = 0.001f * (float)(1 + next_random(seed) % 100);
  const qe_qparams_t q = {count, axis, scales, zeros};
  qe__value_id v;
  OK(qe_tensor_set_qparams(t, &q));
  OK(qe__graph_add_constant(g, name, t, &v));
  qe_tensor_release(&t);
  return v;
}

qe__value_id add_bias(qe__graph *g, const char *name, qe__value_id x, qe__value_id w, int64_t channels) {
  const qe_qparams_t *wq = &g->values[w].q.view;
  const float sx = g->values[x].q.view.scales[0];
  float scales[256];
  int32_t zeros[256] = {0}, codes[256];
  for (uint32_t i = 0; i < wq->count; i++) scales[i] = sx * wq->scales[i];
  for (int64_t i = 0; i < channels; i++) codes[i] = (int32_t)(i * 37 - 100);
  const qe_qparams_t q = {wq->count, wq->count > 1 ? 0 : -1, scales, zeros};
  qe_tensor_t *t = NULL;
  qe__value_id v;
  OK(qe_tensor_from_data(QE_INT32, 1, &channels, codes, &t));
  OK(qe_tensor_set_qparams(t, &q));
  OK(qe__graph_add_constant(g, name, t, &v));
  qe_tensor_release(&t);
  return v;
}

qe__value_id add_i64(qe__graph *g, const char *name, size_t count, const int64_t *values) {
  qe_tensor_t *t = NULL;
  qe__value_id v;
  OK(qe_tensor_from_data(QE_INT64, 1, &(int64_t){(int64_t)count}, values, &t));
  OK(qe__graph_add_constant(g, name, t, &v));
  qe_tensor_release(&t);
  return v;
}

qe__node *add_quantized(qe__graph *g, const char *op, const char *name, uint32_t n_in, const qe__value_id *in,
                        qe__value_id out) {
  qe__node *n = NULL;
  OK(qe__graph_add_node(g, op, name, n_in, in, 1, &out, &n));
  n->quantized = true;
  return n;
}

qe__value_id start_graph(qe__graph **g, int64_t c, int64_t h, int64_t w) {
  qe__value_id x, xq;
  OK(qe__graph_create(g));
  OK(qe__graph_add_value(*g, "x", QE_FLOAT32, &x));
  (*g)->values[x].rank = 4;
  const int64_t dims[4] = {-1, c, h, w};
  for (int d = 0; d < 4; d++) (*g)->values[x].dims[d] = dims[d];
  (*g)->values[x].symbols[0] = qe__strdup("batch");
  OK(qe__graph_add_input(*g, x));
  xq = add_codes(*g, "xq", QE_UINT8, 0.02f, 117);
  OK(qe__graph_add_node(*g, "QuantizeLinear", "quantize_x", 1, &x, 1, &xq, NULL));
  return xq;
}

void finish_graph(qe__graph *g, qe__value_id v) {
  qe__value_id y;
  OK(qe__graph_add_value(g, "y", QE_FLOAT32, &y));
  OK(qe__graph_add_node(g, "DequantizeLinear", "dequantize_y", 1, &v, 1, &y, NULL));
  OK(qe__graph_add_output(g, y));
  OK(qe__graph_verify(g));
}
