/*
 * Writes models of the dynamic flow's ops in the forms they have in files, and the arrays they are run on.
 *
 * usage: interop_dynamic FOLDER; prints a line per file: its name, the largest difference from ONNX Runtime relative to
 * the largest result, and the inputs as name=file
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "onnx/onnx.h"
#include "qengine.h"

#define CHECK(call)                             \
  do {                                          \
    if ((call) != QE_OK) {                      \
      fprintf(stderr, "%s\n", qe_last_error()); \
      exit(1);                                  \
    }                                           \
  } while (0)
#define NONE QE__NO_VALUE

static const char *folder;
static uint64_t seed = 1;
static qe__graph *g;
static char inputs[512];

static uint32_t next_random(void) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(seed >> 33);
}
static float uniform(float lo, float hi) { return lo + (hi - lo) * (float)(next_random() & 0xffffff) / 16777216.0f; }

static const char *path_of(const char *name, const char *end) {
  static char path[1024];
  snprintf(path, sizeof path, "%s/%s%s", folder, name, end);
  return path;
}

/* ---- values ---- */

static qe__value_id constant(const char *name, qe_tensor_t *t) {
  qe__value_id v;
  CHECK(qe__graph_add_constant(g, name, t, &v));
  qe_tensor_release(&t);
  return v;
}

static qe_tensor_t *floats(float lo, float hi, uint32_t rank, const int64_t *dims) {
  qe_tensor_t *t;
  CHECK(qe_tensor_create(QE_FLOAT32, rank, dims, &t));
  for (int64_t i = 0; i < t->count; i++) ((float *)t->data)[i] = uniform(lo, hi);
  return t;
}

static qe_tensor_t *bytes(qe_dtype_t dtype, uint32_t rank, const int64_t *dims) {
  qe_tensor_t *t;
  CHECK(qe_tensor_create(dtype, rank, dims, &t));
  for (size_t i = 0; i < t->bytes; i++) ((uint8_t *)t->data)[i] = (uint8_t)next_random();
  if (dtype == QE_UINT4 || dtype == QE_INT4) return t;
  if (dtype == QE_INT8) { /* what weights are */
    for (int64_t i = 0; i < t->count; i++) {
      if (((int8_t *)t->data)[i] == -128) ((int8_t *)t->data)[i] = 0;
    }
  }
  return t;
}

static qe_tensor_t *integers(qe_dtype_t dtype, int64_t count, const int64_t *values) {
  qe_tensor_t *t;
  CHECK(qe_tensor_create(dtype, 1, &count, &t));
  for (int64_t i = 0; i < count; i++) {
    if (dtype == QE_INT64) ((int64_t *)t->data)[i] = values[i];
    else if (dtype == QE_INT32) ((int32_t *)t->data)[i] = (int32_t)values[i];
    else ((uint8_t *)t->data)[i] = (uint8_t)values[i];
  }
  return t;
}

#define DIMS(...) sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__}
#define F(name, lo, hi, ...) constant(name, floats(lo, hi, DIMS(__VA_ARGS__)))
#define B(name, dtype, ...)  constant(name, bytes(dtype, DIMS(__VA_ARGS__)))

/* An input of the graph with the array it is run on. */
static qe__value_id input(const char *model, const char *name, qe_tensor_t *t) {
  qe__value_id v;
  CHECK(qe__graph_add_value(g, name, t->dtype, &v));
  g->values[v].rank = (int32_t)t->rank;
  for (uint32_t d = 0; d < t->rank; d++) g->values[v].dims[d] = t->dims[d];
  CHECK(qe__graph_add_input(g, v));
  char file[128];
  snprintf(file, sizeof file, "%s_%s", model, name);
  CHECK(qe_tensor_save_npy(t, path_of(file, ".npy"), 1));
  const size_t used = strlen(inputs);
  snprintf(inputs + used, sizeof inputs - used, " %s=%s.npy", name, file);
  qe_tensor_release(&t);
  return v;
}

static qe__value_id output(const char *name, int32_t rank) {
  qe__value_id v;
  CHECK(qe__graph_add_value(g, name, QE_FLOAT32, &v));
  g->values[v].rank = rank;
  for (int32_t d = 0; d < rank; d++) g->values[v].dims[d] = -1;
  CHECK(qe__graph_add_output(g, v));
  return v;
}

static qe__node *node(const char *op, const char *name, uint32_t n_in, const qe__value_id *in, uint32_t n_out,
                      const qe__value_id *out) {
  qe__node *n;
  while (in[n_in - 1] == NONE) n_in--;
  CHECK(qe__graph_add_node(g, op, name, n_in, in, n_out, out, &n));
  return n;
}

/* ---- files ---- */

