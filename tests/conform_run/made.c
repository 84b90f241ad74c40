/* See made.h. */
#include "made.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static qe__verdict verdict_of(char letter) {
  switch (letter) {
    case 'f': return QE__FAIL;
    case 'c': return QE__CRASH;
    case 't': return QE__TIMEOUT;
    case 'u': return QE__UNSUPPORTED;
    case 'm': return QE__MISTRUSTED;
    case 'r': return QE__REFUSED;
    default: return QE__PASS;
  }
}

qe_conform_report_t *made_report(const char *first, const char *second) {
  const char *const rows[] = {first, second};
  qe_conform_report_t *r = qe__calloc(1, sizeof *r);
  const qe__hello hello = {.engine = "made",
                           .vendor = "M\xc3\xbcller & S\xf6hne",
                           .version = "<1>",
                           .path = "/x/made.so",
                           .isa = "avx2",
                           .abi_minor = 1,
                           .cores = 2,
                           .n_kernels = 2};
  cr_assert_not_null(r);
  r->info.suite = "smoke";
  r->info.filter = r->info.why = "";
  r->info.against = "reference";
  r->info.seed = 7;
  strcpy(r->info.sha256, "00ff");
  strcpy(r->info.must_pass_hash, "1234");
  cr_assert_eq(qe__report_hello(r, &hello), QE_OK);
  static qe__outcome o;
  uint64_t index = 0;
  for (uint32_t k = 0; k < 2; k++) {
    qe__kernel_facts facts = {.claimed = 1, .cases = (int64_t)strlen(rows[k])};
    snprintf(facts.name, sizeof facts.name, "kernel_%u", k);
    snprintf(facts.op, sizeof facts.op, "Op%u", k);
    snprintf(facts.dtypes, sizeof facts.dtypes, "u8 -> u8");
    cr_assert_eq(qe__report_kernel(r, &facts, NULL), QE_OK);
  }
  for (uint32_t k = 0; k < 2; k++) {
    for (const char *v = rows[k]; *v != '\0'; v++, index++) {
      memset(&o, 0, sizeof o);
      o.index = index;
      o.kernel = k;
      o.must = v == rows[k];
      o.result.verdict = verdict_of(*v);
      o.result.level = *v == 'p' ? 1 : 255;
      snprintf(o.text, sizeof o.text, "Op%u:u8/n%d", k, (int)(v - rows[k]));
      if (*v != 'p') snprintf(o.result.detail, sizeof o.result.detail, "got <3> & \"4\"\n]]> \x01 end\n");
      cr_assert_eq(qe__report_case(r, 0, 0, &o), QE_OK);
    }
  }
  cr_assert_eq(qe__report_settle(r), QE_OK);
  return r;
}

qe_conform_report_t *decided_report(const char *first, const char *second) {
  qe_conform_report_t *r = made_report(first, second);
  cr_assert_eq(qe__report_decide(r), QE_OK);
  return r;
}
