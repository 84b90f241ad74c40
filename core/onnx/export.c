/*
 * Graph to ONNX file: walks the nodes, packs the message, writes it (and a file of weights beside it when they are too
 * many for one protobuf message) so that a file never appears half written.
 */
#include "onnx/export.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "onnx/functions.h"
#include "onnx/onnx.h"

/* protobuf messages end at 2 GiB; what else is in the message needs some room */
#define INLINE_LIMIT   UINT64_C(1900000000)
#define EXTERNAL_ALIGN 4096
#define EXTERNAL_MIN   1024 /* smaller constants stay in the model */

static qe_status_t no_memory(void) { return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while exporting"); }

/* ---- names ---- */

static qe_status_t reserve_value(qe__export *ex, qe__value_id v) {
  if (v == QE__NO_VALUE) return QE_OK;
  qe__name *entry = qe__names_add(ex->names, ex->g->values[v].name);
  if (entry == NULL) return QE_ERROR_OUT_OF_MEMORY;
  entry->value = v;
  return QE_OK;
}

static qe_status_t reserve_names(qe__export *ex) {
  const qe__graph *g = ex->g;
  for (uint32_t i = 0; i < g->n_inputs; i++) QE_TRY(reserve_value(ex, g->inputs[i]));
  for (uint32_t i = 0; i < g->n_outputs; i++) QE_TRY(reserve_value(ex, g->outputs[i]));
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const qe__node *n = g->nodes[i];
    for (uint32_t k = 0; k < n->n_in; k++) QE_TRY(reserve_value(ex, n->in[k]));
    for (uint32_t k = 0; k < n->n_out; k++) QE_TRY(reserve_value(ex, n->out[k]));
    qe__name *entry = qe__names_add(ex->names, n->name);
    if (entry == NULL) return QE_ERROR_OUT_OF_MEMORY;
    entry->node = true;
  }
  return QE_OK;
}

/* ---- nodes ---- */

static qe_status_t write_plain(qe__export *ex, const qe__node *n) {
  char **in = qe__arena_alloc(&ex->arena, (size_t)n->n_in + 1, sizeof *in);
  char **out = qe__arena_alloc(&ex->arena, (size_t)n->n_out + 1, sizeof *out);
  if (in == NULL || out == NULL) return no_memory();
  for (uint32_t i = 0; i < n->n_in; i++) QE_TRY(qe__export_input(ex, n, i, &in[i]));
  for (uint32_t i = 0; i < n->n_out; i++) QE_TRY(qe__export_value(ex, n->out[i], &out[i]));
  if (n->n_in == 1 && n->op->id == QE__OP_DequantizeLinear) {
    return qe__export_linear(ex, n->op->name, n->name, n->in[0], in[0], out[0]);
  }
  if (n->n_in == 1 && n->op->id == QE__OP_QuantizeLinear) {
    return qe__export_linear(ex, n->op->name, n->name, n->out[0], in[0], out[0]);
  }
  return qe__export_plain(ex, n, in, out, &n->act);
}

static bool is_linear(const qe__node *n) {
  return n->op->id == QE__OP_QuantizeLinear || n->op->id == QE__OP_DequantizeLinear;
}

static qe_status_t write_nodes(qe__export *ex) {
  for (uint32_t i = 0; i < ex->g->n_nodes; i++) {
    const qe__node *n = ex->g->nodes[i];
    if (n->dead) continue;
    const int64_t opset = qe__export_min_opset(ex->g, n);
    if (opset > ex->opset) ex->opset = opset;
  }
  for (uint32_t i = 0; i < ex->g->n_nodes; i++) {
    const qe__node *n = ex->g->nodes[i];
    if (n->dead) continue;
    QE_TRY(n->quantized && !is_linear(n) ? qe__export_quantized(ex, n) : write_plain(ex, n));
  }
  return QE_OK;
}

/* ---- inputs and outputs ---- */

