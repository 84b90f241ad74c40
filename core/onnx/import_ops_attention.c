/*
 * Attention layers of com.microsoft, as the ops they are made of: the projection to queries, keys and values (of codes in
 * QAttention), the product of queries and keys, the mask, Softmax, the product with the values.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "onnx/import.h"

/* What Attention and QAttention have in common. */
typedef struct attention {
  qe__value_id x;       /* [batch, sequence, inputs] */
  qe__value_id weight;  /* [inputs, queries + keys + values] */
  qe__value_id mask;    /* see masked(), or QE__NO_VALUE */
  qe__value_id bias;    /* added to the scores, or QE__NO_VALUE */
  int64_t heads, sizes[3];
  bool causal;
  float scale, filter;
} attention;

static qe_status_t moved(qe__import *im, const char *op, const char *suffix, qe__value_id x, const int64_t *numbers,
                         size_t count, qe__value_id *y) {
  qe__value_id second;
  QE_TRY(qe__import_const_i64(im, suffix, numbers, count, &second));
  return qe__import_binary(im, op, suffix, x, second, QE_DTYPE_NONE, y);
}

static qe_status_t transposed(qe__import *im, const char *suffix, qe__value_id x, const int64_t perm[4],
                              qe__value_id *y) {
  qe__node *n;
  QE_TRY(qe__import_temp(im, suffix, QE_DTYPE_NONE, y));
  QE_TRY(qe__import_node(im, "Transpose", suffix, 1, &x, 1, y, &n));
  return qe__node_set_ints(n, "perm", perm, 4);
}

static qe_status_t chosen(qe__import *im, const char *suffix, qe__value_id keep, qe__value_id yes, qe__value_id no,
                          qe__value_id *y) {
  QE_TRY(qe__import_temp(im, suffix, QE_FLOAT32, y));
  return qe__import_node(im, "Where", suffix, 3, (const qe__value_id[]){keep, yes, no}, 1, y, NULL);
}

static qe_status_t cast(qe__import *im, const char *suffix, qe__value_id x, qe_dtype_t to, qe__value_id *y) {
  qe__node *n;
  QE_TRY(qe__import_temp(im, suffix, to, y));
  QE_TRY(qe__import_node(im, "Cast", suffix, 1, &x, 1, y, &n));
  return qe__node_set_int(n, "to", to);
}

/* A constant of rank 0. */
static qe_status_t number(qe__import *im, const char *suffix, int64_t value, qe__value_id *out) {
  qe__value_id v;
  QE_TRY(qe__import_const_i64(im, suffix, &value, 1, &v));
  qe_tensor_t *t = NULL;
  QE_TRY(qe__tensor_reshape(im->g->values[v].data, 0, NULL, &t));
  qe_tensor_release(&im->g->values[v].data);
  im->g->values[v].data = t;
  im->g->values[v].rank = 0;
  *out = v;
  return QE_OK;
}

/* 0, 1, ... one number per position: int64 [sequence]. */
static qe_status_t positions(qe__import *im, qe__value_id x, qe__value_id *out) {
  qe__value_id shape, zero, one, length;
  QE_TRY(qe__import_unary(im, "Shape", "shape", x, QE_INT64, &shape));
  QE_TRY(number(im, "first", 0, &zero));
  QE_TRY(number(im, "step", 1, &one));
  QE_TRY(qe__import_binary(im, "Gather", "length", shape, one, QE_INT64, &length)); /* dimension 1 */
  QE_TRY(qe__import_temp(im, "positions", QE_INT64, out));
  return qe__import_node(im, "Range", "positions", 3, (const qe__value_id[]){zero, length, one}, 1, out, NULL);
}

/* The lengths [batch] against the positions: [batch, 1, 1, sequence]. A mask of another size fails here. */
static qe_status_t within_length(qe__import *im, const attention *a, qe__value_id *keep) {
  qe__value_id shape, batch, ones, target, wide, lengths, at;
  QE_TRY(qe__import_unary(im, "Shape", "batch_shape", a->x, QE_INT64, &shape));
  QE_TRY(moved(im, "Gather", "batch", shape, (const int64_t[]){0}, 1, &batch));
  QE_TRY(qe__import_const_i64(im, "ones", (const int64_t[]){1, 1, 1}, 3, &ones));
  qe__node *n;
  QE_TRY(qe__import_temp(im, "lengths_shape", QE_INT64, &target));
  QE_TRY(qe__import_node(im, "Concat", "lengths_shape", 2, (const qe__value_id[]){batch, ones}, 1, &target, &n));
  QE_TRY(qe__node_set_int(n, "axis", 0));
  QE_TRY(cast(im, "wide_lengths", a->mask, QE_INT64, &wide));
  QE_TRY(qe__import_binary(im, "Reshape", "lengths", wide, target, QE_INT64, &lengths));
  QE_TRY(positions(im, a->x, &at));
  return qe__import_binary(im, "Less", "within", at, lengths, QE_BOOL, keep);
}

