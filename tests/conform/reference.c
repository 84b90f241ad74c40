/* The reference engine passes its own suites, in this process, with every check on. */
#include <criterion/criterion.h>
#include <string.h>

#include "conform/conform.h"

typedef struct tally {
  const qe__kernel *kernel;
  qe__conform_options options;
  int count[8];
} tally;

static bool run_case(void *arg, const qe__case *c, bool must) {
  tally *t = arg;
  qe__case_result r;
  char text[QE__CASE_TEXT];
  cr_assert_eq(qe__conform_case(t->kernel, c, &t->options, &r), QE_OK, "%s: %s", qe__case_print(c, text),
               qe_last_error());
  cr_assert(r.verdict == QE__PASS || r.verdict == QE__UNSUPPORTED || r.verdict == QE__REFUSED, "%s %s\n%s",
            qe__verdict_name(r.verdict), r.check, r.detail);
  if (r.verdict == QE__PASS)
    cr_assert_eq(r.level, (uint32_t)QE_EXACT_E0, "%s: level %u", qe__case_print(c, text), r.level);
  if (must && r.verdict == QE__UNSUPPORTED)
    cr_assert_str_eq(r.check, "elsewhere", "must-pass case %s is not supported: %s", qe__case_print(c, text), r.detail);
  t->count[r.verdict]++;
  return true;
}

static void run_suite(qe__suite suite, uint32_t step, tally *t) {
  const qe__engine *engine = NULL;
  cr_assert_eq(qe__engines_ready(), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe__engine_resolve("reference", &engine), QE_OK, "%s", qe_last_error());
  memset(t, 0, sizeof *t);
  t->options = (qe__conform_options){
      .seed = 1, .against = engine, .memory = true, .determinism = true, .properties = true, .registers = true};
  for (uint32_t i = 0; i < engine->n_kernels; i += step) {
    t->kernel = &engine->kernels[i];
    cr_assert_eq(qe__suite_cases(suite, &t->kernel->row, run_case, t), QE_OK, "%s", qe_last_error());
  }
}

Test(reference, passes_the_smoke_suite) {
  tally t;
  run_suite(QE__SUITE_SMOKE, 1, &t);
  cr_assert_gt(t.count[QE__PASS], 1000, "%d passed", t.count[QE__PASS]);
}

Test(reference, passes_the_mustpass_suite) {
  tally t;
  run_suite(QE__SUITE_MUSTPASS, 1, &t);
  cr_assert_gt(t.count[QE__PASS], 2000, "%d passed", t.count[QE__PASS]);
  cr_assert_gt(t.count[QE__REFUSED], 4, "%d refused", t.count[QE__REFUSED]);
}
