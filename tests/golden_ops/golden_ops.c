/*
 * torch's quantized operators, run as models: a graph of one quantized node per case, through a session.
 *
 * y_ideal is the exact result (the bias in float, all in double), rounded once. A code may differ from it by 1; the
 * table says for every op how many do: those that torch's qnnpack engine gives too, and those that are ties in exact
 * arithmetic, which a float32 step of the definition (docs/numerics.md) moves off the middle. The counts are exact:
 * results do not depend on the machine. onednn's numbers are not looked at: without VNNI it saturates sums of pairs.
 */
#include "model.h"

typedef struct expectation {
  const char *op;
  int64_t as_qnnpack, ties;
  const char *why;
} expectation;

static const expectation expectations[] = {
    {"linear", 1, 0, "the bias is rounded to int32"},
    {"linear_relu", 3, 0, "the bias is rounded to int32"},
    {"conv2d", 26, 0, "the bias is rounded to int32"},
    {"conv2d_relu", 18, 0, "the bias is rounded to int32"},
    {"conv1d", 3, 0, "the bias is rounded to int32"},
    {"conv_transpose2d", 17, 0, "the bias is rounded to int32"},
    {"conv2d_full_range", 2, 0, "the bias is rounded to int32"},
    {"leaky_relu", 0, 1, "float32 0.1 is not 0.1"},
    {"avg_pool2d", 6, 4, "sx / (sy * count) is rounded to float32"},
    {"adaptive_avg_pool2d", 3, 0, "sx / (sy * count) is rounded to float32"},
    {"mean_hw", 4, 0, "sx / (sy * count) is rounded to float32"},
    {"upsample_bilinear2d", 21, 29, "interpolates float32 numbers, then quantizes"},
};

typedef struct tally {
  char op[48];
  int cases, unmapped;
  int64_t codes, as_qnnpack, others; /* codes 1 beside y_ideal: what qnnpack gives too, and the others */
} tally;

static tally *tally_of(tally *all, size_t *n, const char *op) {
  for (size_t i = 0; i < *n; i++) {
    if (strcmp(all[i].op, op) == 0) return &all[i];
  }
  cr_assert_lt(*n, 32u);
  tally *t = &all[(*n)++];
  *t = (tally){.cases = 0};
  snprintf(t->op, sizeof t->op, "%s", op);
  return t;
}

static qe_tensor_t *run(case_model *m) {
  qe_model_t *model = NULL;
  qe_session_t *session = NULL;
  qe_named_tensor_t in[MODEL_INPUTS] = {{0}}, out = {0};
  const qe_session_options_t options = {.struct_size = sizeof options, .threads = 1};
  cr_assert_eq(qe__graph_verify(m->graph), QE_OK, "%s: %s", m->name, qe_last_error());
  qe__graph *graph = m->graph;
  m->graph = NULL;
  cr_assert_eq(qe__model_wrap(graph, &model), QE_OK, "%s: %s", m->name, qe_last_error());
  for (uint32_t i = 0; i < m->n_x; i++) in[i].tensor = m->data[i];
  cr_assert_eq(qe_session_create(model, &options, &session), QE_OK, "%s: %s", m->name, qe_last_error());
  cr_assert_eq(qe_session_run(session, m->n_x, in, 1, &out), QE_OK, "%s: %s", m->name, qe_last_error());
  qe_session_destroy(&session);
  qe_model_destroy(&model);
  return out.tensor;
}