static Onnx__TensorShapeProto *shape_of(qe__export *ex, const qe__value *v) {
  Onnx__TensorShapeProto *shape = qe__arena_alloc(&ex->arena, 1, sizeof *shape);
  Onnx__TensorShapeProto__Dimension *dims = qe__arena_alloc(&ex->arena, QE_MAX_RANK, sizeof *dims);
  if (shape == NULL || dims == NULL) return NULL;
  onnx__tensor_shape_proto__init(shape);
  shape->n_dim = (size_t)v->rank;
  shape->dim = qe__arena_alloc(&ex->arena, QE_MAX_RANK, sizeof(Onnx__TensorShapeProto__Dimension *));
  if (shape->dim == NULL) return NULL;
  for (int32_t d = 0; d < v->rank; d++) {
    onnx__tensor_shape_proto__dimension__init(&dims[d]);
    shape->dim[d] = &dims[d];
    if (v->dims[d] >= 0) {
      dims[d].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
      dims[d].dim_value = v->dims[d];
    } else if (v->symbols[d] != NULL) {
      dims[d].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
      dims[d].dim_param = v->symbols[d];
    }
  }
  return shape;
}

static Onnx__ValueInfoProto *info_of(qe__export *ex, qe__value_id id) {
  const qe__value *v = &ex->g->values[id];
  Onnx__ValueInfoProto *info = qe__arena_alloc(&ex->arena, 1, sizeof *info);
  Onnx__TypeProto *type = qe__arena_alloc(&ex->arena, 1, sizeof *type);
  Onnx__TypeProto__Tensor *tensor = qe__arena_alloc(&ex->arena, 1, sizeof *tensor);
  if (info == NULL || type == NULL || tensor == NULL) return NULL;
  onnx__value_info_proto__init(info);
  onnx__type_proto__init(type);
  onnx__type_proto__tensor__init(tensor);
  info->name = v->name;
  if (v->dtype == QE_DTYPE_NONE) return info; /* runtimes infer an output's type */
  info->type = type;
  type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  type->tensor_type = tensor;
  tensor->has_elem_type = 1;
  tensor->elem_type = (int32_t)v->dtype;
  if (v->rank >= 0 && (tensor->shape = shape_of(ex, v)) == NULL) return NULL;
  return info;
}

static qe_status_t infos_of(qe__export *ex, uint32_t count, const qe__value_id *ids, size_t *n,
                            Onnx__ValueInfoProto ***out) {
  *n = count;
  *out = qe__arena_alloc(&ex->arena, (size_t)count + 1, sizeof(Onnx__ValueInfoProto *));
  if (*out == NULL) return no_memory();
  for (uint32_t i = 0; i < count; i++) {
    char *name;
    QE_TRY(qe__export_value(ex, ids[i], &name));
    (*out)[i] = info_of(ex, ids[i]);
    if ((*out)[i] == NULL) return no_memory();
  }
  return QE_OK;
}

/* ---- the model ---- */

static int64_t ir_version(int64_t opset) { return opset >= 21 ? 10 : opset >= 19 ? 9 : 8; }

static qe_status_t fill_opsets(qe__export *ex, Onnx__ModelProto *m) {
  static char microsoft[] = "com.microsoft", functions[] = QE__FUNCTION_DOMAIN, no_domain[] = "";
  const bool used[3] = {true, ex->microsoft, ex->n_functions > 0};
  char *const domains[3] = {no_domain, microsoft, functions};
  Onnx__OperatorSetIdProto *opsets = qe__arena_alloc(&ex->arena, 3, sizeof *opsets);
  m->opset_import = qe__arena_alloc(&ex->arena, 3, sizeof(Onnx__OperatorSetIdProto *));
  if (opsets == NULL || m->opset_import == NULL) return no_memory();
  for (size_t i = 0; i < 3; i++) {
    if (!used[i]) continue;
    onnx__operator_set_id_proto__init(&opsets[i]);
    opsets[i].domain = domains[i];
    opsets[i].has_version = 1;
    opsets[i].version = i == 0 ? ex->opset : 1;
    m->opset_import[m->n_opset_import++] = &opsets[i];
  }
  m->n_functions = ex->n_functions;
  m->functions = ex->functions;
  return QE_OK;
}

