/* Properties of parameters: shifted zero points, shifted biases, scales times two, the activation taken out. */
#include <math.h>
#include <string.h>

#include "conform/properties.h"
#include "registry/quant_rule.h"

static bool is_code8(qe_dtype_t t) {
  return t == QE_UINT8 || t == QE_INT8;
}

/* Codes of input 0 and its zero point, all plus `by`; they must stay in the range. */
static void shift(qe__built *v, int32_t by) {
  uint8_t *codes = v->in[0].data->data;
  for (int64_t i = 0; i < v->in[0].count; i++) codes[i] = (uint8_t)(codes[i] + by);
  v->in[0].q.zero_points[0] += by;
}

static qe_status_t compare_runs(const qe__property *p, const char *name, const qe__built *a, const qe__built *b,
                                const char *rule) {
  qe__run_result x = {0}, y = {0};
  bool ran_x = false, ran_y = false;
  qe_status_t status = qe__variant_run(p, name, p->kernel, a, &x, &ran_x);
  if (status == QE_OK && ran_x) status = qe__variant_run(p, name, p->kernel, b, &y, &ran_y);
  for (size_t i = 0; status == QE_OK && ran_x && ran_y && i < x.out_bytes[0]; i++) {
    if (((const uint8_t *)x.out[0])[i] == ((const uint8_t *)y.out[0])[i]) continue;
    const int64_t at = (int64_t)(i / (qe_dtype_bits(p->b->out[0].dtype) / 8));
    qe__property_broken(p, name, &y, at, at, rule);
    break;
  }
  qe__run_result_free(&x);
  qe__run_result_free(&y);
  return status;
}

qe_status_t qe__property_zero_point(const qe__property *p) {
  const qe__built *b = p->b;
  int32_t lo, hi;
  if (!b->quantized || !is_code8(b->in[0].dtype) || b->in[0].q.view.count != 1 || b->in[0].constant ||
      !qe__dtype_integer_range(b->in[0].dtype, &lo, &hi))
    return QE_OK;
  qe__built a, c;
  QE_TRY(qe__variant(b, NULL, NULL, &a));
  uint8_t *codes = a.in[0].data->data; /* the highest code is given up, so that there is room */
  for (int64_t i = 0; i < a.in[0].count; i++) {
    if (qe__code_of(a.in[0].dtype, codes, i) == hi) codes[i] = (uint8_t)(hi - 1);
  }
  if (a.in[0].q.zero_points[0] == hi) a.in[0].q.zero_points[0] = hi - 1;
  qe_status_t status = qe__variant(&a, NULL, NULL, &c);
  if (status == QE_OK) {
    shift(&c, 1);
    status = compare_runs(p, "zero_point", &a, &c, "x and its zero point, both plus 1, must give the same results");
    qe__built_free(&c);
  }
  qe__built_free(&a);
  return status;
}

static void add_bias(qe__built *v, int32_t by) {
  int32_t *bias = v->in[2].data->data;
  for (int64_t i = 0; i < v->in[2].count; i++) bias[i] += by;
}

/* The output of a larger bias: nowhere smaller; and with multiplier 1/2, 4 more give exactly 2 codes more. */
static void judge_bias(const qe__property *p, const qe__run_result *r, bool exact) {
  const qe__case_operand *o = &p->b->out[0];
  for (int64_t i = 0; i < o->count; i++) {
    const int32_t before = qe__code_of(o->dtype, p->first->out[0], i), after = qe__code_of(o->dtype, r->out[0], i);
    if (after < before) {
      qe__property_broken(p, "monotone", r, i, i, "a larger bias must not give a smaller code");
      return;
    }
    const int32_t want = before + 2 < p->b->clamp_hi ? before + 2 : p->b->clamp_hi;
    if (exact && before > p->b->clamp_lo && after != want) {
      qe__property_broken(p, "bias_shift", r, i, i,
                          "with a multiplier of exactly 1/2, 4 more in the accumulator are 2 more in the code");
      return;
    }
  }
}

