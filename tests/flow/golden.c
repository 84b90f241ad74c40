/* torch's fused weights (golden group fuse) and its static flow on tiny networks (golden group flows). */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/model.h"
#include "qengine.h"
#include "support/golden.h"
#include "support/models.h"

static const qe__node *find_node(const qe_model_t *m, const char *name) {
  for (uint32_t i = 0; i < m->graph->n_nodes; i++) {
    if (strcmp(m->graph->nodes[i]->name, name) == 0) return m->graph->nodes[i];
  }
  cr_assert_fail("no node '%s'", name);
  return NULL;
}

/* Largest |a - b| over the largest |b|. */
static double relative(const qe_tensor_t *a, const qe_tensor_t *b) {
  double worst = 0.0, scale = 1e-30;
  cr_assert_eq(qe_tensor_count(a), qe_tensor_count(b));
  for (int64_t i = 0; i < qe_tensor_count(a); i++) {
    const double x = (double)((const float *)qe_tensor_const_data(a))[i], y = (double)((const float *)qe_tensor_const_data(b))[i];
    worst = fmax(worst, fabs(x - y));
    scale = fmax(scale, fabs(y));
  }
  return worst / scale;
}

/* ---- fuse ---- */

static qe_model_t *fuse_model(const char *op, const json_t *params, qe_tensor_t *x, qe_tensor_t *weight, qe_tensor_t *bias, qe_tensor_t *const bn[4]) {
  qe_model_t *m = NULL;
  int64_t dims[QE_MAX_RANK];
  const int64_t pad = (int64_t)golden_number(params, "padding"), stride = (int64_t)golden_number(params, "stride");
  cr_assert_eq(qe_model_create("m", &m), QE_OK);
  memcpy(dims, qe_tensor_dims(x), qe_tensor_rank(x) * sizeof dims[0]);
  qe_value_t v = qe_input(m, "x", QE_FLOAT32, qe_tensor_rank(x), dims);
  if (strncmp(op, "linear", 6) == 0) {
    v = qe_linear(m, "layer", v, weight, bias);
  } else {
    const qe_conv_options_t o = {.stride = {stride, stride}, .padding = {pad, pad}, .groups = (int64_t)golden_number(params, "groups")};
    if (strncmp(op, "conv_transpose", 14) == 0) v = qe_conv_transpose(m, "layer", v, weight, bias, &o);
    else if (strncmp(op, "conv1d", 6) == 0) v = qe_conv1d(m, "layer", v, weight, bias, &o);
    else v = qe_conv2d(m, "layer", v, weight, bias, &o);
  }
  if (bn[0]) v = qe_batch_norm(m, "bn", v, bn[0], bn[1], bn[2], bn[3], (float)golden_number(params, "eps"));
  if (strstr(op, "relu")) v = qe_relu(m, "relu", v);
  qe_output(m, "y", v);
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  return m;
}

