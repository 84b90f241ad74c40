/* What the pages that the command writes have in common. */
#ifndef QE_CLI_HTML_H
#define QE_CLI_HTML_H

#include "cli.h"

/* From the beginning to <body>, with the style of all pages. */
void cli_html_head(FILE *f, const char *title);
void cli_html_end(FILE *f);
/* Text with HTML's special characters escaped and control characters as '?'. */
void cli_html_text(FILE *f, const char *text);

#endif
