/*
 * qengine/model.h - models: load, save, look into, build.
 *
 * A model is a graph of named modules (nodes) and values. Loading brings every opset (7..21) and quantized dialect
 * (QDQ, QOperator, com.microsoft) to one form; saving goes back to ONNX. A model may be read by many threads at
 * once; building and fusing need exclusive use.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef QENGINE_MODEL_H
#define QENGINE_MODEL_H

#include "qengine/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qe_model qe_model_t;

/* ---- files ---- */

typedef enum qe_format {
  QE_FORMAT_QDQ = 0,      /* QuantizeLinear / DequantizeLinear around float ops (opset >= 13) */
  QE_FORMAT_QOPERATOR = 1 /* QLinearConv, QLinearMatMul, com.microsoft QLinear* */
} qe_format_t;

/* Reads an ONNX file (external data beside it included). Errors: IO, FORMAT (corrupt, cyclic, limits), UNSUPPORTED
 * (an op this build does not have: its name, domain and node are in the message). */
QE_API qe_status_t qe_model_load(const char *path, qe_model_t **out);
QE_API qe_status_t qe_model_load_buffer(const void *data, size_t size, qe_model_t **out);
/* Writes ONNX to a temporary file beside `path`, then renames it. Over 2 GB: weights go to path + ".data".
 * overwrite 0: an existing file is refused (EXISTS). */
QE_API qe_status_t qe_model_save(const qe_model_t *model, const char *path, qe_format_t format, int overwrite);
QE_API qe_status_t qe_model_clone(const qe_model_t *model, qe_model_t **out);
QE_API void qe_model_destroy(qe_model_t **model);

/* ---- looking into a model ---- */

/* Description of one value. Pointers are valid while the model lives unchanged. */
typedef struct qe_value_info {
  const char *name;
  qe_dtype_t dtype;
  int32_t rank;                   /* -1: unknown */
  int64_t dims[QE_MAX_RANK];      /* -1: unknown or symbolic */
  const char *symbols[QE_MAX_RANK]; /* name of a symbolic dimension or NULL */
  const qe_qparams_t *qparams;    /* NULL: not quantized */
  const qe_tensor_t *constant;    /* NULL: not a constant */
} qe_value_info_t;

typedef struct qe_node_info {
  const char *name, *op, *domain;
  const char *origin;  /* the model's own nodes merged into this one, or NULL */
  uint32_t n_in, n_out;
  int quantized;
} qe_node_info_t;

QE_API uint32_t qe_model_input_count(const qe_model_t *model);
QE_API uint32_t qe_model_output_count(const qe_model_t *model);
QE_API qe_status_t qe_model_input(const qe_model_t *model, uint32_t index, qe_value_info_t *out);
QE_API qe_status_t qe_model_output(const qe_model_t *model, uint32_t index, qe_value_info_t *out);
QE_API uint32_t qe_model_value_count(const qe_model_t *model);
QE_API qe_status_t qe_model_value(const qe_model_t *model, uint32_t index, qe_value_info_t *out);
QE_API uint32_t qe_model_node_count(const qe_model_t *model);
QE_API qe_status_t qe_model_node(const qe_model_t *model, uint32_t index, qe_node_info_t *out);
/* Index of the value that node reads/writes at a position; -1: not given. */
QE_API int32_t qe_model_node_input(const qe_model_t *model, uint32_t node, uint32_t index);
QE_API int32_t qe_model_node_output(const qe_model_t *model, uint32_t node, uint32_t index);
/* Sums over constants. */
QE_API int64_t qe_model_parameter_count(const qe_model_t *model);
QE_API int64_t qe_model_parameter_bytes(const qe_model_t *model);
/* ONNX metadata_props; NULL when absent. */
QE_API const char *qe_model_metadata(const qe_model_t *model, const char *key);
QE_API qe_status_t qe_model_set_metadata(qe_model_t *model, const char *key, const char *value);
/* All of them, in the file's order; key and value are valid while the model lives unchanged. Errors: INVALID_ARGUMENT past the end. */
QE_API uint32_t qe_model_metadata_count(const qe_model_t *model);
QE_API qe_status_t qe_model_metadata_at(const qe_model_t *model, uint32_t index, const char **key, const char **value);
/* Hex SHA-256 of the file the model was read from ("" when built); 65 bytes. */
QE_API void qe_model_hash(const qe_model_t *model, char out[65]);

/*
 * Recurrent layers (LSTM, GRU, RNN and the dynamically quantized ones) that start from zeros get model inputs "<node>.h"
 * (LSTM: also "<node>.c") and model outputs "<node>.h_next" ("<node>.c_next"), for qe_session_bind_state; *count is the
 * number of pairs. A layer that has an initial state already is left as it is. The batch of a new input has the symbol
 * of the input dimension that it comes from (one is given to it, "batch", when it has none). Needs exclusive use.
 * Errors: UNSUPPORTED (a reverse or bidirectional layer, which is named; the model stays as it was).
 */
QE_API qe_status_t qe_model_expose_state(qe_model_t *model, uint32_t *count);

/* ---- building ---- */

/*
 * A value under construction: an index, or negative after a failure. Building functions take and give these, pass a
 * failed operand on, and remember the first error, so a network reads as one expression per layer; qe_model_finish
 * reports it. Weights are float32 tensors in torch's layout; they are retained; NULL weight is an error, NULL bias
 * means none. `name` names the module, as torch does ("layer1.conv"); NULL makes one up.
 */
typedef int32_t qe_value_t;

