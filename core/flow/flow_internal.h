/* What the files of the static flow share. */
#ifndef QE_CORE_FLOW_INTERNAL_H
#define QE_CORE_FLOW_INTERNAL_H

#include "graph/graph.h"
#include "observe/observe.h"
#include "qconfig/qconfig.h"
#include "qengine/flow.h"

/* flow/fold.c: nodes that depend on constants only become constants, in place. */
qe_status_t qe__fold_constants(qe__graph *g);

/* flow/fuse.c */
qe_status_t qe__fuse(qe__graph *g);
/* The same, but BatchNorm stays beside its convolution and Dropout stays; qe__fuse afterwards does the rest. */
qe_status_t qe__fuse_for_training(qe__graph *g);
/* Identity and Dropout: their readers read their input, unless they make a graph output. */
qe_status_t qe__drop_identities(qe__graph *g);

/* flow/equalize.c: scales channels of a fused float graph, in place. */
qe_status_t qe__equalize(qe__graph *g);

/* flow/dtypes.c: dtypes of computed values, as far as they follow from inputs, constants and attributes. */
qe_status_t qe__infer_dtypes(qe__graph *g);

/* ---- flow/decide.c: which nodes become quantized ---- */

typedef struct qe__decision {
  bool quantized;
  bool shares_input;              /* the output has its first input's parameters */
  const qe_qconfig_t *qconfig;    /* NULL: the mapping keeps it float */
  const char *reason;             /* why it stays float; static text; "" */
} qe__decision;

/* One decision per node (n_nodes entries, zeroed by the callee), by the node's qconfig. quantized_value: per value,
 * computed by a quantized node. */
qe_status_t qe__decide(const qe__graph *g, const qe_qconfig_t *const *configs, qe__decision *decision, bool *quantized_value);
/* Input i of a quantized node that stands for real numbers (data, weight), as opposed to bias, indices and shapes. */
bool qe__is_data_input(const qe__node *n, uint32_t i);

/* ---- flow/weights.c: constants of a quantized node ---- */

/* The axis that output channels run along, or -1 (per tensor only). */
int32_t qe__weight_axis(const qe__graph *g, const qe__node *n);
/* Output channels of a weighted node with a constant weight; -1 when the weight is of no shape that the op takes. */
int64_t qe__weight_channels(const qe__graph *g, const qe__node *n);
/* Quantizes a float constant by an observer config; bound (NULL or one per channel): smallest scale of each channel. */
/* given (NULL or count 0: none): parameters instead of the observer's. */
qe_status_t qe__quantize_constant(const qe_tensor_t *w, const qe_observer_config_t *config, int32_t axis, const qe_qparams_t *given,
                                  const float *bound, const char *what, qe_tensor_t **out, double *sqnr_db);
/* 10 log10(sum x^2 / sum (x - y)^2); +inf when equal. Sums in double, in order. */
double qe__sqnr_db(const float *x, const float *y, int64_t n);

/* ---- flow/dynamic.c ---- */

/* Rows of qe__dynamic_plan.row that are no rows. */
enum { QE__ROW_NONE = -1, QE__ROW_CONVERSION = -2 };

/* The nodes of the graph afterwards. */
typedef struct qe__dynamic_plan {
  const qe_qconfig_t **config; /* NULL for nodes that the flow dealt with and those it added */
  int32_t *row;                /* row of `report`; QE__ROW_NONE: the flow had no business with it; QE__ROW_CONVERSION: it was
                                  added for others */
  qe_report_t *report;
} qe__dynamic_plan;

/*
 * Applies the flow to the nodes whose qconfig asks for it (`all`: to every node with a qconfig that quantizes). Errors:
 * NOT_FOUND (a rule that matches nothing), UNSUPPORTED (codes that cannot be run), NUMERIC (a weight that is not finite).
 */
qe_status_t qe__dynamic_apply(qe__graph *g, const qe_qconfig_mapping_t *mapping, bool all, qe__dynamic_plan *out);
void qe__dynamic_plan_free(qe__dynamic_plan *plan);

/* ---- flow/prepare.c ---- */

struct qe_prepared {
  qe_model_t *model;              /* a fused or unfused float model, cloned; dynamic nodes are quantized already */
  qe__dynamic_plan dynamic;       /* per node: its qconfig, and what the dynamic flow made of it */
  qe_qconfig_mapping_t *mapping;
  qe_session_t *session;
  qe__decision *decision;         /* per node */
  bool *quantized_value;          /* per value */
  qe__observer **observer;        /* per value, or NULL */
  int32_t *watched;               /* values with observers, ascending */
  uint32_t n_watched;
  uint64_t batches;
  qe__qparams *given;             /* per value, or NULL: parameters (count > 0) that stand instead of the observer's; of a
                                     weight: instead of those that its own observer would choose */
  struct qe__qat *qat;            /* train/qat.h: made by qe_prepare_qat; NULL: static */
};

/* qe_prepare on a model that it takes over, also on failure. */
qe_status_t qe__prepare_model(qe_model_t *model, const qe_qconfig_mapping_t *mapping, bool equalize,
                              const qe_session_options_t *options, qe_prepared_t **out);
/* The quantized form of p's model with the parameters of p's observers. */
qe_status_t qe__convert_static(const qe_prepared_t *p, qe_model_t **out, qe_report_t **report);
/* The output has parameters of its own: an observer watches it unless they are given by a rule or shared. */
bool qe__observes_output(const qe__node *n, const qe__decision *d);
/* Scale and zero point that the op's rule gives (QE__Q_FIXED_01, QE__Q_FIXED_11). */
void qe__fixed_qparams(const qe__node *n, qe_dtype_t dtype, float *scale, int32_t *zero_point);

#endif