/* Adds the filter value where the mask does not keep: lengths [batch], or [batch, keys] or [batch, queries, keys] of 0
 * and 1. */
static qe_status_t masked(qe__import *im, const attention *a, qe__value_id *scores) {
  const int32_t rank = qe__import_rank(im, a->mask);
  qe__value_id keep, wide, raw, zero, filter, bias, sum;
  if (rank < 1 || rank > 3) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                           "mask '%s' has rank %d; lengths [batch], [batch, keys] and [batch, queries, keys] are supported",
                           im->g->values[a->mask].name, (int)rank);
  }
  QE_TRY(qe__import_scalar_f32(im, "kept", 0.0f, &zero));
  if (rank == 1) {
    QE_TRY(within_length(im, a, &keep));
  } else {
    QE_TRY(moved(im, "Unsqueeze", "mask", a->mask, (const int64_t[]){1, 2}, rank == 2 ? 2 : 1, &wide));
    QE_TRY(cast(im, "raw_mask", wide, QE_FLOAT32, &raw));
    QE_TRY(qe__import_binary(im, "Greater", "keep", raw, zero, QE_BOOL, &keep));
  }
  QE_TRY(qe__import_scalar_f32(im, "filter", a->filter, &filter));
  QE_TRY(chosen(im, "mask_bias", keep, zero, filter, &bias));
  QE_TRY(qe__import_binary(im, "Add", "masked", *scores, bias, QE_FLOAT32, &sum));
  *scores = sum;
  return QE_OK;
}

/* A query sees the keys up to its own position. */
static qe_status_t causal(qe__import *im, const attention *a, qe__value_id *scores) {
  qe__value_id keys, queries, keep, lowest, y;
  QE_TRY(positions(im, a->x, &keys));
  QE_TRY(moved(im, "Unsqueeze", "queries", keys, (const int64_t[]){1}, 1, &queries));
  QE_TRY(qe__import_binary(im, "LessOrEqual", "seen", keys, queries, QE_BOOL, &keep));
  QE_TRY(qe__import_scalar_f32(im, "lowest", -FLT_MAX, &lowest));
  QE_TRY(chosen(im, "causal", keep, *scores, lowest, &y));
  *scores = y;
  return QE_OK;
}

/* [batch, sequence, heads * size] to [batch, heads, sequence, size], keys to [batch, heads, size, sequence]. */
static qe_status_t split_heads(qe__import *im, const attention *a, const qe__value_id parts[3], qe__value_id out[3]) {
  static const char *const names[3] = {"query", "key", "value"};
  static const int64_t perm[3][4] = {{0, 2, 1, 3}, {0, 2, 3, 1}, {0, 2, 1, 3}};
  for (int i = 0; i < 3; i++) {
    qe__value_id heads;
    char text[16];
    snprintf(text, sizeof text, "%s_heads", names[i]);
    const int64_t shape[4] = {0, 0, a->heads, a->sizes[i] / a->heads};
    QE_TRY(moved(im, "Reshape", text, parts[i], shape, 4, &heads));
    QE_TRY(transposed(im, names[i], heads, perm[i], &out[i]));
  }
  return QE_OK;
}

/* From the projection [batch, sequence, queries + keys + values] to the output. */
static qe_status_t attend(qe__import *im, const attention *a, qe__value_id projected) {
  qe__value_id parts[3], in[3], scores, scaled, factor, weights, mixed, y, sizes, shape;
  qe__node *n;
  QE_TRY(qe__import_const_i64(im, "sizes", a->sizes, 3, &sizes));
  for (int i = 0; i < 3; i++) {
    QE_TRY(qe__import_temp(im, i == 0 ? "q" : i == 1 ? "k" : "v", QE_FLOAT32, &parts[i]));
  }
  QE_TRY(qe__import_node(im, "Split", "split", 2, (const qe__value_id[]){projected, sizes}, 3, parts, &n));
  QE_TRY(qe__node_set_int(n, "axis", 2));
  QE_TRY(split_heads(im, a, parts, in));
  QE_TRY(qe__import_binary(im, "MatMul", "scores", in[0], in[1], QE_FLOAT32, &scores));
  QE_TRY(qe__import_scalar_f32(im, "factor", a->scale, &factor));
  QE_TRY(qe__import_binary(im, "Mul", "scale", scores, factor, QE_FLOAT32, &scaled));
  if (a->bias != QE__NO_VALUE) {
    QE_TRY(qe__import_binary(im, "Add", "biased", scaled, a->bias, QE_FLOAT32, &scores));
    scaled = scores;
  }
  if (a->mask != QE__NO_VALUE) QE_TRY(masked(im, a, &scaled));
  if (a->causal) QE_TRY(causal(im, a, &scaled));
  QE_TRY(qe__import_temp(im, "softmax", QE_FLOAT32, &weights));
  QE_TRY(qe__import_node(im, "Softmax", "softmax", 1, &scaled, 1, &weights, &n));
  QE_TRY(qe__node_set_int(n, "axis", -1));
  QE_TRY(qe__import_binary(im, "MatMul", "mix", weights, in[2], QE_FLOAT32, &mixed));
  QE_TRY(transposed(im, "joined", mixed, (const int64_t[]){0, 2, 1, 3}, &scores));
  QE_TRY(qe__import_const_i64(im, "joined_shape", (const int64_t[]){0, 0, a->sizes[2]}, 3, &shape));
  QE_TRY(qe__import_out(im, 0, &y));
  return qe__import_node(im, "Reshape", NULL, 2, (const qe__value_id[]){scores, shape}, 1, &y, NULL);
}

