/* The report as one HTML page that needs nothing else: style and drawings are inline. */
#include <math.h>
#include <string.h>

#include "conform/report_build.h"

enum { FAILURES_SHOWN = 200 };

static const char style[] =
    ":root{--ok:#1a7f4b;--bad:#c4314b;--warn:#b7791f;--off:#9aa5b1;--ink:#1f2933;--soft:#5f6c7b;--line:#e4e7eb;--bg:#"
    "f5f7fa}"
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:14px/1.5 "
    "system-ui,-apple-system,Segoe UI,Roboto,sans-serif}"
    "main{max-width:1180px;margin:0 auto;padding:28px 24px "
    "64px}header{display:flex;gap:28px;align-items:center;background:#fff;border:1px solid var(--line);"
    "border-radius:14px;padding:24px 28px}h1{font-size:24px;margin:0 0 2px}h2{font-size:17px;margin:34px 0 "
    "10px}.soft{color:var(--soft)}"
    ".badge{display:inline-block;padding:3px "
    "12px;border-radius:99px;color:#fff;font-weight:600;font-size:13px;margin-top:8px}"
    ".ok{background:var(--ok)}.bad{background:var(--bad)}.cards{display:grid;grid-template-columns:repeat(auto-fit,"
    "minmax(130px,1fr));gap:12px;margin-top:16px}"
    ".card{background:#fff;border:1px solid var(--line);border-radius:12px;padding:12px 16px}.card "
    "b{display:block;font-size:26px;line-height:1.2;font-variant-numeric:tabular-nums}"
    ".wide{overflow-x:auto}table{width:100%;border-collapse:collapse;background:#fff;border:1px solid "
    "var(--line);border-radius:12px;overflow:hidden}"
    "th{font-weight:600;text-align:left;color:var(--soft);font-size:12px;background:#fafbfc}th,td{padding:7px "
    "12px;border-bottom:1px solid var(--line)}tr:last-child td{border-bottom:0}"
    ".n{text-align:right;font-variant-numeric:tabular-nums}code,pre{font:12px/1.45 "
    "ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}"
    "pre{background:#1f2933;color:#e4e7eb;border-radius:10px;padding:14px 16px;overflow-x:auto;margin:8px 0 0}"
    "details{background:#fff;border:1px solid var(--line);border-left:4px solid "
    "var(--bad);border-radius:10px;padding:10px 16px;margin:10px 0}summary{cursor:pointer}"
    ".red{color:var(--bad);font-weight:600}.green{color:var(--ok);font-weight:600}dl{display:grid;grid-template-"
    "columns:max-content 1fr;gap:4px 18px;margin:0}dt{color:var(--soft)}dd{margin:0;"
    "overflow-wrap:anywhere}";

static int64_t bad_of(const qe_conform_counts_t *n) {
  return n->failed + n->crashed + n->timeout;
}

static void add_counts(qe_conform_counts_t *to, const qe_conform_counts_t *n) {
  to->cases += n->cases;
  to->passed += n->passed;
  to->failed += n->failed;
  to->unsupported += n->unsupported;
  to->mistrusted += n->mistrusted;
  to->crashed += n->crashed;
  to->timeout += n->timeout;
  to->waived += n->waived;
}

/* passed, bad, in doubt, unsupported: colour and share of each. */
static void shares(const qe_conform_counts_t *n, const char *colors[4], int64_t values[4]) {
  static const char *const palette[4] = {"#1a7f4b", "#c4314b", "#d69e2e", "#cbd2d9"};
  memcpy(colors, palette, sizeof palette);
  values[0] = n->passed;
  values[1] = bad_of(n);
  values[2] = n->mistrusted + n->waived;
  values[3] = n->unsupported;
}

