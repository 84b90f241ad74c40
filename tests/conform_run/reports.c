/* The written reports: JUnit that an XML parser takes, JSON with its schema, one HTML page that asks for nothing else.
 */
#include "made.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

static bool has_program(const char *name) {
  char command[200];
  snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
  return system(command) == 0;
}

/* Writes the text to a file of a new folder, runs the command there ("%s": the file) and returns what it printed. */
static char *through(const char *text, const char *file, const char *format, int *code) {
  char folder[] = "/tmp/qe_conform_XXXXXX", path[64], command[500];
  static char out[200000];
  cr_assert_not_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/%s", folder, file);
  FILE *f = fopen(path, "w");
  cr_assert_not_null(f);
  fputs(text, f);
  fclose(f);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  const int used = snprintf(command, sizeof command, format, path);
#pragma GCC diagnostic pop
  cr_assert_lt(used, (int)sizeof command);
  FILE *p = popen(command, "r");
  cr_assert_not_null(p);
  const size_t size = fread(out, 1, sizeof out - 1, p);
  out[size] = '\0';
  *code = pclose(p);
  snprintf(command, sizeof command, "rm -rf %s", folder);
  cr_assert_eq(system(command), 0);
  return out;
}

static char *text_of(qe_status_t (*write)(const qe_conform_report_t *, char **), const char *first,
                     const char *second) {
  qe_conform_report_t *r = decided_report(first, second);
  char *text;
  cr_assert_eq(write(r, &text), QE_OK, "%s", qe_last_error());
  qe_conform_report_destroy(&r);
  return text;
}

static int times(const char *text, const char *part) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, part)) != NULL; at++) n++;
  return n;
}

Test(reports, junit_is_well_formed) {
  char *xml = text_of(qe_conform_junit, "pfcu", "pm");
  cr_assert_eq(times(xml, "<testcase "), 6);
  cr_assert_eq(times(xml, "<failure "), 1);
  cr_assert_eq(times(xml, "<error "), 1);
  cr_assert_eq(times(xml, "<skipped "), 2);
  if (!has_program("python3")) cr_skip_test("skipped: python3 is not installed, so no XML parser looks at the report");
  int code;
  const char *out = through(xml, "r.xml",
                            "python3 -c \"import sys, xml.etree.ElementTree as e; r = e.parse('%s').getroot(); "
                            "print(r.tag, len(r), r.get('tests'), r.get('failures'), r.get('errors'))\" 2>&1",
                            &code);
  cr_assert_eq(code, 0, "%s", out);
  cr_assert_str_eq(out, "testsuites 2 6 1 1\n", "%s", out);
  free(xml);
}

