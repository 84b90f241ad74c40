/*
 * torch's quantization-aware training (golden group qat): modules with a gradient given at their output, and whole
 * trainings of five steps.
 *
 * Where torch differs by intention, its numbers are put in place of ours, and nothing else (torch_step.h):
 *  - a fused fake-quantize of torch chooses scale and zero point by a rule of its own (double; symmetric int8 over -128..127
 *    takes max(-min / 128, max / 127) instead of half the span; a range on one side of 0 gets a zero point at the end of the
 *    codes; no scale below 6.1e-5), while its observers, and so its conversion, use the one that is ours everywhere. Ranges
 *    are still ours: observed by the graph, moved by the trainer, compared at the end.
 *  - torch clamps codes of a reduced range to 0..127 in training and to 0..255 when converted; we to 0..255 in both.
 *  - torch multiplies by 1 / scale where we divide. That is not overridden: it decides ties only.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/golden.h"
#include "torch_step.h"

#define OK(call) cr_assert_eq((call), QE_OK, "%s: %s", #call, qe_last_error())

/* ---- models ---- */

typedef struct qat_case {
  const golden *g;
  const json_t *c;
  const char *name;
  qe_tensor_t *kept[16];
  uint32_t n_kept;
  qe_model_t *m;
  qe_prepared_t *p;
  qe_trainer_t *t;
} qat_case;

static qe_tensor_t *keep(qat_case *q, const char *section, const char *name) {
  qe_tensor_t *t = golden_tensor(q->g, q->c, section, name);
  cr_assert_not_null(t, "%s: no %s", q->name, name);
  cr_assert_lt(q->n_kept, 16);
  q->kept[q->n_kept++] = t;
  return t;
}

static qe_value_t conv_bn(qat_case *q, qe_value_t x, const char *prefix, const char *bn, const json_t *conv, bool relu) {
  const json_t *params = json_object_get(q->c, "params");
  const int64_t stride = (int64_t)golden_number(conv, "stride"), pad = (int64_t)golden_number(conv, "padding");
  const qe_conv_options_t o = {.stride = {stride, stride}, .padding = {pad, pad}, .groups = (int64_t)golden_number(conv, "groups")};
  static const char *const parts[4] = {"weight", "bias", "running_mean", "running_var"};
  qe_tensor_t *norm[4];
  char key[80];
  snprintf(key, sizeof key, "%sweight", prefix);
  qe_value_t v = qe_conv2d(q->m, "conv", x, keep(q, "inputs", key), NULL, &o);
  for (int i = 0; i < 4; i++) {
    snprintf(key, sizeof key, "%s%s", bn, parts[i]);
    norm[i] = keep(q, "inputs", key);
  }
  v = qe_batch_norm(q->m, "bn", v, norm[0], norm[1], norm[2], norm[3], (float)golden_number(params, "bn_eps"));
  return relu ? qe_relu(q->m, "relu", v) : v;
}

static qe_value_t input(qat_case *q, const char *name) {
  const qe_tensor_t *x = keep(q, "inputs", name);
  return qe_input(q->m, "x", QE_FLOAT32, x->rank, x->dims);
}

/* Nothing but torch's arguments: fbgemm and qnnpack are presets, default_qat_qconfig is fbgemm with one scale per weight. */
static qe_qconfig_mapping_t *mapping_of(const char *qconfig) {
  qe_qconfig_mapping_t *m = NULL;
  qe_qconfig_t q;
  if (strcmp(qconfig, "default_qat_qconfig") == 0) {
    OK(qe_default_qconfig("fbgemm_qat", &q));
    snprintf(q.weight.observer, sizeof q.weight.observer, "moving_average_min_max");
    q.weight.qscheme = QE_PER_TENSOR_SYMMETRIC;
    OK(qe_qconfig_mapping_create(&q, &m));
  } else {
    char preset[40];
    snprintf(preset, sizeof preset, "%s_qat", qconfig);
    OK(qe_qconfig_mapping_preset(preset, &m));
  }
  return m;
}

