/* Which qconfig a node gets, and what is refused when rules are set. */
#include "qconfig/mapping.h"

#include <criterion/criterion.h>
#include <string.h>

#include "observe/observe.h"

/* conv1 (Conv, fused from conv1 and relu1), fc (Gemm), head.0 (MatMul), head.1 (Relu) in a row. */
static qe__graph *example(void) {
  static const struct {
    const char *op, *name, *origin;
    uint32_t inputs;
  } nodes[] = {
      {"Conv",   "conv1",  "conv1, layer/relu1", 2},
      {"Gemm",   "fc",     NULL,                 2},
      {"MatMul", "head.0", NULL,                 2},
      {"Relu",   "head.1", NULL,                 1}
  };
  qe__graph *g;
  qe__value_id x, w;
  cr_assert_eq(qe__graph_create(&g), QE_OK);
  cr_assert_eq(qe__graph_add_value(g, "x", QE_FLOAT32, &x), QE_OK);
  cr_assert_eq(qe__graph_add_value(g, "w", QE_FLOAT32, &w), QE_OK);
  for (int i = 0; i < 4; i++) {
    const qe__value_id in[2] = {x, w};
    qe__value_id y;
    qe__node *n;
    cr_assert_eq(qe__graph_add_value(g, NULL, QE_FLOAT32, &y), QE_OK);
    cr_assert_eq(qe__graph_add_node(g, nodes[i].op, nodes[i].name, nodes[i].inputs, in, 1, &y, &n), QE_OK, "%s",
                 qe_last_error());
    if (nodes[i].origin) n->origin = qe__strdup(nodes[i].origin);
    x = y;
  }
  return g;
}

static qe_qconfig_t marked(int bins) {
  qe_qconfig_t q;
  cr_assert_eq(qe_default_qconfig("qnnpack", &q), QE_OK);
  q.activation.bins = bins;
  return q;
}

/* The bins of each node's qconfig; 0: float. */
static void expect_resolved(const qe_qconfig_mapping_t *m, const int32_t want[4]) {
  qe__graph *g = example();
  const qe_qconfig_t *out[4];
  cr_assert_eq(qe__qconfig_resolve(m, g, out), QE_OK, "%s", qe_last_error());
  for (int i = 0; i < 4; i++) {
    const int32_t got = out[i] ? out[i]->activation.bins : 0;
    cr_expect_eq(got, want[i], "%s: %d, not %d", g->nodes[i]->name, got, want[i]);
  }
  qe__graph_destroy(&g);
}

Test(mapping, precedence) {
  const qe_qconfig_t global = marked(100), op = marked(200), glob = marked(300), name = marked(400);
  qe_qconfig_mapping_t *m;
  cr_assert_eq(qe_qconfig_mapping_create(&global, &m), QE_OK);
  expect_resolved(m, (int32_t[]){100, 100, 100, 100});
  /* In the order of falling precedence, so that the order of the calls can't be what decides. */
  cr_assert_eq(qe_qconfig_mapping_set_name(m, "head.0", &name), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_name_glob(m, "head.*", &glob), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_op_type(m, "MatMul", &op), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_op_type(m, "Gemm", &op), QE_OK);
  expect_resolved(m, (int32_t[]){100, 200, 400, 300});
  cr_assert_eq(qe_qconfig_mapping_set_name(m, "head.0", NULL), QE_OK);
  expect_resolved(m, (int32_t[]){100, 200, 0, 300});
  qe_qconfig_mapping_destroy(&m);
}

Test(mapping, later_rule_of_one_kind_wins) {
  const qe_qconfig_t a = marked(100), b = marked(200);
  qe_qconfig_mapping_t *m;
  cr_assert_eq(qe_qconfig_mapping_create(NULL, &m), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_name_glob(m, "*1", &a), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_name_glob(m, "head.[0-9]", &b), QE_OK);
  expect_resolved(m, (int32_t[]){100, 0, 200, 200});
  cr_assert_eq(qe_qconfig_mapping_set_name_glob(m, "*1", &a), QE_OK); /* set again: now it is the latest */
  expect_resolved(m, (int32_t[]){100, 0, 200, 100});
  cr_expect_eq(m->count, 2);
  qe_qconfig_mapping_destroy(&m);
}