static qe_status_t fill_model(qe__export *ex, Onnx__ModelProto *m, Onnx__GraphProto *graph) {
  static char producer[] = "qengine", version[] = QE_VERSION;
  const qe__graph *g = ex->g;
  Onnx__StringStringEntryProto *props = qe__arena_alloc(&ex->arena, (size_t)g->n_metadata + 1, sizeof *props);
  m->metadata_props = qe__arena_alloc(&ex->arena, (size_t)g->n_metadata + 1, sizeof(Onnx__StringStringEntryProto *));
  if (props == NULL || m->metadata_props == NULL) return no_memory();
  m->has_ir_version = 1;
  m->ir_version = ir_version(ex->opset);
  m->producer_name = producer;
  m->producer_version = version;
  QE_TRY(fill_opsets(ex, m));
  m->n_metadata_props = g->n_metadata;
  for (uint32_t i = 0; i < g->n_metadata; i++) {
    onnx__string_string_entry_proto__init(&props[i]);
    props[i].key = g->metadata[i].key;
    props[i].value = g->metadata[i].value;
    m->metadata_props[i] = &props[i];
  }
  m->graph = graph;
  graph->name = g->name != NULL && g->name[0] != '\0' ? g->name : producer;
  QE_TRY(infos_of(ex, g->n_inputs, g->inputs, &graph->n_input, &graph->input));
  QE_TRY(infos_of(ex, g->n_outputs, g->outputs, &graph->n_output, &graph->output));
  graph->n_node = ex->n_nodes;
  graph->node = ex->nodes;
  graph->n_initializer = ex->n_constants;
  graph->initializer = ex->constants;
  return QE_OK;
}

/* ---- files ---- */

static qe_status_t set_external(qe__export *ex, Onnx__TensorProto *t, const char *location, uint64_t offset) {
  static char location_key[] = "location", offset_key[] = "offset", length_key[] = "length";
  char *const keys[3] = {location_key, offset_key, length_key};
  char *values[3] = {qe__arena_format(&ex->arena, "%s", location),
                     qe__arena_format(&ex->arena, "%llu", (unsigned long long)offset),
                     qe__arena_format(&ex->arena, "%zu", t->raw_data.len)};
  Onnx__StringStringEntryProto *entries = qe__arena_alloc(&ex->arena, 3, sizeof *entries);
  t->external_data = qe__arena_alloc(&ex->arena, 3, sizeof(Onnx__StringStringEntryProto *));
  if (entries == NULL || t->external_data == NULL) return no_memory();
  for (size_t i = 0; i < 3; i++) {
    if (values[i] == NULL) return no_memory();
    onnx__string_string_entry_proto__init(&entries[i]);
    entries[i].key = keys[i];
    entries[i].value = values[i];
    t->external_data[i] = &entries[i];
  }
  t->n_external_data = 3;
  t->has_data_location = 1;
  t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  t->has_raw_data = 0;
  t->raw_data = (ProtobufCBinaryData){0};
  return QE_OK;
}

/* Moves the large constants into the writer; they refer to `location` afterwards. */
static qe_status_t write_external(qe__export *ex, qe__writer *writer, const char *location) {
  static const char zeros[EXTERNAL_ALIGN];
  uint64_t offset = 0;
  for (size_t i = 0; i < ex->n_constants; i++) {
    Onnx__TensorProto *t = ex->constants[i];
    if (t->raw_data.len < EXTERNAL_MIN) continue;
    const uint64_t padding = (EXTERNAL_ALIGN - offset % EXTERNAL_ALIGN) % EXTERNAL_ALIGN;
    QE_TRY(qe__writer_write(writer, zeros, (size_t)padding));
    QE_TRY(qe__writer_write(writer, t->raw_data.data, t->raw_data.len));
    const size_t length = t->raw_data.len;
    offset += padding;
    QE_TRY(set_external(ex, t, location, offset));
    offset += length;
  }
  return QE_OK;
}

static qe_status_t pack(const Onnx__ModelProto *m, void **out, size_t *size) {
  *out = NULL;
  *size = onnx__model_proto__get_packed_size(m);
  if (*size > (size_t)INT32_MAX) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "the model would need %zu bytes; one ONNX message can have 2147483647",
                    *size);
  }
  *out = qe__realloc(NULL, 1, *size);
  if (*out == NULL) return QE_ERROR_OUT_OF_MEMORY;
  (void)onnx__model_proto__pack(m, *out);
  return QE_OK;
}