static void prepare(qat_case *q, qe_train_options_t *o) {
  const json_t *params = json_object_get(q->c, "params");
  qe_qconfig_mapping_t *mapping = mapping_of(golden_text(params, "qconfig"));
  OK(qe_model_finish(q->m));
  OK(qe_prepare_qat(q->m, mapping, NULL, &q->p));
  torch_clamps(q->p);
  qe_qconfig_mapping_destroy(&mapping);
  o->threads = 1;
  o->momentum = isnan(golden_number(params, "momentum")) ? 0.0f : (float)golden_number(params, "momentum");
  if (!isnan(golden_number(params, "lr"))) o->lr = (float)golden_number(params, "lr");
  if (!isnan(golden_number(params, "bn_momentum"))) o->bn_momentum = (float)golden_number(params, "bn_momentum");
}

static void close_case(qat_case *q) {
  qe_trainer_destroy(&q->t);
  qe_prepared_destroy(&q->p);
  qe_model_destroy(&q->m);
  while (q->n_kept > 0) qe_tensor_release(&q->kept[--q->n_kept]);
}

/* Compares with an expected tensor; the largest error so far stands in *worst. */
static void expect(qat_case *q, const char *name, const qe_tensor_t *got, double tolerance, double *worst) {
  qe_tensor_t *want = golden_tensor(q->g, q->c, "expected", name);
  cr_assert_not_null(want, "%s: no %s", q->name, name);
  cr_assert_not_null(got, "%s: the graph gives no %s", q->name, name);
  const double d = torch_distance(got, want);
  cr_expect(d <= tolerance, "%s: %s is off by %.3g of the largest", q->name, name, d);
  *worst = fmax(*worst, d);
  qe_tensor_release(&want);
}

static void expect_range(qat_case *q, const char *prefix, const qe_tensor_t *range, double tolerance, double *worst) {
  char key[120];
  const int64_t channels = range->count / 2;
  for (int64_t end = 0; end < 2; end++) {
    qe_tensor_t *half;
    snprintf(key, sizeof key, "%s_activation_post_process_%s_val", prefix, end ? "max" : "min");
    OK(qe_tensor_from_data(QE_FLOAT32, 1, &channels, (const float *)range->data + end * channels, &half));
    expect(q, key, half, tolerance, worst);
    qe_tensor_release(&half);
  }
}

/* Scale and zero point that torch has at the end, against its rule for our range (or ours, where torch uses that one). */
static void expect_parameters(qat_case *q, const char *prefix, uint32_t statistic, bool fused, double tolerance, double *worst) {
  const qe__statistic *s = &q->t->statistics[statistic];
  const qe_observer_args *a = &q->p->qat->fakes[s->fake].args;
  const int64_t channels = s->tensor->count / 2;
  const float *range = s->tensor->data;
  char key[120];
  qe_tensor_t *scales;
  snprintf(key, sizeof key, "%s_zero_point", prefix);
  qe_tensor_t *zeros = golden_tensor(q->g, q->c, "expected", key);
  OK(qe_tensor_create(QE_FLOAT32, 1, &channels, &scales));
  for (int64_t c = 0; c < channels; c++) {
    float zero;
    int32_t whole;
    if (fused) {
      torch_choose_qparams(range[c], range[channels + c], a->quant_min, a->quant_max, a->symmetric, (float *)scales->data + c, &zero);
    } else {
      OK(qe_choose_qparams(range[c], range[channels + c], (qe_dtype_t)a->dtype, a->quant_min, a->quant_max, a->symmetric, a->eps, (float *)scales->data + c, &whole));
      zero = (float)whole;
    }
    cr_expect_eq((int32_t)zero, ((const int32_t *)zeros->data)[c], "%s: %s[%lld] is %g, torch has %d", q->name, key, (long long)c, (double)zero, ((const int32_t *)zeros->data)[c]);
  }
  snprintf(key, sizeof key, "%s_scale", prefix);
  expect(q, key, scales, tolerance, worst);
  qe_tensor_release(&scales);
  qe_tensor_release(&zeros);
}

