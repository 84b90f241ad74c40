/* From verdicts on cases to the verdict on the engine; waivers. */
#include "made.h"

#include <criterion/criterion.h>
#include <string.h>

#include "conform/waivers.h"

static void expect_conforms(qe_conform_report_t *r, int conforms, const char *why) {
  const qe_conform_info_t *i = qe_conform_report_info(r);
  cr_assert_eq(i->conforms, conforms, "conforms %d, expected %d: %s", i->conforms, conforms, i->why);
  cr_assert(strstr(i->why, why) != NULL, "'%s' is not in '%s'", why, i->why);
  qe_conform_report_destroy(&r);
}

Test(verdicts, what_conforms) {
  expect_conforms(decided_report("pp", "ppr"), 1, "");
  expect_conforms(decided_report("pum", "p"), 1, "");
  expect_conforms(decided_report("ppf", "p"), 0, "1 of 4 cases fail");
  expect_conforms(decided_report("pc", "pt"), 0, "2 of 4 cases fail");
  expect_conforms(decided_report("", ""), 0, "nothing was tested");
  expect_conforms(decided_report("m", "m"), 0, "no case passed");
}

Test(verdicts, a_must_pass_case_may_not_be_declined) {
  qe_conform_report_t *r = decided_report("up", "pu"); /* the first case of each kernel is one */
  cr_assert_str_eq(qe_conform_case_at(r, 0)->check, "unsupported");
  cr_assert_eq(qe_conform_case_at(r, 0)->verdict, QE_CONFORM_FAIL);
  cr_assert_eq(qe_conform_case_at(r, 3)->verdict, QE_CONFORM_UNSUPPORTED);
  expect_conforms(r, 0, "1 of 4 cases fail");
}

Test(verdicts, counts_and_levels) {
  qe_conform_report_t *r = decided_report("pprumct", "pp");
  const qe_conform_kernel_t *k = qe_conform_kernel_at(r, 0);
  cr_assert_eq(k->counts.cases, 7);
  cr_assert_eq(k->counts.passed, 3);
  cr_assert_eq(k->counts.refused, 1);
  cr_assert_eq(k->counts.unsupported, 1);
  cr_assert_eq(k->counts.mistrusted, 1);
  cr_assert_eq(k->counts.crashed, 1);
  cr_assert_eq(k->counts.timeout, 1);
  cr_assert_eq(k->observed, -1, "a kernel that crashes has no level");
  cr_assert_eq(qe_conform_kernel_at(r, 1)->observed, 1);
  cr_assert_eq(qe_conform_report_info(r)->totals.cases, 9);
  cr_assert_null(qe_conform_kernel_at(r, 2));
  cr_assert_null(qe_conform_case_at(r, 9));
  qe_conform_report_destroy(&r);
  cr_assert_null(r);
}

Test(verdicts, the_last_report_of_a_case_counts) {
  qe_conform_report_t *r = made_report("pp", "");
  static qe__outcome o;
  o.index = 1;
  o.result.verdict = QE__CRASH;
  cr_assert_eq(qe__report_case(r, 0, 0, &o), QE_OK);
  cr_assert_eq(qe__report_settle(r), QE_OK);
  cr_assert_eq(qe_conform_case_count(r), 2);
  cr_assert_eq(qe_conform_case_at(r, 1)->verdict, QE_CONFORM_CRASH);
  qe_conform_report_destroy(&r);
}

/* ---- waivers ---- */

static qe_status_t waive(qe_conform_report_t *r, bool whole, const char *entries) {
  char text[600];
  qe__waivers *w;
  snprintf(text, sizeof text, "{\"schema_version\": 1, \"waivers\": [%s]}", entries);
  const qe_status_t parsed = qe__waivers_parse(text, strlen(text), "w.json", &w);
  if (parsed != QE_OK) return parsed;
  const qe_status_t status = qe__waivers_apply(w, 20261128, whole, r);
  qe__waivers_free(&w);
  return status == QE_OK ? qe__report_decide(r) : status;
}

