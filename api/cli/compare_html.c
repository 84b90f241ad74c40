/* A comparison as one HTML page that needs nothing else: tables, and bars drawn as inline SVG. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "html.h"

static void put_cell(FILE *f, const char *text) {
  fputs("<td>", f);
  cli_html_text(f, text);
  fputs("</td>", f);
}

static void put_db(FILE *f, double db) {
  if (isnan(db)) fputs("<td class=n>not finite</td>", f);
  else if (db >= CLI_SQNR_MOST) fputs("<td class=n>exact</td>", f);
  else fprintf(f, "<td class=n>%.2f</td>", db);
}

/* 0 to 60 dB over the bar's width; the colour says how good. */
static void put_bar(FILE *f, double db, bool good_is_long) {
  double share = isnan(db) ? 0.0 : db / 60.0;
  share = share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
  const double goodness = good_is_long ? share : 1.0 - share;
  const char *color = goodness < 0.33 ? "#c0392b" : goodness < 0.55 ? "#d68910" : "#1e8449";
  fprintf(f, "<td><svg width=\"180\" height=\"12\" role=\"img\"><rect width=\"180\" height=\"12\" fill=\"#eee\"/>"
             "<rect width=\"%.1f\" height=\"12\" fill=\"%s\"/></svg></td>", 180.0 * share, color);
}

static void put_head(FILE *f, const cli_comparison *c) {
  cli_html_head(f, "qengine compare");
  fputs("<h1>", f);
  cli_html_text(f, c->path_a);
  fputs(" and ", f);
  cli_html_text(f, c->path_b);
  fprintf(f, "</h1>\n<p>%lld samples, %zu values compared. SQNR of the outputs: ", (long long)c->samples, c->n_pairs);
  if (isnan(c->output_sqnr)) fputs("not finite", f);
  else if (c->output_sqnr >= CLI_SQNR_MOST) fputs("exact", f);
  else fprintf(f, "%.2f dB", c->output_sqnr);
  if (c->has_min)
    fprintf(f, ", at least %.2f dB wanted: <b class=%s>%s</b>", c->min_sqnr, c->passed ? "good" : "bad",
            c->passed ? "passed" : "failed");
  fputs(".</p>\n", f);
}

static void put_layers(FILE *f, const cli_comparison *c) {
  fprintf(f,
          "<h2>Layers that cost it</h2>\n<p>How far a layer's output is below its worst input (an input above %.0f dB "
          "counts as %.0f dB).</p>\n"
          "<table><tr><th>node<th>op<th>input dB<th>output dB<th>drop dB<th></tr>\n",
          CLI_GOOD, CLI_GOOD);
  for (size_t i = 0; i < c->n_layers; i++) {
    const cli_layer *l = &c->layers[i];
    if (l->drop <= 0.0) break;
    fputs("<tr>", f);
    put_cell(f, l->node);
    put_cell(f, l->op);
    put_db(f, l->input_sqnr);
    put_db(f, l->output_sqnr);
    fprintf(f, "<td class=n>%.2f</td>", l->drop);
    put_bar(f, l->drop, false);
    fputs("</tr>\n", f);
  }
  fputs("</table>\n", f);
}

static void put_values(FILE *f, const cli_comparison *c) {
  fputs("<h2>Values, worst first</h2>\n<table><tr><th>value<th>node<th>op<th>SQNR dB<th><th>cosine<th>largest "
        "error<th>elements</tr>\n",
        f);
  for (size_t i = 0; i < c->n_pairs; i++) {
    const cli_pair *p = &c->pairs[i];
    if (p->skipped) continue;
    fputs("<tr>", f);
    put_cell(f, p->name);
    put_cell(f, p->node);
    put_cell(f, p->op);
    put_db(f, p->sqnr);
    put_bar(f, p->sqnr, true);
    fprintf(f, "<td class=n>%.6f</td><td class=n>%.4g</td><td class=n>%lld</td></tr>\n", p->cosine,
            p->difference.max_error, (long long)p->difference.count);
  }
  fputs("</table>\n", f);
}

char *cli_compare_html(const cli_comparison *c) {
  char *text = NULL;
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  if (!f) cli_out_of_memory();
  put_head(f, c);
  put_layers(f, c);
  put_values(f, c);
  cli_html_end(f);
  if (fclose(f) != 0) cli_out_of_memory();
  return text;
}
