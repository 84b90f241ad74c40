/* The table of ops, looking one up by name, and inference with the checks that hold for every op. */
#include "registry/op_schema.h"

#include <math.h>
#include <string.h>

#include "graph/graph.h"

static const qe__op_schema ops[QE__OP_COUNT] = {
#define QE_OP(id_, domain_, min_in_, max_in_, min_out_, max_out_, kernel_in_, view_, qrule_, qexec_, infer_)           \
  {.id = QE__OP_##id_,                                                                                                 \
   .name = #id_,                                                                                                       \
   .domain = domain_,                                                                                                  \
   .min_in = min_in_,                                                                                                  \
   .max_in = max_in_,                                                                                                  \
   .min_out = min_out_,                                                                                                \
   .max_out = max_out_,                                                                                                \
   .kernel_in = kernel_in_,                                                                                            \
   .view = view_,                                                                                                      \
   .qrule = qrule_,                                                                                                    \
   .qexec = qexec_,                                                                                                    \
   QE_WITH_OP(id_, .infer = qe__infer_##infer_)},
#include "registry/ops.def"
#undef QE_OP
};

/* About a hundred short names: a linear search costs less than a microsecond and happens once per node built. */
const qe__op_schema *qe__op_find(const char *name) {
  if (name == NULL) return NULL;
  for (uint32_t i = 0; i < QE__OP_COUNT; i++) {
    if (strcmp(ops[i].name, name) == 0) return &ops[i];
  }
  return NULL;
}

const qe__op_schema *qe__op_at(uint32_t id) { return id < QE__OP_COUNT ? &ops[id] : NULL; }

static qe_status_t check_arity(const qe__infer_ctx *c) {
  const qe__op_schema *op = c->node->op;
  if (c->n_in < op->min_in || (op->max_in != 255 && c->n_in > op->max_in)) {
    return qe__fail(QE_ERROR_FORMAT, "it has %u inputs; %u to %u were expected", (unsigned)c->n_in, op->min_in,
                    op->max_in);
  }
  const uint32_t most = op->max_out != 255 ? op->max_out : QE__MAX_OUTPUTS;
  if (c->n_out < 1 || c->n_out > most) {
    return qe__fail(QE_ERROR_FORMAT, "it has %u outputs; 1 to %u were expected", (unsigned)c->n_out, (unsigned)most);
  }
  for (uint32_t i = 0; i < c->n_in; i++) {
    if (!c->in[i].present) {
      if (i < op->min_in) return qe__fail(QE_ERROR_FORMAT, "input %u is missing and not optional", (unsigned)i);
      continue;
    }
    if (c->in[i].rank > QE_MAX_RANK) {
      return qe__fail(QE_ERROR_SHAPE, "input %u has rank %u; at most %d is supported", (unsigned)i,
                      (unsigned)c->in[i].rank, QE_MAX_RANK);
    }
    int64_t count;
    if (!qe__dims_count(c->in[i].rank, c->in[i].dims, &count)) {
      return qe__fail(QE_ERROR_SHAPE, "input %u has an impossible shape", (unsigned)i);
    }
  }
  return QE_OK;
}

static qe_status_t check_output(const qe__operand_info *out, uint32_t i) {
  int64_t count;
  size_t bytes;
  char text[200];
  if (out->rank > QE_MAX_RANK) {
    return qe__fail(QE_ERROR_SHAPE, "output %u would have rank %u; at most %d is supported", (unsigned)i,
                    (unsigned)out->rank, QE_MAX_RANK);
  }
  if (!qe__dtype_valid(out->dtype)) return qe__fail(QE_ERROR_INTERNAL, "output %u has no type", (unsigned)i);
  if (!qe__dims_count(out->rank, out->dims, &count) || !qe__dtype_bytes(out->dtype, count, &bytes)) {
    return qe__fail(QE_ERROR_SHAPE, "output %u would have shape %s, which is more than memory can hold", (unsigned)i,
                    qe__dims_text(out->rank, out->dims, text, sizeof text));
  }
  return QE_OK;
}

qe_status_t qe__op_infer(qe__infer_ctx *ctx) {
  const qe__node *n = ctx->node;
  memset(ctx->params, 0, sizeof *ctx->params);
  ctx->params->struct_size = (uint32_t)sizeof *ctx->params;
  ctx->params->clip_lo = -INFINITY;
  ctx->params->clip_hi = INFINITY;
  qe_status_t status = check_arity(ctx);
  if (status == QE_OK && n->op->infer == NULL) {
    status = qe__fail(QE_ERROR_UNSUPPORTED, "this build of qengine leaves the op out (CMake option QE_OPS)");
  }
  if (status == QE_OK) status = n->op->infer(ctx);
  for (uint32_t i = 0; status == QE_OK && i < ctx->n_out; i++) status = check_output(&ctx->out[i], i);
  if (status != QE_OK) return qe__fail_in(status, "node '%s' (%s)", n->name, n->op->name);
  return QE_OK;
}
