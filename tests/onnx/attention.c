/* Attention layers of com.microsoft against the formula, written out in double: every kind of mask. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/model.h"
#include "onnx_util.h"
#include "qengine.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())
#define MS "com.microsoft"

enum { BATCH = 2, LENGTH = 5, INPUTS = 6, HEADS = 2, SIZE = 3, WIDTH = HEADS * SIZE, COLUMNS = 3 * WIDTH };

typedef struct layer {
  bool codes, causal, has_bias;
  bool apart;    /* MultiHeadAttention: queries, keys and values are projected before the layer */
  int mask_rank; /* 0: none */
  float filter;
  /* numbers */
  float x[BATCH][LENGTH][INPUTS], w[INPUTS][COLUMNS], b[COLUMNS], scores[HEADS][LENGTH][LENGTH];
  uint8_t x_codes[BATCH][LENGTH][INPUTS];
  int8_t w_codes[INPUTS][COLUMNS];
  int32_t lengths[BATCH], keys[BATCH][LENGTH], pairs[BATCH][LENGTH][LENGTH];
} layer;

static uint32_t state;
static float uniform(float lo, float hi) {
  state = state * 1664525u + 1013904223u;
  return lo + (hi - lo) * (float)(state >> 8) / 16777216.0f;
}

static void fill(layer *l, uint32_t seed) {
  state = seed;
  for (int b = 0; b < BATCH; b++) {
    l->lengths[b] = b == 0 ? 3 : LENGTH;
    for (int s = 0; s < LENGTH; s++) {
      l->keys[b][s] = s == 0 || uniform(0, 1) > 0.4f;
      for (int t = 0; t < LENGTH; t++) l->pairs[b][s][t] = t == s || uniform(0, 1) > 0.4f;
      for (int i = 0; i < INPUTS; i++) {
        l->x_codes[b][s][i] = (uint8_t)uniform(0, 255.9f);
        l->x[b][s][i] = l->codes ? 0.02f * (float)(l->x_codes[b][s][i] - 120) : uniform(-2, 2);
      }
    }
  }
  for (int c = 0; c < COLUMNS; c++) {
    l->b[c] = uniform(-0.5f, 0.5f);
    for (int i = 0; i < INPUTS; i++) {
      l->w_codes[i][c] = (int8_t)uniform(-127, 127);
      l->w[i][c] = l->codes ? 0.008f * (float)(l->w_codes[i][c] - 2) : uniform(-1, 1);
    }
  }
  for (int h = 0; h < HEADS; h++) {
    for (int s = 0; s < LENGTH; s++) {
      for (int t = 0; t < LENGTH; t++) l->scores[h][s][t] = uniform(-1, 1);
    }
  }
}

static bool kept(const layer *l, int b, int s, int t) {
  if (l->mask_rank == 1) return t < l->lengths[b];
  if (l->mask_rank == 2) return l->keys[b][t] != 0;
  return l->mask_rank != 3 || l->pairs[b][s][t] != 0;
}

static void expected(const layer *l, double y[BATCH][LENGTH][WIDTH]) {
  static double p[LENGTH][COLUMNS];
  for (int b = 0; b < BATCH; b++) {
    for (int s = 0; s < LENGTH; s++) {
      for (int c = 0; c < COLUMNS; c++) {
        p[s][c] = (double)l->b[c];
        for (int i = 0; i < INPUTS; i++) p[s][c] += (double)l->x[b][s][i] * (double)l->w[i][c];
      }
    }
    for (int h = 0; h < HEADS; h++) {
      for (int s = 0; s < LENGTH; s++) {
        double e[LENGTH], sum = 0.0, largest = -INFINITY;
        for (int t = 0; t < LENGTH; t++) {
          double v = 0.0;
          for (int i = 0; i < SIZE; i++) v += p[s][h * SIZE + i] * p[t][WIDTH + h * SIZE + i];
          v = v / sqrt((double)SIZE) + (l->has_bias ? (double)l->scores[h][s][t] : 0.0) +
              (kept(l, b, s, t) ? 0.0 : (double)l->filter);
          e[t] = l->causal && t > s ? -INFINITY : v;
          largest = fmax(largest, e[t]);
        }
        for (int t = 0; t < LENGTH; t++) sum += e[t] = exp(e[t] - largest);
        for (int i = 0; i < SIZE; i++) {
          double v = 0.0;
          for (int t = 0; t < LENGTH; t++) v += e[t] / sum * p[t][2 * WIDTH + h * SIZE + i];
          y[b][s][h * SIZE + i] = v;
        }
      }
    }
  }
}

