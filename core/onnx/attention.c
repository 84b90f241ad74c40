/* The middle of every attention layer: from queries, keys and values to what the heads give together. */
#include "onnx/attention.h"

#include <float.h>
#include <stdio.h>

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

qe_status_t qe__import_cast(qe__import *im, const char *suffix, qe__value_id x, qe_dtype_t to, qe__value_id *y) {
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

qe_status_t qe__import_positions(qe__import *im, qe__value_id x, qe__value_id *out) {
  qe__value_id shape, zero, one, length;
  QE_TRY(qe__import_unary(im, "Shape", "shape", x, QE_INT64, &shape));
  QE_TRY(number(im, "first", 0, &zero));
  QE_TRY(number(im, "step", 1, &one));
  QE_TRY(qe__import_binary(im, "Gather", "length", shape, one, QE_INT64, &length)); /* dimension 1 */
  QE_TRY(qe__import_temp(im, "positions", QE_INT64, out));
  return qe__import_node(im, "Range", "positions", 3, (const qe__value_id[]){zero, length, one}, 1, out, NULL);
}

/* The lengths [batch] against the positions: [batch, 1, 1, sequence]. A mask of another size fails here. */
static qe_status_t within_length(qe__import *im, const qe__attention *a, qe__value_id *keep) {
  qe__value_id shape, batch, ones, target, wide, lengths, at;
  QE_TRY(qe__import_unary(im, "Shape", "batch_shape", a->keys, QE_INT64, &shape));
  QE_TRY(moved(im, "Gather", "batch", shape, (const int64_t[]){0}, 1, &batch));
  QE_TRY(qe__import_const_i64(im, "ones", (const int64_t[]){1, 1, 1}, 3, &ones));
  qe__node *n;
  QE_TRY(qe__import_temp(im, "lengths_shape", QE_INT64, &target));
  QE_TRY(qe__import_node(im, "Concat", "lengths_shape", 2, (const qe__value_id[]){batch, ones}, 1, &target, &n));
  QE_TRY(qe__node_set_int(n, "axis", 0));
  QE_TRY(qe__import_cast(im, "wide_lengths", a->mask, QE_INT64, &wide));
  QE_TRY(qe__import_binary(im, "Reshape", "lengths", wide, target, QE_INT64, &lengths));
  QE_TRY(qe__import_positions(im, a->keys, &at));
  return qe__import_binary(im, "Less", "within", at, lengths, QE_BOOL, keep);
}

/* Adds the filter value where the mask does not keep: lengths [batch], or [batch, keys] or [batch, queries, keys] of 0
 * and 1. */
static qe_status_t masked(qe__import *im, const qe__attention *a, qe__value_id *scores) {
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
    QE_TRY(qe__import_cast(im, "raw_mask", wide, QE_FLOAT32, &raw));
    QE_TRY(qe__import_binary(im, "Greater", "keep", raw, zero, QE_BOOL, &keep));
  }
  QE_TRY(qe__import_scalar_f32(im, "filter", a->filter, &filter));
  QE_TRY(chosen(im, "mask_bias", keep, zero, filter, &bias));
  QE_TRY(qe__import_binary(im, "Add", "masked", *scores, bias, QE_FLOAT32, &sum));
  *scores = sum;
  return QE_OK;
}

/* A query sees the keys up to its own position. */
static qe_status_t causal(qe__import *im, const qe__attention *a, qe__value_id *scores) {
  qe__value_id keys, rows, queries = QE__NO_VALUE, keep, lowest, y;
  QE_TRY(qe__import_positions(im, a->keys, &keys));
  if (a->queries == a->keys) queries = keys;
  else QE_TRY(qe__import_positions(im, a->queries, &queries));
  QE_TRY(moved(im, "Unsqueeze", "queries", queries, (const int64_t[]){1}, 1, &rows));
  QE_TRY(qe__import_binary(im, "LessOrEqual", "seen", keys, rows, QE_BOOL, &keep));
  QE_TRY(qe__import_scalar_f32(im, "lowest", -FLT_MAX, &lowest));
  QE_TRY(chosen(im, "causal", keep, *scores, lowest, &y));
  *scores = y;
  return QE_OK;
}