/* ---- modules: the gradient at the output is given ---- */

static void run_module(qat_case *q, uint32_t n, const uint32_t *parameter, const char *const *names, double tolerance, double *worst) {
  torch_step s;
  qe__batch b;
  qe__value_id grad[8];
  qe_named_tensor_t out[8];
  qe_train_metrics_t metrics;
  qe_tensor_t *dy = keep(q, "inputs", "dy");
  OK(qe__batch_create(1, &b));
  b.inputs[0] = qe_tensor_retain(q->kept[0]);
  b.rows = b.inputs[0]->dims[0];
  OK(qe_tensor_create(QE_FLOAT32, dy->rank, dy->dims, &b.labels));
  torch_step_open(&s, q->t, &b, true);
  torch_gradients_at(&s, dy, n, parameter, grad);
  torch_step_settle(&s);
  const qe__graph *g = s.p->model->graph;
  for (uint32_t i = 0; i <= n; i++) out[i] = (qe_named_tensor_t){g->values[grad[i]].name, NULL};
  torch_step_run(&s, n + 1, out);
  for (uint32_t i = 0; i <= n; i++) {
    expect(q, i ? names[i - 1] : "dx", out[i].tensor, tolerance, worst);
    qe_tensor_release(&out[i].tensor);
  }
  qe_tensor_t *y = torch_step_yield(&s, QE__YIELD_LOGITS, 0);
  expect(q, "y", y, tolerance, worst);
  qe_tensor_release(&y);
  torch_step_install(&s);
  OK(qe__trainer_step(q->t, &b, &metrics));
  torch_step_close(&s);
  qe__batch_free(&b);
}

Test(golden_qat, conv_bn_relu_modules) {
  golden g;
  golden_open(&g, "qat");
  static const char *const names[3] = {"dweight", "dbn_weight", "dbn_bias"};
  double worst = 0.0;
  int cases = 0;
  for (size_t i = 0; i < golden_count(&g); i++) {
    qat_case q = {.g = &g, .c = golden_case(&g, i)};
    const json_t *params = json_object_get(q.c, "params");
    qe_train_options_t o;
    if (strcmp(golden_text(q.c, "op"), "conv_bn_relu_qat_module") != 0) continue;
    q.name = golden_text(q.c, "name");
    OK(qe_model_create("module", &q.m));
    const qe_value_t x = input(&q, "x");
    qe_output(q.m, "y", conv_bn(&q, x, "init_", "init_bn_", params, true));
    qe_train_options_default(&o);
    o.loss = QE_LOSS_MSE;
    o.freeze_bn_at = golden_number(params, "freeze_bn") > 0.0 ? 0.0f : 1.0f;
    prepare(&q, &o);
    torch_weights_only(q.p);
    OK(qe_trainer_create_qat(q.p, &o, &q.t));
    const uint32_t parameter[3] = {torch_parameter(q.t, "conv", 1), torch_parameter(q.t, "bn", 1), torch_parameter(q.t, "bn", 2)};
    const uint32_t mean = torch_statistic(q.t, "bn", 3), var = torch_statistic(q.t, "bn", 4), range = torch_range(q.t, NULL, "conv");
    double module = 0.0;
    run_module(&q, 3, parameter, names, 1e-5, &module);
    expect(&q, "after_bn_running_mean", q.t->statistics[mean].tensor, 1e-6, &module);
    expect(&q, "after_bn_running_var", q.t->statistics[var].tensor, 1e-6, &module);
    expect_range(&q, "after_weight_fake_quant", q.t->statistics[range].tensor, 1e-6, &module);
    expect_parameters(&q, "after_weight_fake_quant", range, true, 1e-6, &module);
    printf("golden qat: %s: largest difference %.2g\n", q.name, module);
    worst = fmax(worst, module);
    cases++;
    close_case(&q);
  }
  printf("golden qat: %d conv-bn-relu modules, largest difference %.2g\n", cases, worst);
  cr_assert_eq(cases, 4);
  golden_close(&g);
}