static qe_status_t write_files(qe__export *ex, const Onnx__ModelProto *m, const char *path, int overwrite,
                               uint64_t inline_limit) {
  qe__writer *model = NULL, *data = NULL;
  char *data_path = NULL;
  void *bytes = NULL;
  size_t size;
  qe_status_t status;
  uint64_t total = 0;
  for (size_t i = 0; i < ex->n_constants; i++) total += ex->constants[i]->raw_data.len;
  QE_TRY_GOTO(qe__writer_open(path, overwrite, &model), done);
  if (total > inline_limit) {
    data_path = qe__format("%s.data", path);
    if (data_path == NULL) {
      status = QE_ERROR_OUT_OF_MEMORY;
      goto done;
    }
    const char *slash = strrchr(data_path, '/');
    QE_TRY_GOTO(qe__writer_open(data_path, overwrite, &data), done);
    QE_TRY_GOTO(write_external(ex, data, slash != NULL ? slash + 1 : data_path), done);
  }
  QE_TRY_GOTO(pack(m, &bytes, &size), done);
  QE_TRY_GOTO(qe__writer_write(model, bytes, size), done);
  if (data != NULL) QE_TRY_GOTO(qe__writer_commit(&data), done);
  status = qe__writer_commit(&model);
done:
  qe__writer_abort(&data);
  qe__writer_abort(&model);
  qe__free(data_path);
  qe__free(bytes);
  return status;
}

/* The whole export in memory: ex keeps everything that *model points to. */
static qe_status_t build(qe__export *ex, const qe__graph *g, qe_format_t format, Onnx__ModelProto *model,
                         Onnx__GraphProto *graph) {
  *ex = (qe__export){.g = g, .format = format, .opset = 13};
  onnx__model_proto__init(model);
  onnx__graph_proto__init(graph);
  ex->written = qe__calloc((size_t)g->n_values + 1, sizeof *ex->written);
  ex->scale = qe__calloc((size_t)g->n_values + 1, sizeof *ex->scale);
  ex->zero_point = qe__calloc((size_t)g->n_values + 1, sizeof *ex->zero_point);
  ex->transposed = qe__calloc((size_t)g->n_values + 1, sizeof *ex->transposed);
  if (ex->written == NULL || ex->scale == NULL || ex->zero_point == NULL || ex->transposed == NULL) return QE_ERROR_OUT_OF_MEMORY;
  QE_TRY(qe__names_create(&ex->names));
  QE_TRY(reserve_names(ex));
  QE_TRY(write_nodes(ex));
  return fill_model(ex, model, graph);
}

static void clear(qe__export *ex) {
  qe__names_destroy(&ex->names);
  qe__arena_free(&ex->arena);
  qe__free(ex->nodes);
  qe__free(ex->constants);
  qe__free(ex->functions);
  qe__free(ex->written);
  qe__free(ex->scale);
  qe__free(ex->zero_point);
  qe__free(ex->transposed);
}

qe_status_t qe__onnx_export_memory(const qe__graph *g, qe_format_t format, void **out, size_t *size) {
  qe__export ex;
  Onnx__ModelProto model;
  Onnx__GraphProto graph;
  *out = NULL;
  *size = 0;
  qe_status_t status = build(&ex, g, format, &model, &graph);
  if (status == QE_OK) status = pack(&model, out, size);
  clear(&ex);
  return status;
}

qe_status_t qe__onnx_export_limited(const qe__graph *g, qe_format_t format, const char *path, int overwrite,
                                    uint64_t inline_limit) {
  qe__export ex;
  Onnx__ModelProto model;
  Onnx__GraphProto graph;
  qe_status_t status = build(&ex, g, format, &model, &graph);
  if (status == QE_OK) status = write_files(&ex, &model, path, overwrite, inline_limit);
  clear(&ex);
  return status == QE_OK ? QE_OK : qe__fail_in(status, "saving '%s'", path);
}

qe_status_t qe__onnx_export(const qe__graph *g, qe_format_t format, const char *path, int overwrite) {
  return qe__onnx_export_limited(g, format, path, overwrite, INLINE_LIMIT);
}