Test(mapping, names_that_were_fused_away) {
  const qe_qconfig_t a = marked(100), b = marked(200);
  qe_qconfig_mapping_t *m;
  cr_assert_eq(qe_qconfig_mapping_create(NULL, &m), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_name_glob(m, "layer/*", &a), QE_OK);
  expect_resolved(m, (int32_t[]){100, 0, 0, 0});
  cr_assert_eq(qe_qconfig_mapping_set_name(m, "layer/relu1", &b), QE_OK);
  expect_resolved(m, (int32_t[]){200, 0, 0, 0});
  qe_qconfig_mapping_destroy(&m);
}

Test(mapping, linear_is_gemm_and_matmul) {
  const qe_qconfig_t a = marked(100);
  qe_qconfig_mapping_t *m;
  cr_assert_eq(qe_qconfig_mapping_create(NULL, &m), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_op_type(m, "Linear", &a), QE_OK);
  expect_resolved(m, (int32_t[]){0, 100, 100, 0});
  qe_qconfig_mapping_destroy(&m);
}

static void expect_unmatched(qe_qconfig_mapping_t *m, const char *rule, const char *near) {
  qe__graph *g = example();
  const qe_qconfig_t *out[4];
  cr_expect_eq(qe__qconfig_resolve(m, g, out), QE_ERROR_NOT_FOUND);
  cr_expect(strstr(qe_last_error(), rule), "'%s' is not in: %s", rule, qe_last_error());
  cr_expect(strstr(qe_last_error(), near), "'%s' is not in: %s", near, qe_last_error());
  qe__graph_destroy(&g);
  qe_qconfig_mapping_destroy(&m);
}

Test(mapping, rules_that_match_nothing) {
  qe_qconfig_mapping_t *m;
  cr_assert_eq(qe_qconfig_mapping_create(NULL, &m), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_name(m, "conv2", NULL), QE_OK);
  expect_unmatched(m, "name 'conv2'", "'conv1'?");
  cr_assert_eq(qe_qconfig_mapping_create(NULL, &m), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_op_type(m, "Matmul", NULL), QE_OK);
  expect_unmatched(m, "op type 'Matmul'", "'MatMul'?");
  cr_assert_eq(qe_qconfig_mapping_create(NULL, &m), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_name_glob(m, "encoder.*", NULL), QE_OK);
  expect_unmatched(m, "name pattern 'encoder.*'", "qengine info -v");
}

/* The op types that torch's presets care about need not be in the model. */
Test(mapping, rules_of_presets_may_match_nothing) {
  qe_qconfig_mapping_t *m;
  cr_assert_eq(qe_qconfig_mapping_preset("fbgemm", &m), QE_OK);
  expect_resolved(m, (int32_t[]){2048, 2048, 2048, 2048});
  qe_qconfig_mapping_destroy(&m);
}

Test(mapping, clone_is_equal_and_apart) {
  qe_qconfig_mapping_t *m, *copy;
  char *a, *b;
  cr_assert_eq(qe_qconfig_mapping_preset("fbgemm", &m), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_name(m, "head.0", NULL), QE_OK);
  cr_expect_not(qe__qconfig_mapping_equalize(m));
  cr_assert_eq(qe_qconfig_mapping_set_equalize(m, 1), QE_OK);
  cr_assert_eq(qe__qconfig_mapping_clone(m, &copy), QE_OK);
  cr_expect(qe__qconfig_mapping_equalize(copy));
  cr_assert_eq(qe_qconfig_mapping_dump(m, &a), QE_OK);
  qe_qconfig_mapping_destroy(&m);
  cr_expect_null(m);
  cr_assert_eq(qe_qconfig_mapping_dump(copy, &b), QE_OK);
  cr_expect_str_eq(a, b);
  qe_string_free(a);
  qe_string_free(b);
  qe_qconfig_mapping_destroy(&copy);
  qe_qconfig_mapping_destroy(&copy);
}

