/* The report as JUnit XML: a test suite for each kernel, a test case for each case. */
#include <stdlib.h>

#include "conform/report_build.h"

void qe__put_escaped(FILE *f, const char *text) {
  for (; *text != '\0'; text++) {
    switch (*text) {
      case '<': fputs("&lt;", f); break;
      case '>': fputs("&gt;", f); break;
      case '&': fputs("&amp;", f); break;
      case '"': fputs("&quot;", f); break;
      case '\'': fputs("&#39;", f); break;
      default: fputc(*text, f);
    }
  }
}

/* An attribute ends where the line does. */
static void put_attribute(FILE *f, const char *name, const char *text) {
  fprintf(f, " %s=\"", name);
  qe__put_escaped(f, text);
  fputc('"', f);
}

static void put_case(FILE *f, const qe_conform_kernel_t *k, const qe_conform_case_t *c) {
  fputs("    <testcase", f);
  put_attribute(f, "name", c->text);
  put_attribute(f, "classname", k->name);
  fprintf(f, " time=\"%.6f\"", c->seconds);
  const char *kind = NULL;
  if (c->verdict == QE_CONFORM_FAIL)
    kind = "failure";
  else if (qe_conform_verdict_is_bad(c->verdict))
    kind = "error";
  else if (c->verdict == QE_CONFORM_UNSUPPORTED || c->verdict == QE_CONFORM_MISTRUSTED ||
           c->verdict == QE_CONFORM_WAIVED)
    kind = "skipped";
  if (kind == NULL) {
    fputs("/>\n", f);
    return;
  }
  fprintf(f, "><%s", kind);
  if (c->waiver[0] != '\0')
    put_attribute(f, "message", c->waiver);
  else
    put_attribute(f, "message", c->check[0] != '\0' ? c->check : qe_conform_verdict_name(c->verdict));
  put_attribute(f, "type", qe_conform_verdict_name(c->verdict));
  fputc('>', f);
  qe__put_escaped(f, c->detail);
  fprintf(f, "</%s></testcase>\n", kind);
}

static void put_counts(FILE *f, const qe_conform_counts_t *n) {
  fprintf(f, " tests=\"%lld\" failures=\"%lld\" errors=\"%lld\" skipped=\"%lld\"", (long long)n->cases,
          (long long)n->failed, (long long)(n->crashed + n->timeout),
          (long long)(n->unsupported + n->mistrusted + n->waived + n->not_run));
}

static void put_properties(FILE *f, const qe_conform_info_t *i) {
  fprintf(f, "    <properties>\n      <property name=\"seed\" value=\"%llu\"/>\n", (unsigned long long)i->seed);
  const char *const pairs[][2] = {
      {"suite",          i->suite         },
      {"against",        i->against       },
      {"isa",            i->isa           },
      {"plugin_sha256",  i->sha256        },
      {"must_pass_hash", i->must_pass_hash}
  };
  for (size_t p = 0; p < sizeof pairs / sizeof pairs[0]; p++) {
    fputs("      <property", f);
    put_attribute(f, "name", pairs[p][0]);
    put_attribute(f, "value", pairs[p][1]);
    fputs("/>\n", f);
  }
  fputs("    </properties>\n", f);
}

qe_status_t qe_conform_junit(const qe_conform_report_t *r, char **text) {
  QE_CHECK_ARG(text != NULL, "text is NULL");
  *text = NULL;
  QE_CHECK_ARG(r != NULL, "report is NULL");
  char *buffer = NULL;
  size_t size, at = 0;
  FILE *f = open_memstream(&buffer, &size);
  if (f == NULL) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while writing JUnit XML");
  fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites", f);
  put_attribute(f, "name", r->info.engine);
  put_counts(f, &r->info.totals);
  fprintf(f, " time=\"%.3f\">\n", r->info.seconds);
  for (uint32_t k = 0; k < r->n_kernels; k++) {
    const qe_conform_kernel_t *kernel = &r->kernels[k];
    if (kernel->counts.cases == 0) continue;
    fputs("  <testsuite", f);
    put_attribute(f, "name", kernel->name);
    put_counts(f, &kernel->counts);
    fputs(">\n", f);
    put_properties(f, &r->info);
    for (; at < r->n_records && r->records[at].c.kernel == k; at++) put_case(f, kernel, &r->records[at].c);
    fputs("  </testsuite>\n", f);
  }
  fputs("</testsuites>\n", f);
  return qe__finish_text(f, &buffer, text);
}
