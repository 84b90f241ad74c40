/*
 * What the importer's files share. A conversion takes one NodeProto and writes canonical nodes into the graph; it is
 * found by (domain, op) in the tables of import_ops_*.c, or else the op is taken over as it is (import_generic.c).
 */
#ifndef QE_CORE_ONNX_IMPORT_H
#define QE_CORE_ONNX_IMPORT_H

#include "graph/graph.h"
#include "onnx/external.h"
#include "onnx/proto.h"

enum { QE__ONNX_MIN_OPSET = 7, QE__ONNX_MAX_OPSET = 21 };

typedef struct qe__import {
  qe__graph *g;
  const qe__source *source;
  qe__external external;
  int64_t opset;                /* of domain "" */
  int32_t *ranks;               /* per value: rank where it follows from the ops, else -1 */
  size_t cap_ranks, n_ranks;
  /* the node being converted */
  const Onnx__NodeProto *node;
  uint32_t index;
  const char *name;             /* its name in the graph */
  uint64_t consumed;            /* bit i: attribute i has been looked at */
} qe__import;

typedef struct qe__conversion {
  const char *domain, *op;
  qe_status_t (*convert)(qe__import *im);
} qe__conversion;

/* NULL: no special conversion. */
const qe__conversion *qe__import_conversion(const char *domain, const char *op);
extern const qe__conversion qe__import_basic[], qe__import_shapes[], qe__import_microsoft[], qe__import_quantized_ops[],
    qe__import_qlinear[], qe__import_dynamic[], qe__import_attention[];
extern const qe__conversion qe__import_call; /* every op of domain "qengine" that there is */

/* Domain with "ai.onnx" written as "". */
const char *qe__import_domain(const Onnx__NodeProto *node);

/* Records an error that names the node, its op and domain. */
qe_status_t qe__import_fail(const qe__import *im, qe_status_t status, const char *format, ...) QE__PRINTF(3, 4);

/* ---- values (import_values.c) ---- */

/* The value of this name, added (type unknown) when it is new; "" gives QE__NO_VALUE. */
qe_status_t qe__import_value(qe__import *im, const char *name, qe__value_id *out);
/* Input i of the node, QE__NO_VALUE when it is absent. */
qe_status_t qe__import_in(qe__import *im, size_t i, qe__value_id *out);
qe_status_t qe__import_out(qe__import *im, size_t i, qe__value_id *out);
bool qe__import_has_in(const qe__import *im, size_t i);
bool qe__import_has_out(const qe__import *im, size_t i);
/* The tensor of a constant value, or NULL. */
const qe_tensor_t *qe__import_data(const qe__import *im, qe__value_id v);
/* A new value named after the node: "conv1_<suffix>". */
qe_status_t qe__import_temp(qe__import *im, const char *suffix, qe_dtype_t dtype, qe__value_id *out);
qe_status_t qe__import_const_i64(qe__import *im, const char *suffix, const int64_t *values, size_t count,
                                 qe__value_id *out);
qe_status_t qe__import_const_f32(qe__import *im, const char *suffix, const float *values, size_t count,
                                 qe__value_id *out);
qe_status_t qe__import_scalar_f32(qe__import *im, const char *suffix, float value, qe__value_id *out);
int32_t qe__import_rank(const qe__import *im, qe__value_id v);
qe_status_t qe__import_set_rank(qe__import *im, qe__value_id v, int32_t rank);

/* ---- nodes ---- */

/* Adds a canonical node. suffix NULL: it has the model's node name; else "<name>/<suffix>". */
qe_status_t qe__import_node(qe__import *im, const char *op, const char *suffix, uint32_t n_in, const qe__value_id *in,
                            uint32_t n_out, const qe__value_id *out, qe__node **node);
/* One input, one output, output new. */
qe_status_t qe__import_unary(qe__import *im, const char *op, const char *suffix, qe__value_id x, qe_dtype_t dtype,
                             qe__value_id *y);
qe_status_t qe__import_binary(qe__import *im, const char *op, const char *suffix, qe__value_id a, qe__value_id b,
                              qe_dtype_t dtype, qe__value_id *y);
/* Gives outputs of a new node what is known of their type and rank. */
qe_status_t qe__import_note_outputs(qe__import *im, const qe__node *n);
/* The op as it is: all inputs, outputs and attributes of the model's node. */
qe_status_t qe__import_as_is(qe__import *im, const char *op, qe__node **node);