Test(golden_fuse, folded_weights_are_torchs) {
  golden g;
  golden_open(&g, "fuse");
  int exact = 0, close = 0;
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i), *params = json_object_get(c, "params");
    const char *op = golden_text(c, "op"), *name = golden_text(c, "name");
    qe_tensor_t *x = golden_tensor(&g, c, "inputs", "x"), *weight = golden_tensor(&g, c, "inputs", "weight"), *bias = golden_tensor(&g, c, "inputs", "bias");
    qe_tensor_t *bn[4] = {golden_tensor(&g, c, "inputs", "bn_weight"), golden_tensor(&g, c, "inputs", "bn_bias"),
                          golden_tensor(&g, c, "inputs", "running_mean"), golden_tensor(&g, c, "inputs", "running_var")};
    qe_tensor_t *want_y = golden_tensor(&g, c, "expected", "y"), *want_w = golden_tensor(&g, c, "expected", "fused_weight"), *want_b = golden_tensor(&g, c, "expected", "fused_bias");
    qe_model_t *m = fuse_model(op, params, x, weight, bias, bn);
    qe_tensor_t *before = test_run(m, x, 0);
    cr_assert_lt(relative(before, want_y), 2e-6, "%s: unfused output", name);
    cr_assert_eq(qe_fuse(m), QE_OK, "%s", qe_last_error());
    cr_assert_eq(m->graph->n_nodes, 1u, "%s: %u nodes left", name, m->graph->n_nodes);
    const qe__node *n = find_node(m, "layer");
    const qe_tensor_t *w = m->graph->values[n->in[1]].data, *b = m->graph->values[n->in[2]].data;
    qe_tensor_t *after = test_run(m, x, 0);
    cr_assert_lt(relative(after, want_y), 2e-6, "%s: fused output", name);
    if (memcmp(qe_tensor_const_data(w), qe_tensor_const_data(want_w), qe_tensor_bytes(w)) == 0) exact++;
    else close++;
    cr_assert_lt(relative(w, want_w), 3e-7, "%s: weight", name); /* torch's rsqrt may be one ulp from 1 / sqrt */
    cr_assert_lt(relative(b, want_b), 1e-6, "%s: bias", name);
    qe_tensor_t *all[] = {x, weight, bias, bn[0], bn[1], bn[2], bn[3], want_y, want_w, want_b, before, after};
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) qe_tensor_release(&all[k]);
    qe_model_destroy(&m);
  }
  printf("golden fuse: %d cases, weights identical in %d, within one ulp in %d\n", exact + close, exact, close);
  golden_close(&g);
}

/* ---- flows ---- */

static qe_tensor_t *parameter(const golden *g, const json_t *c, test_pool *pool, const char *name) {
  qe_tensor_t *t = golden_tensor(g, c, "inputs", name);
  cr_assert_not_null(t, "%s", name);
  return test_keep(pool, t);
}

static qe_model_t *tiny_resnet(const golden *g, const json_t *c, test_pool *pool) {
  qe_model_t *m = NULL;
  const float eps = (float)golden_number(json_object_get(c, "params"), "bn_eps");
#define P(name) parameter(g, c, pool, "p_" name)
  cr_assert_eq(qe_model_create("tiny_resnet", &m), QE_OK);
  qe_value_t x = qe_input(m, "x", QE_FLOAT32, 4, (int64_t[]){-1, 2, 8, 8});
  x = qe_conv2d(m, "c1", x, P("c1_weight"), P("c1_bias"), &(qe_conv_options_t){.padding = {1, 1}});
  x = qe_batch_norm(m, "b1", x, P("b1_weight"), P("b1_bias"), P("b1_running_mean"), P("b1_running_var"), eps);
  const qe_value_t skip = x = qe_relu(m, "r1", x);
  x = qe_conv2d(m, "c2", x, P("c2_weight"), P("c2_bias"), &(qe_conv_options_t){.padding = {1, 1}, .groups = 6});
  x = qe_batch_norm(m, "b2", x, P("b2_weight"), P("b2_bias"), P("b2_running_mean"), P("b2_running_var"), eps);
  x = qe_relu(m, "r2", qe_add(m, "add", x, skip));
  x = qe_flatten(m, "flatten", qe_global_avg_pool(m, "pool", x), 1);
  qe_output(m, "y", qe_linear(m, "fc", x, P("fc_weight"), P("fc_bias")));
#undef P
  cr_assert_eq(qe_model_finish(m), QE_OK, "%s", qe_last_error());
  return m;
}

/* Codes of a weight: how many differ from torch's, which must be ties that 1/s and division round apart. */
static int64_t differing_codes(const qe_model_t *m, const char *node, const qe_tensor_t *want) {
  const qe_tensor_t *w = m->graph->values[find_node(m, node)->in[1]].data;
  int64_t n = 0;
  cr_assert_eq(qe_tensor_count(w), qe_tensor_count(want), "%s", node);
  for (int64_t i = 0; i < qe_tensor_count(w); i++) {
    const int d = ((const int8_t *)qe_tensor_const_data(w))[i] - ((const int8_t *)qe_tensor_const_data(want))[i];
    cr_assert(d >= -1 && d <= 1, "%s: code %lld is off by %d", node, (long long)i, d);
    n += d != 0;
  }
  return n;
}

