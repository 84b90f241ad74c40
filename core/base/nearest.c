/* "Did you mean ...?" */
#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

enum { LONGEST = 200 };

/* Of ASCII letters, in every locale. */
static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Levenshtein distance of two words; those that are too long are far from everything. One row of the table is enough. */
static size_t distance(const char *a, const char *b) {
  size_t row[LONGEST + 1];
  const size_t n = strlen(a), m = strlen(b);
  if (n > LONGEST || m > LONGEST) return SIZE_MAX;
  for (size_t j = 0; j <= m; j++) row[j] = j;
  for (size_t i = 1; i <= n; i++) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= m; j++) {
      const size_t change = corner + (lower(a[i - 1]) != lower(b[j - 1]));
      const size_t gap = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
      corner = row[j];
      row[j] = change < gap ? change : gap;
    }
  }
  return row[m];
}

const char *qe__nearest_name(const char *word, size_t count, const char *const *names) {
  const char *nearest = NULL;
  size_t best = strlen(word) / 3 + 2;
  for (size_t i = 0; i < count; i++) {
    const size_t d = names[i] ? distance(word, names[i]) : SIZE_MAX;
    if (d >= best) continue;
    best = d;
    nearest = names[i];
  }
  return nearest;
}
