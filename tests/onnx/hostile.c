/* Files that are broken or malicious: every one is an error with a message, none a crash. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/model.h"
#include "onnx_util.h"
#include "support/scratch.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())
static const int64_t nchw[4] = {-1, 4, 8, 8};

static void relu_model(proto_model *m) {
  proto_open(m, 13);
  proto_input(m, "x", QE_FLOAT32, 4, nchw);
  proto_output(m, "y");
}

static void expect(proto_model *m, qe_status_t want, const char *text) {
  qe__graph *g = NULL;
  const qe_status_t status = proto_import(m, &g);
  cr_assert_eq(status, want, "%s: %s", qe_status_text(status), status != QE_OK ? qe_last_error() : "it was accepted");
  cr_assert_null(g);
  cr_assert_not_null(strstr(qe_last_error(), text), "'%s' is not in: %s", text, qe_last_error());
}

Test(onnx_hostile, truncated_anywhere) {
  proto_model m;
  static const float w[64];
  relu_model(&m);
  proto_const(&m, "w", QE_FLOAT32, 1, (int64_t[]){64}, w);
  proto_node(&m, "", "Relu", "relu", "x", "r");
  proto_node(&m, "", "Clip", "clip", "r - w", "y");
  size_t size;
  unsigned char *bytes = proto_pack(&m, &size);
  proto_close(&m);
  for (size_t n = 0; n < size; n++) {
    unsigned char *copy = malloc(n + 1); /* so that reading past the end is seen */
    memcpy(copy, bytes, n);
    unsigned char *tight = realloc(copy, n > 0 ? n : 1);
    qe__graph *g = NULL;
    (void)qe__onnx_import(tight, n, NULL, "truncated", &g);
    qe__graph_destroy(&g);
    free(tight);
  }
  for (size_t i = 0; i < size; i++) { /* every byte changed in three ways */
    for (int k = 0; k < 3; k++) {
      const unsigned char was = bytes[i];
      bytes[i] = (unsigned char)(k == 0 ? was ^ 1 : k == 1 ? was ^ 0x80 : 0xff);
      qe__graph *g = NULL;
      (void)qe__onnx_import(bytes, size, NULL, "changed", &g);
      qe__graph_destroy(&g);
      bytes[i] = was;
    }
  }
  free(bytes);
}

Test(onnx_hostile, nested_without_end) {
  enum { LEVELS = 20000 };
  /* TypeProto.sequence_type.elem_type..., which protobuf-c would follow recursively */
  static unsigned char bytes[16 * LEVELS];
  size_t at = sizeof bytes, size = 0;
  for (int i = 0; i < LEVELS; i++) {
    static const unsigned char keys[2] = {0x0a, 0x22}; /* Sequence.elem_type, TypeProto.sequence_type */
    for (int k = 0; k < 2; k++) {
      unsigned char length[5];
      size_t n = 0;
      for (size_t v = size; n == 0 || v > 0; v >>= 7) length[n++] = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
      at -= n;
      memcpy(bytes + at, length, n);
      bytes[--at] = keys[k];
      size += n + 1;
    }
  }
  /* ModelProto.graph.input.type */
  static const unsigned char outer[3] = {0x12, 0x5a, 0x3a};
  for (int k = 0; k < 3; k++) {
    unsigned char length[5];
    size_t n = 0;
    for (size_t v = size; n == 0 || v > 0; v >>= 7) length[n++] = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
    at -= n;
    memcpy(bytes + at, length, n);
    bytes[--at] = outer[k];
    size += n + 1;
  }
  qe__graph *g = NULL;
  cr_assert_eq(qe__onnx_import(bytes + at, size, NULL, "deep", &g), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "nested"), "%s", qe_last_error());
}

Test(onnx_hostile, many_tiny_messages_are_bounded) {
  enum { COUNT = 20u << 20 };
  unsigned char *bytes = malloc(COUNT); /* ten million empty nodes: 20 MB that would become gigabytes */
  cr_assert_not_null(bytes);
  size_t at = 0;
  const size_t inner = COUNT - 16;
  bytes[at++] = 0x3a;
  for (size_t v = inner; v > 0; v >>= 7) bytes[at++] = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
  for (size_t i = 0; i < inner; i += 2) bytes[at + i] = 0x0a, bytes[at + i + 1] = 0;
  qe__graph *g = NULL;
  cr_assert_eq(qe__onnx_import(bytes, at + inner, NULL, "many", &g), QE_ERROR_FORMAT);
  cr_assert_not_null(strstr(qe_last_error(), "memory"), "%s", qe_last_error());
  free(bytes);
}

