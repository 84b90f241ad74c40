/* See html.h. */
#include "html.h"

void cli_html_text(FILE *f, const char *text) {
  for (; *text; text++) {
    const unsigned char c = (unsigned char)*text;
    if (c == '<') fputs("&lt;", f);
    else if (c == '>') fputs("&gt;", f);
    else if (c == '&') fputs("&amp;", f);
    else if (c == '"') fputs("&quot;", f);
    else fputc(c < 0x20 || c == 0x7f ? '?' : c, f);
  }
}

void cli_html_head(FILE *f, const char *title) {
  fprintf(f, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title>\n", title);
  fputs("<style>body{font:14px system-ui,sans-serif;margin:2em auto;max-width:75em;color:#222}"
        "table{border-collapse:collapse;margin:1em 0}th{text-align:left;border-bottom:2px solid #888}td,th{padding:3px 10px}"
        "tr:nth-child(even) td{background:#f7f7f7}.n{text-align:right;font-variant-numeric:tabular-nums}"
        ".bad{color:#c0392b}.good{color:#1e8449}svg text{font-size:11px;fill:#555}</style></head>\n<body>",
        f);
}

void cli_html_end(FILE *f) {
  fputs("</body></html>\n", f);
}