qe_status_t qe__property_bias(const qe__property *p) {
  const qe__built *b = p->b;
  if (!b->terms || !b->quantized || !is_code8(b->out[0].dtype) || b->n_in < 3 || !b->in[2].present ||
      b->in[2].dtype != QE_INT32 || qe__case_is(&b->text, "pat", "big"))
    return QE_OK;
  const bool exact = qe__case_is(&b->text, "sc", "half") && b->in[1].q.view.count == 1;
  qe__built v;
  qe__run_result r = {0};
  bool ran = false;
  QE_TRY(qe__variant(b, NULL, NULL, &v));
  add_bias(&v, exact ? 4 : 1);
  qe_status_t status = qe__variant_run(p, "monotone", p->kernel, &v, &r, &ran);
  if (status == QE_OK && ran) judge_bias(p, &r, exact);
  qe__run_result_free(&r);
  qe__built_free(&v);
  return status;
}

static void twice(qe__case_operand *o) {
  for (uint32_t i = 0; i < o->q.view.count; i++) o->q.scales[i] *= 2.0f;
}

qe_status_t qe__property_rescale(const qe__property *p) {
  const qe__built *b = p->b;
  const char *sc = qe__case_text(&b->text, "sc"), *act = qe__case_text(&b->text, "act");
  const bool sum = b->text.op == QE__OP_Add || b->text.op == QE__OP_Sub;
  if (qe__op_is_recurrent(b->text.op)) return QE_OK; /* sigmoid and tanh do not scale */
  if (!b->quantized || !b->in[0].q.view.count || !b->out[0].q.view.count || (act && strcmp(act, "relu") != 0) ||
      (sc && (strcmp(sc, "tiny") == 0 || strcmp(sc, "huge") == 0)))
    return QE_OK;
  qe__built v;
  qe__run_result r = {0};
  bool ran = false;
  QE_TRY(qe__variant(b, NULL, NULL, &v));
  twice(&v.in[0]);
  if (sum) twice(&v.in[1]);
  twice(&v.out[0]);
  qe_status_t status = qe__variant_run(p, "rescale", p->kernel, &v, &r, &ran);
  for (int64_t i = 0; status == QE_OK && ran && i < b->out[0].count; i++) {
    if (((const uint8_t *)r.out[0])[i] == ((const uint8_t *)p->first->out[0])[i]) continue;
    qe__property_broken(p, "rescale", &r, i, i, "scales of input and output, both times 2, must give the same codes");
    break;
  }
  qe__run_result_free(&r);
  qe__built_free(&v);
  return status;
}

/* The activation applied by hand to the output without it. */
static bool clamped_equal(const qe__built *b, const void *plain, const void *fused, int64_t i) {
  if (b->out[0].dtype == QE_FLOAT32) {
    float v = ((const float *)plain)[i];
    const float f = ((const float *)fused)[i];
    v = v < b->act.lo ? b->act.lo : v > b->act.hi ? b->act.hi : v;
    return memcmp(&v, &f, sizeof v) == 0 || (isnan(v) && isnan(f));
  }
  const int32_t v = qe__code_of(b->out[0].dtype, plain, i);
  return qe__code_of(b->out[0].dtype, fused, i) == (v < b->clamp_lo ? b->clamp_lo : v > b->clamp_hi ? b->clamp_hi : v);
}

qe_status_t qe__property_unfused(const qe__property *p) {
  const qe__built *b = p->b;
  if (!qe__case_text(&b->text, "act") || (b->out[0].dtype != QE_FLOAT32 && !is_code8(b->out[0].dtype))) return QE_OK;
  qe__built v;
  qe__run_result r = {0};
  bool ran = false;
  QE_TRY(qe__variant(b, "act", NULL, &v));
  qe_status_t status = qe__variant_run(p, "unfused", p->kernel, &v, &r, &ran);
  for (int64_t i = 0; status == QE_OK && ran && i < b->out[0].count; i++) {
    if (clamped_equal(b, r.out[0], p->first->out[0], i)) continue;
    qe__property_broken(p, "unfused", &r, i, i, "a fused activation must give what it gives when applied afterwards");
    break;
  }
  qe__run_result_free(&r);
  qe__built_free(&v);
  return status;
}