static qe_tensor_t *tensor(qe_dtype_t dtype, uint32_t rank, const int64_t *dims, const void *data) {
  qe_tensor_t *t = NULL;
  OK(qe_tensor_from_data(dtype, rank, dims, data, &t));
  return t;
}

static void *build(const layer *l, size_t *size) {
  proto_model m;
  static const int64_t x[3] = {-1, LENGTH, INPUTS}, w[2] = {INPUTS, COLUMNS}, b[1] = {COLUMNS},
                       mask[3][3] = {{-1}, {-1, LENGTH}, {-1, LENGTH, LENGTH}}, scores[4] = {1, HEADS, LENGTH, LENGTH};
  proto_open(&m, 13);
  proto_input(&m, "x", l->codes ? QE_UINT8 : QE_FLOAT32, 3, x);
  if (l->mask_rank > 0) proto_input(&m, "mask", QE_INT32, (size_t)l->mask_rank, mask[l->mask_rank - 1]);
  proto_const(&m, "w", l->codes ? QE_INT8 : QE_FLOAT32, 2, w, l->codes ? (const void *)l->w_codes : l->w);
  proto_const(&m, "b", QE_FLOAT32, 1, b, l->b);
  proto_const(&m, "scores", QE_FLOAT32, 4, scores, l->scores);
  proto_f32(&m, "xs", 0.02f);
  proto_u8(&m, "xz", 120);
  proto_f32(&m, "ws", 0.008f);
  proto_i8(&m, "wz", 2);
  char in[64];
  const char *mask_name = l->mask_rank > 0 ? "mask" : "-", *op = l->codes ? "QAttention" : l->apart ? "MultiHeadAttention" : "Attention";
  for (int part = 0; part < 3 && l->apart; part++) {
    static float columns[INPUTS][WIDTH];
    static const char *const products[3] = {"x wq", "x wk", "x wv"};
    for (int i = 0; i < INPUTS; i++) memcpy(columns[i], &l->w[i][part * WIDTH], sizeof columns[i]);
    proto_const(&m, products[part] + 2, QE_FLOAT32, 2, (int64_t[]){INPUTS, WIDTH}, columns);
    proto_node(&m, "", "MatMul", products[part] + 3, products[part], products[part] + 3);
  }
  if (l->apart) snprintf(in, sizeof in, "q k v b %s %s", mask_name, l->has_bias ? "scores" : "-");
  else if (l->codes) snprintf(in, sizeof in, "x w b xs ws %s xz wz", mask_name);
  else snprintf(in, sizeof in, "x w b %s - %s", mask_name, l->has_bias ? "scores" : "-");
  Onnx__NodeProto *n = proto_node(&m, MS, op, "attention", in, "y");
  proto_int(&m, n, "num_heads", HEADS);
  if (l->causal) proto_int(&m, n, "unidirectional", 1);
  if (l->filter != -10000.0f) proto_float(&m, n, "mask_filter_value", l->filter);
  proto_output(&m, "y");
  void *bytes = proto_pack(&m, size);
  proto_close(&m);
  return bytes;
}

