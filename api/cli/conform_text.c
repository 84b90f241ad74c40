/* What `qengine conform` prints: failures as blocks that fit a screen, a line for each kernel, totals, the verdict. */
#include <stdlib.h>
#include <string.h>

#include "conform.h"
#include "table.h"

enum { BLOCK_LINES = 12, BLOCKS = 10, BLOCKS_VERBOSE = 1000 };

static const char *level_text(int level) {
  static const char *const names[] = {"E0", "E1", "E2", "E3", "E4"};
  return level >= 0 && level <= 4 ? names[level] : "-";
}

static int line_count(const char *text) {
  int n = 0;
  for (; *text; text++) n += *text == '\n' || text[1] == '\0';
  return n;
}

/* At most `most` lines, indented. */
static void put_lines(const char *text, int most) {
  for (int n = 0; *text && n < most; n++) {
    const size_t length = strcspn(text, "\n");
    char *line = cli_format("%.*s", (int)length, text);
    fputs("  ", stdout);
    cli_put_clean(stdout, line);
    fputc('\n', stdout);
    free(line);
    text += length + (text[length] == '\n');
  }
}

static void put_repro(const conform_args *a, const qe_conform_info_t *info, const char *text, const char *isa_mask) {
  fputs("  repro: ", stdout);
  if (isa_mask[0]) printf("QENGINE_CPU_MASK=%s ", isa_mask);
  printf("qengine conform %s --case '%s' --seed %llu", a->engine, text, (unsigned long long)info->seed);
  cli_put_clean(stdout, info->replay);
  if (strcmp(info->against, "reference") != 0) printf(" --against %s", info->against);
  fputc('\n', stdout);
}

void conform_print_failure(const conform_args *a, const qe_conform_report_t *report, const qe_conform_case_t *c) {
  const qe_conform_kernel_t *k = qe_conform_kernel_at(report, c->kernel);
  const bool named = strncmp(c->detail, "case:", 5) == 0, told = strstr(c->detail, "repro:") != NULL,
             minimal = c->minimal[0] && strcmp(c->minimal, c->text) != 0;
  int left = BLOCK_LINES - 1 - !named - !told - minimal;
  if (line_count(c->detail) > left) left--; /* for the line that says so */
  printf("%s%s%s %s (%s)%s%s\n", cli.color_out ? "\033[1;31m" : "", qe_conform_verdict_name(c->verdict),
         cli.color_out ? "\033[0m" : "", k->name, k->op, c->check[0] ? ": " : "", c->check);
  if (!named) printf("  case: %s\n", c->text);
  put_lines(c->detail, left);
  if (line_count(c->detail) > left) puts("  ... (all of it is in the JSON report)");
  if (minimal) printf("  smallest failing case: %s\n", c->minimal);
  if (!told) put_repro(a, qe_conform_report_info(report), minimal ? c->minimal : c->text, k->isa_mask);
}

/* The minimizer's results deserve their own block: the case is another one. */
static void put_minimal(const conform_args *a, const qe_conform_report_t *report, const qe_conform_case_t *c) {
  const qe_conform_kernel_t *k = qe_conform_kernel_at(report, c->kernel);
  printf("smallest failing case of %s\n", k->name);
  if (strncmp(c->minimal_detail, "case:", 5) != 0) printf("  case: %s\n", c->minimal);
  put_lines(c->minimal_detail, BLOCK_LINES - 3);
  if (!strstr(c->minimal_detail, "repro:")) put_repro(a, qe_conform_report_info(report), c->minimal, k->isa_mask);
  putchar('\n');
}

static void put_failures(const conform_args *a, const qe_conform_report_t *report) {
  const uint32_t most = cli.verbose > 0 ? BLOCKS_VERBOSE : cli.verbose < 0 ? 0 : BLOCKS;
  uint32_t shown = 0, hidden = 0;
  for (uint32_t i = 0; i < qe_conform_case_count(report); i++) {
    const qe_conform_case_t *c = qe_conform_case_at(report, i);
    if (!qe_conform_verdict_is_bad(c->verdict)) continue;
    if (shown == most) {
      hidden++;
      continue;
    }
    conform_print_failure(a, report, c);
    putchar('\n');
    shown++;
  }
  if (hidden && cli.verbose >= 0)
    printf("(%u more failures not shown%s)\n\n", hidden, cli.verbose > 0 ? "" : "; -v shows more, --json all");
  for (uint32_t i = 0; i < qe_conform_case_count(report); i++) {
    const qe_conform_case_t *c = qe_conform_case_at(report, i);
    if (c->minimal[0]) put_minimal(a, report, c);
  }
}

