/* Several inputs with numpy broadcasting: arithmetic, comparisons, logic, selection. */
#include "registry/infer.h"

/* All inputs broadcast to one shape, which is the output's. */
static qe_status_t broadcast_out(qe__infer_ctx *c, qe_dtype_t dtype) {
  uint32_t rank = 0;
  int64_t dims[QE_MAX_RANK] = {0};
  for (uint32_t i = 0; i < c->n_in; i++) {
    if (!c->in[i].present) return qe__fail(QE_ERROR_FORMAT, "input %u is missing and not optional", (unsigned)i);
    QE_TRY(qe__broadcast(&rank, dims, c->in[i].rank, c->in[i].dims));
  }
  qe__set_out(c, 0, dtype, rank, dims);
  return QE_OK;
}

qe_status_t qe__infer_binary(qe__infer_ctx *c) {
  const uint16_t op = c->node->op->id;
  QE_TRY(qe__need_type(c, 0, op == QE__OP_Sum ? QE__T_FLOAT : QE__T_NUMBER));
  for (uint32_t i = 1; i < c->n_in; i++) {
    if (!c->in[i].present) continue;
    if (op == QE__OP_Pow) QE_TRY(qe__need_type(c, i, QE__T_NUMBER));
    else QE_TRY(qe__need_same_type(c, i));
  }
  if (op == QE__OP_Mod) {
    bool fmod_rule;
    QE_TRY(qe__attr_flag(c, "fmod", false, &fmod_rule));
    c->params->mode = fmod_rule;
    if (!fmod_rule && (1u << (unsigned)c->in[0].dtype & QE__T_FLOAT) != 0) {
      return qe__fail(QE_ERROR_UNSUPPORTED, "Mod of %s needs attribute fmod = 1", qe_dtype_name(c->in[0].dtype));
    }
  }
  return broadcast_out(c, c->in[0].dtype);
}

qe_status_t qe__infer_compare(qe__infer_ctx *c) {
  QE_TRY(qe__need_type(c, 0, QE__T_NUMBER | (c->node->op->id == QE__OP_Equal ? QE__T(BOOL) : 0)));
  QE_TRY(qe__need_same_type(c, 1));
  return broadcast_out(c, QE_BOOL);
}

qe_status_t qe__infer_logical(qe__infer_ctx *c) {
  QE_TRY(qe__need_type(c, 0, QE__T(BOOL)));
  QE_TRY(qe__need_type(c, 1, QE__T(BOOL)));
  return broadcast_out(c, QE_BOOL);
}

qe_status_t qe__infer_where(qe__infer_ctx *c) {
  if (c->in[0].dtype != QE_BOOL) {
    return qe__fail(QE_ERROR_DTYPE, "input 0 (condition) is %s; bool was expected", qe_dtype_name(c->in[0].dtype));
  }
  if (c->in[1].dtype != c->in[2].dtype && !c->node->quantized) {
    return qe__fail(QE_ERROR_DTYPE, "inputs 1 and 2 are %s and %s; they must have one type (insert a Cast)",
                    qe_dtype_name(c->in[1].dtype), qe_dtype_name(c->in[2].dtype));
  }
  return broadcast_out(c, c->in[1].dtype);
}