static void begin(void) {
  inputs[0] = '\0';
  CHECK(qe__graph_create(&g));
}

static void finish(const char *name, double tolerance, bool both) {
  CHECK(qe__graph_verify(g));
  for (int format = QE_FORMAT_QDQ; format <= (both ? QE_FORMAT_QOPERATOR : QE_FORMAT_QDQ); format++) {
    const char *end = format == QE_FORMAT_QDQ ? ".onnx" : "_qoperator.onnx";
    CHECK(qe__onnx_export(g, (qe_format_t)format, path_of(name, end), 1));
    printf("%s%s %g%s\n", name, end, tolerance, inputs);
  }
  qe__graph_destroy(&g);
}

/* ---- models ---- */

static void products(void) {
  begin();
  const qe__value_id x = input("products", "x", floats(-2, 3, DIMS(2, 5, 8)));
  qe__value_id q[3], y;
  CHECK(qe__graph_add_value(g, "xq", QE_UINT8, &q[0]));
  CHECK(qe__graph_add_value(g, "xs", QE_FLOAT32, &q[1]));
  CHECK(qe__graph_add_value(g, "xz", QE_UINT8, &q[2]));
  node("DynamicQuantizeLinear", "quantize", 1, &x, 3, q);
  const qe__value_id w = B("w", QE_INT8, 8, 8), u = B("u", QE_UINT8, 8, 3), s = F("s", 0.01f, 0.02f, 8),
                     one = F("one_scale", 0.01f, 0.02f, 1), bias = F("bias", -1, 1, 8), zero = B("zero", QE_UINT8, 1);
  y = output("query", 3);
  node("MatMulIntegerToFloat", "q", 7, (qe__value_id[]){q[0], w, q[1], s, q[2], NONE, bias}, 1, &y);
  y = output("key", 3);
  qe__node *n = node("MatMulIntegerToFloat", "k", 5, (qe__value_id[]){q[0], w, q[1], s, q[2]}, 1, &y);
  CHECK(qe__node_set_int(n, "transB", 1));
  n->act = (qe__act){-1.0f, 6.0f};
  y = output("gate", 3);
  node("MatMulIntegerToFloat", "g", 6, (qe__value_id[]){q[0], u, q[1], one, q[2], zero}, 1, &y);
  finish("products", 1e-6, true);
}

static void recurrent(const char *name, const char *op, int64_t gates, bool both_directions, bool per_column,
                      qe_dtype_t dtype, double tolerance) {
  enum { STEPS = 6, BATCH = 3, INPUTS = 7, HIDDEN = 5 };
  const bool lstm = gates == 4;
  const int64_t d = both_directions ? 2 : 1, columns = gates * HIDDEN;
  begin();
  const qe__value_id x = input(name, "x", floats(-1, 1, DIMS(STEPS, BATCH, INPUTS)));
  const qe__value_id w = B("w", dtype, d, INPUTS, columns), r = B("r", dtype, d, HIDDEN, columns), b = F("b", -0.2f, 0.2f, d, 2 * columns);
  const uint32_t rank = per_column ? 2 : 1;
  const int64_t dims[2] = {d, columns};
  qe_tensor_t *zeros[2];
  for (int i = 0; i < 2; i++) {
    CHECK(qe_tensor_create(dtype, rank, dims, &zeros[i]));
    for (size_t k = 0; k < zeros[i]->bytes; k++) ((uint8_t *)zeros[i]->data)[k] = dtype == QE_UINT8 ? 128 : 0;
  }
  const qe__value_id ws = constant("ws", floats(0.003f, 0.006f, rank, dims)), rs = constant("rs", floats(0.003f, 0.006f, rank, dims)),
                     wz = constant("wz", zeros[0]), rz = constant("rz", zeros[1]);
  qe__value_id y[2] = {output("y", 4), lstm ? NONE : output("y_h", 3)};
  const qe__value_id start[] = {x, w, r, b, NONE, NONE}, end[] = {ws, wz, rs, rz};
  qe__value_id in[12];
  uint32_t n_in = 0;
  for (int i = 0; i < 6; i++) in[n_in++] = start[i];
  for (int i = 0; lstm && i < 2; i++) in[n_in++] = NONE;
  for (int i = 0; i < 4; i++) in[n_in++] = end[i];
  qe__node *n = node(op, "layer", n_in, in, lstm ? 1 : 2, y);
  CHECK(qe__node_set_int(n, "hidden_size", HIDDEN));
  if (both_directions) CHECK(qe__node_set_string(n, "direction", "bidirectional"));
  if (gates == 3) CHECK(qe__node_set_int(n, "linear_before_reset", per_column));
  finish(name, tolerance, false);
}

