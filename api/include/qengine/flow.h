/*
 * qengine/flow.h - the quantization flows.
 *
 * Static, as torch users know it:
 *     qe_fuse(model); qe_prepare(model, mapping, NULL, &prepared); qe_calibrate(prepared, n, inputs) per batch;
 *     qe_convert(prepared, &int8, NULL);
 *
 * Dynamic: qe_quantize_dynamic(model, NULL, &int8, NULL).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef QENGINE_FLOW_H
#define QENGINE_FLOW_H

#include "qengine/qconfig.h"
#include "qengine/session.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qe_prepared qe_prepared_t; /* a float model with observers */
typedef struct qe_report qe_report_t;     /* what a flow did, node by node */

/* Conv/ConvTranspose/Linear + BatchNorm (+ Relu/Relu6/Clip), Linear+Relu, BatchNorm+Relu, Add+Relu, in place. */
QE_API qe_status_t qe_fuse(qe_model_t *model);

/* Puts observers on the model by the mapping, after equalizing it if the mapping says so. The model is cloned. Errors: NOT_FOUND (a rule that matches nothing). */
QE_API qe_status_t qe_prepare(const qe_model_t *model, const qe_qconfig_mapping_t *mapping, const qe_session_options_t *options, qe_prepared_t **out);
/* Runs one batch through the float model and feeds the observers. An empty batch is a no-op. NaN/Inf: NUMERIC error naming the tensor. */
QE_API qe_status_t qe_calibrate(qe_prepared_t *prepared, uint32_t n_inputs, const qe_named_tensor_t *inputs);
/* Batches seen so far. */
QE_API uint64_t qe_prepared_batches(const qe_prepared_t *prepared);

/* Observer state as a versioned file keyed by the model's hash and the mapping. Merge adds another state to this one. */
QE_API qe_status_t qe_prepared_save_stats(const qe_prepared_t *prepared, const char *path, int overwrite);
QE_API qe_status_t qe_prepared_load_stats(qe_prepared_t *prepared, const char *path);
QE_API qe_status_t qe_prepared_merge_stats(qe_prepared_t *prepared, const char *path);

/*
 * Several processes, started by mpirun, in a build with QE_MPI; else one, of rank 0. Each calibrates with batches of its
 * own; afterwards qe_prepared_share, which all of them call, gives every one the observers of all, merged in the order of
 * ranks: what merging their statistics files gives. Alone: nothing happens.
 */
QE_API uint32_t qe_process_rank(void);
QE_API uint32_t qe_process_count(void);
QE_API qe_status_t qe_prepared_share(qe_prepared_t *prepared);

/* The quantized model, and (report not NULL) what happened to each node. A never-observed tensor is a warning naming it. */
QE_API qe_status_t qe_convert(qe_prepared_t *prepared, qe_model_t **out, qe_report_t **report);
QE_API void qe_prepared_destroy(qe_prepared_t **prepared);

/*
 * Dynamic: constant weights of Linear (Gemm, MatMul) and recurrent layers (LSTM, GRU, RNN) become int8 codes, their
 * inputs are quantized as they arrive, their results are float. No calibration. A clone of the model is fused (qe_fuse)
 * and quantized; *out is new. mapping NULL: the preset "dynamic". Nodes whose qconfig has an observer of the static flow
 * are quantized dynamically with its dtype; nodes without a qconfig stay float. report (may be NULL): what became of each
 * node and why. In a static flow, qe_prepare does the same to nodes whose activation observer is "dynamic".
 * Errors: NOT_FOUND (a rule that matches nothing), UNSUPPORTED (codes other than int8 and uint8), NUMERIC (a weight that is
 * not finite). Any thread; the model is only read.
 */
QE_API qe_status_t qe_quantize_dynamic(const qe_model_t *model, const qe_qconfig_mapping_t *mapping, qe_model_t **out,
                                       qe_report_t **report);

typedef struct qe_report_row {
  const char *node, *op;
  int quantized;
  const char *reason;     /* why it stayed float, what was fused; "" */
  double weight_sqnr_db;  /* of the quantized weight; NaN when there is none */
  const char *weight_scheme, *activation_scheme; /* "int8 per_channel(0)", "uint8 per_tensor"; "-" */
} qe_report_row_t;
QE_API uint32_t qe_report_count(const qe_report_t *report);
QE_API const qe_report_row_t *qe_report_at(const qe_report_t *report, uint32_t index);
QE_API void qe_report_destroy(qe_report_t **report);

/* Statistics files without a model: merge b into a (same model, same mapping), dump as JSON. */
QE_API qe_status_t qe_stats_merge(const char *a, const char *b, const char *out_path, int overwrite);
QE_API qe_status_t qe_stats_dump(const char *path, char **json); /* free with qe_string_free */

#ifdef __cplusplus
}
#endif
#endif
