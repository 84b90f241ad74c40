/* See table.h. */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct cli_table {
  size_t columns, cells;
  char **text;  /* headers, then rows */
  bool *right;
};

static void add(cli_table *t, char *text) {
  t->text = cli_realloc(t->text, t->cells + 1, sizeof *t->text);
  t->text[t->cells++] = text;
}

cli_table *cli_table_new(const char *columns) {
  cli_table *t = cli_calloc(1, sizeof *t);
  for (;;) {
    const bool right = *columns == '>';
    if (right) columns++;
    const size_t length = strcspn(columns, "|");
    t->right = cli_realloc(t->right, t->columns + 1, sizeof *t->right);
    t->right[t->columns++] = right;
    add(t, cli_format("%.*s", (int)length, columns));
    if (!columns[length]) return t;
    columns += length + 1;
  }
}

void cli_table_cell(cli_table *t, const char *format, ...) {
  char *text = NULL;
  va_list args;
  va_start(args, format);
  const int length = vasprintf(&text, format, args);
  va_end(args);
  if (length < 0) cli_out_of_memory();
  for (char *c = text; *c; c++)
    if (*c == '\n' || *c == '\t') *c = ' ';
  add(t, text);
}

/* Characters, not bytes. */
static size_t width(const char *text) {
  size_t n = 0;
  for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
  return n;
}

static void pad(size_t count) {
  while (count-- > 0) fputc(' ', stdout);
}

void cli_table_print(const cli_table *t) {
  size_t *widths = cli_calloc(t->columns, sizeof *widths);
  for (size_t i = 0; i < t->cells; i++) {
    const size_t w = width(t->text[i]);
    if (w > widths[i % t->columns]) widths[i % t->columns] = w;
  }
  for (size_t i = 0; i < t->cells; i++) {
    const size_t column = i % t->columns, fill = widths[column] - width(t->text[i]);
    const bool last = column + 1 == t->columns;
    if (i == 0 && cli.color_out) fputs("\033[1m", stdout);
    if (t->right[column]) pad(fill);
    cli_put_clean(stdout, t->text[i]);
    if (!last) pad((t->right[column] ? 0 : fill) + 2);
    if (i + 1 == t->columns && cli.color_out) fputs("\033[0m", stdout);
    if (last) fputc('\n', stdout);
  }
  free(widths);
}

void cli_table_free(cli_table *t) {
  if (!t) return;
  for (size_t i = 0; i < t->cells; i++) free(t->text[i]);
  free(t->text);
  free(t->right);
  free(t);
}