Test(onnx_hostile, unsupported_ops_are_listed_together) {
  proto_model m;
  relu_model(&m);
  proto_node(&m, "", "NonZero", "first", "x", "a");
  proto_node(&m, "my.domain", "Magic", "second", "a", "b");
  proto_node(&m, "", "NonZero", "third", "b", "c");
  proto_node(&m, "", "Unique", "", "c", "y");
  size_t size;
  void *bytes = proto_pack(&m, &size);
  proto_close(&m);
  qe__graph *g = NULL;
  cr_assert_eq(qe__onnx_import(bytes, size, NULL, "model.onnx", &g), QE_ERROR_UNSUPPORTED);
  free(bytes);
  for (size_t i = 0; i < 6; i++) {
    static const char *const parts[] = {"model.onnx", "3 ops", "NonZero (node 'first')",
                                        "my.domain.Magic (node 'second')", "Unique (node 'Unique_3')", "opset 13"};
    cr_assert_not_null(strstr(qe_last_error(), parts[i]), "'%s' is not in: %s", parts[i], qe_last_error());
  }
}

Test(onnx_hostile, graph_structure) {
  proto_model m;
  relu_model(&m);
  proto_node(&m, "", "Add", "one", "x b", "a");
  proto_node(&m, "", "Relu", "two", "a", "b");
  proto_node(&m, "", "Relu", "three", "a", "y");
  expect(&m, QE_ERROR_FORMAT, "cycle");
  relu_model(&m);
  proto_node(&m, "", "Relu", "one", "x", "y");
  proto_node(&m, "", "Relu", "two", "x", "y");
  expect(&m, QE_ERROR_EXISTS, "'y'");
  relu_model(&m);
  proto_node(&m, "", "Relu", "one", "nowhere", "y");
  expect(&m, QE_ERROR_FORMAT, "nowhere");
  relu_model(&m);
  proto_node(&m, "", "Relu", "one", "x", "z");
  expect(&m, QE_ERROR_FORMAT, "'y'");
  relu_model(&m);
  proto_node(&m, "", "Relu", "one", "x x", "y");
  expect(&m, QE_ERROR_FORMAT, "one");
  relu_model(&m);
  proto_node(&m, "", "Add", "one", "x -", "y");
  expect(&m, QE_ERROR_FORMAT, "one");
  relu_model(&m);
  proto_node(&m, "", "MatMul", "one", "x x x", "y");
  expect(&m, QE_ERROR_FORMAT, "one");
}

Test(onnx_hostile, attributes) {
  proto_model m;
  relu_model(&m);
  Onnx__NodeProto *n = proto_node(&m, "", "Relu", "one", "x", "y");
  proto_int(&m, n, "surprise", 1);
  expect(&m, QE_ERROR_UNSUPPORTED, "surprise");
  relu_model(&m);
  n = proto_node(&m, "", "LeakyRelu", "one", "x", "y");
  proto_int(&m, n, "alpha", 1);
  expect(&m, QE_ERROR_FORMAT, "alpha");
  relu_model(&m);
  n = proto_node(&m, "", "LeakyRelu", "one", "x", "y");
  proto_float(&m, n, "alpha", 1);
  proto_float(&m, n, "alpha", 2);
  expect(&m, QE_ERROR_FORMAT, "twice");
}

