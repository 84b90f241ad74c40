/* Types, ranks and (where all inputs are fully known) shapes of a node while its model is being built. */
#include <string.h>

#include "graph/build.h"

/*
 * Dynamic dimensions are tried with two stand-ins, large enough for kernels and divisible by the usual strides and
 * group counts; what comes out the same both times does not depend on them.
 */
static const int64_t stand_ins[2] = {64, 1024};

/* -1: the rank of some input is not known. */
static int32_t widest(const qe__graph *g, const qe__node *n) {
  int32_t rank = 0;
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (n->in[i] == QE__NO_VALUE) continue;
    if (g->values[n->in[i]].rank < 0) return -1;
    if (g->values[n->in[i]].rank > rank) rank = g->values[n->in[i]].rank;
  }
  return rank;
}

/* Rank of the results of ops that need no sizes for it; -1: not known. */
static int32_t rank_by_rule(const qe__graph *g, const qe__node *n) {
  if (n->n_in == 0 || n->in[0] == QE__NO_VALUE) return -1;
  const int32_t first = g->values[n->in[0]].rank;
  const qe__infer_fn f = n->op->infer;
  static const qe__infer_fn keep_rank[] = {
      qe__infer_conv,       qe__infer_conv_transpose, qe__infer_pool,       qe__infer_concat,     qe__infer_split,
      qe__infer_batch_norm, qe__infer_instance_norm,  qe__infer_group_norm, qe__infer_layer_norm, qe__infer_same};
  for (size_t i = 0; i < sizeof keep_rank / sizeof keep_rank[0]; i++) {
    if (f == keep_rank[i]) return first;
  }
  if (f == qe__infer_binary || f == qe__infer_compare || f == qe__infer_logical || f == qe__infer_where)
    return widest(g, n);
  if (f == qe__infer_gemm) return 2;
  if (f == qe__infer_reshape && n->n_in > 1 && n->in[1] != QE__NO_VALUE && g->values[n->in[1]].data != NULL)
    return (int32_t)g->values[n->in[1]].data->count;
  return -1;
}

static void unknown_outputs(qe__graph *g, const qe__node *n) {
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (n->out[i] == QE__NO_VALUE) continue;
    qe__value *v = &g->values[n->out[i]];
    v->dtype = n->n_in > 0 && n->in[0] != QE__NO_VALUE ? g->values[n->in[0]].dtype : QE_DTYPE_NONE;
    v->rank = i == 0 ? rank_by_rule(g, n) : -1;
    for (size_t d = 0; d < QE_MAX_RANK; d++) v->dims[d] = -1;
  }
}

/* Fills `in`; false when an input's type or rank is unknown. *dynamic: some dimension is. */
static bool describe_inputs(const qe__graph *g, const qe__node *n, int64_t stand_in, qe__operand_info *in,
                            bool *dynamic) {
  *dynamic = false;
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (n->in[i] == QE__NO_VALUE) continue;
    const qe__value *v = &g->values[n->in[i]];
    if (v->dtype == QE_DTYPE_NONE || v->rank < 0) return false;
    in[i] = (qe__operand_info){.present = true, .dtype = v->dtype, .rank = (uint32_t)v->rank, .data = v->data};
    for (int32_t d = 0; d < v->rank; d++) {
      *dynamic = *dynamic || v->dims[d] < 0;
      in[i].dims[d] = v->dims[d] < 0 ? stand_in : v->dims[d];
    }
  }
  return true;
}

/* Some input that decides the shape is computed at run time. */
static bool waits_for_data(const qe__infer_ctx *c) {
  const qe__op_schema *op = c->node->op;
  const uint32_t first = op->id == QE__OP_Range || op->id == QE__OP_OneHot ? 0 : op->kernel_in;
  for (uint32_t i = first; i < c->n_in; i++) {
    if (c->in[i].present && c->in[i].data == NULL) return true;
  }
  return false;
}

/* The first try says all; the second only takes back dimensions that differ. */
static void store_outputs(qe__graph *g, const qe__infer_ctx *c, bool second) {
  for (uint32_t i = 0; i < c->n_out; i++) {
    const qe__operand_info *out = &c->out[i];
    if (!out->present) continue;
    qe__value *v = &g->values[c->node->out[i]];
    if (!second) {
      v->dtype = out->dtype;
      v->rank = (int32_t)out->rank;
    }
    for (uint32_t d = 0; d < QE_MAX_RANK; d++) {
      const int64_t size = d < out->rank ? out->dims[d] : -1;
      if (!second) v->dims[d] = size;
      else if (v->dims[d] != size) v->dims[d] = -1;
    }
  }
}

/* A clamped slice of a dynamic dimension can have one length for both stand-ins and yet depend on the dimension. */
static void forget_sliced(qe__graph *g, const qe__node *n) {
  const qe__value *x = &g->values[n->in[0]];
  qe__value *y = &g->values[n->out[0]];
  for (int32_t d = 0; d < x->rank && d < y->rank; d++) {
    if (x->dims[d] < 0) y->dims[d] = -1;
  }
}

qe_status_t qe__build_infer(qe__graph *g, qe__node *n) {
  bool dynamic = true;
  qe_op_params params;
  const size_t operands = (size_t)n->n_in + n->n_out;
  qe__operand_info *in = qe__calloc(operands + 1, sizeof *in);
  if (in == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = QE_OK;
  qe__infer_ctx ctx = {.node = n, .n_in = n->n_in, .n_out = n->n_out, .in = in, .out = in + n->n_in, .params = &params};
  for (int try = 0; try < 2 && dynamic; try++) {
    memset(in, 0, operands * sizeof *in);
    if (!describe_inputs(g, n, stand_ins[try], in, &dynamic)) {
      unknown_outputs(g, n);
      goto done;
    }
    for (uint32_t i = 0; i < n->n_out; i++) {
      ctx.out[i].present = n->out[i] != QE__NO_VALUE;
      if (ctx.out[i].present) ctx.out[i].dtype = g->values[n->out[i]].dtype;
    }
    status = qe__op_infer(&ctx);
    if ((status == QE_ERROR_UNSUPPORTED && waits_for_data(&ctx)) || (status == QE_ERROR_SHAPE && dynamic)) {
      /* needs a value computed at run time, or fails for the stand-in only: the plan, which knows all sizes, decides */
      qe__clear_error();
      unknown_outputs(g, n);
      status = QE_OK;
      goto done;
    }
    if (status != QE_OK) goto done;
    store_outputs(g, &ctx, try == 1);
  }
  if (dynamic && n->op->id == QE__OP_Slice) forget_sliced(g, n);
done:
  qe__free(in);
  return status;
}
