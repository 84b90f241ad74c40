/* Edit distance between short names, for "did you mean". */
#include "engine/nearest.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST = 63 };

/* Levenshtein, letter case ignored; one row of the table is enough. */
static size_t distance(const char *a, const char *b) {
  const size_t na = strlen(a), nb = strlen(b);
  size_t row[LONGEST + 1];
  if (na > LONGEST || nb > LONGEST) return LONGEST;
  for (size_t j = 0; j <= nb; j++) row[j] = j;
  for (size_t i = 1; i <= na; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= nb; j++) {
      const size_t above = row[j];
      const size_t change = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
      size_t best = above + 1 < row[j - 1] + 1 ? above + 1 : row[j - 1] + 1;
      if (change < best) best = change;
      diagonal = above;
      row[j] = best;
    }
  }
  return row[nb];
}

const char *qe__nearest(const char *name, const char *const *names, size_t count) {
  const char *best = NULL;
  size_t nearest = strlen(name) / 3 + 1;
  for (size_t i = 0; i < count; i++) {
    if (names[i] == NULL) continue;
    const size_t d = distance(name, names[i]);
    if (d > nearest || (best != NULL && d == nearest)) continue;
    nearest = d;
    best = names[i];
  }
  return best;
}