static void put_kernels(const qe_conform_report_t *report) {
  const bool partial = qe_conform_report_info(report)->filter[0] != '\0';
  cli_table *table = cli_table_new("kernel|op|types|>cases|>pass|>fail|>unsupported|>mistrusted|claimed|observed|");
  for (uint32_t i = 0; i < qe_conform_kernel_count(report); i++) {
    const qe_conform_kernel_t *k = qe_conform_kernel_at(report, i);
    const qe_conform_counts_t *n = &k->counts;
    if (partial && n->cases == 0) continue;
    cli_table_cell(table, "%s%s%s", k->name, k->isa_mask[0] ? " @" : "", k->isa_mask);
    cli_table_cell(table, "%s", k->op);
    cli_table_cell(table, "%s", k->dtypes);
    cli_table_cell(table, "%lld", (long long)n->cases);
    cli_table_cell(table, "%lld", (long long)n->passed);
    cli_table_cell(table, "%lld", (long long)(n->failed + n->crashed + n->timeout));
    cli_table_cell(table, "%lld", (long long)n->unsupported);
    cli_table_cell(table, "%lld", (long long)n->mistrusted);
    cli_table_cell(table, "%s", level_text(k->claimed));
    cli_table_cell(table, "%s", level_text(k->observed));
    if (n->not_run)
      cli_table_cell(table, "stopped, %lld not run", (long long)n->not_run);
    else if (n->waived)
      cli_table_cell(table, "%lld waived", (long long)n->waived);
    else
      cli_table_cell(table, "%s", n->cases == 0 ? "no case" : "");
  }
  cli_table_print(table);
  cli_table_free(table);
}

static void put_times(const qe_conform_report_t *report) {
  if (qe_conform_time_count(report) == 0) return;
  cli_table *table = cli_table_new("kernel|case|>min us|>median us|>rate||>% of peak|>x reference|>x best other|");
  for (uint32_t i = 0; i < qe_conform_time_count(report); i++) {
    const qe_conform_time_t *t = qe_conform_time_at(report, i);
    const double work = t->macs > 0 ? (double)t->macs : (double)t->bytes;
    cli_table_cell(table, "%s", qe_conform_kernel_at(report, t->kernel)->name);
    cli_table_cell(table, "%s", t->text);
    cli_table_cell(table, "%.2f", t->min_ns * 1e-3);
    cli_table_cell(table, "%.2f", t->median_ns * 1e-3);
    cli_table_cell(table, "%.3f", t->min_ns > 0.0 ? work / t->min_ns : 0.0);
    cli_table_cell(table, "%s", t->macs > 0 ? "GMAC/s" : "GB/s");
    if (t->peak_share > 0.0)
      cli_table_cell(table, "%.1f", t->peak_share * 100.0);
    else
      cli_table_cell(table, "-");
    if (t->reference_ratio > 0.0)
      cli_table_cell(table, "%.2f", t->reference_ratio);
    else
      cli_table_cell(table, "-");
    if (t->best_ratio > 0.0)
      cli_table_cell(table, "%.2f", t->best_ratio);
    else
      cli_table_cell(table, "-");
    cli_table_cell(table, "%s", t->best_engine);
  }
  putchar('\n');
  cli_table_print(table);
  cli_table_free(table);
}

void conform_print(const conform_args *a, const qe_conform_report_t *report) {
  const qe_conform_info_t *i = qe_conform_report_info(report);
  const qe_conform_counts_t *n = &i->totals;
  put_failures(a, report);
  if (cli.verbose >= 0) {
    put_kernels(report);
    put_times(report);
    putchar('\n');
  }
  for (uint32_t p = 0; p < qe_conform_problem_count(report); p++) printf("%s\n", qe_conform_problem_at(report, p));
  printf("%s %s: %lld cases, %lld passed, %lld failed, %lld crashed, %lld timed out, %lld unsupported, %lld "
         "mistrusted, %lld waived; suite %s, seed %llu, %.1f s\n",
         i->engine, i->version, (long long)n->cases, (long long)n->passed, (long long)n->failed, (long long)n->crashed,
         (long long)n->timeout, (long long)n->unsupported, (long long)n->mistrusted, (long long)n->waived, i->suite,
         (unsigned long long)i->seed, i->seconds);
  const char *color = !cli.color_out ? "" : i->conforms ? "\033[1;32m" : "\033[1;31m";
  printf("%s%s%s%s%s\n", color, i->conforms ? "conforms" : "does not conform", cli.color_out ? "\033[0m" : "",
         i->why[0] ? ": " : "", i->why);
}