Test(golden_flows, the_static_flow_reproduces_torchs_networks) {
  golden g;
  golden_open(&g, "flows");
  static const char *const nodes[] = {"c1", "c2", "add", "fc"};
  int scales = 0, equal_scales = 0;
  int64_t codes = 0, differing = 0;
  double worst = 0.0;
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i), *expected = json_object_get(c, "expected");
    const char *name = golden_text(c, "name");
    test_pool pool = {0};
    qe_qconfig_mapping_t *mapping = NULL;
    qe_prepared_t *p = NULL;
    qe_model_t *m = tiny_resnet(&g, c, &pool), *q = NULL;
    qe_tensor_t *x = golden_tensor(&g, c, "inputs", "x"), *y_float = golden_tensor(&g, c, "expected", "y_float"), *y_torch = golden_tensor(&g, c, "expected", "y_qnnpack");
    qe_tensor_t *y = test_run(m, x, 0);
    cr_assert_lt(relative(y, y_float), 2e-6, "%s: float model", name);
    cr_assert_eq(qe_qconfig_mapping_preset(golden_text(json_object_get(c, "params"), "qconfig"), &mapping), QE_OK);
    cr_assert_eq(qe_fuse(m), QE_OK);
    cr_assert_eq(qe_prepare(m, mapping, NULL, &p), QE_OK, "%s", qe_last_error());
    for (int k = 0; k < 3; k++) {
      char key[16];
      snprintf(key, sizeof key, "calib_%d", k);
      qe_named_tensor_t in = {"x", golden_tensor(&g, c, "inputs", key)};
      cr_assert_eq(qe_calibrate(p, 1, &in), QE_OK, "%s", qe_last_error());
      qe_tensor_release(&in.tensor);
    }
    cr_assert_eq(qe_convert(p, &q, NULL), QE_OK, "%s", qe_last_error());
    for (size_t k = 0; k < 4; k++) { /* torch counts between limits truncated to integers, so its ranges differ a little */
      char key[40];
      snprintf(key, sizeof key, "%s_scale", nodes[k]);
      const double want = golden_number(expected, key), got = (double)q->graph->values[find_node(q, nodes[k])->out[0]].q.view.scales[0];
      cr_assert(got / want > 0.7 && got / want < 1.6, "%s %s: scale %g, torch has %g", name, nodes[k], got, want);
      scales++;
      equal_scales += (float)want == (float)got;
      if (strcmp(nodes[k], "add") == 0) continue;
      snprintf(key, sizeof key, "%s_weight", nodes[k]);
      qe_tensor_t *w = golden_tensor(&g, c, "expected", key);
      differing += differing_codes(q, nodes[k], w);
      codes += qe_tensor_count(w);
      qe_tensor_release(&w);
    }
    qe_tensor_t *z = test_run(q, x, 0);
    const double ours = relative(z, y_float), torchs = relative(y_torch, y_float);
    printf("golden flows: %s: largest output error %.4f of the range, torch's %.4f\n", name, ours, torchs);
    cr_assert_lt(ours, fmax(1.5 * torchs, 0.03), "%s: int8 output is %.3f of the range from float (torch: %.3f)", name, ours, torchs);
    worst = fmax(worst, ours);
    qe_tensor_t *all[] = {x, y_float, y_torch, y, z};
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) qe_tensor_release(&all[k]);
    test_pool_free(&pool);
    qe_prepared_destroy(&p);
    qe_qconfig_mapping_destroy(&mapping);
    qe_model_destroy(&m);
    qe_model_destroy(&q);
  }
  printf("golden flows: %zu networks; %d of %d activation scales identical; %lld of %lld weight codes differ (ties); worst output error %.4f of the range\n",
         golden_count(&g), equal_scales, scales, (long long)differing, (long long)codes, worst);
  cr_assert_lt((double)differing, 0.01 * (double)codes);
  golden_close(&g);
}