/* ---- attributes (import_attributes.c); looking at one marks it as consumed ---- */

const Onnx__AttributeProto *qe__import_attr(qe__import *im, const char *name);
qe_status_t qe__import_int(qe__import *im, const char *name, int64_t fallback, int64_t *out);
qe_status_t qe__import_float(qe__import *im, const char *name, float fallback, float *out);
/* Valid while the proto lives; bytes up to the first zero. fallback may be NULL. */
qe_status_t qe__import_string(qe__import *im, const char *name, const char *fallback, char *buffer, size_t size);
/* count 0 when absent (present tells which). */
qe_status_t qe__import_ints(qe__import *im, const char *name, bool *present, const int64_t **values, size_t *count);
qe_status_t qe__import_floats(qe__import *im, const char *name, bool *present, const float **values, size_t *count);
/* Copies the attributes that the canonical op has and that are not consumed yet. */
qe_status_t qe__import_copy_attributes(qe__import *im, qe__node *node);
/* UNSUPPORTED when an attribute of the node was not looked at. */
qe_status_t qe__import_check_consumed(const qe__import *im);

/* ---- quantization parameters (import_qparams.c) ---- */

/* Which inputs of a node give a tensor's parameters. */
typedef struct qe__import_q {
  qe__value_id scale, zero_point; /* zero_point QE__NO_VALUE: 0 */
  int32_t axis;                   /* of parameters that are not scalar */
  bool constant;
  qe_dtype_t dtype;               /* NONE: not known */
} qe__import_q;

/* v: the tensor they belong to (its rank makes a negative axis positive; its type serves when there is no zero

 * point). */
qe_status_t qe__import_q_read(qe__import *im, qe__value_id v, size_t scale_input, size_t zero_point_input, int32_t axis,
                              qe__import_q *out);
/*
 * The codes `v` read with these (constant) parameters: v itself, or, when it already has other parameters, a copy that
 * has them. v's type, when not known, is taken from the zero point.
 */
qe_status_t qe__import_q_attach(qe__import *im, qe__value_id v, const qe__import_q *q, qe__value_id *out);
/* The value that a node writes so that `y` has these (constant) parameters: y itself, or one that an added Identity
 * copies into it. */
qe_status_t qe__import_q_define(qe__import *im, qe__value_id y, const qe__import_q *q, qe__value_id *out);
/* DequantizeLinear / QuantizeLinear nodes in canonical form: parameters in the value when constant, else three
 * inputs. */
qe_status_t qe__import_dequantize(qe__import *im, const char *suffix, qe__value_id codes, const qe__import_q *q,
                                  qe__value_id *real);
qe_status_t qe__import_quantize(qe__import *im, const char *suffix, qe__value_id real, const qe__import_q *q,
                                qe__value_id codes);

/* One tensor read by a quantized op. q NULL: as it is. */
typedef struct qe__import_operand {
  qe__value_id v;
  const qe__import_q *q;
} qe__import_operand;

/*
 * A quantized node when all parameters are constant, else DequantizeLinear -> float op -> QuantizeLinear around *node,
 * which gets the attributes. bias (int32, scale x * w; or QE__NO_VALUE) goes behind the two operands of a weighted op.
 * yq NULL: the result is float and the op is always decomposed.
 */
qe_status_t qe__import_quantized(qe__import *im, const char *op, uint32_t n, const qe__import_operand *operands,
                                 qe__value_id bias, const qe__import_q *yq, qe__value_id y, qe__node **node);

/* Puts transposes around an op on channels-last data: *x and *y become the channels-first values the op works on. */
qe_status_t qe__import_channels_last(qe__import *im, int32_t rank, qe__value_id *x, qe__value_id *y);

/* ---- after all nodes (import_tidy.c) ---- */

/* Sigmoid + Mul becomes Silu; integer Max/Min behind a quantized node becomes its clamp; parameters flow through ops
 * that move codes. */
qe_status_t qe__import_tidy(qe__graph *g);
/* Integer Max, Min and Clip behind a quantized node become its clamp. */
qe_status_t qe__import_absorb_clamps(qe__graph *g);
/* Types and shapes that follow from the inputs' (import_infer.c). */
void qe__import_infer(qe__graph *g);

#endif