QE_API qe_status_t qe_model_create(const char *name, qe_model_t **out);
/* A dimension of -1 is dynamic. */
QE_API qe_value_t qe_input(qe_model_t *m, const char *name, qe_dtype_t dtype, uint32_t rank, const int64_t *dims);
QE_API qe_value_t qe_constant(qe_model_t *m, const char *name, qe_tensor_t *data);
QE_API void qe_output(qe_model_t *m, const char *name, qe_value_t v);
/* Reports the first building error, verifies, sorts. */
QE_API qe_status_t qe_model_finish(qe_model_t *m);

/* Options of convolution modules; zeroes mean torch's defaults (stride 1, padding 0, dilation 1, groups 1). */
typedef struct qe_conv_options {
  int64_t stride[3], padding[3], dilation[3], output_padding[3];
  int64_t groups;
} qe_conv_options_t;
typedef struct qe_pool_options {
  int64_t kernel[3], stride[3], padding[3], dilation[3]; /* stride 0: the kernel size */
  int ceil_mode, count_exclude_pad;
} qe_pool_options_t;

QE_API qe_value_t qe_conv1d(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias, const qe_conv_options_t *options);
QE_API qe_value_t qe_conv2d(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias, const qe_conv_options_t *options);
QE_API qe_value_t qe_conv3d(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias, const qe_conv_options_t *options);
/* weight [in, out/groups, k...] */
QE_API qe_value_t qe_conv_transpose(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias, const qe_conv_options_t *options);
/* weight [out, in]; x [..., in] */
QE_API qe_value_t qe_linear(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias);
QE_API qe_value_t qe_batch_norm(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias, qe_tensor_t *running_mean, qe_tensor_t *running_var, float eps);
QE_API qe_value_t qe_layer_norm(qe_model_t *m, const char *name, qe_value_t x, qe_tensor_t *weight, qe_tensor_t *bias, float eps);
QE_API qe_value_t qe_embedding(qe_model_t *m, const char *name, qe_value_t indices, qe_tensor_t *weight);
/* Zeroes mean torch's defaults: mode "mean", no padding. */
typedef struct qe_embedding_bag_options {
  const char *mode;        /* "sum", "mean" or "max" */
  int include_last_offset; /* offsets has one more element than there are bags: where the last one ends */
  int has_padding_idx;     /* rows of padding_idx take no part */
  int64_t padding_idx;     /* negative: counted from the end */
} qe_embedding_bag_options_t;
/* indices [n], offsets [bags] (int32 or int64): bag b holds the rows of indices[offsets[b]] to the next offset; weight
 * [rows, D]; result [bags, D], 0 for an empty bag. per_sample_weights [n], mode "sum" only, or negative for none. */
QE_API qe_value_t qe_embedding_bag(qe_model_t *m, const char *name, qe_value_t indices, qe_value_t offsets, qe_value_t per_sample_weights,
                                   qe_tensor_t *weight, const qe_embedding_bag_options_t *options);
/* torch layout per layer and direction: weight_ih [4H, in], weight_hh [4H, H], gates i f g o; x [T, B, in], h0/c0 [1, B, H]
 * or negative for zeros; hn / cn may be NULL. */
QE_API qe_value_t qe_lstm(qe_model_t *m, const char *name, qe_value_t x, qe_value_t h0, qe_value_t c0, qe_tensor_t *weight_ih, qe_tensor_t *weight_hh,
                          qe_tensor_t *bias_ih, qe_tensor_t *bias_hh, qe_value_t *hn, qe_value_t *cn);
QE_API qe_value_t qe_max_pool2d(qe_model_t *m, const char *name, qe_value_t x, const qe_pool_options_t *options);
QE_API qe_value_t qe_avg_pool2d(qe_model_t *m, const char *name, qe_value_t x, const qe_pool_options_t *options);
QE_API qe_value_t qe_global_avg_pool(qe_model_t *m, const char *name, qe_value_t x);
QE_API qe_value_t qe_flatten(qe_model_t *m, const char *name, qe_value_t x, int64_t axis);
QE_API qe_value_t qe_reshape(qe_model_t *m, const char *name, qe_value_t x, uint32_t rank, const int64_t *dims);
QE_API qe_value_t qe_transpose(qe_model_t *m, const char *name, qe_value_t x, uint32_t rank, const int64_t *perm);
QE_API qe_value_t qe_concat(qe_model_t *m, const char *name, uint32_t count, const qe_value_t *xs, int64_t axis);
QE_API qe_value_t qe_softmax(qe_model_t *m, const char *name, qe_value_t x, int64_t axis);
QE_API qe_value_t qe_clip(qe_model_t *m, const char *name, qe_value_t x, float lo, float hi);
QE_API qe_value_t qe_relu(qe_model_t *m, const char *name, qe_value_t x);
QE_API qe_value_t qe_relu6(qe_model_t *m, const char *name, qe_value_t x);
QE_API qe_value_t qe_add(qe_model_t *m, const char *name, qe_value_t a, qe_value_t b);
QE_API qe_value_t qe_mul(qe_model_t *m, const char *name, qe_value_t a, qe_value_t b);
QE_API qe_value_t qe_matmul(qe_model_t *m, const char *name, qe_value_t a, qe_value_t b);
/* torch's QuantStub / DeQuantStub: accepted and kept as Identity; conversion does not need them. */
QE_API qe_value_t qe_quant_stub(qe_model_t *m, const char *name, qe_value_t x);
QE_API qe_value_t qe_dequant_stub(qe_model_t *m, const char *name, qe_value_t x);
/* Any op of the registry with one output, attributes as JSON text ({"axis": 1, "mode": "nearest"}) or NULL. */
QE_API qe_value_t qe_op(qe_model_t *m, const char *op, const char *name, uint32_t count, const qe_value_t *inputs, const char *attributes_json);

#ifdef __cplusplus
}
#endif
#endif
