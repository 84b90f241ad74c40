/* Tables for quantized unary ops: every code's real value through the op in double precision, then quantized. */
#include "runtime/table.h"

#include <math.h>
#include <sleef.h>

#include "registry/quant_rule.h"

/* SLEEF's deterministic double functions without fma: the same table on every machine. */
#define EXP(x) Sleef_cinz_expd1_u10purec(x)
#define EXPM1(x) Sleef_cinz_expm1d1_u10purec(x)
#define LOG(x) Sleef_cinz_logd1_u10purec(x)
#define LOG1P(x) Sleef_cinz_log1pd1_u10purec(x)
#define TANH(x) Sleef_cinz_tanhd1_u10purec(x)
#define ERF(x) Sleef_cinz_erfd1_u10purec(x)

#define SIGMOID(x) (1.0 / (1.0 + EXP(-(x))))
#define SOFTPLUS(x) ((x) > 0.0 ? (x) + LOG1P(EXP(-(x))) : LOG1P(EXP(x)))

#define CLAMP01(x) ((x) < 0.0 ? 0.0 : (x) > 1.0 ? 1.0 : (x))

typedef struct unary {
  uint16_t op;
  double alpha, beta, gamma;
  bool tanh_gelu;
} unary;

#define GELU_TANH(x) (0.5 * (x) * (1.0 + TANH(0.7978845608028654 * ((x) + 0.044715 * (x) * (x) * (x)))))

#define OP(op, value) QE_WITH_OP(op, case QE__OP_##op : return value;)

static double apply(const unary *u, double x) {
  switch (u->op) {
    OP(Relu, x > 0.0 ? x : 0.0)
    OP(Clip, x < u->alpha ? u->alpha : x > u->beta ? u->beta : x)
    OP(LeakyRelu, x < 0.0 ? u->alpha * x : x)
    OP(Elu, x < 0.0 ? u->alpha * EXPM1(x) : x)
    OP(Selu, u->gamma * (x > 0.0 ? x : u->alpha * EXPM1(x)))
    OP(Celu, x > 0.0 ? x : u->alpha * EXPM1(x / u->alpha))
    OP(ThresholdedRelu, x > u->alpha ? x : 0.0)
    OP(Sigmoid, SIGMOID(x))
    OP(HardSigmoid, CLAMP01(u->alpha * x + u->beta))
    OP(Tanh, TANH(x))
    OP(HardSwish, x * CLAMP01(x / 6.0 + 0.5))
    OP(Silu, x * SIGMOID(x))
    OP(Mish, x * TANH(SOFTPLUS(x)))
    OP(Gelu, u->tanh_gelu ? GELU_TANH(x) : 0.5 * x * (1.0 + ERF(x * 0.7071067811865476)))
    OP(Softplus, SOFTPLUS(x))
    OP(Softsign, x / (1.0 + fabs(x)))
    OP(Erf, ERF(x))
    OP(Exp, EXP(x))
    OP(Log, LOG(x))
    OP(Sqrt, sqrt(x))
    OP(Neg, -x)
    OP(Abs, fabs(x))
    OP(Reciprocal, 1.0 / x)
    OP(Floor, floor(x))
    OP(Ceil, ceil(x))
    OP(Round, rint(x))
    OP(Sign, x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : 0.0)
    OP(Sin, Sleef_cinz_sind1_u10purec(x))
    OP(Cos, Sleef_cinz_cosd1_u10purec(x))
    default: return x;
  }
}

#undef OP

static bool scalar_input(const qe__graph *g, const qe__node *n, uint32_t i, double fallback, double *out) {
  *out = fallback;
  if (i >= n->n_in || n->in[i] == QE__NO_VALUE) return true;
  const qe_tensor_t *t = g->values[n->in[i]].data;
  if (!t || t->count != 1) return false;
  *out = qe__tensor_float_at(t, 0);
  return true;
}

static bool describe(const qe__graph *g, const qe__node *n, unary *u) {
  *u = (unary){.op = n->op->id};
  double alpha = 0.0, beta = 0.0, gamma = 0.0;
  switch (u->op) {
    case QE__OP_Clip:
      return scalar_input(g, n, 1, -INFINITY, &u->alpha) && scalar_input(g, n, 2, INFINITY, &u->beta);
    case QE__OP_LeakyRelu: alpha = 0.01; break;
    case QE__OP_Elu: case QE__OP_Celu: case QE__OP_ThresholdedRelu: alpha = 1.0; break;
    case QE__OP_Selu: alpha = 1.67326319217681884765625; gamma = 1.05070102214813232421875; break;
    case QE__OP_HardSigmoid: alpha = 0.2; beta = 0.5; break;
    default: break;
  }
  u->alpha = (double)qe__node_float(n, "alpha", (float)alpha);
  u->beta = (double)qe__node_float(n, "beta", (float)beta);
  u->gamma = (double)qe__node_float(n, "gamma", (float)gamma);
  u->tanh_gelu = qe__node_string(n, "approximate", "none")[0] == 't';
  return true;
}

static int32_t code_of(qe_dtype_t dtype, int index) { return dtype == QE_INT8 ? (int32_t)(int8_t)index : index; }

static uint8_t bits_of(int32_t code, const qe__table_spec *s) {
  const int32_t c = code < s->lo ? s->lo : code > s->hi ? s->hi : code;
  return (uint8_t)(c & 0xff);
}

bool qe__table_build(const qe__graph *g, const qe__node *n, const qe__table_spec *spec, uint8_t table[256]) {
  unary u;
  if (qe__node_qexec(n) != QE__X_TABLE || !describe(g, n, &u)) return false;
  for (int i = 0; i < 256; i++) {
    const double x = (double)(code_of(spec->x_dtype, i) - spec->x_zero_point) * (double)spec->x_scale;
    const double y = rint(apply(&u, x) / (double)spec->y_scale);
    int32_t code = spec->y_zero_point; /* NaN -> zero point, as for QuantizeLinear */
    if (y <= -1024.0) code = spec->lo;
    else if (y >= 1024.0) code = spec->hi;
    else if (y == y) code = (int32_t)y + spec->y_zero_point;
    table[i] = bits_of(code, spec);
  }
  return true;
}

void qe__table_requantize(const qe__table_spec *spec, uint8_t table[256]) {
  for (int i = 0; i < 256; i++) {
    const float x = (float)(code_of(spec->x_dtype, i) - spec->x_zero_point) * spec->x_scale;
    table[i] = bits_of(qe__quantize_value(x, spec->y_scale, spec->y_zero_point, spec->lo, spec->hi), spec);
  }
}