static void run(const layer *l, const qe_model_t *m, double y[BATCH][LENGTH][WIDTH]) {
  qe_session_t *s = NULL;
  static const int64_t x[3] = {BATCH, LENGTH, INPUTS}, mask[3] = {BATCH, LENGTH, LENGTH};
  const void *const masks[3] = {l->lengths, l->keys, l->pairs};
  qe_named_tensor_t in[2] = {{"x", tensor(l->codes ? QE_UINT8 : QE_FLOAT32, 3, x, l->codes ? (const void *)l->x_codes : l->x)},
                             {"mask", NULL}},
                    out = {"y", NULL};
  const uint32_t n_in = l->mask_rank > 0 ? 2 : 1;
  if (n_in == 2) in[1].tensor = tensor(QE_INT32, (uint32_t)l->mask_rank, mask, masks[l->mask_rank - 1]);
  OK(qe_session_create(m, NULL, &s));
  OK(qe_session_run(s, n_in, in, 1, &out));
  cr_assert_eq(out.tensor->count, BATCH * LENGTH * WIDTH);
  cr_assert_eq(out.tensor->rank, 3u);
  for (int64_t i = 0; i < out.tensor->count; i++) {
    const double got = (double)((const float *)out.tensor->data)[i], want = (&y[0][0][0])[i];
    cr_assert(fabs(got - want) < 1e-5, "mask %d, causal %d, bias %d, codes %d, apart %d, element %lld: %.9g / %.9g",
              l->mask_rank, l->causal, l->has_bias, l->codes, l->apart, (long long)i, got, want);
  }
  qe_session_destroy(&s);
  qe_tensor_release(&out.tensor);
  qe_tensor_release(&in[0].tensor);
  qe_tensor_release(&in[1].tensor);
}

Test(onnx_attention, every_mask_is_the_formula) {
  static layer l;
  static double y[BATCH][LENGTH][WIDTH];
  for (unsigned i = 0; i < 4 * 2 * 2 * 2 * 2 * 2; i++) {
    l = (layer){.mask_rank = (int)(i % 4), .causal = i / 4 % 2 != 0, .codes = i / 8 % 2 != 0};
    l.apart = i / 64 != 0 && !l.codes;
    l.has_bias = i / 16 % 2 != 0 && !l.codes;
    l.filter = i / 32 % 2 != 0 ? -3.0f : -10000.0f;
    fill(&l, i + 1);
    size_t size;
    void *bytes = build(&l, &size);
    qe_model_t *m = NULL;
    OK(qe_model_load_buffer(bytes, size, &m));
    free(bytes);
    cr_assert_eq(count_nodes(m->graph, "MatMulIntegerToFloat"), l.codes ? 1u : 0u);
    cr_assert_eq(count_nodes(m->graph, "Softmax"), 1u);
    expected(&l, y);
    run(&l, m, y);
    qe_model_destroy(&m);
  }
}

/* More keys than queries: a single query that may see them all, or only the first. */
Test(onnx_attention, queries_of_another_number_than_keys) {
  for (int causal = 0; causal < 2; causal++) {
    static const float q[6] = {1, 2, 3, 4, 5, 6}, k[12] = {0}, v[12] = {1, 2, 3, 4, 5, 6, 3, 4, 5, 6, 7, 8};
    proto_model m;
    size_t size;
    proto_open(&m, 13);
    proto_input(&m, "q", QE_FLOAT32, 3, (int64_t[]){1, 1, 6});
    proto_input(&m, "k", QE_FLOAT32, 3, (int64_t[]){1, 2, 6});
    proto_input(&m, "v", QE_FLOAT32, 3, (int64_t[]){1, 2, 6});
    Onnx__NodeProto *n = proto_node(&m, MS, "MultiHeadAttention", "layer", "q k v", "y");
    proto_int(&m, n, "num_heads", 2);
    proto_int(&m, n, "unidirectional", causal);
    proto_output(&m, "y");
    void *bytes = proto_pack(&m, &size);
    proto_close(&m);
    qe_model_t *model = NULL;
    qe_session_t *s = NULL;
    qe_named_tensor_t in[3] = {{"q", tensor(QE_FLOAT32, 3, (int64_t[]){1, 1, 6}, q)},
                               {"k", tensor(QE_FLOAT32, 3, (int64_t[]){1, 2, 6}, k)},
                               {"v", tensor(QE_FLOAT32, 3, (int64_t[]){1, 2, 6}, v)}},
                      out = {"y", NULL};
    OK(qe_model_load_buffer(bytes, size, &model));
    free(bytes);
    OK(qe_session_create(model, NULL, &s));
    OK(qe_session_run(s, 3, in, 1, &out));
    cr_assert_eq(out.tensor->count, 6);
    for (int i = 0; i < 6; i++) { /* keys of 0: the values' mean */
      cr_assert_float_eq((double)((const float *)out.tensor->data)[i], i + (causal ? 1 : 2), 1e-6);
    }
    for (int i = 0; i < 3; i++) qe_tensor_release(&in[i].tensor);
    qe_tensor_release(&out.tensor);
    qe_session_destroy(&s);
    qe_model_destroy(&model);
  }
}

