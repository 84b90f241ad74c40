/* Presets: torch's arguments exactly, our own default, the rules that belong to a preset, engines' names. */
#include <criterion/criterion.h>

#include "observe/observe.h"
#include "qconfig/mapping.h"
#include "support/golden.h"

static const char *torch_name(const char *observer) {
  if (strcmp(observer, "histogram") == 0) return "HistogramObserver";
  if (strcmp(observer, "min_max") == 0) return "MinMaxObserver";
  if (strcmp(observer, "per_channel_min_max") == 0) return "PerChannelMinMaxObserver";
  if (strcmp(observer, "moving_average_min_max") == 0) return "MovingAverageMinMaxObserver";
  if (strcmp(observer, "moving_average_per_channel_min_max") == 0) return "MovingAveragePerChannelMinMaxObserver";
  return observer;
}

static void expect_observer(const char *name, const qe_observer_config_t *c, const json_t *want) {
  static const char *const schemes[] = {"per_tensor_affine", "per_channel_affine", "per_tensor_symmetric",
                                        "per_channel_symmetric"};
  qe__observer *o;
  int32_t lo, hi;
  cr_assert_eq(qe__observer_create(c, name, &o), QE_OK, "%s: %s", name, qe_last_error());
  qe__observer_range(o, &lo, &hi);
  cr_expect_str_eq(torch_name(c->observer), golden_text(want, "observer"), "%s: %s", name, c->observer);
  cr_expect_eq(c->dtype, qe__dtype_from_name(golden_text(want, "dtype")), "%s: %s", name, qe_dtype_name(c->dtype));
  cr_expect_str_eq(schemes[c->qscheme], golden_text(want, "qscheme"), "%s: %s", name, schemes[c->qscheme]);
  cr_expect_eq(lo, (int32_t)golden_number(want, "quant_min"), "%s: quant_min %d", name, lo);
  cr_expect_eq(hi, (int32_t)golden_number(want, "quant_max"), "%s: quant_max %d", name, hi);
  cr_expect_eq(c->reduce_range, (int)golden_number(want, "reduce_range"), "%s: reduce_range %d", name, c->reduce_range);
  cr_expect_eq(c->eps, (float)golden_number(want, "eps"), "%s: eps %a", name, (double)c->eps);
  if (json_object_get(want, "averaging_constant"))
    cr_expect_eq(c->averaging_constant, (float)golden_number(want, "averaging_constant"));
  if (json_object_get(want, "bins"))
    cr_expect_eq(c->bins, (int32_t)golden_number(want, "bins"), "%s: bins %d", name, c->bins);
  if (json_object_get(want, "upsample_rate"))
    cr_expect_eq(c->upsample_rate, (int32_t)golden_number(want, "upsample_rate"));
  qe__observer_destroy(&o);
}

/* torch's weights are [out, in, ...]: its ch_axis 0 is our -1, the op's output channels. */
Test(presets, torch_arguments) {
  golden g;
  int cases = 0;
  golden_open(&g, "observers");
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i), *params = json_object_get(c, "params"),
                 *expected = json_object_get(c, "expected");
    if (strcmp(golden_text(c, "op"), "default_qconfig") != 0) continue;
    qe_qconfig_t q;
    char name[40];
    snprintf(name, sizeof name, "%.30s%s", golden_text(params, "engine"),
             strcmp(golden_text(params, "kind"), "qat") == 0 ? "_qat" : "");
    cr_assert_eq(qe_default_qconfig(name, &q), QE_OK, "%s", qe_last_error());
    expect_observer(golden_text(c, "name"), &q.activation, json_object_get(expected, "activation"));
    expect_observer(golden_text(c, "name"), &q.weight, json_object_get(expected, "weight"));
    cr_expect_eq(q.activation.method, QE_HISTOGRAM_L2);
    cr_expect_eq(q.weight.ch_axis, -1);
    cases++;
  }
  fprintf(stderr, "presets: %d of torch's qconfigs\n", cases);
  cr_expect_geq(cases, 6);
  golden_close(&g);
}

