/*
 * Quantization parameters of a case. Fields: sc (mid: ordinary scales; half: the multiplier is exactly 0.5; pow2: a
 * power of two; tiny: it is denormal; huge: everything saturates), gran (t, c), zp (one per quantized operand, in
 * order). What must be refused (sc=nan, inf, neg, zero, zprange) is tried on the core by qe__case_refusal.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conform/case.h"
#include "registry/quant_rule.h"

static bool is_code(qe_dtype_t t) {
  return t == QE_UINT8 || t == QE_INT8 || t == QE_UINT16 || t == QE_INT16;
}

static qe_status_t set_params(qe__case_operand *o, uint32_t n, int32_t axis, const float *scales,
                              const int32_t *zeros) {
  const qe_qparams_t q = {.count = n, .axis = n > 1 ? axis : -1, .scales = scales, .zero_points = zeros};
  return qe__qparams_set(&o->q, &q, o->dtype, o->rank, o->dims);
}

/* Entry `index` of field zp, when given. */
static bool given_zero(const qe__case *c, uint32_t index, int32_t lo, int32_t hi, int32_t *zero) {
  const char *p = qe__case_text(c, "zp");
  for (uint32_t i = 0; p && i < index; i++) {
    p = strchr(p, ',');
    if (p) p++;
  }
  if (!p) return false;
  const long v = strncmp(p, "lo", 2) == 0 ? lo : strncmp(p, "hi", 2) == 0 ? hi : strtol(p, NULL, 10);
  *zero = v < lo ? lo : v > hi ? hi : (int32_t)v;
  return true;
}

/* The dimension that per-channel parameters of input i run along; -1: none. */
static int32_t channel_axis(const qe__built *b, uint32_t i) {
  const uint32_t rank = b->in[i].rank;
  switch (b->text.op) {
    case QE__OP_Conv: return i == 1 ? 0 : -1;
    case QE__OP_ConvTranspose: return i == 1 ? 1 : -1;
    case QE__OP_Gemm: return i == 1 ? (b->params.trans_b ? 0 : 1) : -1;
    case QE__OP_MatMul: return i == 1 && rank >= 2 ? (int32_t)rank - 1 : -1;
    case QE__OP_LSTM: case QE__OP_GRU: case QE__OP_RNN: return i == 1 || i == 2 ? 1 : -1;
    case QE__OP_DequantizeLinear: return i == 0 && rank > 0 ? (int32_t)b->params.axis : -1;
    default: return -1;
  }
}

typedef struct choice {
  const char *kind;
  float x, w, y; /* scales of the first, second and output operand */
} choice;

static float random_scale(uint64_t *state) {
  return qe__random_float(state, 0.004f, 0.06f);
}

static choice choose(const qe__built *b, uint64_t *state) {
  const char *sc = qe__case_text(&b->text, "sc");
  choice c = {sc ? sc : "mid", random_scale(state), random_scale(state), random_scale(state)};
  if (strcmp(c.kind, "half") == 0) {
    c = (choice){c.kind, 0.5f, 0.25f, 0.25f};
    if (!b->terms) c.w = 0.5f;
  } else if (strcmp(c.kind, "pow2") == 0) {
    c.x = c.w = 0x1p-5f;
    c.y = b->terms ? ldexpf(1.0f, -10 + (int)ceil(0.5 * log2((double)b->terms)) + 7) : 0x1p-4f;
  } else if (strcmp(c.kind, "tiny") == 0) {
    c = (choice){c.kind, 0x1p-60f, 0x1.8p-60f, 0x1p10f};
  } else if (strcmp(c.kind, "huge") == 0) {
    c = (choice){c.kind, 0x1p50f, 0x1p40f, 0x1p-10f};
  } else if (qe__op_is_recurrent(b->text.op)) { /* gates within reach of their activations; H of -1..1 */
    const int64_t terms = b->in[1].dims[2] > b->in[2].dims[2] ? b->in[1].dims[2] : b->in[2].dims[2];
    c.x = qe__random_float(state, 0.02f, 0.04f);
    c.w = 5.0f / (128.0f * (float)(terms > 4 ? terms : 4));
    c.y = qe__random_float(state, 0.006f, 0.01f);
  } else if (!b->terms && b->n_in == 1 && b->out[0].dtype != QE_FLOAT32 && b->in[0].dtype != QE_FLOAT32) {
    c.y = c.x * qe__random_float(state, 0.6f, 0.9f); /* averages: a narrower range than their input's */
  } else if (b->in[0].dtype == QE_FLOAT32) {
    c.y = qe__random_float(state, 0.025f, 0.04f); /* data of -4..4 */
  } else if (b->text.op == QE__OP_Mul) {
    c.y = c.x * c.w * 100.0f;
  } else if (!b->terms) {
    c.y = (c.x + c.w) * 0.8f;
  }
  return c;
}