/* Attributes, and what follows from the weight's shape. */
static qe_status_t read_attention(qe__import *im, attention *a) {
  int64_t unidirectional, rotary, share;
  bool present;
  const int64_t *sizes;
  size_t count;
  QE_TRY(qe__import_int(im, "num_heads", 0, &a->heads));
  QE_TRY(qe__import_int(im, "unidirectional", 0, &unidirectional));
  QE_TRY(qe__import_int(im, "do_rotary", 0, &rotary));
  QE_TRY(qe__import_int(im, "past_present_share_buffer", 0, &share));
  QE_TRY(qe__import_float(im, "mask_filter_value", -10000.0f, &a->filter));
  QE_TRY(qe__import_float(im, "scale", 0.0f, &a->scale));
  QE_TRY(qe__import_ints(im, "qkv_hidden_sizes", &present, &sizes, &count));
  if (rotary != 0) return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "do_rotary (rotary embeddings) is not supported");
  if (share != 0 || qe__import_has_out(im, 1)) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                           "keys and values that are kept for the next call (past, present) are not supported; "
                           "export the model without a cache");
  }
  const qe_tensor_t *w = qe__import_data(im, a->weight);
  if (a->x == QE__NO_VALUE || w == NULL || w->rank != 2) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                           "its weight is no constant matrix [inputs, queries + keys + values]; only such is supported");
  }
  for (size_t i = 0; i < 3; i++) a->sizes[i] = present && count == 3 ? sizes[i] : w->dims[1] / 3;
  bool fits = a->heads > 0 && (!present || count == 3) && a->sizes[0] == a->sizes[1];
  int64_t sum = 0;
  for (size_t i = 0; i < 3 && fits; i++) {
    fits = a->sizes[i] > 0 && a->sizes[i] <= w->dims[1] && a->sizes[i] % a->heads == 0;
    sum += a->sizes[i];
  }
  if (!fits || sum != w->dims[1]) {
    return qe__import_fail(im, QE_ERROR_SHAPE,
                           "the %lld columns of weight '%s' cannot be queries, keys and values of %lld heads "
                           "(num_heads, qkv_hidden_sizes)",
                           (long long)w->dims[1], im->g->values[a->weight].name, (long long)a->heads);
  }
  a->causal = unidirectional != 0;
  if (a->scale == 0.0f) a->scale = 1.0f / sqrtf((float)(a->sizes[0] / a->heads));
  return QE_OK;
}

static qe_status_t refuse_input(qe__import *im, size_t i, const char *what) {
  if (!qe__import_has_in(im, i)) return QE_OK;
  return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "input %zu (%s) is given; it is not supported: export the model "
                         "without a cache", i, what);
}

/* input, weights, bias, mask_index, past, attention_bias, past_sequence_length */
static qe_status_t float_attention(qe__import *im) {
  attention a = {0};
  qe__value_id bias, projected;
  QE_TRY(qe__import_in(im, 0, &a.x));
  QE_TRY(qe__import_in(im, 1, &a.weight));
  QE_TRY(qe__import_in(im, 2, &bias));
  QE_TRY(qe__import_in(im, 3, &a.mask));
  QE_TRY(qe__import_in(im, 5, &a.bias));
  QE_TRY(refuse_input(im, 4, "past"));
  QE_TRY(refuse_input(im, 6, "past_sequence_length"));
  QE_TRY(read_attention(im, &a));
  QE_TRY(qe__import_temp(im, "projected", QE_FLOAT32, &projected));
  QE_TRY(qe__import_node(im, "MatMul", "project", 3, (const qe__value_id[]){a.x, a.weight, bias}, 1, &projected, NULL));
  return attend(im, &a, projected);
}