static void embedding(const char *name, qe_dtype_t dtype, bool offset) {
  begin();
  qe_tensor_t *indices;
  CHECK(qe_tensor_create(QE_INT64, 2, (int64_t[]){2, 4}, &indices));
  for (int i = 0; i < 8; i++) ((int64_t *)indices->data)[i] = (int64_t)(next_random() % 20) - 10;
  const qe__value_id i = input(name, "indices", indices);
  const qe__value_id table = B("table", dtype, 10, 6), s = F("scale", 0.01f, 0.1f, 10),
                     o = offset ? F("offset", -1, 1, 10) : NONE;
  const qe__value_id y = output("y", 3);
  node("Embedding", "embed", 4, (qe__value_id[]){table, i, s, o}, 1, &y);
  finish(name, 1e-7, false);
}

static void bag(const char *name, qe_dtype_t dtype, const char *mode, bool offset, bool weights, bool last, int64_t padding) {
  begin();
  static const int64_t numbers[9] = {1, 5, -3, 7, 0, 7, 2, 9, 4}, starts[5] = {0, 3, 3, 7, 9};
  const qe__value_id i = input(name, "indices", integers(QE_INT64, 9, numbers)),
                     offsets = input(name, "offsets", integers(dtype == QE_INT8 ? QE_INT32 : QE_INT64, last ? 5 : 4, starts)),
                     w = weights ? input(name, "weights", floats(-1, 1, DIMS(9))) : NONE;
  const qe__value_id table = dtype == QE_FLOAT32 ? F("table", -1, 1, 10, 6) : B("table", dtype, 10, 6),
                     s = dtype == QE_FLOAT32 ? NONE : F("scale", 0.01f, 0.1f, 10), o = offset ? F("offset", -1, 1, 10) : NONE;
  const qe__value_id y = output("y", 2);
  qe__node *n = node("EmbeddingBag", "bag", 6, (qe__value_id[]){table, i, offsets, s, o, w}, 1, &y);
  CHECK(qe__node_set_string(n, "mode", mode));
  if (last) CHECK(qe__node_set_int(n, "include_last_offset", 1));
  if (padding >= 0) CHECK(qe__node_set_int(n, "padding_idx", padding));
  finish(name, 1e-6, false);
}

static void nbits(const char *name, int64_t bits, bool zero_points, bool with_bias) {
  enum { K = 70, N = 9, BLOCK = 32, BLOCKS = 3 };
  begin();
  const qe__value_id x = input(name, "x", floats(-1, 1, DIMS(4, K)));
  const qe__value_id b = B("b", QE_UINT8, N, BLOCKS, BLOCK * bits / 8), s = F("scales", 0.01f, 0.02f, N * BLOCKS),
                     z = zero_points ? B("zeros", QE_UINT8, N * ((BLOCKS * bits + 7) / 8)) : NONE,
                     bias = with_bias ? F("bias", -1, 1, N) : NONE, y = output("y", 2);
  qe__node *n = node("MatMulNBits", "product", 6, (qe__value_id[]){x, b, s, z, NONE, bias}, 1, &y);
  CHECK(qe__node_set_int(n, "K", K));
  CHECK(qe__node_set_int(n, "N", N));
  CHECK(qe__node_set_int(n, "bits", bits));
  CHECK(qe__node_set_int(n, "block_size", BLOCK));
  finish(name, 1e-5, false);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  folder = argv[1];
  products();
  recurrent("lstm", "DynamicQuantizeLSTM", 4, true, false, QE_INT8, 1e-5);
  recurrent("lstm_columns", "DynamicQuantizeLSTM", 4, false, true, QE_INT8, 1e-5);
  recurrent("gru", "DynamicQuantizeGRU", 3, true, false, QE_INT8, 0.01);
  recurrent("gru_columns", "DynamicQuantizeGRU", 3, false, true, QE_UINT8, 0.01);
  recurrent("rnn", "DynamicQuantizeRNN", 1, true, true, QE_INT8, 0.01);
  embedding("embedding", QE_UINT8, false);
  embedding("embedding_offset", QE_INT8, true);
  embedding("embedding_4bit", QE_UINT4, true);
  embedding("embedding_signed_4bit", QE_INT4, false);
  bag("bag_sum", QE_FLOAT32, "sum", false, false, false, -1);
  bag("bag_weighted", QE_UINT8, "sum", true, true, true, 7);
  bag("bag_mean", QE_INT8, "mean", false, false, false, 7);
  bag("bag_max", QE_FLOAT32, "max", false, false, true, 5);
  bag("bag_4bit", QE_INT4, "max", true, false, false, -1);
  nbits("nbits_4", 4, true, true);
  nbits("nbits_8", 8, false, false);
  return 0;
}