/* One pair per tensor or channel; channels differ by up to a factor of 4 (a power of 2 when the kind is exact). */
static qe_status_t operand_params(qe__built *b, qe__case_operand *o, int32_t axis, float scale, uint32_t zp_index,
                                  bool weight, const choice *c, uint64_t *state) {
  int32_t lo, hi, zero;
  if (!qe__dtype_integer_range(o->dtype, &lo, &hi)) return QE_OK;
  const bool per_channel = axis >= 0 && qe__case_is(&b->text, "gran", "c") && o->dims[axis] > 1;
  const uint32_t n = per_channel ? (uint32_t)o->dims[axis] : 1;
  float *scales = qe__calloc(n, sizeof *scales);
  int32_t *zeros = qe__calloc(n, sizeof *zeros);
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  if (scales && zeros) {
    const bool given = given_zero(&b->text, zp_index, lo, hi, &zero);
    for (uint32_t i = 0; i < n; i++) {
      const bool exact = strcmp(c->kind, "mid") != 0;
      scales[i] =
          per_channel ? (exact ? scale * (i % 2 ? 1.0f : 0.5f) : scale * qe__random_float(state, 0.5f, 2.0f)) : scale;
      const int32_t middle = o->dtype == QE_UINT8 || o->dtype == QE_UINT16 ? hi / 2 + 1 : 0;
      const int32_t spread = weight                 ? (o->dtype == QE_INT8 ? 0 : 12)
                             : o->dtype == QE_INT32 ? 100
                                                    : (hi - lo) / 8; /* q - z must fit int32 */
      zeros[i] = given ? zero : middle + (int32_t)qe__random_int(state, -spread, spread);
      if (!given && weight && n > 1 && o->dtype == QE_INT8 && i % 3 == 1)
        zeros[i] = (int32_t)qe__random_int(state, -7, 7);
    }
    status = set_params(o, n, axis, scales, zeros);
  }
  qe__free(scales);
  qe__free(zeros);
  return status;
}

/* An int32 bias is in units of sx * sw. */
static qe_status_t bias_params(qe__built *b) {
  qe__case_operand *o = &b->in[2];
  const qe__case_operand *x = &b->in[0], *w = &b->in[1];
  if (o->dtype != QE_INT32 || o->rank != 1 || o->dims[0] < 1 || !x->q.view.count || !w->q.view.count) return QE_OK;
  const uint32_t n = w->q.view.count > 1 && (int64_t)w->q.view.count == o->dims[0] ? w->q.view.count : 1;
  float *scales = qe__calloc(n, sizeof *scales);
  int32_t *zeros = qe__calloc(n, sizeof *zeros);
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  if (scales && zeros) {
    for (uint32_t i = 0; i < n; i++) scales[i] = x->q.scales[0] * w->q.scales[i];
    status = scales[0] > 0.0f && isfinite(scales[0]) ? set_params(o, n, 0, scales, zeros) : QE_OK;
  }
  qe__free(scales);
  qe__free(zeros);
  return status;
}

qe_status_t qe__build_params(qe__built *b) {
  uint64_t state = b->seed ^ UINT64_C(0xA5A5A5A5A5A5A5A5);
  uint32_t index = 0;
  if (!b->quantized) return QE_OK;
  const choice c = choose(b, &state);
  for (uint32_t i = 0; i < b->n_kernel_in; i++) {
    qe__case_operand *o = &b->in[i];
    if (!o->present || (o->fill != QE__FILL_DATA && o->fill != QE__FILL_WEIGHT) ||
        (!is_code(o->dtype) && o->dtype != QE_INT32))
      continue;
    QE_TRY(operand_params(b, o, channel_axis(b, i), i ? c.w : c.x, index++, o->fill == QE__FILL_WEIGHT, &c, &state));
  }
  if (b->terms && b->n_kernel_in > 2 && b->in[2].present) QE_TRY(bias_params(b));
  qe__case_operand *y = &b->out[0];
  const int32_t axis = b->text.op == QE__OP_QuantizeLinear && y->rank > 0 ? (int32_t)b->params.axis : -1;
  if (is_code(y->dtype) || (y->dtype == QE_INT32 && b->text.op == QE__OP_QuantizeLinear))
    QE_TRY(operand_params(b, y, axis, c.y, index, false, &c, &state));
  return QE_OK;
}

bool qe__case_must_refuse(const qe__case *c) {
  static const char *const bad[] = {"nan", "inf", "neg", "zero", "zprange"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (qe__case_is(c, "sc", bad[i])) return true;
  }
  return false;
}

bool qe__case_refused(qe__built *b) {
  const char *sc = qe__case_text(&b->text, "sc");
  float scale = sc && strcmp(sc, "nan") == 0    ? NAN
                : sc && strcmp(sc, "inf") == 0  ? INFINITY
                : sc && strcmp(sc, "neg") == 0  ? -0.5f
                : sc && strcmp(sc, "zero") == 0 ? 0.0f
                                                : 0.5f;
  for (uint32_t i = 0; i < b->n_in + b->n_out; i++) {
    qe__case_operand *o = i < b->n_in ? &b->in[i] : &b->out[i - b->n_in];
    if (!o->q.view.count) continue;
    int32_t lo, hi;
    (void)qe__dtype_integer_range(o->dtype, &lo, &hi);
    const int32_t zero = sc && strcmp(sc, "zprange") == 0 ? (hi < INT32_MAX ? hi + 1 : 0) : 0;
    if (set_params(o, 1, -1, &scale, &zero) == QE_OK) return false;
  }
  return true;
}
