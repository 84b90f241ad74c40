/* Which shapes a sample may take by inserting and removing dimensions of 1. */
#include "data/fit.h"

#include <string.h>

#include "qengine/base.h"

typedef struct search {
  uint32_t have_rank, want_rank;
  const int64_t *have, *want;
  int64_t trial[QE_MAX_RANK];
  int64_t *fitted;
  uint32_t found;
} search;

static void keep(search *s) {
  const size_t bytes = s->want_rank * sizeof s->trial[0];
  if (s->found == 0) {
    memcpy(s->fitted, s->trial, bytes);
    s->found = 1;
  } else if (memcmp(s->fitted, s->trial, bytes) != 0) {
    s->found = 2;
  }
}

/* Tries everything: at most 8 dimensions a side. h, w: dimensions dealt with so far. */
static void walk(search *s, uint32_t h, uint32_t w) {
  if (s->found == 2) return;
  if (h == s->have_rank && w == s->want_rank) {
    keep(s);
    return;
  }
  if (h < s->have_rank && w < s->want_rank && (s->want[w] == s->have[h] || s->want[w] < 0)) {
    s->trial[w] = s->have[h];
    walk(s, h + 1, w + 1);
  }
  if (w < s->want_rank && (s->want[w] == 1 || s->want[w] < 0)) {
    s->trial[w] = 1;
    walk(s, h, w + 1);
  }
  if (h < s->have_rank && s->have[h] == 1) walk(s, h + 1, w);
}

uint32_t qe__fit_dims(uint32_t have_rank, const int64_t *have, uint32_t want_rank, const int64_t *want,
                      int64_t *fitted) {
  search s = {.have_rank = have_rank, .want_rank = want_rank, .have = have, .want = want, .fitted = fitted};
  if (have_rank == want_rank) { /* a shape that fits as it is stays as it is */
    uint32_t same = 0;
    while (same < have_rank && (want[same] == have[same] || want[same] < 0)) same++;
    if (same == have_rank) {
      if (have_rank > 0) memcpy(fitted, have, have_rank * sizeof *have);
      return 1;
    }
  }
  walk(&s, 0, 0);
  return s.found;
}