static void put_donut(FILE *f, const qe_conform_counts_t *n) {
  const char *colors[4];
  int64_t values[4];
  const double around = 2.0 * 3.14159265358979 * 42.0;
  double at = 0.0;
  shares(n, colors, values);
  fputs("<svg width=\"120\" height=\"120\" viewBox=\"0 0 120 120\" role=\"img\" aria-label=\"shares of the "
        "verdicts\"><circle cx=\"60\" cy=\"60\" r=\"42\" fill=\"none\" stroke=\"#e4e7eb\" "
        "stroke-width=\"16\"/>",
        f);
  for (int i = 0; i < 4 && n->cases > 0; i++) {
    const double part = (double)values[i] / (double)n->cases * around;
    if (values[i] == 0) continue;
    fprintf(f,
            "<circle cx=\"60\" cy=\"60\" r=\"42\" fill=\"none\" stroke=\"%s\" stroke-width=\"16\" "
            "stroke-dasharray=\"%.2f %.2f\" stroke-dashoffset=\"%.2f\" transform=\"rotate(-90 60 60)\"/>",
            colors[i], part, around - part, -at);
    at += part;
  }
  /* Of what was to be done; 100 is for when all of it passed. */
  const int64_t asked = n->cases - n->unsupported;
  const double percent = asked > 0 ? floor(100.0 * (double)n->passed / (double)asked) : 0.0;
  fprintf(f,
          "<text x=\"60\" y=\"66\" text-anchor=\"middle\" font-size=\"19\" font-weight=\"600\" "
          "fill=\"#1f2933\">%.0f%%</text></svg>",
          percent);
}

static void put_bar(FILE *f, const qe_conform_counts_t *n) {
  const char *colors[4];
  int64_t values[4];
  double at = 0.0;
  shares(n, colors, values);
  fputs(
      "<td><svg width=\"160\" height=\"10\" role=\"img\"><rect width=\"160\" height=\"10\" rx=\"3\" fill=\"#eef1f4\"/>",
      f);
  for (int i = 0; i < 4 && n->cases > 0; i++) {
    const double part = 160.0 * (double)values[i] / (double)n->cases;
    if (values[i] == 0) continue;
    fprintf(f, "<rect x=\"%.2f\" width=\"%.2f\" height=\"10\" fill=\"%s\"/>", at, part < 1.5 ? 1.5 : part, colors[i]);
    at += part;
  }
  fputs("</svg></td>", f);
}

static void put_numbers(FILE *f, const qe_conform_counts_t *n) {
  fprintf(
      f,
      "<td class=n>%lld</td><td class=n>%lld</td><td class=\"n%s\">%lld</td><td class=n>%lld</td><td class=n>%lld</td>",
      (long long)n->cases, (long long)n->passed, bad_of(n) > 0 ? " red" : "", (long long)bad_of(n),
      (long long)n->unsupported, (long long)(n->mistrusted + n->waived));
}

static void put_text_cell(FILE *f, const char *tag, const char *text) {
  fprintf(f, "<td><%s>", tag);
  qe__put_escaped(f, text);
  fprintf(f, "</%s></td>", tag);
}

static void put_head(FILE *f, const qe_conform_report_t *r) {
  const qe_conform_info_t *i = &r->info;
  fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width,initial-scale=1\"><title>Conformance of ",
        f);
  qe__put_escaped(f, i->engine);
  fprintf(f, "</title>\n<style>%s</style></head>\n<body><main><header>", style);
  put_donut(f, &i->totals);
  fputs("<div><h1>", f);
  qe__put_escaped(f, i->engine);
  fputs(" <span class=soft>", f);
  qe__put_escaped(f, i->version);
  fputs("</span></h1><div class=soft>", f);
  qe__put_escaped(f, i->vendor);
  fprintf(f, "</div><span id=\"verdict\" class=\"badge %s\">%s</span>", i->conforms ? "ok" : "bad",
          i->conforms ? "conforms" : "does not conform");
  if (i->why[0] != '\0') {
    fputs(" <span class=soft>", f);
    qe__put_escaped(f, i->why);
    fputs("</span>", f);
  }
  fputs("</div></header>\n", f);
}

static void put_cards(FILE *f, const qe_conform_counts_t *n) {
  const struct {
    const char *id, *label, *color;
    int64_t value;
  } cards[] = {
      {"total-cases",       "cases",       "",                         n->cases      },
      {"total-passed",      "passed",      "green",                    n->passed     },
      {"total-failed",      "failed",      bad_of(n) > 0 ? "red" : "", bad_of(n)     },
      {"total-unsupported", "unsupported", "",                         n->unsupported},
      {"total-mistrusted",  "mistrusted",  "",                         n->mistrusted },
      {"total-waived",      "waived",      "",                         n->waived     }
  };
  fputs("<section class=cards>", f);
  for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++)
    fprintf(f, "<div class=card><b id=\"%s\" class=\"%s\">%lld</b><span class=soft>%s</span></div>", cards[i].id,
            cards[i].color, (long long)cards[i].value, cards[i].label);
  fputs("</section>\n", f);
  if (n->crashed + n->timeout > 0)
    fprintf(f,
            "<p class=soft>Of the failed ones <span id=\"total-crashed\">%lld</span> crashed and <span "
            "id=\"total-timeout\">%lld</span> did not answer in time.</p>\n",
            (long long)n->crashed, (long long)n->timeout);
}