Test(onnx_attention, refused_with_a_reason) {
  static const struct { const char *op, *inputs, *outputs, *error; int64_t heads, rotary; } cases[] = {
    {"Attention", "x w b", "y", "cannot be queries, keys and values of 4 heads", 4, 0},
    {"Attention", "x w b", "y", "of 0 heads", 0, 0},
    {"Attention", "x w b", "y", "do_rotary", 2, 1},
    {"Attention", "x w b - past", "y", "input 4 (past)", 2, 0},
    {"Attention", "x w b", "y present", "past, present", 2, 0},
    {"Attention", "x w b past", "y", "mask 'past' has rank 4", 2, 0},
    {"Attention", "x x b", "y", "no constant matrix", 2, 0},
    {"Attention", "x w2 b", "y", "cannot be queries, keys and values", 2, 0},
    {"QAttention", "x w b xs", "y", "input 4, a scale, is missing", 2, 0},
    {"QAttention", "x w b xs xs - - - past", "y", "input 8 (past)", 2, 0},
    {"MultiHeadAttention", "x", "y", "input 1 has rank -1", 2, 0},
    {"MultiHeadAttention", "x past past", "y", "input 1 has rank 4", 2, 0},
    {"MultiHeadAttention", "x x x xs", "y", "bias 'xs' is no constant vector", 2, 0},
    {"MultiHeadAttention", "x x x", "y", "queries of size 6 (-1: not known) and 4 heads", 4, 0},
    {"MultiHeadAttention", "x x x - - - past", "y", "input 6 (past_key)", 2, 0},
    {"EmbedLayerNormalization", "i - w w - b", "y", "input 6 is missing", 0, 0},
    {"EmbedLayerNormalization", "i i w w - b b", "y", "given together", 0, 0},
    {"EmbedLayerNormalization", "i - w w - b b", "y count", "input 7 (mask) is not given", 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    static const float w[INPUTS * COLUMNS];
    proto_model m;
    qe__graph *g = NULL;
    proto_open(&m, 13);
    proto_input(&m, "x", QE_FLOAT32, 3, (int64_t[]){-1, LENGTH, INPUTS});
    proto_input(&m, "i", QE_INT32, 2, (int64_t[]){-1, LENGTH});
    proto_input(&m, "past", QE_FLOAT32, 4, (int64_t[]){2, 1, HEADS, SIZE});
    proto_const(&m, "w", QE_FLOAT32, 2, (int64_t[]){INPUTS, COLUMNS}, w);
    proto_const(&m, "w2", QE_FLOAT32, 2, (int64_t[]){INPUTS, COLUMNS - 1}, w);
    proto_const(&m, "b", QE_FLOAT32, 1, (int64_t[]){COLUMNS}, w);
    proto_f32(&m, "xs", 0.02f);
    Onnx__NodeProto *n = proto_node(&m, MS, cases[i].op, "layer", cases[i].inputs, cases[i].outputs);
    if (strcmp(cases[i].op, "EmbedLayerNormalization") != 0) proto_int(&m, n, "num_heads", cases[i].heads);
    if (cases[i].rotary != 0) proto_int(&m, n, "do_rotary", cases[i].rotary);
    proto_output(&m, "y");
    cr_assert_neq(proto_import(&m, &g), QE_OK, "case %zu", i);
    cr_assert_not_null(strstr(qe_last_error(), cases[i].error), "case %zu: %s", i, qe_last_error());
    cr_assert_not_null(strstr(qe_last_error(), "'layer'"), "%s", qe_last_error());
  }
}

/* Rows of three tables, added and normalized; the mask's ones counted. */
Test(onnx_attention, embeddings_with_layer_normalization) {
  enum { ROWS = 7, D = 4 };
  static const int32_t ids[2][3] = {{1, 6, 0}, {5, 2, 2}}, segments[2][3] = {{0, 0, 1}, {1, 1, 1}}, mask[2][3] = {{1, 1, 0}, {1, 0, 0}};
  static const int64_t shape[2] = {2, 3}, dynamic[2] = {-1, 3}, table[2] = {ROWS, D}, width[1] = {D};
  float word[ROWS][D], position[ROWS][D], segment[ROWS][D], gamma[D], beta[D];
  float *const tables[3] = {&word[0][0], &position[0][0], &segment[0][0]};
  proto_model m;
  state = 77;
  for (int t = 0; t < 3; t++) {
    for (int i = 0; i < ROWS * D; i++) tables[t][i] = uniform(-1, 1);
  }
  for (int i = 0; i < D; i++) {
    gamma[i] = uniform(0.5f, 1.5f);
    beta[i] = uniform(-1, 1);
  }
  proto_open(&m, 13);
  proto_input(&m, "ids", QE_INT32, 2, dynamic);
  proto_input(&m, "segments", QE_INT32, 2, dynamic);
  proto_input(&m, "mask", QE_INT32, 2, dynamic);
  proto_const(&m, "word", QE_FLOAT32, 2, table, word);
  proto_const(&m, "position", QE_FLOAT32, 2, table, position);
  proto_const(&m, "segment", QE_FLOAT32, 2, table, segment);
  proto_const(&m, "gamma", QE_FLOAT32, 1, width, gamma);
  proto_const(&m, "beta", QE_FLOAT32, 1, width, beta);
  Onnx__NodeProto *n = proto_node(&m, MS, "EmbedLayerNormalization", "embed",
                                  "ids segments word position segment gamma beta mask", "y count sum");
  proto_float(&m, n, "epsilon", 1e-5f);
  proto_output(&m, "y");
  proto_output(&m, "count");
  proto_output(&m, "sum");
  size_t size;
  void *bytes = proto_pack(&m, &size);
  proto_close(&m);
  qe_model_t *model = NULL;
  qe_session_t *s = NULL;
  OK(qe_model_load_buffer(bytes, size, &model));
  free(bytes);
  qe_named_tensor_t in[3] = {{"ids", tensor(QE_INT32, 2, shape, ids)}, {"segments", tensor(QE_INT32, 2, shape, segments)},
                             {"mask", tensor(QE_INT32, 2, shape, mask)}},
                    out[3] = {{"y", NULL}, {"count", NULL}, {"sum", NULL}};
  OK(qe_session_create(model, NULL, &s));
  OK(qe_session_run(s, 3, in, 3, out));
  for (int b = 0; b < 2; b++) {
    cr_assert_eq(((const int32_t *)out[1].tensor->data)[b], b == 0 ? 2 : 1);
    for (int p = 0; p < 3; p++) {
      double sum[D], mean = 0.0, var = 0.0;
      for (int d = 0; d < D; d++) {
        sum[d] = (double)word[ids[b][p]][d] + (double)position[p][d] + (double)segment[segments[b][p]][d];
        mean += sum[d] / D;
      }
      for (int d = 0; d < D; d++) var += (sum[d] - mean) * (sum[d] - mean) / D;
      for (int d = 0; d < D; d++) {
        const int i = (b * 3 + p) * D + d;
        const double want = (sum[d] - mean) / sqrt(var + 1e-5) * (double)gamma[d] + (double)beta[d];
        cr_assert_float_eq((double)((const float *)out[2].tensor->data)[i], sum[d], 1e-6);
        cr_assert_float_eq((double)((const float *)out[0].tensor->data)[i], want, 1e-5);
      }
    }
  }
  for (int i = 0; i < 3; i++) {
    qe_tensor_release(&in[i].tensor);
    qe_tensor_release(&out[i].tensor);
  }
  qe_session_destroy(&s);
  qe_model_destroy(&model);
}
