/*
 * qengine/qconfig.h - what to quantize how: observers, qconfigs, the mapping of qconfigs to nodes.
 *
 * A qconfig is a pair of observer descriptions, plain data: one for a node's output activations, one for its weight.
 * A mapping gives each node its qconfig: global < op type < name glob < exact name; a later rule of the same kind
 * wins; a rule with no qconfig keeps the node float. docs/qconfig.md describes the JSON form.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef QENGINE_QCONFIG_H
#define QENGINE_QCONFIG_H

#include "qengine/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qe_qscheme {
  QE_PER_TENSOR_AFFINE = 0, QE_PER_CHANNEL_AFFINE = 1, QE_PER_TENSOR_SYMMETRIC = 2, QE_PER_CHANNEL_SYMMETRIC = 3
} qe_qscheme_t;

typedef enum qe_histogram_method { QE_HISTOGRAM_L2 = 0 /* torch's search */, QE_HISTOGRAM_MSE = 1, QE_HISTOGRAM_PERCENTILE = 2, QE_HISTOGRAM_ENTROPY = 3 } qe_histogram_method_t;

/*
 * One observer with its arguments (torch's names). `observer` is a registered name: "min_max",
 * "moving_average_min_max", "per_channel_min_max", "moving_average_per_channel_min_max", "histogram",
 * "fixed_qparams", "placeholder", "recording", "noop", "reuse_input", "dynamic" (activations: parameters are chosen for
 * each tensor as it arrives), or one that a plugin brings. "" means: not quantized. Start from qe_observer_config_default(). WARNING: public structure; append only.
 */
typedef struct qe_observer_config {
  uint32_t struct_size;
  char observer[48];
  qe_dtype_t dtype;
  qe_qscheme_t qscheme;
  int reduce_range;       /* one bit less: -64..63, 0..127; with a custom range both ends are halved (floor) */
  int has_range;          /* quant_min, quant_max given */
  int32_t quant_min, quant_max;
  float eps;              /* smallest scale; 2^-23 */
  float averaging_constant; /* 0.01 */
  int32_t ch_axis;        /* 0; weights: -1 = the op's output channel axis */
  int32_t bins;           /* 2048 */
  int32_t upsample_rate;  /* 128; cells that an old bin is cut into when the range grows */
  qe_histogram_method_t method;
  float percentile;       /* 0.9999 */
  float scale;            /* fixed_qparams */
  int32_t zero_point;     /* fixed_qparams */
  int32_t block_size;     /* weights without quantized activations: elements of a column per scale; 0: 32 of 4 bits, 128 of 8 */
} qe_observer_config_t;

typedef struct qe_qconfig {
  uint32_t struct_size;
  qe_observer_config_t activation, weight;
} qe_qconfig_t;

/* All fields at their defaults (min_max, uint8, per-tensor affine). */
QE_API void qe_observer_config_default(qe_observer_config_t *out);
/*
 * A named preset: "default" (ours: full range, histogram activations, per-channel -127..127 weights), torch's
 * "fbgemm", "x86", "qnnpack", "onednn" with torch's exact arguments, "dynamic" (weights as in "default", uint8
 * activations as they arrive) and "dynamic_per_tensor" (one scale per weight, torch's default_dynamic_qconfig with the
 * full range of activations), or an engine's name for its own default. "default_qat", "fbgemm_qat", "x86_qat",
 * "qnnpack_qat", "onednn_qat": the same with moving averages of minima and maxima, for qe_prepare_qat.
 * Errors: NOT_FOUND, listing the names there are.
 */
QE_API qe_status_t qe_default_qconfig(const char *name, qe_qconfig_t *out);
/* NUL-terminated names of all presets, NULL at the end. Static. */
QE_API const char *const *qe_qconfig_preset_names(void);

typedef struct qe_qconfig_mapping qe_qconfig_mapping_t;

/* A mapping with this global qconfig (NULL: nothing is quantized unless a rule says so). */
QE_API qe_status_t qe_qconfig_mapping_create(const qe_qconfig_t *global, qe_qconfig_mapping_t **out);
/* A preset's mapping, with the per-op rules that belong to it. */
QE_API qe_status_t qe_qconfig_mapping_preset(const char *name, qe_qconfig_mapping_t **out);
/* JSON text or file; unknown keys, wrong types and duplicate keys are errors that name the JSON path. */
QE_API qe_status_t qe_qconfig_mapping_parse(const char *json, size_t length, qe_qconfig_mapping_t **out);
QE_API qe_status_t qe_qconfig_mapping_load(const char *path, qe_qconfig_mapping_t **out);
/* JSON text of a mapping; round-trips through parse. Free with qe_string_free. */
QE_API qe_status_t qe_qconfig_mapping_dump(const qe_qconfig_mapping_t *mapping, char **json);
/* qconfig NULL: keep float. A rule that matches no node makes qe_prepare fail and name it. */
QE_API qe_status_t qe_qconfig_mapping_set_op_type(qe_qconfig_mapping_t *m, const char *op, const qe_qconfig_t *qconfig);
QE_API qe_status_t qe_qconfig_mapping_set_name_glob(qe_qconfig_mapping_t *m, const char *glob, const qe_qconfig_t *qconfig);
QE_API qe_status_t qe_qconfig_mapping_set_name(qe_qconfig_mapping_t *m, const char *name, const qe_qconfig_t *qconfig);
/*
 * Whether qe_prepare first scales channels of convolution + BatchNorm pairs that use little of their tensor's range, by
 * powers of two, undone in the depthwise convolution that reads them: the float model computes the same, its activations
 * quantize better. On in the "default" preset, off in torch's.
 */
QE_API qe_status_t qe_qconfig_mapping_set_equalize(qe_qconfig_mapping_t *m, int on);
QE_API void qe_qconfig_mapping_destroy(qe_qconfig_mapping_t **mapping);

/* Frees a string that the library handed out; NULL is allowed. */
QE_API void qe_string_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
