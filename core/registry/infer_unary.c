/* One input, element by element: the output has the input's shape. Also Clip and PRelu. */
#include <math.h>

#include "registry/infer.h"

static qe__dtypes unary_types(uint16_t op) {
  switch (op) {
    case QE__OP_Identity:
    case QE__OP_Dropout:
      return QE__T_ANY;
    case QE__OP_Not:
      return QE__T(BOOL);
    case QE__OP_Relu:
    case QE__OP_Neg:
      return QE__T_FLOAT | QE__T_SIGNED;
    case QE__OP_Abs:
    case QE__OP_Sign:
      return QE__T_NUMBER;
    default:
      return QE__T_FLOAT;
  }
}

static qe_status_t unary_params(qe__infer_ctx *c) {
  static const char *const approximations[] = {"none", "tanh", NULL};
  qe_op_params *p = c->params;
  switch (c->node->op->id) {
    case QE__OP_LeakyRelu:
      return qe__attr_float(c, "alpha", 0.01f, &p->alpha);
    case QE__OP_Elu:
    case QE__OP_Celu:
    case QE__OP_ThresholdedRelu:
      return qe__attr_float(c, "alpha", 1.0f, &p->alpha);
    case QE__OP_Selu:
      QE_TRY(qe__attr_float(c, "alpha", 1.67326319217681884765625f, &p->alpha));
      return qe__attr_float(c, "gamma", 1.05070102214813232421875f, &p->gamma);
    case QE__OP_HardSigmoid:
      QE_TRY(qe__attr_float(c, "alpha", 0.2f, &p->alpha));
      return qe__attr_float(c, "beta", 0.5f, &p->beta);
    case QE__OP_Gelu:
      return qe__attr_choice(c, "approximate", approximations, 0, &p->mode);
    default:
      return QE_OK;
  }
}

qe_status_t qe__infer_same(qe__infer_ctx *c) {
  QE_TRY(qe__need_type(c, 0, unary_types(c->node->op->id)));
  QE_TRY(unary_params(c));
  if (c->node->op->id == QE__OP_Celu && c->params->alpha == 0.0f) {
    return qe__fail(QE_ERROR_NUMERIC, "attribute 'alpha' is 0; Celu divides by it");
  }
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, c->in[0].dims);
  return QE_OK;
}

/* A bound as float and, for integer types, exactly. */
static qe_status_t clip_bound(const qe__infer_ctx *c, uint32_t i, const char *what, float *bound, int64_t *exact) {
  if (!qe__has(c, i)) return QE_OK;
  QE_TRY(qe__need_same_type(c, i));
  QE_TRY(qe__need_scalar_value(c, i, what));
  const qe_tensor_t *t = c->in[i].data;
  *bound = (float)qe__tensor_float_at(t, 0);
  if ((1u << (unsigned)t->dtype & QE__T_FLOAT) == 0) *exact = qe__tensor_int_at(t, 0);
  return QE_OK;
}

qe_status_t qe__infer_clip(qe__infer_ctx *c) {
  qe_op_params *p = c->params;
  QE_TRY(qe__need_type(c, 0, QE__T_NUMBER & ~QE__T(UINT64)));
  if ((1u << (unsigned)c->in[0].dtype & QE__T_FLOAT) == 0) {
    p->starts[0] = INT64_MIN;
    p->starts[1] = INT64_MAX;
  }
  QE_TRY(clip_bound(c, 1, "min", &p->clip_lo, &p->starts[0]));
  QE_TRY(clip_bound(c, 2, "max", &p->clip_hi, &p->starts[1]));
  if (isnan(p->clip_lo) || isnan(p->clip_hi)) return qe__fail(QE_ERROR_NUMERIC, "a bound is not a number");
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, c->in[0].dims);
  return QE_OK;
}

qe_status_t qe__infer_prelu(qe__infer_ctx *c) {
  QE_TRY(qe__need_type(c, 0, QE__T_FLOAT | QE__T_INDEX | QE__T(UINT32) | QE__T(UINT64)));
  QE_TRY(qe__need_same_type(c, 1));
  if (!qe__broadcasts_to(c->in[1].rank, c->in[1].dims, c->in[0].rank, c->in[0].dims)) {
    char x[200], slope[200];
    return qe__fail(QE_ERROR_SHAPE,
                    "slope %s does not broadcast to input %s; one slope per channel of an image is [C,1,1]",
                    qe__in_text(c, 1, slope, sizeof slope), qe__in_text(c, 0, x, sizeof x));
  }
  qe__set_out(c, 0, c->in[0].dtype, c->in[0].rank, c->in[0].dims);
  return QE_OK;
}