Test(presets, x86_is_fbgemm) {
  qe_qconfig_t a, b;
  cr_assert_eq(qe_default_qconfig("fbgemm", &a), QE_OK);
  cr_assert_eq(qe_default_qconfig("x86", &b), QE_OK);
  cr_expect_eq(memcmp(&a, &b, sizeof a), 0);
  cr_assert_eq(qe_default_qconfig("fbgemm_qat", &a), QE_OK);
  cr_assert_eq(qe_default_qconfig("x86_qat", &b), QE_OK);
  cr_expect_eq(memcmp(&a, &b, sizeof a), 0);
}

/* But for the observers, training starts from what the static flow does. */
Test(presets, ours_for_training) {
  qe_qconfig_t q, s;
  qe_qconfig_mapping_t *m;
  cr_assert_eq(qe_default_qconfig("default_qat", &q), QE_OK);
  cr_assert_eq(qe_default_qconfig("default", &s), QE_OK);
  cr_expect_eq(memcmp(&q.weight, &s.weight, sizeof q.weight), 0);
  cr_expect_str_eq(q.activation.observer, "moving_average_min_max");
  cr_expect_eq(q.activation.averaging_constant, 0.01f);
  cr_expect_eq(q.activation.dtype, s.activation.dtype);
  cr_expect_eq(q.activation.qscheme, s.activation.qscheme);
  cr_expect_eq(q.activation.reduce_range, 0);
  cr_assert_eq(qe_qconfig_mapping_preset("default_qat", &m), QE_OK);
  cr_expect_not(m->equalize);
  cr_expect_eq(m->count, 0u);
  qe_qconfig_mapping_destroy(&m);
  cr_expect_eq(qe_default_qconfig("_qat", &q), QE_ERROR_NOT_FOUND);
  cr_expect_eq(qe_default_qconfig("dynamic_qat", &q), QE_ERROR_NOT_FOUND);
  cr_expect_eq(qe_default_qconfig("float16_qat", &q), QE_ERROR_NOT_FOUND);
}

Test(presets, ours) {
  qe_qconfig_t q;
  cr_assert_eq(qe_default_qconfig("default", &q), QE_OK);
  cr_expect_str_eq(q.activation.observer, "histogram");
  cr_expect_eq(q.activation.method, QE_HISTOGRAM_MSE);
  cr_expect_eq(q.activation.dtype, QE_UINT8);
  cr_expect_eq(q.activation.qscheme, QE_PER_TENSOR_AFFINE);
  cr_expect_eq(q.activation.reduce_range, 0);
  cr_expect_eq(q.activation.has_range, 0);
  cr_expect_eq(q.activation.eps, 0x1p-23f);
  cr_expect_str_eq(q.weight.observer, "per_channel_min_max");
  cr_expect_eq(q.weight.dtype, QE_INT8);
  cr_expect_eq(q.weight.qscheme, QE_PER_CHANNEL_SYMMETRIC);
  cr_expect(q.weight.has_range && q.weight.quant_min == -127 && q.weight.quant_max == 127, "%d..%d", q.weight.quant_min,
            q.weight.quant_max);
  cr_expect_eq(q.weight.ch_axis, -1);
}

static const qe__rule *rule_for(const qe_qconfig_mapping_t *m, const char *op) {
  for (size_t i = 0; i < m->count; i++) {
    if (m->rules[i].kind == QE__RULE_OP_TYPE && strcmp(m->rules[i].pattern, op) == 0) return &m->rules[i];
  }
  return NULL;
}

