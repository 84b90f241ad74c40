/*
 * The op registry: one row of ops.def per op, and the function that gives an op's output types and shapes and
 * resolves its attributes. Everything else that depends on the op reads this table.
 */
#ifndef QE_CORE_OP_SCHEMA_H
#define QE_CORE_OP_SCHEMA_H

#include "qengine_plugin.h"
#include "tensor/tensor.h"

struct qe__node;

#ifndef QE_WITH_OP /* a build with QE_OPS (cmake/ops.cmake) leaves out what belongs to other ops */
#define QE_WITH_OP(op, ...) __VA_ARGS__
#endif

/* How an output of a quantized op gets its parameters. */
typedef enum qe__qrule {
  QE__Q_NEVER,     /* stays as it is: shapes, indices, comparisons */
  QE__Q_OBSERVED,  /* an observer watches the output */
  QE__Q_SHARE,     /* outputs have input 0's parameters */
  QE__Q_SHARE_ALL, /* all data inputs and outputs have one set (Concat, Max, Min, Where) */
  QE__Q_FIXED_01,  /* known range 0..1: scale 1/256, zero point at qmin */
  QE__Q_FIXED_11   /* known range -1..1: scale 2/256, zero point in the middle */
} qe__qrule;

/* How a quantized node is executed. */
typedef enum qe__qexec {
  QE__X_FLOAT,  /* dequantize, the float op, quantize */
  QE__X_KERNEL, /* a quantized kernel of this op */
  QE__X_MOVE,   /* codes are moved or compared; the plain integer kernel serves */
  QE__X_TABLE   /* a 256-entry table (op "Lookup") */
} qe__qexec;

/* What an operand looks like to an inference function. */
typedef struct qe__operand_info {
  bool present;
  qe_dtype_t dtype;
  uint32_t rank;
  int64_t dims[QE_MAX_RANK];
  const qe_tensor_t *data; /* constant, or known because it depends on shapes only; else NULL */
} qe__operand_info;

#define QE__MAX_OUTPUTS 64

typedef struct qe__infer_ctx {
  const struct qe__node *node; /* attributes; for messages */
  uint32_t n_in, n_out;
  const qe__operand_info *in;
  qe__operand_info *out;       /* to be filled: dtype, rank, dims (of every wanted output) */
  qe_op_params *params;        /* to be filled; zeroed before, clip bounds set to -inf, +inf */
} qe__infer_ctx;

/*
 * Checks the inputs, gives the outputs' types and shapes and the op's parameters. All dims are known. Errors name
 * the node, the input, what was found and what was expected.
 */
typedef qe_status_t (*qe__infer_fn)(qe__infer_ctx *ctx);

typedef struct qe__op_schema {
  uint16_t id;               /* QE__OP_* */
  const char *name;          /* as in the graph, in kernel keys, in reports */
  const char *domain;        /* "" ONNX, "com.microsoft", "qengine": ours */
  uint8_t min_in, max_in;    /* 255: any number */
  uint8_t min_out, max_out;
  uint8_t kernel_in;         /* the first so many inputs reach the kernel; the others are resolved into params; 255: all */
  bool view;                 /* output 0 is input 0's elements under another shape */
  qe__qrule qrule;
  qe__qexec qexec;
  qe__infer_fn infer;        /* NULL: this build leaves the op out (QE_OPS) */
} qe__op_schema;

enum {
#define QE_OP(id, ...) QE__OP_##id,
#include "registry/ops.def"
#undef QE_OP
  QE__OP_COUNT
};

const qe__op_schema *qe__op_find(const char *name); /* NULL when unknown */
const qe__op_schema *qe__op_at(uint32_t id);

/* Fills ctx->out and ctx->params, then checks the result (ranks, overflow). Prefixes errors with the node's name. */
qe_status_t qe__op_infer(qe__infer_ctx *ctx);

/* Inference functions named by ops.def, one file per family (registry/infer_*.c). */
#define QE__INFER_LIST(X)                                                                               \
  X(same) X(binary) X(compare) X(logical) X(where) X(clip) X(conv) X(conv_transpose) X(gemm) X(matmul)   \
  X(matmul_integer) X(matmul_integer_to_float) X(conv_integer) X(batch_norm) X(instance_norm) X(layer_norm) X(group_norm)           \
  X(softmax) X(pool) X(global_pool) X(reduce) X(arg) X(concat) X(split) X(slice) X(pad) X(reshape)       \
  X(flatten) X(squeeze) X(unsqueeze) X(transpose) X(gather) X(gather_elements) X(resize) X(cast) X(shape)\
  X(size) X(constant_of_shape) X(expand) X(tile) X(range) X(quantize) X(dequantize) X(dynamic_quantize)  \
  X(lookup) X(relayout) X(depth_to_space) X(space_to_depth) X(prelu) X(trilu) X(cumsum) X(one_hot) X(rnn) \
  X(matmul_nbits) X(embedding) X(embedding_bag)                                                            \
  X(batch_norm_train) X(batch_norm_grad) X(layer_norm_grad) X(conv_weight_grad) X(clip_grad) X(max_pool_grad) \
  X(average_pool_grad) X(gather_grad) X(softmax_cross_entropy) X(softmax_cross_entropy_grad) X(random_dropout) \
  X(fake_quantize) X(fake_quantize_grad) X(min_max) X(moving_average_qparams) X(sgd_update) X(adam_update)

#define X(name) qe_status_t qe__infer_##name(qe__infer_ctx *ctx);
QE__INFER_LIST(X)
#undef X

#endif