/* Allocation failures: every one is reported, none leaves anything behind. */
Test(mapping, out_of_memory) {
  for (long n = 0; n < 60; n++) {
    qe_qconfig_mapping_t *m = NULL, *copy = NULL;
    char *text = NULL;
    qe__fail_allocations_after(n);
    qe_status_t status = qe_qconfig_mapping_preset("fbgemm", &m);
    if (status == QE_OK) status = qe__qconfig_mapping_clone(m, &copy);
    if (status == QE_OK) status = qe_qconfig_mapping_dump(copy, &text);
    qe__fail_allocations_after(-1);
    cr_expect(status == QE_OK || status == QE_ERROR_OUT_OF_MEMORY, "%ld: %s", n, qe_status_text(status));
    cr_expect(n > 0 || status != QE_OK);
    cr_expect(n < 59 || status == QE_OK);
    cr_expect_eq(text != NULL, status == QE_OK);
    qe_string_free(text);
    qe_qconfig_mapping_destroy(&m);
    qe_qconfig_mapping_destroy(&copy);
  }
}

Test(mapping, out_of_memory_while_reading_and_resolving) {
  static const char json[] = "{\"preset\":\"fbgemm\",\"op_types\":{\"Relu\":null},\"name_globs\":{\"head.*\":null},"
                             "\"names\":{\"layer/relu1\":{\"preset\":\"default\"},\"nothing\":null}}";
  qe__graph *g = example();
  long n = 0;
  qe_status_t status = QE_ERROR_OUT_OF_MEMORY;
  for (; n < 100 && status == QE_ERROR_OUT_OF_MEMORY; n++) {
    qe_qconfig_mapping_t *m = NULL;
    const qe_qconfig_t *out[4];
    qe__fail_allocations_after(n);
    status = qe_qconfig_mapping_parse(json, sizeof json - 1, &m);
    cr_expect_eq(m != NULL, status == QE_OK);
    if (status == QE_OK) status = qe__qconfig_resolve(m, g, out);
    qe__fail_allocations_after(-1);
    qe_qconfig_mapping_destroy(&m);
  }
  cr_expect_eq(status, QE_ERROR_NOT_FOUND, "after %ld: %s", n, qe_last_error()); /* the rule for 'nothing' */
  cr_expect_gt(n, 5, "%ld", n);
  qe__graph_destroy(&g);
}

Test(mapping, refused) {
  qe_qconfig_t q = marked(100), bad;
  qe_qconfig_mapping_t *m = NULL;
  cr_assert_eq(qe_qconfig_mapping_create(&q, &m), QE_OK);
  cr_expect_eq(qe_qconfig_mapping_set_name(m, "", &q), QE_ERROR_INVALID_ARGUMENT);
  cr_expect_eq(qe_qconfig_mapping_set_name(m, NULL, &q), QE_ERROR_INVALID_ARGUMENT);
  cr_expect_eq(qe_qconfig_mapping_set_op_type(NULL, "Conv", &q), QE_ERROR_INVALID_ARGUMENT);
  bad = q;
  bad.struct_size = 0;
  cr_expect_eq(qe_qconfig_mapping_set_name(m, "fc", &bad), QE_ERROR_INVALID_ARGUMENT);
  cr_expect(strstr(qe_last_error(), "'fc'") && strstr(qe_last_error(), "struct_size"), "%s", qe_last_error());
  bad = q;
  memset(bad.weight.observer, 'x', sizeof bad.weight.observer);
  cr_expect_eq(qe_qconfig_mapping_set_name(m, "fc", &bad), QE_ERROR_INVALID_ARGUMENT);
  cr_expect(strstr(qe_last_error(), "weight") && strstr(qe_last_error(), "name"), "%s", qe_last_error());
  bad = q;
  bad.activation.qscheme = QE_PER_CHANNEL_AFFINE;
  cr_expect_eq(qe_qconfig_mapping_set_op_type(m, "Conv", &bad), QE_ERROR_INVALID_ARGUMENT);
  cr_expect(strstr(qe_last_error(), "activation") && strstr(qe_last_error(), "per-channel"), "%s", qe_last_error());
  bad = q;
  bad.activation.bins = 1;
  cr_expect_eq(qe_qconfig_mapping_set_name_glob(m, "*", &bad), QE_ERROR_INVALID_ARGUMENT);
  cr_expect(strstr(qe_last_error(), "bins is 1"), "%s", qe_last_error());
  bad.activation.observer[0] = '\0'; /* not quantized: the rest does not matter */
  cr_expect_eq(qe_qconfig_mapping_set_name_glob(m, "*", &bad), QE_OK, "%s", qe_last_error());
  cr_expect_eq(m->count, 1);
  qe_qconfig_mapping_destroy(&m);
}