Test(golden_qat, linear_modules) {
  golden g;
  golden_open(&g, "qat");
  static const char *const names[2] = {"dweight", "dbias"};
  double worst = 0.0;
  int cases = 0;
  for (size_t i = 0; i < golden_count(&g); i++) {
    qat_case q = {.g = &g, .c = golden_case(&g, i)};
    qe_train_options_t o;
    if (strcmp(golden_text(q.c, "op"), "linear_qat_module") != 0) continue;
    q.name = golden_text(q.c, "name");
    OK(qe_model_create("module", &q.m));
    const qe_value_t x = input(&q, "x");
    qe_tensor_t *weight = keep(&q, "inputs", "init_weight"), *bias = keep(&q, "inputs", "init_bias");
    qe_output(q.m, "y", qe_linear(q.m, "fc", x, weight, bias));
    qe_train_options_default(&o);
    o.loss = QE_LOSS_MSE;
    prepare(&q, &o);
    torch_weights_only(q.p);
    OK(qe_trainer_create_qat(q.p, &o, &q.t));
    const uint32_t parameter[2] = {torch_parameter(q.t, "fc", 1), torch_parameter(q.t, "fc", 2)}, range = torch_range(q.t, NULL, "fc");
    run_module(&q, 2, parameter, names, 1e-5, &worst);
    expect_range(&q, "after_weight_fake_quant", q.t->statistics[range].tensor, 1e-6, &worst);
    expect_parameters(&q, "after_weight_fake_quant", range, true, 1e-6, &worst);
    cases++;
    close_case(&q);
  }
  printf("golden qat: %d linear modules, largest difference %.2g\n", cases, worst);
  cr_assert_eq(cases, 2);
  golden_close(&g);
}

/* ---- trainings ---- */

static void five_steps(qat_case *q, bool fused, double tolerance, double *worst) {
  const json_t *params = json_object_get(q->c, "params"), *expected = json_object_get(q->c, "expected");
  const double freeze = golden_number(params, "freeze_bn_stats_before_step"), stop = golden_number(params, "disable_observer_before_step");
  const uint32_t parameter[4] = {torch_parameter(q->t, "conv", 1), torch_parameter(q->t, "fc", 1), torch_parameter(q->t, "bn", 1), torch_parameter(q->t, "bn", 2)};
  static const char *const names[4] = {"grad_conv_weight", "grad_fc_weight", "grad_bn_weight", "grad_bn_bias"};
  for (int k = 0; k < (int)golden_number(params, "steps"); k++) {
    torch_step s;
    qe__batch b;
    qe_train_metrics_t metrics;
    char key[40];
    OK(qe__batch_create(1, &b));
    snprintf(key, sizeof key, "x_%d", k);
    b.inputs[0] = golden_tensor(q->g, q->c, "inputs", key);
    snprintf(key, sizeof key, "target_%d", k);
    b.labels = golden_tensor(q->g, q->c, "inputs", key);
    b.rows = b.inputs[0]->dims[0];
    if (k >= freeze) q->t->options.freeze_bn_at = 0.0f;
    if (k >= stop) q->t->options.freeze_observers_at = 0.0f;
    torch_step_open(&s, q->t, &b, fused);
    torch_step_settle(&s);
    qe_tensor_t *y = torch_step_yield(&s, QE__YIELD_LOGITS, 0);
    snprintf(key, sizeof key, "out_%d", k);
    expect(q, key, y, tolerance, worst);
    qe_tensor_release(&y);
    for (int i = 0; i < 4; i++) {
      qe_tensor_t *gradient = torch_step_yield(&s, QE__YIELD_GRADIENT, parameter[i]);
      snprintf(key, sizeof key, "%s_%d", names[i], k);
      expect(q, key, gradient, tolerance, worst);
      qe_tensor_release(&gradient);
    }
    torch_step_install(&s);
    OK(qe__trainer_step(q->t, &b, &metrics));
    torch_step_close(&s);
    snprintf(key, sizeof key, "loss_%d", k);
    const double want = golden_number(expected, key);
    cr_expect_float_eq(metrics.loss, want, tolerance * want, "%s: loss of step %d is %.9g, torch's %.9g", q->name, k, metrics.loss, want);
    qe__batch_free(&b);
  }
  static const char *const finals[7] = {"final_conv_weight", "final_fc_weight", "final_conv_bn_weight", "final_conv_bn_bias", "final_fc_bias", "final_conv_bn_running_mean", "final_conv_bn_running_var"};
  const qe_tensor_t *state[7] = {NULL};
  for (int i = 0; i < 4; i++) state[i] = q->t->parameters[parameter[i]].tensor;
  state[4] = q->t->parameters[torch_parameter(q->t, "fc", 2)].tensor;
  state[5] = q->t->statistics[torch_statistic(q->t, "bn", 3)].tensor;
  state[6] = q->t->statistics[torch_statistic(q->t, "bn", 4)].tensor;
  for (int i = 0; i < 7; i++) expect(q, finals[i], state[i], tolerance, worst);
}