Test(reports, json_has_what_it_promises) {
  char *text = text_of(qe_conform_json, "pf", "p");
  json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
  cr_assert_not_null(o, "%s", text);
  cr_assert_eq(json_integer_value(json_object_get(o, "schema_version")), 1);
  cr_assert_str_eq(json_string_value(json_object_get(o, "engine")), "made");
  cr_assert_str_eq(json_string_value(json_object_get(o, "vendor")), "M\xc3\xbcller & S?hne");
  cr_assert_str_eq(json_string_value(json_object_get(o, "verdict")), "does not conform");
  cr_assert_str_eq(json_string_value(json_object_get(o, "must_pass_hash")), "1234");
  cr_assert_eq(json_integer_value(json_object_get(o, "seed")), 7);
  const json_t *k = json_array_get(json_object_get(o, "kernels"), 1);
  static const char *const keys[] = {"name",       "op",      "cases",   "passed",  "failed",  "unsupported",
                                     "mistrusted", "crashed", "timeout", "claimed", "observed"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
    cr_assert_not_null(json_object_get(k, keys[i]), "%s is missing", keys[i]);
  cr_assert_str_eq(json_string_value(json_object_get(k, "observed")), "E1");
  cr_assert_eq(json_integer_value(json_object_get(json_object_get(o, "totals"), "failed")), 1);
  cr_assert_eq(json_array_size(json_object_get(o, "failures")), 1);
  json_decref(o);
  free(text);
}

Test(reports, json_lines_are_one_object_each) {
  char *text = text_of(qe_conform_json_lines, "pf", "p"), *state = NULL;
  int n = 0, summaries = 0;
  for (char *line = strtok_r(text, "\n", &state); line != NULL; line = strtok_r(NULL, "\n", &state), n++) {
    json_t *o = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(o, "%s", line);
    cr_assert_eq(json_integer_value(json_object_get(o, "schema_version")), 1);
    summaries += strcmp(json_string_value(json_object_get(o, "type")), "summary") == 0;
    json_decref(o);
  }
  cr_assert_eq(n, 4);
  cr_assert_eq(summaries, 1);
  free(text);
}

Test(reports, html_stands_alone) {
  char *page = text_of(qe_conform_html, "pfct", "pu");
  static const char *const outside[] = {"src=",    "href=", "http:",   "https:", "url(",
                                        "@import", "<link", "<script", "<iframe"};
  for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
    cr_assert_null(strstr(page, outside[i]), "the page asks for something: %s", outside[i]);
  cr_assert_not_null(strstr(page, "id=\"total-cases\" class=\"\">6<"));
  cr_assert_not_null(strstr(page, "got &lt;3&gt; &amp; &quot;4&quot;"));
  cr_assert_null(strstr(page, "<1>"), "text of the plugin is not markup");
  free(page);
}

Test(reports, html_has_the_share_of_the_peak) {
  qe_conform_report_t *r = decided_report("p", "p");
  r->times = qe__calloc(2, sizeof *r->times);
  cr_assert_not_null(r->times);
  r->n_times = 2;
  r->times[0] = (qe_conform_time_t){.text = "a", .best_engine = "", .min_ns = 10.0, .macs = 30, .peak_share = 0.125};
  r->times[1] = (qe_conform_time_t){.text = "b", .best_engine = "", .min_ns = 10.0, .bytes = 70};
  char *page;
  cr_assert_eq(qe_conform_html(r, &page), QE_OK, "%s", qe_last_error());
  cr_assert_not_null(strstr(page, "<th class=n>% of peak<th"));
  cr_assert_not_null(strstr(page, "3.000 GMAC/s</td><td class=n>12.5</td>"));
  cr_assert_not_null(strstr(page, "7.000 GB/s</td><td class=n>-</td>"));
  free(page);
  qe_conform_report_destroy(&r);
}

/* What is between the tag with this id and the next tag. */
static void read_id(const char *page, const char *id, char *value, size_t size) {
  char mark[64];
  snprintf(mark, sizeof mark, "id=\"%s\"", id);
  const char *at = strstr(page, mark);
  cr_assert_not_null(at, "%s is not in %.300s", id, page);
  at = strchr(at, '>') + 1;
  snprintf(value, size, "%.*s", (int)strcspn(at, "<"), at);
}

Test(reports, a_browser_reads_the_totals, .timeout = 120) {
  if (!has_program("chromium")) cr_skip_test("skipped: chromium is not installed, so no browser looks at the page");
  char *page = text_of(qe_conform_html, "ppfc", "pu"), value[32];
  int code;
  const char *dom = through(page, "r.html",
                            "timeout 100 chromium --headless --no-sandbox --disable-gpu --user-data-dir=$(dirname "
                            "%1$s)/profile --dump-dom file://%1$s 2>/dev/null",
                            &code);
  cr_assert_eq(code, 0, "chromium ended with %d", WEXITSTATUS(code));
  read_id(dom, "total-cases", value, sizeof value);
  cr_assert_str_eq(value, "6");
  read_id(dom, "total-passed", value, sizeof value);
  cr_assert_str_eq(value, "3");
  read_id(dom, "total-failed", value, sizeof value);
  cr_assert_str_eq(value, "2");
  read_id(dom, "verdict", value, sizeof value);
  cr_assert_str_eq(value, "does not conform");
  free(page);
}