static void put_ops(FILE *f, const qe_conform_report_t *r) {
  fputs("<h2>Ops</h2>\n<div class=wide><table id=\"ops\"><tr><th>op<th class=n>kernels<th class=n>cases<th "
        "class=n>passed<th "
        "class=n>failed<th class=n>unsupported<th class=n>in doubt<th></tr>\n",
        f);
  for (size_t i = 0; i < r->n_kernels; i++) {
    qe_conform_counts_t sum = {0};
    size_t kernels = 0;
    bool first = true;
    for (size_t k = 0; k < i; k++) first = first && strcmp(r->kernels[k].op, r->kernels[i].op) != 0;
    for (size_t k = i; first && k < r->n_kernels; k++) {
      if (strcmp(r->kernels[k].op, r->kernels[i].op) != 0) continue;
      add_counts(&sum, &r->kernels[k].counts);
      kernels++;
    }
    if (!first || sum.cases == 0) continue;
    fputs("<tr>", f);
    put_text_cell(f, "b", r->kernels[i].op);
    fprintf(f, "<td class=n>%zu</td>", kernels);
    put_numbers(f, &sum);
    put_bar(f, &sum);
    fputs("</tr>\n", f);
  }
  fputs("</table></div>\n", f);
}

static void put_kernels(FILE *f, const qe_conform_report_t *r) {
  fputs("<h2>Kernels</h2>\n<div class=wide><table id=\"kernels\"><tr><th>kernel<th>op<th>types<th class=n>cases<th "
        "class=n>passed<th "
        "class=n>failed<th class=n>unsupported<th class=n>in doubt<th>claimed<th>"
        "observed<th></tr>\n",
        f);
  for (size_t i = 0; i < r->n_kernels; i++) {
    const qe_conform_kernel_t *k = &r->kernels[i];
    if (k->counts.cases == 0 && r->info.filter[0] != '\0') continue;
    fputs("<tr><td><code>", f);
    qe__put_escaped(f, k->name);
    fputs("</code>", f);
    if (k->isa_mask[0] != '\0') {
      fputs(" <span class=soft>", f);
      qe__put_escaped(f, k->isa_mask);
      fputs("</span>", f);
    }
    fputs("</td>", f);
    put_text_cell(f, "span", k->op);
    put_text_cell(f, "span", k->dtypes);
    put_numbers(f, &k->counts);
    fprintf(f, "<td>%s</td><td class=%s>%s</td>", qe__level_text(k->claimed),
            k->observed < 0             ? "soft"
            : k->observed <= k->claimed ? "green"
                                        : "red",
            qe__level_text(k->observed));
    put_bar(f, &k->counts);
    fputs("</tr>\n", f);
  }
  fputs("</table></div>\n", f);
}

static void put_failures(FILE *f, const qe_conform_report_t *r) {
  const int64_t all = bad_of(&r->info.totals);
  int64_t shown = 0;
  if (all == 0) return;
  fputs("<h2>Failures</h2>\n", f);
  for (size_t i = 0; i < r->n_records && shown < FAILURES_SHOWN; i++) {
    const qe_conform_case_t *c = &r->records[i].c;
    if (!qe_conform_verdict_is_bad(c->verdict)) continue;
    fprintf(f, "<details%s><summary><span class=red>%s</span> <code>", shown < 3 ? " open" : "",
            qe_conform_verdict_name(c->verdict));
    qe__put_escaped(f, c->text);
    fputs("</code> <span class=soft>", f);
    qe__put_escaped(f, r->kernels[c->kernel].name);
    fputs(c->check[0] != '\0' ? " &middot; " : "", f);
    qe__put_escaped(f, c->check);
    fputs("</span></summary><pre>", f);
    qe__put_escaped(f, c->detail);
    if (c->minimal[0] != '\0') {
      fputs("\nsmallest failing case: ", f);
      qe__put_escaped(f, c->minimal);
    }
    fputs("</pre></details>\n", f);
    shown++;
  }
  if (shown < all) fprintf(f, "<p class=soft>%lld more are in the JSON report.</p>\n", (long long)(all - shown));
}

