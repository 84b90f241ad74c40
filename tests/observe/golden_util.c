/* Observer configs from torch's arguments. */
#include "golden_util.h"

#include "qconfig/names.h"

static void number(const json_t *params, const char *key, int32_t *out) {
  if (json_object_get(params, key)) *out = (int32_t)golden_number(params, key);
}

bool golden_config(const char *torch_class, const json_t *params, qe_observer_config_t *c) {
  const char *scheme = golden_text(params, "qscheme"), *dtype = golden_text(params, "dtype");
  *c = config_of(qe__observer_canonical(torch_class));
  cr_assert_neq(c->observer[0], '\0');
  c->dtype = *dtype ? qe__dtype_from_name(dtype) : QE_UINT8;
  cr_assert_neq((int)c->dtype, 0, "dtype '%s'", dtype);
  c->qscheme = QE_PER_TENSOR_AFFINE;
  if (*scheme) {
    const int value = qe__name_value(qe__qscheme_names, scheme);
    if (value < 0) return false;
    c->qscheme = (qe_qscheme_t)value;
  }
  c->reduce_range = json_is_true(json_object_get(params, "reduce_range"));
  c->has_range = json_object_get(params, "quant_min") != NULL;
  number(params, "quant_min", &c->quant_min);
  number(params, "quant_max", &c->quant_max);
  number(params, "ch_axis", &c->ch_axis);
  number(params, "bins", &c->bins);
  number(params, "upsample_rate", &c->upsample_rate);
  number(params, "zero_point", &c->zero_point);
  if (json_object_get(params, "eps")) c->eps = (float)golden_number(params, "eps");
  if (json_object_get(params, "scale")) c->scale = (float)golden_number(params, "scale");
  if (json_object_get(params, "averaging_constant")) c->averaging_constant = (float)golden_number(params, "averaging_constant");
  return true;
}

float golden_scalar(const golden *g, const json_t *c, const char *name) {
  qe_tensor_t *t = golden_tensor(g, c, "expected", name);
  cr_assert_not_null(t, "%s has no %s", golden_text(c, "name"), name);
  cr_assert_eq(t->count, 1);
  const float v = ((const float *)t->data)[0];
  qe_tensor_release(&t);
  return v;
}

qe_tensor_t *golden_batch(const golden *g, const json_t *c, int k) {
  char name[24];
  snprintf(name, sizeof name, "batch%d", k);
  return golden_tensor(g, c, "inputs", name);
}

void golden_check_qparams(const golden *g, const json_t *c, const qe__observer *o) {
  const char *name = golden_text(c, "name");
  qe_tensor_t *scale = golden_tensor(g, c, "expected", "scale"), *zero = golden_tensor(g, c, "expected", "zero_point");
  qe__qparams q = {0};
  bool observed;
  cr_assert_eq(qe__observer_qparams(o, &q, &observed), QE_OK, "%s: %s", name, qe_last_error());
  cr_assert_eq(q.view.count, scale->count, "%s: %u scales, torch %lld", name, q.view.count, (long long)scale->count);
  for (int64_t i = 0; i < scale->count; i++) {
    const float theirs = ((const float *)scale->data)[i];
    cr_assert_eq(q.scales[i], theirs, "%s: scale[%lld] is %a, torch %a", name, (long long)i, (double)q.scales[i], (double)theirs);
    cr_assert_eq(q.zero_points[i], qe__tensor_int_at(zero, i), "%s: zero_point[%lld] is %d, torch %lld", name, (long long)i,
                 q.zero_points[i], (long long)qe__tensor_int_at(zero, i));
  }
  qe__qparams_clear(&q);
  qe_tensor_release(&scale);
  qe_tensor_release(&zero);
}