Test(onnx_hostile, tensors) {
  static const struct {
    const char *what;
    int type;
    int64_t dims[2];
    size_t bytes;
    qe_status_t status;
    const char *text;
  } cases[] = {
      {"negative", QE_FLOAT32, {-1, 1}, 4, QE_ERROR_SHAPE, "negative"},
      {"overflow", QE_FLOAT32, {INT64_MAX, 4}, 4, QE_ERROR_SHAPE, "overflow"},
      {"too few bytes", QE_FLOAT32, {2, 2}, 12, QE_ERROR_FORMAT, "12"},
      {"too many bytes", QE_FLOAT32, {2, 2}, 20, QE_ERROR_FORMAT, "20"},
      {"huge claim", QE_FLOAT32, {1 << 30, 1 << 20}, 4, QE_ERROR_FORMAT, "raw bytes"},
      {"strings", 8, {2, 2}, 4, QE_ERROR_UNSUPPORTED, "strings"},
      {"complex", 14, {2, 2}, 32, QE_ERROR_UNSUPPORTED, "14"},
      {"unknown", 99, {2, 2}, 4, QE_ERROR_UNSUPPORTED, "99"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    proto_model m;
    static uint8_t zeros[64];
    relu_model(&m);
    proto_const(&m, "c", QE_UINT8, 1, (int64_t[]){1}, zeros);
    Onnx__TensorProto *t = m.ex.constants[0];
    t->data_type = cases[i].type;
    t->n_dims = 2;
    t->dims = (int64_t *)(uintptr_t)cases[i].dims;
    t->raw_data = (ProtobufCBinaryData){cases[i].bytes, zeros};
    proto_node(&m, "", "Add", "add", "x c", "y");
    qe__graph *g = NULL;
    const qe_status_t status = proto_import(&m, &g);
    cr_assert_eq(status, cases[i].status, "%s: %s", cases[i].what, qe_last_error());
    cr_assert_not_null(strstr(qe_last_error(), cases[i].text), "%s: %s", cases[i].what, qe_last_error());
    cr_assert_not_null(strstr(qe_last_error(), "'c'"), "%s: %s", cases[i].what, qe_last_error());
  }
}

/* A model whose constant "c" [4] is in an external file. */
static void external_model(const char *path, const char *location, const char *offset, const char *length) {
  proto_model m;
  static float zeros[4];
  relu_model(&m);
  proto_const(&m, "c", QE_FLOAT32, 1, (int64_t[]){4}, zeros);
  Onnx__TensorProto *t = m.ex.constants[0];
  Onnx__StringStringEntryProto entries[3], *list[3];
  const char *const pairs[3][2] = {{"location", location}, {"offset", offset}, {"length", length}};
  size_t n = 0;
  for (size_t i = 0; i < 3; i++) {
    if (pairs[i][1] == NULL) continue;
    onnx__string_string_entry_proto__init(&entries[n]);
    entries[n].key = (char *)(uintptr_t)pairs[i][0];
    entries[n].value = (char *)(uintptr_t)pairs[i][1];
    list[n] = &entries[n];
    n++;
  }
  t->has_raw_data = 0;
  t->n_external_data = n;
  t->external_data = list;
  t->has_data_location = 1;
  t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  Onnx__NodeProto *r = proto_node(&m, "", "Reshape", "reshape", "c s", "y");
  (void)r;
  proto_const(&m, "s", QE_INT64, 1, (int64_t[]){1}, (int64_t[]){4});
  size_t size;
  void *bytes = proto_pack(&m, &size);
  proto_close(&m);
  scratch_write(path, bytes, size);
  free(bytes);
}

Test(onnx_hostile, external_data) {
  static const struct { const char *location, *offset, *length; qe_status_t status; const char *text; } cases[] = {
    {"data.bin", "16", "16", QE_OK, ""},
    {"data.bin", "16", NULL, QE_OK, ""},
    {"data.bin", "20", "16", QE_ERROR_FORMAT, "32 bytes"},
    {"data.bin", "0", "15", QE_ERROR_FORMAT, "need 16"},
    {"data.bin", "0", NULL, QE_ERROR_FORMAT, "need 16"},
    {"data.bin", "-1", "16", QE_ERROR_FORMAT, "-1"},
    {"data.bin", "99999999999999999999", "16", QE_ERROR_FORMAT, "offset"},
    {"data.bin", "9223372036854775807", "16", QE_ERROR_FORMAT, "outside"},
    {"missing.bin", "0", "16", QE_ERROR_IO, "missing.bin"},
    {"../data.bin", "0", "16", QE_ERROR_FORMAT, "refused"},
    {"sub/../../data.bin", "0", "16", QE_ERROR_FORMAT, "refused"},
    {"/etc/hostname", "0", "16", QE_ERROR_FORMAT, "refused"},
    {"link", "0", "16", QE_ERROR_FORMAT, "leads outside"},
    {"", "0", "16", QE_ERROR_FORMAT, "refused"},
    {NULL, "0", "16", QE_ERROR_FORMAT, "location"},
    {".", "0", "16", QE_ERROR_FORMAT, ""},
  };
  scratch s;
  float numbers[8] = {0, 0, 0, 0, 1, 2, 3, 4};
  scratch_open(&s);
  scratch_write(scratch_file(&s, "data.bin"), numbers, sizeof numbers);
  cr_assert_eq(symlink("/etc/passwd", scratch_file(&s, "link")), 0);
  const char *path = scratch_file(&s, "m.onnx");
  char kept[512];
  snprintf(kept, sizeof kept, "%s", path);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    qe_model_t *m = NULL;
    external_model(kept, cases[i].location, cases[i].offset, cases[i].length);
    const qe_status_t status = qe_model_load(kept, &m);
    cr_assert_eq(status, cases[i].status, "case %zu: %s", i, status == QE_OK ? "loaded" : qe_last_error());
    if (status == QE_OK) {
      const qe__value_id c = qe__graph_find_value(m->graph, "c");
      cr_assert_eq(qe__tensor_float_at(m->graph->values[c].data, 2), 3.0);
      qe_model_destroy(&m);
    } else {
      cr_assert_not_null(strstr(qe_last_error(), cases[i].text), "case %zu: %s", i, qe_last_error());
    }
  }
  unlink(scratch_file(&s, "link"));
  scratch_close(&s);
}

