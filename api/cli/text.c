/* Memory that ends the process when there is none, and small work on text. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

void cli_out_of_memory(void) {
  fputs("qengine: error: out of memory\n", stderr);
  exit(CLI_FAILED);
}

void *cli_calloc(size_t count, size_t size) {
  void *block = calloc(count ? count : 1, size ? size : 1);
  if (!block) cli_out_of_memory();
  return block;
}

void *cli_realloc(void *block, size_t count, size_t size) {
  void *larger = reallocarray(block, count ? count : 1, size);
  if (!larger) cli_out_of_memory();
  return larger;
}

char *cli_format(const char *format, ...) {
  char *text = NULL;
  va_list args;
  va_start(args, format);
  const int length = vasprintf(&text, format, args);
  va_end(args);
  if (length < 0) cli_out_of_memory();
  return text;
}

void cli_put_clean(FILE *file, const char *text) {
  for (; *text; text++) {
    const unsigned char c = (unsigned char)*text;
    fputc((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? '?' : c, file);
  }
}

char *cli_type_text(qe_dtype_t dtype, int32_t rank, const int64_t *dims, const char *const *symbols) {
  const char *type = dtype == QE_DTYPE_NONE ? "?" : qe_dtype_name(dtype);
  if (rank < 0) return cli_format("%s [?]", type);
  char *text = cli_format("%s [", type);
  for (int32_t i = 0; i < rank; i++) {
    const char *comma = i ? "," : "";
    char *longer;
    if (dims[i] >= 0) longer = cli_format("%s%s%lld", text, comma, (long long)dims[i]);
    else longer = cli_format("%s%s%s", text, comma, symbols && symbols[i] ? symbols[i] : "?");
    free(text);
    text = longer;
  }
  char *whole = cli_format("%s]", text);
  free(text);
  return whole;
}

const char *cli_bytes_text(uint64_t bytes, char buffer[32]) {
  static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
  if (bytes < 1024) {
    snprintf(buffer, 32, "%llu B", (unsigned long long)bytes);
    return buffer;
  }
  double value = (double)bytes / 1024.0;
  size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < sizeof units / sizeof units[0]) {
    value /= 1024.0;
    unit++;
  }
  snprintf(buffer, 32, "%.*f %s", value < 10.0 ? 2 : 1, value, units[unit]);
  return buffer;
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool cli_same_case_insensitive(const char *a, const char *b) {
  while (*a && lower(*a) == lower(*b)) a++, b++;
  return lower(*a) == lower(*b);
}

enum { LONGEST = 63 };

/* Edits (insert, drop, replace, swap neighbours) from a to b; names longer than LONGEST are not compared. */
static size_t distance(const char *a, const char *b) {
  const size_t n = strlen(a), m = strlen(b);
  if (n > LONGEST || m > LONGEST) return SIZE_MAX;
  size_t rows[3][LONGEST + 1];
  size_t *before = rows[0], *last = rows[1], *now = rows[2];
  for (size_t j = 0; j <= m; j++) last[j] = j;
  for (size_t i = 1; i <= n; i++) {
    now[0] = i;
    for (size_t j = 1; j <= m; j++) {
      const size_t differs = lower(a[i - 1]) != lower(b[j - 1]);
      size_t best = last[j - 1] + differs;
      if (last[j] + 1 < best) best = last[j] + 1;
      if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]) &&
          before[j - 2] + 1 < best)
        best = before[j - 2] + 1;
      now[j] = best;
    }
    size_t *const reused = before;
    before = last;
    last = now;
    now = reused;
  }
  return last[m];
}

const char *cli_nearest(const char *text, size_t count, const char *(*get)(const void *arg, size_t index),
                        const void *arg) {
  const char *nearest = NULL;
  size_t best = strlen(text) / 3 + 2; /* worse than this is a different word */
  for (size_t i = 0; i < count; i++) {
    const char *name = get(arg, i);
    if (!name) continue;
    const size_t edits = distance(text, name);
    if (edits < best && edits < strlen(name)) {
      best = edits;
      nearest = name;
    }
  }
  return nearest;
}