#define WAIVER(cases, expires)                                                                                         \
  "{\"case\": \"" cases "\", \"reason\": \"known\", \"link\": \"https://example.com/1\", \"expires\": \"" expires "\"" \
                                                                                                                  "}"

Test(waivers, a_covered_failure_is_waived) {
  qe_conform_report_t *r = made_report("pfc", "p");
  cr_assert_eq(waive(r, true, WAIVER("Op0:*", "2026-11-28")), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_conform_report_info(r)->totals.waived, 2);
  cr_assert_str_eq(qe_conform_case_at(r, 1)->waiver, "known");
  cr_assert_eq(qe_conform_case_at(r, 0)->verdict, QE_CONFORM_PASS);
  expect_conforms(r, 1, "");
}

Test(waivers, the_kernel_has_to_fit_too) {
  qe_conform_report_t *r = made_report("pf", "pf");
  cr_assert_eq(waive(r, true,
                     "{\"case\": \"*\", \"kernel\": \"*_1\", \"reason\": \"known\", \"link\": \"x\", \"expires\": "
                     "\"2999-01-01\"}"),
               QE_OK);
  cr_assert_eq(qe_conform_report_info(r)->totals.waived, 1);
  expect_conforms(r, 0, "1 of 4 cases fail");
}

Test(waivers, an_expired_one_does_not_help) {
  qe_conform_report_t *r = made_report("pf", "p");
  cr_assert_eq(waive(r, true, WAIVER("Op0:*", "2026-11-27")), QE_OK);
  cr_assert_eq(qe_conform_problem_count(r), 1);
  cr_assert(strstr(qe_conform_problem_at(r, 0), "expired on 2026-11-27"), "%s", qe_conform_problem_at(r, 0));
  expect_conforms(r, 0, "1 of 3 cases fail");
  r = made_report("pp", "p");
  cr_assert_eq(waive(r, true, WAIVER("Op0:*", "2026-11-27")), QE_OK);
  expect_conforms(r, 0, "expired");
}

Test(waivers, a_stale_one_fails) {
  qe_conform_report_t *r = made_report("pp", "p");
  cr_assert_eq(waive(r, false, WAIVER("Op0:*", "2999-01-01")), QE_OK);
  expect_conforms(r, 0, "covers nothing that fails");
  r = made_report("pp", "p");
  cr_assert_eq(waive(r, true, WAIVER("Op9:*", "2999-01-01")), QE_OK);
  expect_conforms(r, 0, "covers nothing that fails");
  r = made_report("pp", "p");
  cr_assert_eq(waive(r, false, WAIVER("Op9:*", "2999-01-01")), QE_OK, "what a filter left out is not stale");
  expect_conforms(r, 1, "");
}

Test(waivers, malformed_files_are_refused) {
  static const struct {
    const char *entries, *part;
  } files[] = {
      {"7",                                                                                   "not an object"     },
      {"{\"case\": \"x\"}",                                                                   "needs \"reason\""  },
      {"{\"case\": \"\", \"reason\": \"a\", \"link\": \"b\", \"expires\": \"2026-01-01\"}",   "needs \"case\""    },
      {WAIVER("x",                                                                            "soon"),              "YYYY-MM-DD"},
      {WAIVER("x",                                                                                     "2026-13-01"),                                                                                                "YYYY-MM-DD"},
      {WAIVER("x",                                                                         "2026-1-011"),"YYYY-MM-DD"},
      {"{\"cases\": \"x\", \"reason\": \"a\", \"link\": \"b\", \"expires\": \"2026-01-01\"}","unknown key 'cases'"          },
      {"{", "w.json:1"},
  };
  qe_conform_report_t *r = made_report("p", "p");
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    cr_assert_eq(waive(r, true, files[i].entries), QE_ERROR_FORMAT, "%s was taken", files[i].entries);
    cr_assert(strstr(qe_last_error(), files[i].part), "%s: '%s' is not in '%s'", files[i].entries, files[i].part,
              qe_last_error());
  }
  qe__waivers *w;
  cr_assert_eq(qe__waivers_parse("{\"waivers\": []}", 15, "w", &w), QE_ERROR_FORMAT);
  cr_assert_null(w);
  qe_conform_report_destroy(&r);
}