/* input, weight, bias, input_scale, weight_scale, mask_index, input_zero_point, weight_zero_point, past */
static qe_status_t quantized_attention(qe__import *im) {
  attention a = {.bias = QE__NO_VALUE};
  qe__value_id in[9], projected;
  for (size_t i = 0; i < 9; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  a.x = in[0];
  a.weight = in[1];
  a.mask = in[5];
  QE_TRY(refuse_input(im, 8, "past"));
  QE_TRY(read_attention(im, &a));
  for (size_t i = 3; i < 5; i++) {
    if (in[i] == QE__NO_VALUE) return qe__import_fail(im, QE_ERROR_FORMAT, "input %zu, a scale, is missing", i);
  }
  QE_TRY(qe__import_temp(im, "projected", QE_FLOAT32, &projected));
  const qe__value_id product[7] = {a.x, a.weight, in[3], in[4], in[6], in[7], in[2]};
  QE_TRY(qe__import_node(im, "MatMulIntegerToFloat", "project", 7, product, 1, &projected, NULL));
  return attend(im, &a, projected);
}

/* input_ids, segment_ids, word, position and segment table, gamma, beta, mask, position_ids: rows added, normalized.
 * Output 1 is the number of ones in each row of the mask, output 2 the sum. */
static qe_status_t embed_layer_normalization(qe__import *im) {
  qe__value_id in[9], y, sum, rows, at, total, count;
  float epsilon;
  int64_t mask_type;
  qe__node *n;
  for (size_t i = 0; i < 9; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  QE_TRY(qe__import_float(im, "epsilon", 1e-12f, &epsilon));
  QE_TRY(qe__import_int(im, "mask_index_type", 0, &mask_type));
  QE_TRY(qe__import_out(im, 0, &y));
  QE_TRY(qe__import_out(im, 1, &count));
  QE_TRY(qe__import_out(im, 2, &total));
  for (size_t i = 0; i < 7; i++) {
    const bool segment = i == 1 || i == 4;
    if (in[i] == QE__NO_VALUE && !segment) return qe__import_fail(im, QE_ERROR_FORMAT, "input %zu is missing", i);
  }
  if ((in[1] == QE__NO_VALUE) != (in[4] == QE__NO_VALUE)) {
    return qe__import_fail(im, QE_ERROR_FORMAT, "segment ids and the segment table must be given together");
  }
  at = in[8];
  if (at == QE__NO_VALUE) QE_TRY(positions(im, in[0], &at));
  QE_TRY(qe__import_binary(im, "Gather", "word", in[2], in[0], QE_FLOAT32, &sum));
  QE_TRY(qe__import_binary(im, "Gather", "position", in[3], at, QE_FLOAT32, &rows));
  if (in[1] != QE__NO_VALUE) {
    QE_TRY(qe__import_binary(im, "Add", "add", sum, rows, QE_FLOAT32, &at));
    QE_TRY(qe__import_binary(im, "Gather", "segment", in[4], in[1], QE_FLOAT32, &rows));
    sum = at;
  }
  if (total == QE__NO_VALUE) QE_TRY(qe__import_temp(im, "sum", QE_FLOAT32, &total));
  QE_TRY(qe__import_node(im, "Add", "add_last", 2, (const qe__value_id[]){sum, rows}, 1, &total, NULL));
  if (count != QE__NO_VALUE) {
    if (in[7] == QE__NO_VALUE) {
      return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "output 1 (mask_index) is read but input 7 (mask) is not given");
    }
    qe__value_id real, ones, axes;
    QE_TRY(cast(im, "real_mask", in[7], QE_FLOAT32, &real));
    QE_TRY(qe__import_const_i64(im, "axes", (const int64_t[]){1}, 1, &axes));
    QE_TRY(qe__import_temp(im, "ones", QE_FLOAT32, &ones));
    QE_TRY(qe__import_node(im, "ReduceSum", "count", 2, (const qe__value_id[]){real, axes}, 1, &ones, &n));
    QE_TRY(qe__node_set_int(n, "keepdims", 0));
    QE_TRY(qe__import_node(im, "Cast", "mask_index", 1, &ones, 1, &count, &n));
    QE_TRY(qe__node_set_int(n, "to", QE_INT32));
  }
  QE_TRY(qe__import_node(im, "LayerNormalization", NULL, 3, (const qe__value_id[]){total, in[5], in[6]}, 1, &y, &n));
  QE_TRY(qe__node_set_int(n, "axis", -1));
  return qe__node_set_float(n, "epsilon", epsilon);
}

#define MS "com.microsoft"
const qe__conversion qe__import_attention[] = {
  {MS, "Attention",               float_attention},
  {MS, "QAttention",              quantized_attention},
  {MS, "EmbedLayerNormalization", embed_layer_normalization},
  {NULL, NULL, NULL},
};