Test(onnx_hostile, external_data_of_a_model_in_memory) {
  scratch s;
  unsigned char bytes[4096];
  qe_model_t *m = NULL;
  scratch_open(&s);
  external_model(scratch_file(&s, "m.onnx"), "data.bin", "0", "16");
  const size_t n = scratch_read(scratch_file(&s, "m.onnx"), bytes, sizeof bytes);
  cr_assert_eq(qe_model_load_buffer(bytes, n, &m), QE_ERROR_UNSUPPORTED, "%s", qe_last_error());
  scratch_close(&s);
}

Test(onnx_hostile, not_onnx_at_all) {
  qe_model_t *m = NULL;
  cr_assert_neq(qe_model_load("/nonexistent/model.onnx", &m), QE_OK);
  cr_assert_not_null(strstr(qe_last_error(), "/nonexistent/model.onnx"), "%s", qe_last_error());
  cr_assert_neq(qe_model_load("/", &m), QE_OK);
  cr_assert_eq(qe_model_load_buffer("", 0, &m), QE_ERROR_FORMAT, "%s", qe_last_error());
  cr_assert_eq(qe_model_load_buffer("{\"json\": 1}", 11, &m), QE_ERROR_FORMAT, "%s", qe_last_error());
  cr_assert_eq(qe_model_load_buffer(NULL, 5, &m), QE_ERROR_INVALID_ARGUMENT, "%s", qe_last_error());
  cr_assert_null(m);
}

/* Fails the n-th allocation for every n, in import and export. */
Test(onnx_hostile, out_of_memory_anywhere) {
  proto_model m;
  qe__graph *g = NULL;
  static const int8_t w[3 * 4];
  const float b[3] = {1, 2, 3};
  proto_open(&m, 13);
  proto_input(&m, "x", QE_FLOAT32, 4, nchw);
  proto_output(&m, "y");
  proto_f32(&m, "s", 0.5f);
  proto_u8(&m, "z", 10);
  proto_i8(&m, "wz", 0);
  proto_const(&m, "w", QE_INT8, 4, (int64_t[]){3, 4, 1, 1}, w);
  proto_const(&m, "b", QE_FLOAT32, 1, (int64_t[]){3}, b);
  proto_node(&m, "", "QuantizeLinear", "q", "x s z", "xq");
  proto_node(&m, "", "DequantizeLinear", "dq", "xq s z", "xd");
  proto_node(&m, "", "DequantizeLinear", "dq_w", "w s wz", "wd");
  proto_node(&m, "", "Conv", "conv", "xd wd b", "c");
  proto_node(&m, "", "Relu", "relu", "c", "r");
  proto_node(&m, "", "QuantizeLinear", "q_y", "r s z", "yq");
  Onnx__NodeProto *n = proto_node(&m, "", "Softmax", "soft", "yq2", "y");
  proto_int(&m, n, "axis", 1);
  proto_node(&m, "", "DequantizeLinear", "dq_y", "yq s z", "yq2");
  size_t size;
  void *bytes = proto_pack(&m, &size);
  proto_close(&m);
  scratch s;
  scratch_open(&s);
  char path[512];
  snprintf(path, sizeof path, "%s", scratch_file(&s, "m.onnx"));
  bool done = false;
  for (long i = 0; i < 20000 && !done; i++) {
    qe__fail_allocations_after(i);
    qe_status_t status = qe__onnx_import(bytes, size, NULL, "m", &g);
    if (status == QE_OK) status = qe__onnx_export(g, (qe_format_t)(i % 2), path, 1);
    done = status == QE_OK;
    qe__fail_allocations_after(-1);
    qe__graph_destroy(&g);
  }
  cr_assert(done);
  scratch_close(&s);
  free(bytes);
}
