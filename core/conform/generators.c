/*
 * The suites of an op: the must-pass list of its family (the same for every kernel; its hash is the list's version),
 * and for the full suite rows that cover every pair of values of every two fields, boundary sizes taken from tile
 * hints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "conform/families.h"

static const qe__generator generators[] = {
#define QE_GEN(id, family, dtypes) {&qe__family_##family, dtypes},
#include "conform/generators.def"
#undef QE_GEN
};

/* Exactly one row per op, in the registry's order. */
enum {
#define QE_GEN(id, family, dtypes) GEN_##id,
#include "conform/generators.def"
#undef QE_GEN
  GEN_COUNT
};
#define QE_GEN(id, family, dtypes)                                                                                     \
  _Static_assert((int)GEN_##id == (int)QE__OP_##id, "generators.def: row " #id " is not where ops.def has it");
#include "conform/generators.def"
#undef QE_GEN
_Static_assert((int)GEN_COUNT == (int)QE__OP_COUNT, "generators.def: one row per op of registry/ops.def is needed");

const qe__generator *qe__generator_of(uint32_t op) {
  return op < QE__OP_COUNT ? &generators[op] : NULL;
}

enum { MOST_AXES = 20, MOST_VALUES = 32, MOST_SEEN = 4096, SMOKE = 3, WHOLE = 4 };

/* ---- values of an axis ---- */

typedef struct values {
  const char *key;
  uint32_t n;
  char text[MOST_VALUES][48];
} values;

static int64_t prime_above(int64_t n) {
  for (;; n++) {
    bool prime = n > 1;
    for (int64_t d = 2; d * d <= n && prime; d++) prime = n % d != 0;
    if (prime) return n;
  }
}

/* Sizes around multiples of a tile: 0 1 t-1 t t+1 2t 2t+1 and a prime. */
static uint32_t boundaries(uint32_t tile, bool zero, int64_t *out) {
  const int64_t t = tile ? tile : 8;
  const int64_t list[] = {1, t - 1, t, t + 1, 2 * t, 2 * t + 1, prime_above(2 * t + 2), 0};
  uint32_t n = 0;
  for (uint32_t i = 0; i < 8; i++) {
    if (list[i] > 0 || (zero && i == 7)) out[n++] = list[i];
  }
  return n;
}

static uint32_t tile_of(const qe_kernel *row, const char *key) {
  if (strcmp(key, "m") == 0 || strcmp(key, "hw") == 0) return row->mr;
  if (strcmp(key, "k") == 0) return row->kr;
  return row->nr ? row->nr : row->mr;
}

static void add_value(values *v, const char *text) {
  if (v->n < MOST_VALUES) snprintf(v->text[v->n++], sizeof v->text[0], "%.47s", text);
}

/* "@" in a word becomes each boundary size; of "@>@" the first one is of depth (kr), shifted against the second. */
static void expand(const qe_kernel *row, const char *word, values *v) {
  int64_t first[8], second[8];
  const char *at = strchr(word, '@');
  if (!at) {
    add_value(v, word);
    return;
  }
  const bool pair = strchr(word, '>') != NULL, deep = pair && at < strchr(word, '>');
  const uint32_t n = boundaries(deep ? row->kr : tile_of(row, v->key), false, first);
  const uint32_t m = boundaries(row->nr, false, second);
  const char *again = strchr(at + 1, '@');
  for (uint32_t i = 0; i < n; i++) {
    char text[128], head[48] = "";
    memcpy(head, word, (size_t)(at - word) < sizeof head - 1 ? (size_t)(at - word) : 0);
    if (again)
      snprintf(text, sizeof text, "%s%lld%.*s%lld%s", head, (long long)first[i], (int)(again - at - 1), at + 1,
               (long long)second[(i + 3) % m], again + 1);
    else
      snprintf(text, sizeof text, "%s%lld%s", head, (long long)first[i], at + 1);
    add_value(v, text);
  }
}

static uint32_t axis_values(const qe_kernel *row, const qe__axis *axes, values *out) {
  uint32_t n = 0;
  for (; axes[n].key && n < MOST_AXES; n++) {
    char word[48];
    out[n] = (values){.key = axes[n].key};
    for (const char *p = axes[n].values; *p;) {
      const size_t length = strcspn(p, " ");
      if (length > 0 && length < sizeof word) {
        memcpy(word, p, length);
        word[length] = '\0';
        expand(row, word, &out[n]);
      }
      p += length + (p[length] == ' ');
    }
  }
  return n;
}

/* ---- emitting ---- */

typedef struct output {
  const qe_kernel *row;
  qe__case_fn emit;
  void *arg;
  uint64_t *seen; /* hashes of texts already emitted */
  uint32_t n_seen;
  bool stop;
} output;

/* Ops whose scales may be inputs, per tensor or per channel. */
static bool has_parameter_inputs(uint16_t op) {
  return op == QE__OP_QuantizeLinear || op == QE__OP_DequantizeLinear || op == QE__OP_DynamicQuantizeLSTM ||
         op == QE__OP_DynamicQuantizeGRU || op == QE__OP_DynamicQuantizeRNN;
}

/* Fields that mean nothing for these types or this kernel are left out, so that no two cases are the same. */
static void normalize(const output *o, const qe__built *b, qe__case *c) {
  const uint8_t layout = o->row->key.layout;
  const char *pattern = qe__case_text(c, "pat");
  if (!b->quantized) {
    (void)qe__case_set(c, "sc", NULL);
    (void)qe__case_set(c, "zp", NULL);
    if (!has_parameter_inputs(c->op)) (void)qe__case_set(c, "gran", NULL);
    if (b->out[0].dtype != QE_FLOAT32) (void)qe__case_set(c, "act", NULL);
    if (c->op == QE__OP_MatMul && b->out[0].dtype != QE_FLOAT32)
      (void)qe__case_set(c, "bias", NULL); /* float32 only (docs/kernels.md) */
    if (pattern && b->in[0].dtype == QE_FLOAT32 && (strcmp(pattern, "trap") == 0 || strcmp(pattern, "big") == 0))
      (void)qe__case_set(c, "pat", NULL);
  } else {
    if (c->op == QE__OP_Gemm) {
      (void)qe__case_set(c, "alpha", NULL);
      (void)qe__case_set(c, "beta", NULL);
    }
    if (pattern && strcmp(pattern, "big") == 0 && (b->out[0].dtype == QE_FLOAT32 || qe__case_is(c, "bias", "0")))
      (void)qe__case_set(c, "pat", NULL);
    if (qe__case_is(c, "sc", "half") && pattern && b->terms) (void)qe__case_set(c, "pat", NULL);
  }
  const bool last = layout == QE_LAYOUT_SAME || layout == QE_LAYOUT_STRIDED;
  if (!last || (qe__case_is(c, "lay", "gap") && layout == QE_LAYOUT_SAME) ||
      (qe__case_is(c, "lay", "cl") && b->out[0].rank < 3))
    (void)qe__case_set(c, "lay", NULL);
  if (layout == QE_LAYOUT_CHANNELS_LAST && qe__case_text(c, "lay")) (void)qe__case_set(c, "lay", NULL);
}

static bool add_seen(output *o, uint64_t h) {
  for (uint32_t i = 0; i < o->n_seen; i++) {
    if (o->seen[i] == h) return false;
  }
  if (o->n_seen < MOST_SEEN) o->seen[o->n_seen++] = h;
  return true;
}

/* False: the case makes no sense or is not for this kernel. */
static bool offer(output *o, const qe__case *wanted, bool must) {
  qe__built b;
  qe_kernel_key key;
  qe__case c = *wanted;
  if (qe__case_describe(&c, 0, &b) != QE_OK) return false;
  normalize(o, &b, &c);
  qe__built_key(&b, &key);
  const bool fits = qe__key_fits(&o->row->key, &key);
  const bool too_deep = o->row->key.layout == QE_LAYOUT_CHANNELS_LAST && b.out[0].rank < 3;
  qe__built_free(&b);
  if (!fits || too_deep) return false;
  if (add_seen(o, qe__case_seed(&c, 0)) && !o->emit(o->arg, &c, must)) o->stop = true;
  return true;
}

/* ---- pairs ---- */

typedef struct cover {
  uint32_t n;
  const values *axis;
  bool *done; /* [n][n][MOST_VALUES][MOST_VALUES], a < b */
  uint64_t random;
} cover;

static bool *pair_at(const cover *c, uint32_t a, uint32_t va, uint32_t b, uint32_t vb) {
  return a < b ? &c->done[((a * MOST_AXES + b) * MOST_VALUES + va) * MOST_VALUES + vb]
               : &c->done[((b * MOST_AXES + a) * MOST_VALUES + vb) * MOST_VALUES + va];
}

/* Fills the axes that are not fixed: greedily the value that covers most open pairs, or at random. */
static void complete(cover *c, int *pick, bool greedy) {
  for (uint32_t a = 0; a < c->n; a++) {
    if (pick[a] >= 0) continue;
    const uint32_t n = c->axis[a].n, start = (uint32_t)(qe__random(&c->random) % n);
    int best = (int)start, best_gain = -1;
    for (uint32_t k = 0; greedy && k < n; k++) {
      const uint32_t v = (start + k) % n;
      int gain = 0;
      for (uint32_t other = 0; other < c->n; other++)
        gain += other != a && pick[other] >= 0 && !*pair_at(c, a, v, other, (uint32_t)pick[other]);
      if (gain > best_gain) {
        best = (int)v;
        best_gain = gain;
      }
    }
    pick[a] = best;
  }
}

static bool try_row(cover *c, output *o, const qe__case *base, const int *pick) {
  qe__case row = *base;
  for (uint32_t a = 0; a < c->n; a++) {
    const char *v = c->axis[a].text[pick[a]];
    if (strcmp(v, "-") != 0 && !qe__case_set(&row, c->axis[a].key, v)) return false;
  }
  if (!offer(o, &row, false)) return false;
  for (uint32_t a = 0; a < c->n; a++) {
    for (uint32_t b = a + 1; b < c->n; b++) *pair_at(c, a, (uint32_t)pick[a], b, (uint32_t)pick[b]) = true;
  }
  return true;
}

static void cover_pair(cover *c, output *o, const qe__case *base, uint32_t a, uint32_t va, uint32_t b, uint32_t vb) {
  int pick[MOST_AXES];
  for (int attempt = 0; attempt < 8 && !o->stop; attempt++) {
    for (uint32_t i = 0; i < c->n; i++) pick[i] = -1;
    pick[a] = (int)va;
    pick[b] = (int)vb;
    complete(c, pick, attempt < 2);
    if (try_row(c, o, base, pick)) return;
  }
}

/* Every value of every axis once: for the further types of an op, whose pairs the first ones have shown. */
static void cover_values(cover *c, output *o, const qe__case *base) {
  bool used[MOST_AXES][MOST_VALUES] = {{false}};
  int pick[MOST_AXES];
  for (uint32_t a = 0; a < c->n; a++) {
    for (uint32_t v = 0; v < c->axis[a].n; v++) {
      for (int attempt = 0; attempt < 8 && !used[a][v] && !o->stop; attempt++) {
        for (uint32_t i = 0; i < c->n; i++) pick[i] = -1;
        pick[a] = (int)v;
        complete(c, pick, false);
        if (!try_row(c, o, base, pick)) continue;
        for (uint32_t i = 0; i < c->n; i++) used[i][pick[i]] = true;
      }
    }
  }
}

static qe_status_t cover_pairs(output *o, const qe__case *base, const qe__axis *axes, bool briefly) {
  static const size_t cells = (size_t)MOST_AXES * MOST_AXES * MOST_VALUES * MOST_VALUES;
  values *axis = qe__calloc(MOST_AXES, sizeof *axis);
  cover c = {.axis = axis, .done = qe__calloc(cells, sizeof *c.done), .random = 0x51u + base->op};
  if (axis && c.done) {
    c.n = axis_values(o->row, axes, axis);
    if (briefly) cover_values(&c, o, base);
    for (uint32_t a = 0; a < c.n && !briefly; a++) {
      for (uint32_t b = a + 1; b < c.n; b++) {
        for (uint32_t va = 0; va < axis[a].n; va++) {
          for (uint32_t vb = 0; vb < axis[b].n && !o->stop; vb++) {
            if (!*pair_at(&c, a, va, b, vb)) cover_pair(&c, o, base, a, va, b, vb);
          }
        }
      }
    }
    if (c.n == 1 && !briefly) {
      for (uint32_t v = 0; v < axis[0].n && !o->stop; v++) (void)try_row(&c, o, base, (int[]){(int)v});
    }
  }
  qe__free(c.done);
  qe__free(axis);
  return axis && c.done ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
}

/* ---- suites ---- */

/* The next word of a list; false at its end. */
static bool next_word(const char **p, char *word, size_t size) {
  while (**p == ' ') (*p)++;
  const size_t length = strcspn(*p, " ");
  if (length == 0 || length >= size) return false;
  memcpy(word, *p, length);
  word[length] = '\0';
  *p += length;
  return true;
}

static qe_status_t cases_of_types(qe__suite suite, uint32_t op, const char *dtypes, bool briefly, output *o) {
  const qe__family *family = qe__generator_of(op)->family;
  char text[QE__CASE_TEXT];
  uint32_t taken = 0;
  qe__case c;
  for (const char *const *must = family->must; *must && !o->stop; must++) {
    if (suite == QE__SUITE_SMOKE && taken == SMOKE) return QE_OK;
    snprintf(text, sizeof text, "%s:%s/%s", qe__op_at(op)->name, dtypes, *must);
    QE_TRY(qe__case_parse(text, &c));
    taken += offer(o, &c, true);
  }
  if (suite != QE__SUITE_FULL || o->stop) return QE_OK;
  snprintf(text, sizeof text, "%s:%s", qe__op_at(op)->name, dtypes);
  QE_TRY(qe__case_parse(text, &c));
  return cover_pairs(o, &c, family->axes, briefly);
}

qe_status_t qe__suite_cases(qe__suite suite, const qe_kernel *row, qe__case_fn emit, void *arg) {
  const qe__op_schema *op = qe__op_find(row->key.op);
  if (!op)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "kernel '%s' is for op '%.28s', which does not exist", row->name,
                    row->key.op);
  const qe__generator *g = qe__generator_of(op->id);
  output o = {.row = row, .emit = emit, .arg = arg};
  if (!g->family->build) return QE_OK;
  if (!(o.seen = qe__calloc(MOST_SEEN, sizeof *o.seen))) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = QE_OK;
  char dtypes[32];
  uint32_t n = 0;
  for (const char *p = g->dtypes; status == QE_OK && !o.stop && next_word(&p, dtypes, sizeof dtypes); n++) {
    status = cases_of_types(suite, op->id, dtypes, n >= WHOLE, &o);
  }
  qe__free(o.seen);
  qe__clear_error();
  return status;
}

void qe__mustpass_hash(char out[65]) {
  qe__sha256_state s;
  uint8_t hash[32];
  char line[QE__CASE_TEXT];
  qe__sha256_init(&s);
  for (uint32_t op = 0; op < QE__OP_COUNT; op++) {
    char dtypes[32];
    for (const char *p = generators[op].dtypes; generators[op].family->build && next_word(&p, dtypes, sizeof dtypes);) {
      for (const char *const *must = generators[op].family->must; *must; must++) {
        snprintf(line, sizeof line, "%s:%s/%s\n", qe__op_at(op)->name, dtypes, *must);
        qe__sha256_update(&s, line, strlen(line));
      }
    }
  }
  qe__sha256_final(&s, hash);
  qe__sha256_text(hash, out);
}
