/*
 * The dynamic flow: nodes with constant weights get them as integer codes ahead of time; their float inputs are
 * quantized as they arrive, one DynamicQuantizeLinear per value whoever reads it, and their results are float.
 */
#ifndef QE_CORE_FLOW_DYNAMIC_H
#define QE_CORE_FLOW_DYNAMIC_H

#include "flow/flow_internal.h"
#include "flow/report.h"

/* A float value as codes that are made at run time. */
typedef struct qe__arrival {
  qe__value_id codes, scale, zero_point; /* zero_point QE__NO_VALUE: 0 */
} qe__arrival;

/* A weight as constants; one for all nodes that read the same weight in the same way. */
typedef struct qe__dynamic_weight {
  qe__value_id of;              /* the float constant */
  int kind;                     /* what was made of it: an output axis, or another number of the caller's */
  const qe_observer_config_t *config;
  qe__value_id codes, scale, zero_point;
  double sqnr_db;
  char scheme[64];
} qe__dynamic_weight;

/* What became of a node. */
typedef struct qe__dynamic_note {
  const char *refusal;     /* NULL: it was quantized; else why it stays float (static text) */
  double sqnr_db;
  char weight[64];         /* "int8 per_channel(1)" */
  const char *activation;  /* "uint8 dynamic", or "-" */
} qe__dynamic_note;

typedef struct qe__dynamic {
  qe__graph *g;
  bool all;                        /* static qconfigs count as dynamic ones: observers have no part in this flow */
  uint32_t n_values;               /* of the graph as it was */
  qe__arrival *arrivals[2];        /* per such value: uint8, int8 */
  qe__dynamic_weight *weights;
  size_t n_weights, cap_weights;
} qe__dynamic;

/* flow/dynamic_linear.c: Gemm and MatMul with a constant weight become MatMulIntegerToFloat. */
qe_status_t qe__dynamic_linear(qe__dynamic *d, qe__node *n, const qe_qconfig_t *q, qe__dynamic_note *note);
/* Why a Gemm or MatMul cannot have its weight quantized; NULL: it can. */
const char *qe__linear_refusal(const qe__graph *g, const qe__node *n);
/* The bias of such a node as one number per output, or QE__NO_VALUE. */
qe_status_t qe__linear_bias(qe__dynamic *d, const qe__node *n, qe__value_id *out);
/* Takes away what only Gemm has. */
void qe__linear_drop_attributes(qe__node *n, bool keep_trans_b);
/* A matrix as codes with one pair of parameters, or one per index of `axis`; n is for messages. */
qe_status_t qe__dynamic_matrix(qe__dynamic *d, const qe__node *n, qe__value_id of, int32_t axis, const qe_observer_config_t *config,
                               qe__dynamic_weight **out);
/* flow/dynamic_weight.c: weights alone; embeddings become rows of codes, linear layers MatMulNBits or float16. */
qe_status_t qe__dynamic_weight_only(qe__dynamic *d, qe__node *n, const qe_qconfig_t *q, qe__dynamic_note *note);
/* flow/dynamic_recurrent.c: LSTM, GRU and RNN become DynamicQuantize*. */
qe_status_t qe__dynamic_recurrent(qe__dynamic *d, qe__node *n, const qe_qconfig_t *q, qe__dynamic_note *note);

/* ---- flow/dynamic_parts.c: what they are made of ---- */

/* The codes of float value x as they arrive; dtype QE_UINT8 (affine) or QE_INT8 (symmetric). Adds nodes on first use. */
qe_status_t qe__dynamic_codes(qe__dynamic *d, qe__value_id x, qe_dtype_t dtype, qe__arrival *out);
/* A weight that was made before in the same way, or NULL. */
qe__dynamic_weight *qe__dynamic_weight_find(qe__dynamic *d, qe__value_id of, int kind, const qe_observer_config_t *config);
qe_status_t qe__dynamic_weight_add(qe__dynamic *d, const qe__dynamic_weight *w, qe__dynamic_weight **out);
/* A constant named after another value. */
qe_status_t qe__dynamic_constant(qe__dynamic *d, qe__value_id like, const char *suffix, qe_tensor_t *t, qe__value_id *out);
/* A value without producer or data yet, named after another. */
qe_status_t qe__dynamic_value(qe__dynamic *d, qe__value_id like, const char *suffix, qe_dtype_t dtype, qe__value_id *out);
/* A node named after a value and its op. */
qe_status_t qe__dynamic_node(qe__dynamic *d, const char *op, qe__value_id like, uint32_t n_in, const qe__value_id *in, uint32_t n_out,
                             const qe__value_id *out, qe__node **node);
/* UNSUPPORTED unless the codes are int8 or uint8. */
qe_status_t qe__dynamic_check_dtype(const qe__node *n, const char *what, qe_dtype_t dtype);
const char *qe__dynamic_activation_text(qe_dtype_t dtype);

#endif
