/* The double model of training ops, which judges kernels that sum in another order: true, and neither deaf nor blind. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "conform/case.h"

static const char *const ops[] = {"BatchNormTrain",  "BatchNormGrad", "LayerNormGrad",       "MaxPoolGrad",
                                  "AveragePoolGrad", "GatherGrad",    "SoftmaxCrossEntropy", "SoftmaxCrossEntropyGrad"};

static const qe__engine *reference(void) {
  const qe__engine *engine = NULL;
  cr_assert_eq(qe__engines_ready(), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__engine_resolve("reference", &engine), QE_OK, "%s", qe_last_error());
  return engine;
}

static const qe__kernel *kernel_of(const qe__engine *engine, const char *op) {
  for (uint32_t i = 0; i < engine->n_kernels; i++) {
    if (strcmp(engine->kernels[i].row.key.op, op) == 0) return &engine->kernels[i];
  }
  cr_assert_fail("no kernel of %s", op);
  return NULL;
}

typedef struct tally {
  const qe__kernel *kernel;
  int cases;
  double largest; /* error as a share of the bound */
} tally;

/* The reference is itself such a float kernel: every case's outputs lie within the bound. */
static bool compare(void *arg, const qe__case *c, bool must) {
  tally *t = arg;
  qe__built b;
  qe__run_result r;
  char text[QE__CASE_TEXT];
  const qe__run_mode mode = {.arrange = QE__TIGHT};
  (void)must;
  cr_assert_eq(qe__case_describe(c, 7, &b), QE_OK, "%s", qe_last_error());
  if (!qe__case_is(c, "pat", "special")) { /* infinities have no bound */
    cr_assert_eq(qe__case_fill(&b), QE_OK, "%s", qe_last_error());
    cr_assert_eq(qe__case_run(t->kernel, &b, &mode, &r), QE_OK);
    cr_assert(!r.check[0] && !r.unsupported, "%s: %s", qe__case_print(c, text), r.detail);
    for (uint32_t k = 0; k < b.n_out; k++) {
      qe__model m;
      cr_assert(qe__model_train(&b, k, &m));
      for (int64_t i = 0; i < b.out[k].count; i++) {
        const double y = (double)((const float *)r.out[k])[i], error = fabs(y - m.value[i]);
        const double bound = qe__model_bound(&m, i);
        if (!isfinite(y) && !isfinite(m.value[i])) continue; /* the mean of nothing */
        cr_assert(error <= bound, "%s: output %u, element %lld: %.9g, in double %.9g, magnitude %.9g",
                  qe__case_print(c, text), (unsigned)k, (long long)i, y, m.value[i], m.magnitude[i]);
        if (bound > 0) t->largest = fmax(t->largest, error / bound);
      }
      qe__model_free(&m);
    }
    qe__run_result_free(&r);
    t->cases++;
  }
  qe__built_free(&b);
  return true;
}

Test(train_model, holds_what_the_reference_computes) {
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
    tally t = {.kernel = kernel_of(reference(), ops[i])};
    cr_assert_eq(qe__suite_cases(QE__SUITE_MUSTPASS, &t.kernel->row, compare, &t), QE_OK, "%s", qe_last_error());
    cr_assert_gt(t.cases, 5, "%s", ops[i]);
    /* the bound is no infinity: rounding shows in it (MaxPoolGrad and GatherGrad of few terms may be exact) */
    cr_assert(t.largest > 1e-4, "%s: the largest error is %g of its bound", ops[i], t.largest);
  }
}

static const qe__kernel *real;
static float noise; /* relative */

static int noisy_run(void *self, const qe_call *c, int64_t begin, int64_t end) {
  const int result = real->row.run(self, c, begin, end);
  for (uint32_t k = 0; k < c->problem->n_out; k++) {
    float *y = c->out[k];
    for (int64_t i = 0; i < c->problem->out[k]->count; i++) y[i] += noise * (i % 2 ? 1.0f : -1.0f) * y[i];
  }
  return result;
}

static qe__verdict judged(const char *text, float amount, uint32_t *level) {
  qe__case c;
  qe__case_result r;
  cr_assert_eq(qe__case_parse(text, &c), QE_OK, "%s", qe_last_error());
  const qe__engine *engine = reference();
  real = kernel_of(engine, qe__op_at(c.op)->name);
  qe__engine other = *engine;
  qe__kernel row = *real;
  row.row.run = noisy_run;
  row.row.exactness = QE_EXACT_E3;
  row.engine = &other;
  noise = amount;
  const qe__conform_options options = {.seed = 1, .against = engine};
  cr_assert_eq(qe__conform_case(&row, &c, &options, &r), QE_OK, "%s", qe_last_error());
  *level = r.level;
  return r.verdict;
}

Test(train_model, tells_rounding_from_errors) {
  static const char *const cases[] = {"BatchNormTrain:f32/x=2x5x7/flag=1",   "BatchNormGrad:f32/x=2x5x7/flag=1",
                                      "LayerNormGrad:f32/x=5x33",            "AveragePoolGrad:f32/n1/hw6x6/c5/k2x2/p1x1",
                                      "MaxPoolGrad:f32/n1/hw6x6/c5/k3x3",    "GatherGrad:f32s64/x=4x9/y=12",
                                      "SoftmaxCrossEntropy:f32s64/x=6x9/alpha=0.1", "SoftmaxCrossEntropyGrad:f32s64/x=6x9",
                                      "ConvWeightGrad:f32/n1/hw6x6/c5>4/k3x3"};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint32_t level = 0;
    cr_assert_eq(judged(cases[i], 0.0f, &level), QE__PASS, "%s", cases[i]);
    cr_assert_eq(level, QE_EXACT_E0, "%s", cases[i]);
    cr_assert_eq(judged(cases[i], 0x1p-23f, &level), QE__PASS, "%s: an ulp is too much", cases[i]);
    cr_assert_eq(level, QE_EXACT_E3, "%s: level %u", cases[i], (unsigned)level);
    cr_assert_eq(judged(cases[i], 0x1p-8f, &level), QE__FAIL, "%s: an error is none", cases[i]);
  }
}
