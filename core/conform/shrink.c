/* Simpler cases near one that fails: one field at a time is dropped, halved or made ordinary, the largest steps first.
 */
#include <stdlib.h>
#include <string.h>

#include "conform/case.h"

typedef struct list {
  const qe__case *from;
  uint32_t capacity, n;
  qe__case *out;
} list;

static void add(list *l, const qe__case *c) {
  char a[QE__CASE_TEXT], b[QE__CASE_TEXT];
  qe__built built;
  qe__case_print(c, a);
  if (l->n == l->capacity || strcmp(a, qe__case_print(l->from, b)) == 0) return;
  for (uint32_t i = 0; i < l->n; i++) {
    if (strcmp(a, qe__case_print(&l->out[i], b)) == 0) return;
  }
  if (qe__case_describe(c, 0, &built) != QE_OK) return;
  qe__built_free(&built);
  l->out[l->n++] = *c;
}

static void without(list *l, const char *key) {
  qe__case c = *l->from;
  if (qe__case_text(&c, key) && qe__case_set(&c, key, NULL)) add(l, &c);
}

/* Number `index` of a size field becomes `value`; -1: all of them. */
static void resized(list *l, const char *key, char separator, int index, int64_t value) {
  int64_t v[QE__CASE_VALUES];
  qe__case c = *l->from;
  const uint32_t n = qe__case_ints(&c, key, QE__CASE_VALUES, v);
  for (uint32_t i = 0; i < n; i++) {
    if ((index < 0 || (uint32_t)index == i) && v[i] > value) v[i] = value;
  }
  if (n && qe__case_set_ints(&c, key, separator, n, v)) add(l, &c);
}

static void halved(list *l, const char *key, char separator) {
  int64_t v[QE__CASE_VALUES];
  const uint32_t n = qe__case_ints(l->from, key, QE__CASE_VALUES, v);
  resized(l, key, separator, -1, 1);
  for (uint32_t i = 0; i < n; i++) {
    if (v[i] > 2) resized(l, key, separator, (int)i, v[i] / 2);
  }
  for (uint32_t i = 0; i < n; i++) {
    if (v[i] > 1) resized(l, key, separator, (int)i, v[i] - 1);
  }
}

uint32_t qe__case_shrink(const qe__case *c, uint32_t capacity, qe__case *out) {
  static const char *const optional[] = {"act",   "pe",    "op",   "d",    "s", "gran",  "sc",   "zp",   "lay",
                                         "const", "alpha", "beta", "mode", "b", "trans", "flag", "near", "coord"};
  static const struct {
    const char *key;
    char separator;
  } sizes[] = {
      {"n",  'x'},
      {"m",  'x'},
      {"hw", 'x'},
      {"x",  'x'},
      {"c",  '>'},
      {"k",  'x'},
      {"t",  'x'},
      {"g",  'x'},
      {"p",  'x'},
      {"y",  'x'},
      {"z",  'x'}
  };
  static const char *const patterns[] = {"zero", "onehot", "sparse", "ramp"};
  list l = {.from = c, .capacity = capacity, .out = out};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) halved(&l, sizes[i].key, sizes[i].separator);
  for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++) without(&l, optional[i]);
  if (qe__case_text(c, "bias")) {
    qe__case simpler = *c;
    if (qe__case_set(&simpler, "bias", "0")) add(&l, &simpler);
  }
  for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
    qe__case simpler = *c;
    if (qe__case_is(c, "pat", patterns[i])) break; /* only towards simpler ones */
    if (qe__case_set(&simpler, "pat", patterns[i]) && strstr(qe__generator_of(c->op)->family->fields, "pat"))
      add(&l, &simpler);
  }
  qe__clear_error();
  return l.n;
}
