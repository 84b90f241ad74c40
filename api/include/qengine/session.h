/*
 * qengine/session.h - running a model.
 *
 * A session holds plans (placement, layout, packed weights, memory) for one model, one per set of input shapes, made
 * on first use and cached. Sessions over one model may run at the same time; one session is used by one thread at a
 * time. The model must not change while sessions use it; the session keeps it alive.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef QENGINE_SESSION_H
#define QENGINE_SESSION_H

#include "qengine/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qe_session qe_session_t;

typedef struct qe_session_options {
  uint32_t struct_size;
  const char *engine;  /* NULL: quantized_engine */
  uint32_t threads;    /* 0: default */
  int strict;          /* 1: a quantized op that the engine does not provide is an error (PLACEMENT) */
  int no_fuse;         /* 1: QDQ patterns and activations run as written (for comparing) */
  int profile;         /* 1: time every step (qe_session_step) */
} qe_session_options_t;

typedef struct qe_named_tensor {
  const char *name;
  qe_tensor_t *tensor;
} qe_named_tensor_t;

/* Options NULL: all defaults. */
QE_API qe_status_t qe_session_create(const qe_model_t *model, const qe_session_options_t *options, qe_session_t **out);
QE_API void qe_session_destroy(qe_session_t **session);
/*
 * Runs once. Every model input must be given (states below excepted), by name, or, with all names NULL, in order. outputs[i].name chooses a
 * value (NULL: model output i); any value of the graph may be asked for, also ones inside; outputs[i].tensor is set to
 * a new tensor owned by the caller. Errors: DTYPE, SHAPE, NOT_FOUND naming both sides; UNSUPPORTED, PLACEMENT, ENGINE
 * while planning. On error no output is set.
 */
QE_API qe_status_t qe_session_run(qe_session_t *session, uint32_t n_inputs, const qe_named_tensor_t *inputs, uint32_t n_outputs, qe_named_tensor_t *outputs);

/*
 * States. A bound input is fed by the session: after every run (qe_session_run or qe_session_run_tapped) that succeeds,
 * the value of `output_name` (any value of the graph) becomes that input of the next run, so a language model runs token
 * by token. The input need not be given any more; one that is given is used for that run instead. Before the first run
 * a state is zeros, of the shape that the model declares; a symbolic dimension takes the size that another input of the
 * run has for the same symbol. A run that fails leaves all states as they were. Shapes may change from run to run (keys
 * and values of the past grow); each set of shapes has its plan.
 * Errors: NOT_FOUND, EXISTS (the input is bound already), DTYPE and SHAPE (the two can never fit).
 */
QE_API qe_status_t qe_session_bind_state(qe_session_t *session, const char *output_name, const char *input_name);
/* What the next run reads; copied. Errors: NOT_FOUND, STATE (not bound), DTYPE, SHAPE. */
QE_API qe_status_t qe_session_set_state(qe_session_t *session, const char *input_name, const qe_tensor_t *tensor);
/* A copy of what the next run would read, owned by the caller; with qe_session_set_state it saves and restores. Errors:
 * NOT_FOUND, STATE (not bound, or no value yet: zeros). */
QE_API qe_status_t qe_session_get_state(qe_session_t *session, const char *input_name, qe_tensor_t **out);
/* Every state is as before the first run: zeros, also one that was set. The bindings stay. */
QE_API qe_status_t qe_session_reset_state(qe_session_t *session);

/* Called for every value a run computes that `wanted` chose; `tensor` is valid during the call. Not QE_OK: the run stops. */
typedef qe_status_t (*qe_tap_fn)(void *arg, int32_t value_index, const qe_tensor_t *tensor);
/* Like qe_session_run without outputs, feeding the listed values (indices of the model) to `tap` in graph order. */
QE_API qe_status_t qe_session_run_tapped(qe_session_t *session, uint32_t n_inputs, const qe_named_tensor_t *inputs, uint32_t n_values, const int32_t *values, qe_tap_fn tap, void *arg);

/* One step of the most recent plan: where a node went and why. The texts are valid until the session's next plan. */
typedef struct qe_step_info {
  const char *node, *op;
  const char *origin;     /* model nodes merged into it, or NULL */
  const char *engine, *kernel; /* "core", "-" for what needs no kernel */
  const char *dtypes;     /* "uint8 int8 int32 -> uint8" */
  const char *note;       /* fused, folded, fallback and its reason; "" */
  int quantized, fallback;
  double milliseconds;    /* sum over runs, with options.profile */
  int64_t macs;           /* multiply-accumulates of conv, matmul, gemm; else 0 */
  uint64_t runs;
} qe_step_info_t;
/* Plans for these input shapes without running (dims of dynamic inputs from the tensors). */
QE_API qe_status_t qe_session_plan(qe_session_t *session, uint32_t n_inputs, const qe_named_tensor_t *inputs);
QE_API uint32_t qe_session_step_count(const qe_session_t *session);
QE_API qe_status_t qe_session_step(const qe_session_t *session, uint32_t index, qe_step_info_t *out);

typedef struct qe_session_stats {
  uint32_t struct_size;
  const char *engine;       /* chosen for quantized ops */
  uint32_t threads, plans;
  uint32_t steps, quantized_steps, fallback_steps;
  uint64_t arena_bytes;     /* intermediate values, peak */
  uint64_t packed_bytes;    /* prepacked weights */
  uint64_t scratch_bytes;
} qe_session_stats_t;
/* out->struct_size is set by the caller; newer fields are left out for an older one. */
QE_API qe_status_t qe_session_get_stats(const qe_session_t *session, qe_session_stats_t *out);

#ifdef __cplusplus
}
#endif
#endif
