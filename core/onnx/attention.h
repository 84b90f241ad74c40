/* What the attention layers of com.microsoft have in common: the ops between the projection and the output. */
#ifndef QE_CORE_ONNX_ATTENTION_H
#define QE_CORE_ONNX_ATTENTION_H

#include "onnx/import.h"

typedef struct qe__attention {
  qe__value_id queries, keys; /* values whose first dimensions are batch and number of queries (keys) */
  qe__value_id mask;  /* lengths [batch], or 0 and 1 as [batch, keys] or [batch, queries, keys]; or QE__NO_VALUE */
  qe__value_id bias;  /* added to the scores, or QE__NO_VALUE */
  int64_t heads;
  int64_t sizes[3];   /* of queries, keys and values, all heads together; 0: not known here */
  bool causal;        /* a query sees the keys up to its own position */
  float scale;        /* of the scores */
  float filter;       /* added to the scores that the mask does not keep */
} qe__attention;

/* softmax(q k^T * scale + bias + mask) v of parts q, k, v [batch, positions, size], into the node's output 0. */
qe_status_t qe__import_attend(qe__import *im, const qe__attention *a, const qe__value_id parts[3]);
/* A value in three parts along its last dimension (number 2, or the only one of a vector). */
qe_status_t qe__import_three_parts(qe__import *im, qe__value_id v, const int64_t sizes[3], int64_t axis,
                                   qe__value_id parts[3]);
/* num_heads, unidirectional, mask_filter_value and scale (0: not given); what caches and rotates is refused. */
qe_status_t qe__import_attention_attributes(qe__import *im, qe__attention *a);
/* Input i must not be given. */
qe_status_t qe__import_refuse_input(qe__import *im, size_t i, const char *what);
/* 0, 1, ... one number per position (dimension 1 of x): int64 [positions]. */
qe_status_t qe__import_positions(qe__import *im, qe__value_id x, qe__value_id *out);
qe_status_t qe__import_cast(qe__import *im, const char *suffix, qe__value_id x, qe_dtype_t to, qe__value_id *y);

#endif