/* [batch, sequence, heads * size] to [batch, heads, sequence, size], keys to [batch, heads, size, sequence]. */
static qe_status_t split_heads(qe__import *im, const qe__attention *a, const qe__value_id parts[3], qe__value_id out[3]) {
  static const char *const names[3] = {"query", "key", "value"};
  static const int64_t perm[3][4] = {{0, 2, 1, 3}, {0, 2, 3, 1}, {0, 2, 1, 3}};
  for (int i = 0; i < 3; i++) {
    qe__value_id heads;
    char text[16];
    snprintf(text, sizeof text, "%s_heads", names[i]);
    const int64_t shape[4] = {0, 0, a->heads, a->sizes[i] > 0 ? a->sizes[i] / a->heads : -1};
    QE_TRY(moved(im, "Reshape", text, parts[i], shape, 4, &heads));
    QE_TRY(transposed(im, names[i], heads, perm[i], &out[i]));
  }
  return QE_OK;
}

qe_status_t qe__import_attend(qe__import *im, const qe__attention *a, const qe__value_id parts[3]) {
  qe__value_id in[3], scores, scaled, factor, weights, mixed, y, shape;
  qe__node *n;
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
  QE_TRY(qe__import_const_i64(im, "joined_shape", (const int64_t[]){0, 0, a->sizes[2] > 0 ? a->sizes[2] : -1}, 3, &shape));
  QE_TRY(qe__import_out(im, 0, &y));
  return qe__import_node(im, "Reshape", NULL, 2, (const qe__value_id[]){scores, shape}, 1, &y, NULL);
}

qe_status_t qe__import_three_parts(qe__import *im, qe__value_id v, const int64_t sizes[3], int64_t axis,
                                   qe__value_id parts[3]) {
  static const char *const names[3] = {"q", "k", "v"};
  qe__value_id lengths;
  qe__node *n;
  QE_TRY(qe__import_const_i64(im, "sizes", sizes, 3, &lengths));
  for (size_t i = 0; i < 3; i++) QE_TRY(qe__import_temp(im, names[i], QE_FLOAT32, &parts[i]));
  QE_TRY(qe__import_node(im, "Split", "split", 2, (const qe__value_id[]){v, lengths}, 3, parts, &n));
  return qe__node_set_int(n, "axis", axis);
}

qe_status_t qe__import_attention_attributes(qe__import *im, qe__attention *a) {
  int64_t unidirectional, rotary, share;
  QE_TRY(qe__import_int(im, "num_heads", 0, &a->heads));
  QE_TRY(qe__import_int(im, "unidirectional", 0, &unidirectional));
  QE_TRY(qe__import_int(im, "do_rotary", 0, &rotary));
  QE_TRY(qe__import_int(im, "past_present_share_buffer", 0, &share));
  QE_TRY(qe__import_float(im, "mask_filter_value", -10000.0f, &a->filter));
  QE_TRY(qe__import_float(im, "scale", 0.0f, &a->scale));
  a->causal = unidirectional != 0;
  if (rotary != 0) return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "do_rotary (rotary embeddings) is not supported");
  if (share == 0 && !qe__import_has_out(im, 1) && !qe__import_has_out(im, 2)) return QE_OK;
  return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                         "keys and values that are kept for the next call (past, present) are not supported; "
                         "export the model without a cache");
}

qe_status_t qe__import_refuse_input(qe__import *im, size_t i, const char *what) {
  if (!qe__import_has_in(im, i)) return QE_OK;
  return qe__import_fail(im, QE_ERROR_UNSUPPORTED, "input %zu (%s) is given; it is not supported: export the model "
                         "without a cache", i, what);
}