static void compare(const case_model *m, const qe_tensor_t *y, tally *t) {
  const char *wanted = golden_has(m->c, "expected", "y_ideal") ? "y_ideal" : "y";
  const char *qnnpack = golden_has(m->c, "expected", "y_qnnpack") ? "y_qnnpack" : "y";
  qe_tensor_t *ideal = golden_tensor(m->g, m->c, "expected", wanted);
  qe_tensor_t *torch = golden_tensor(m->g, m->c, "expected", qnnpack);
  cr_assert_not_null(ideal, "%s: nothing to compare with", m->name);
  cr_assert_eq(qe_tensor_dtype(y), qe_tensor_dtype(ideal), "%s: %s", m->name, qe_dtype_name(qe_tensor_dtype(y)));
  cr_assert_eq(qe_tensor_rank(y), qe_tensor_rank(ideal), "%s: rank %u, expected %u", m->name, qe_tensor_rank(y),
               qe_tensor_rank(ideal));
  cr_assert_eq(memcmp(qe_tensor_dims(y), qe_tensor_dims(ideal), qe_tensor_rank(y) * sizeof(int64_t)), 0, "%s: shape",
               m->name);
  for (int64_t i = 0; i < qe_tensor_count(y); i++) {
    const int64_t got = qe__tensor_int_at(y, i), exact = qe__tensor_int_at(ideal, i);
    if (got == exact) continue;
    cr_assert(got - exact == 1 || exact - got == 1, "%s: element %lld is %lld, expected %lld", m->name, (long long)i,
              (long long)got, (long long)exact);
    if (torch != NULL && qe__tensor_int_at(torch, i) == got) t->as_qnnpack++;
    else t->others++;
  }
  t->codes += qe_tensor_count(y);
  qe_tensor_release(&ideal);
  qe_tensor_release(&torch);
}

static const expectation *expectation_of(const char *op) {
  for (size_t i = 0; i < sizeof expectations / sizeof expectations[0]; i++) {
    if (strcmp(expectations[i].op, op) == 0) return &expectations[i];
  }
  return NULL;
}

static void check_group(const char *group, int unmapped_cases) {
  golden g;
  tally all[32];
  size_t n = 0;
  int unmapped = 0;
  golden_open(&g, group);
  for (size_t i = 0; i < golden_count(&g); i++) {
    case_model m;
    case_model_open(&m, &g, golden_case(&g, i));
    tally *t = tally_of(all, &n, m.op);
    const char *reason = case_build(&m);
    if (reason != NULL) {
      fprintf(stderr, "%s/%s: no op of the graph: %s\n", group, m.name, reason);
      t->unmapped++;
    } else {
      qe_tensor_t *y = run(&m);
      compare(&m, y, t);
      t->cases++;
      qe_tensor_release(&y);
    }
    case_model_close(&m);
  }
  for (size_t i = 0; i < n; i++) {
    const expectation *e = expectation_of(all[i].op);
    fprintf(stderr, "%s/%s: %d cases, %lld codes, 1 beside the exact result: %lld as qnnpack, %lld ties%s%s\n", group,
            all[i].op, all[i].cases, (long long)all[i].codes, (long long)all[i].as_qnnpack, (long long)all[i].others,
            e != NULL ? ": " : "", e != NULL ? e->why : "");
    const int64_t as_qnnpack = e != NULL ? e->as_qnnpack : 0, ties = e != NULL ? e->ties : 0;
    cr_expect_eq(all[i].as_qnnpack, as_qnnpack, "%s: %lld codes are qnnpack's and not exact, expected %lld", all[i].op,
                 (long long)all[i].as_qnnpack, (long long)as_qnnpack);
    cr_expect_eq(all[i].others, ties, "%s: %lld codes are nobody's, expected %lld", all[i].op, (long long)all[i].others,
                 (long long)ties);
    unmapped += all[i].unmapped;
  }
  cr_expect_eq(unmapped, unmapped_cases, "%s: %d cases are no ops of the graph, expected %d", group, unmapped,
               unmapped_cases);
  golden_close(&g);
}

Test(golden_ops, linear) { check_group("qlinear", 0); }
Test(golden_ops, convolutions) { check_group("qconv", 0); }
Test(golden_ops, elementwise) { check_group("qelementwise", 0); }
/* three adaptive pools have windows of different sizes */
Test(golden_ops, pools_and_norms) { check_group("qpool_norm", 3); }