Test(presets, rules_of_torch) {
  static const char *const pools[] = {"AveragePool", "GlobalAveragePool", "ReduceMean"};
  static const char *const names[] = {"fbgemm", "x86", "qnnpack", "onednn", "fbgemm_qat", "x86_qat", "qnnpack_qat", "onednn_qat"};
  for (int i = 0; i < 8; i++) {
    qe_qconfig_mapping_t *m;
    cr_assert_eq(qe_qconfig_mapping_preset(names[i], &m), QE_OK, "%s", qe_last_error());
    for (int k = 0; k < 3; k++) {
      const qe__rule *r = rule_for(m, pools[k]);
      cr_assert(r && r->quantize && r->optional, "%s: %s", names[i], pools[k]);
      cr_expect_str_eq(r->qconfig.activation.observer, "reuse_input");
      cr_expect_eq(r->qconfig.activation.reduce_range, m->global.activation.reduce_range);
    }
    const qe__rule *transposed = rule_for(m, "ConvTranspose");
    cr_expect_eq(transposed != NULL, i % 4 < 2, "%s", names[i]);
    if (transposed) {
      cr_expect_eq(transposed->qconfig.weight.qscheme, QE_PER_TENSOR_SYMMETRIC);
      cr_expect_str_eq(transposed->qconfig.weight.observer, i < 4 ? "min_max" : "moving_average_min_max");
      cr_expect(transposed->optional);
    }
    cr_expect_not(m->equalize);
    qe_qconfig_mapping_destroy(&m);
  }
}

Test(presets, names_are_known) {
  int n = 0;
  for (const char *const *name = qe_qconfig_preset_names(); *name; name++, n++) {
    qe_qconfig_t q;
    cr_expect_eq(qe_default_qconfig(*name, &q), QE_OK, "%s: %s", *name, qe_last_error());
    cr_expect_eq(q.struct_size, sizeof q);
  }
  cr_expect_eq(n, 17);
}

Test(presets, unknown) {
  qe_qconfig_t q;
  qe_qconfig_mapping_t *m = (qe_qconfig_mapping_t *)&q;
  cr_expect_eq(qe_default_qconfig("fbgem", &q), QE_ERROR_NOT_FOUND);
  cr_expect(strstr(qe_last_error(), "'fbgem'") && strstr(qe_last_error(), "'fbgemm'?"), "%s", qe_last_error());
  cr_expect_eq(qe_qconfig_mapping_preset("no such engine", &m), QE_ERROR_NOT_FOUND);
  cr_expect_null(m);
  cr_expect(strstr(qe_last_error(), "default, fbgemm, x86, qnnpack, onednn"), "%s", qe_last_error());
}

/* The reference engine has no qconfig of its own: it stands for the default one. */
Test(presets, engine_name) {
  qe_qconfig_mapping_t *engine, *preset;
  char *a, *b;
  cr_assert_eq(qe_qconfig_mapping_preset("reference", &engine), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_qconfig_mapping_preset("default", &preset), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_dump(engine, &a), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_dump(preset, &b), QE_OK);
  cr_expect_str_eq(a, b);
  qe_string_free(a);
  qe_string_free(b);
  qe_qconfig_mapping_destroy(&engine);
  qe_qconfig_mapping_destroy(&preset);
}

/* What an engine brings may lean on a built-in preset, and not on an engine. */
Test(presets, no_circles) {
  qe_qconfig_mapping_t *m;
  static const char circle[] = "{\"preset\":\"reference\"}", inner[] = "{\"global\":{\"preset\":\"reference\"}}";
  cr_expect_eq(qe__mapping_parse(circle, sizeof circle - 1, false, &m), QE_ERROR_FORMAT);
  cr_expect_null(m);
  cr_expect_eq(qe__mapping_parse(inner, sizeof inner - 1, false, &m), QE_ERROR_FORMAT);
  cr_expect_eq(qe__mapping_parse("{\"preset\":\"onednn\"}", 19, false, &m), QE_OK, "%s", qe_last_error());
  qe_qconfig_mapping_destroy(&m);
}