static void final_ranges(qat_case *q, const char *conv_output, bool fused, double tolerance, double *worst) {
  static const char *const prefix[5] = {"final_quant_activation_post_process", "final_conv_weight_fake_quant", "final_conv_activation_post_process",
                                        "final_fc_weight_fake_quant", "final_fc_activation_post_process"};
  const uint32_t range[5] = {torch_range(q->t, "x", NULL), torch_range(q->t, NULL, "conv"), torch_range(q->t, conv_output, NULL), torch_range(q->t, NULL, "fc"),
                             torch_range(q->t, "y", NULL)};
  for (int i = 0; i < 5; i++) {
    expect_range(q, prefix[i], q->t->statistics[range[i]].tensor, tolerance, worst);
    expect_parameters(q, prefix[i], range[i], fused, tolerance, worst);
  }
}

Test(golden_qat, five_training_steps) {
  golden g;
  golden_open(&g, "qat");
  double worst = 0.0;
  int cases = 0;
  for (size_t i = 0; i < golden_count(&g); i++) {
    qat_case q = {.g = &g, .c = golden_case(&g, i)};
    const char *op = golden_text(q.c, "op");
    const json_t *params = json_object_get(q.c, "params");
    const bool relu = strcmp(op, "train_conv_bn_relu_linear") == 0;
    qe_train_options_t o;
    if (!relu && strcmp(op, "train_conv_bn_linear") != 0) continue;
    q.name = golden_text(q.c, "name");
    /* torch's own default is no fused one: it chooses parameters as we do, and only the clamp is overridden */
    const bool fused = strcmp(golden_text(params, "qconfig"), "default_qat_qconfig") != 0;
    OK(qe_model_create("net", &q.m));
    const qe_value_t x = input(&q, "x_0");
    qe_value_t v = conv_bn(&q, x, "init_conv_", "init_conv_bn_", json_object_get(params, "conv"), relu);
    qe_tensor_t *weight = keep(&q, "inputs", "init_fc_weight"), *bias = keep(&q, "inputs", "init_fc_bias");
    qe_output(q.m, "y", qe_linear(q.m, "fc", qe_flatten(q.m, "flatten", v, 1), weight, bias));
    qe_train_options_default(&o);
    o.freeze_bn_at = o.freeze_observers_at = 1.0f;
    prepare(&q, &o);
    OK(qe_trainer_create_qat(q.p, &o, &q.t));
    double one = 0.0;
    five_steps(&q, fused, 1e-5, &one);
    final_ranges(&q, q.t->base->graph->values[q.t->base->graph->nodes[1]->out[0]].name, fused, 1e-5, &one);
    printf("golden qat: %s: largest difference %.2g\n", q.name, one);
    worst = fmax(worst, one);
    cases++;
    close_case(&q);
  }
  printf("golden qat: %d trainings of five steps, largest difference %.2g\n", cases, worst);
  cr_assert_eq(cases, 8);
  golden_close(&g);
}