static void put_times(FILE *f, const qe_conform_report_t *r) {
  if (r->n_times == 0) return;
  fputs("<h2>Performance</h2>\n<div class=wide><table id=\"times\"><tr><th>kernel<th>case<th class=n>min<th "
        "class=n>median<th "
        "class=n>throughput<th class=n>% of peak<th class=n>vs reference<th class=n>vs best other</tr>\n",
        f);
  for (size_t i = 0; i < r->n_times; i++) {
    const qe_conform_time_t *t = &r->times[i];
    fputs("<tr>", f);
    put_text_cell(f, "code", r->kernels[t->kernel].name);
    put_text_cell(f, "code", t->text);
    fprintf(f, "<td class=n>%.2f &micro;s</td><td class=n>%.2f &micro;s</td><td class=n>%.3f %s</td>", t->min_ns * 1e-3,
            t->median_ns * 1e-3, t->min_ns > 0.0 ? (double)(t->macs > 0 ? t->macs : t->bytes) / t->min_ns : 0.0,
            t->macs > 0 ? "GMAC/s" : "GB/s");
    if (t->peak_share > 0.0)
      fprintf(f, "<td class=n>%.1f</td>", t->peak_share * 100.0);
    else
      fputs("<td class=n>-</td>", f);
    if (t->reference_ratio > 0.0)
      fprintf(f, "<td class=n>%.2f&times;</td>", t->reference_ratio);
    else
      fputs("<td class=n>-</td>", f);
    if (t->best_ratio > 0.0) {
      fprintf(f, "<td class=n>%.2f&times; <span class=soft>", t->best_ratio);
      qe__put_escaped(f, t->best_engine);
      fputs("</span></td></tr>\n", f);
    } else {
      fputs("<td class=n>-</td></tr>\n", f);
    }
  }
  fputs("</table></div>\n", f);
}

static void put_problems(FILE *f, const qe_conform_report_t *r) {
  for (size_t p = 0; p < r->n_problems; p++) {
    fputs("<p class=red>", f);
    qe__put_escaped(f, r->problems[p]);
    fputs("</p>\n", f);
  }
}

static void put_facts(FILE *f, const qe_conform_report_t *r) {
  const qe_conform_info_t *i = &r->info;
  const char *const pairs[][2] = {
      {"plugin",           i->path          },
      {"SHA-256",          i->sha256        },
      {"suite",            i->suite         },
      {"filter",           i->filter        },
      {"compared with",    i->against       },
      {"instruction sets", i->isa           },
      {"must-pass list",   i->must_pass_hash},
      {"qengine",          qe_version()     }
  };
  fputs("<h2>What ran</h2>\n<dl>", f);
  for (size_t p = 0; p < sizeof pairs / sizeof pairs[0]; p++) {
    if (pairs[p][1][0] == '\0') continue;
    fprintf(f, "<dt>%s</dt><dd><code>", pairs[p][0]);
    qe__put_escaped(f, pairs[p][1]);
    fputs("</code></dd>", f);
  }
  fprintf(f,
          "<dt>plugin ABI</dt><dd>%u.%u</dd><dt>seed</dt><dd id=\"seed\">%llu</dd><dt>time</dt><dd>%.1f s</dd></dl>\n",
          i->abi_major, i->abi_minor, (unsigned long long)i->seed, i->seconds);
}

qe_status_t qe_conform_html(const qe_conform_report_t *r, char **text) {
  QE_CHECK_ARG(text != NULL, "text is NULL");
  *text = NULL;
  QE_CHECK_ARG(r != NULL, "report is NULL");
  char *buffer = NULL;
  size_t size;
  FILE *f = open_memstream(&buffer, &size);
  if (f == NULL) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while writing HTML");
  put_head(f, r);
  put_cards(f, &r->info.totals);
  put_problems(f, r);
  put_failures(f, r);
  put_ops(f, r);
  put_times(f, r);
  put_kernels(f, r);
  put_facts(f, r);
  fputs("</main></body></html>\n", f);
  return qe__finish_text(f, &buffer, text);
}
