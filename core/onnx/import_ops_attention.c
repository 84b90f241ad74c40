/*
 * Attention layers of com.microsoft, as the ops they are made of: the projection to queries, keys and values (of codes in
 * QAttention, before the layer in MultiHeadAttention), then what they have in common (attention.h); and the embedding
 * layer before them.
 */
#include <math.h>

#include "onnx/attention.h"

/* Sizes and scale, from the attributes and the shape of the weight [inputs, queries + keys + values]. */
static qe_status_t read_sizes(qe__import *im, qe__value_id weight, qe__attention *a) {
  bool present;
  const int64_t *sizes;
  size_t count;
  QE_TRY(qe__import_attention_attributes(im, a));
  QE_TRY(qe__import_ints(im, "qkv_hidden_sizes", &present, &sizes, &count));
  const qe_tensor_t *w = qe__import_data(im, weight);
  if (a->keys == QE__NO_VALUE || w == NULL || w->rank != 2) {
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
                           (long long)w->dims[1], im->g->values[weight].name, (long long)a->heads);
  }
  if (a->scale == 0.0f) a->scale = 1.0f / sqrtf((float)(a->sizes[0] / a->heads));
  return QE_OK;
}

static qe_status_t attend(qe__import *im, const qe__attention *a, qe__value_id projected) {
  qe__value_id parts[3];
  QE_TRY(qe__import_three_parts(im, projected, a->sizes, 2, parts));
  return qe__import_attend(im, a, parts);
}

/* input, weights, bias, mask_index, past, attention_bias, past_sequence_length */
static qe_status_t float_attention(qe__import *im) {
  qe__attention a = {0};
  qe__value_id weight, bias, projected;
  QE_TRY(qe__import_in(im, 0, &a.keys));
  a.queries = a.keys;
  QE_TRY(qe__import_in(im, 1, &weight));
  QE_TRY(qe__import_in(im, 2, &bias));
  QE_TRY(qe__import_in(im, 3, &a.mask));
  QE_TRY(qe__import_in(im, 5, &a.bias));
  QE_TRY(qe__import_refuse_input(im, 4, "past"));
  QE_TRY(qe__import_refuse_input(im, 6, "past_sequence_length"));
  QE_TRY(read_sizes(im, weight, &a));
  QE_TRY(qe__import_temp(im, "projected", QE_FLOAT32, &projected));
  QE_TRY(qe__import_node(im, "MatMul", "project", 3, (const qe__value_id[]){a.keys, weight, bias}, 1, &projected, NULL));
  return attend(im, &a, projected);
}

/* input, weight, bias, input_scale, weight_scale, mask_index, input_zero_point, weight_zero_point, past */
static qe_status_t quantized_attention(qe__import *im) {
  qe__attention a = {.bias = QE__NO_VALUE};
  qe__value_id in[9], projected;
  for (size_t i = 0; i < 9; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  a.queries = a.keys = in[0];
  a.mask = in[5];
  QE_TRY(qe__import_refuse_input(im, 8, "past"));
  QE_TRY(read_sizes(im, in[1], &a));
  for (size_t i = 3; i < 5; i++) {
    if (in[i] == QE__NO_VALUE) return qe__import_fail(im, QE_ERROR_FORMAT, "input %zu, a scale, is missing", i);
  }
  QE_TRY(qe__import_temp(im, "projected", QE_FLOAT32, &projected));
  const qe__value_id product[7] = {a.keys, in[1], in[3], in[4], in[6], in[7], in[2]};
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
  if (at == QE__NO_VALUE) QE_TRY(qe__import_positions(im, in[0], &at));
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
    QE_TRY(qe__import_cast(im, "real_mask", in[7], QE_FLOAT32, &real));
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

/* The layer with projections of its own: query, key, value [batch, positions, size], bias (of all three), mask,
 * attention_bias, past_key, past_value. */
static qe_status_t multi_head_attention(qe__import *im) {
  qe__attention a = {0};
  qe__value_id in[4], bias[3];
  for (size_t i = 0; i < 4; i++) QE_TRY(qe__import_in(im, i, &in[i]));
  QE_TRY(qe__import_in(im, 4, &a.mask));
  QE_TRY(qe__import_in(im, 5, &a.bias));
  QE_TRY(qe__import_refuse_input(im, 6, "past_key"));
  QE_TRY(qe__import_refuse_input(im, 7, "past_value"));
  QE_TRY(qe__import_attention_attributes(im, &a));
  for (size_t i = 0; i < 3; i++) {
    const int32_t rank = qe__import_rank(im, in[i]);
    if (rank == 3) continue;
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                           "input %zu has rank %d (-1: not known, or not given); query, key and value of "
                           "[batch, positions, size] are supported", i, (int)rank);
  }
  a.queries = in[0];
  a.keys = in[1];
  const qe_tensor_t *b = qe__import_data(im, in[3]);
  const int64_t known = im->g->values[in[0]].dims[2], query = b != NULL ? b->count / 3 : known;
  if (in[3] != QE__NO_VALUE && (b == NULL || b->rank != 1 || b->count % 3 != 0 || (known > 0 && known != query))) {
    return qe__import_fail(im, QE_ERROR_UNSUPPORTED,
                           "bias '%s' is no constant vector of three equal parts as long as the query; only such is supported",
                           im->g->values[in[3]].name);
  }
  if (a.heads <= 0 || (query > 0 && query % a.heads != 0) || (query <= 0 && a.scale == 0.0f)) {
    return qe__import_fail(im, QE_ERROR_SHAPE, "queries of size %lld (-1: not known) and %lld heads: attribute 'scale' or a "
                           "size that the heads divide is needed", (long long)query, (long long)a.heads);
  }
  if (a.scale == 0.0f) a.scale = 1.0f / sqrtf((float)(query / a.heads));
  if (b == NULL) return qe__import_attend(im, &a, in);
  QE_TRY(qe__import_three_parts(im, in[3], (const int64_t[]){query, query, query}, 0, bias));
  for (size_t i = 0; i < 3; i++) {
    static const char *const names[3] = {"query_bias", "key_bias", "value_bias"};
    qe__value_id sum;
    QE_TRY(qe__import_binary(im, "Add", names[i], in[i], bias[i], QE_FLOAT32, &sum));
    in[i] = sum;
  }
  return qe__import_attend(im, &a, in);
}

#define MS "com.microsoft"
const qe__conversion qe__import_attention[] = {
  {MS, "Attention",               float_attention},
  {MS, "QAttention",              quantized_attention},
  {MS, "MultiHeadAttention",      multi_head_attention},
  {MS, "EmbedLayerNormalization", embed_layer_normalization},
  {NULL, NULL, NULL},
};
