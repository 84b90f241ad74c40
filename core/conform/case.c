/*
 * The grammar of a case: "op:dtypes/field/field...". Fields stand in the order of case_fields.def, each at most once,
 * numbers without superfluous zeros, so that equal cases have equal texts and print(parse(s)) == s.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform/case.h"

enum { BARE, NAMED };
enum { DIMS, INTS, PAIR, WORD, REAL, POINTS, HEX, SHAPE };

typedef struct field_rule {
  const char *key;
  int style, kind;
} field_rule;

static const field_rule rules[] = {
#define QE_FIELD(key_, style_, kind_) {#key_, style_, kind_},
#include "conform/case_fields.def"
#undef QE_FIELD
};
enum { N_RULES = sizeof rules / sizeof rules[0] };

static const struct {
  const char *code;
  qe_dtype_t dtype;
} dtype_codes[] = {
    {"f32",  QE_FLOAT32 },
    {"f64",  QE_FLOAT64 },
    {"f16",  QE_FLOAT16 },
    {"bf16", QE_BFLOAT16},
    {"u8",   QE_UINT8   },
    {"s8",   QE_INT8    },
    {"u16",  QE_UINT16  },
    {"s16",  QE_INT16   },
    {"u32",  QE_UINT32  },
    {"s32",  QE_INT32   },
    {"u64",  QE_UINT64  },
    {"s64",  QE_INT64   },
    {"bool", QE_BOOL    },
    {"u4",   QE_UINT4   },
    {"s4",   QE_INT4    }
};
enum { N_DTYPES = sizeof dtype_codes / sizeof dtype_codes[0] };

static int rule_index(const char *key) {
  for (int i = 0; i < N_RULES; i++) {
    if (strcmp(rules[i].key, key) == 0) return i;
  }
  return -1;
}

/* ---- dtypes ---- */

/* Index of the code that the text begins with, -1: none. */
static int dtype_at(const char *text) {
  for (int i = 0; i < N_DTYPES; i++) {
    if (strncmp(text, dtype_codes[i].code, strlen(dtype_codes[i].code)) == 0) return i;
  }
  return -1;
}

const char *qe__case_dtype_code(qe_dtype_t dtype) {
  for (int i = 0; i < N_DTYPES; i++) {
    if (dtype_codes[i].dtype == dtype) return dtype_codes[i].code;
  }
  return NULL;
}

qe_dtype_t qe__case_dtype(const qe__case *c, uint32_t i) {
  qe_dtype_t last = QE_DTYPE_NONE;
  const char *p = c->dtypes;
  for (uint32_t k = 0; k <= i && *p; k++) {
    const int at = dtype_at(p);
    if (at < 0) break;
    last = dtype_codes[at].dtype;
    p += strlen(dtype_codes[at].code);
  }
  return last;
}

uint32_t qe__case_dtype_count(const qe__case *c) {
  uint32_t n = 0;
  for (const char *p = c->dtypes; *p;) {
    const int at = dtype_at(p);
    if (at < 0) break;
    p += strlen(dtype_codes[at].code);
    n++;
  }
  return n;
}

/* ---- values ---- */

/* One decimal number without superfluous zeros; *p moves behind it. */
static bool take_number(const char **p, bool negative_allowed) {
  const char *q = *p;
  const bool negative = *q == '-';
  if (negative && !negative_allowed) return false;
  q += negative;
  if (!isdigit((unsigned char)*q) || (*q == '0' && (isdigit((unsigned char)q[1]) || negative))) return false;
  int digits = 0;
  for (; isdigit((unsigned char)*q); q++) digits++;
  *p = q;
  return digits <= 9;
}

static bool take_list(const char *p, char separator, bool negative_allowed, bool points) {
  for (int n = 0; n < QE__CASE_VALUES; n++) {
    if (points && (strncmp(p, "lo", 2) == 0 || strncmp(p, "hi", 2) == 0))
      p += 2;
    else if (!take_number(&p, negative_allowed))
      return false;
    if (*p == '\0') return true;
    if (*p++ != separator) return false;
  }
  return false;
}

static bool take_real(const char *p) {
  char *end = NULL;
  if (!isdigit((unsigned char)*p) && *p != '-') return false;
  for (const char *q = p; *q; q++) {
    if (!isdigit((unsigned char)*q) && !strchr("+-.e", *q)) return false;
  }
  const double v = strtod(p, &end);
  return *end == '\0' && v - v == 0.0;
}

static bool take_chars(const char *p, const char *allowed) {
  return *p && p[strspn(p, allowed)] == '\0';
}

static const char *const kind_names[] = {"numbers joined by x",
                                         "integers joined by commas",
                                         "one number, or two joined by >",
                                         "a word",
                                         "a decimal number",
                                         "zero points (integers, lo, hi) joined by commas",
                                         "a hexadecimal number",
                                         "dimensions joined by x, or scalar"};

static bool value_fits(int kind, const char *v) {
  switch (kind) {
    case DIMS: return take_list(v, 'x', false, false);
    case INTS: return take_list(v, ',', true, false);
    case PAIR: return take_list(v, '>', false, false);
    case WORD: return take_chars(v, "abcdefghijklmnopqrstuvwxyz0123456789_");
    case REAL: return take_real(v);
    case POINTS: return take_list(v, ',', true, true);
    case HEX: return take_chars(v, "0123456789abcdef") && strlen(v) <= 16;
    default: return strcmp(v, "scalar") == 0 || take_list(v, 'x', false, false);
  }
}

/* ---- parsing ---- */

static bool word_in(const char *list, const char *word) {
  const size_t n = strlen(word);
  for (const char *p = list; (p = strstr(p, word)) != NULL; p += n) {
    if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0')) return true;
  }
  return false;
}

static qe_status_t parse_field(const char *text, size_t at, const char *segment, int *last, qe__case *c) {
  qe__case_field f = {.key = ""};
  const char *equals = strchr(segment, '=');
  size_t key = 0;
  if (equals)
    key = (size_t)(equals - segment);
  else
    while (islower((unsigned char)segment[key])) key++;
  const char *value = segment + key + (equals ? 1 : 0);
  if (key >= sizeof f.key || strlen(value) >= sizeof f.value) {
    return qe__fail(QE_ERROR_FORMAT, "case '%.200s': field '%.40s' at position %zu is too long", text, segment, at);
  }
  memcpy(f.key, segment, key);
  memcpy(f.value, value, strlen(value));
  const int rule = rule_index(f.key);
  if (rule < 0 || (rules[rule].style == NAMED) != (equals != NULL)) {
    return qe__fail(QE_ERROR_FORMAT, "case '%.200s': no field is written '%.40s' (position %zu)%s; fields of %s: %s",
                    text, segment, at, segment[0] ? "" : ": there is nothing between two slashes",
                    qe__op_at(c->op)->name, qe__generator_of(c->op)->family->fields);
  }
  if (!word_in(qe__generator_of(c->op)->family->fields, f.key)) {
    return qe__fail(QE_ERROR_FORMAT, "case '%.200s': %s has no field '%s' (position %zu); its fields are %s", text,
                    qe__op_at(c->op)->name, f.key, at, qe__generator_of(c->op)->family->fields);
  }
  if (rule <= *last) {
    return qe__fail(QE_ERROR_FORMAT,
                    rule == *last ? "case '%.200s': field '%s' (position %zu) is given twice"
                                  : "case '%.200s': field '%s' (position %zu) must stand before '%s'",
                    text, f.key, at, rules[*last].key);
  }
  if (!value_fits(rules[rule].kind, f.value)) {
    return qe__fail(QE_ERROR_FORMAT,
                    "case '%.200s': value '%s' of field '%s' (position %zu); %s were expected, at most nine digits "
                    "each and without leading zeros",
                    text, f.value, f.key, at, kind_names[rules[rule].kind]);
  }
  if (c->n_fields == QE__CASE_FIELDS)
    return qe__fail(QE_ERROR_FORMAT, "case '%.200s' has more than %d fields", text, QE__CASE_FIELDS);
  c->fields[c->n_fields++] = f;
  *last = rule;
  return QE_OK;
}

static qe_status_t parse_head(const char *text, const char *segment, qe__case *c) {
  char op[64] = "";
  const char *colon = strchr(segment, ':');
  if (!colon || (size_t)(colon - segment) >= sizeof op) {
    return qe__fail(
        QE_ERROR_FORMAT,
        "case '%.200s' does not begin with an op, a colon and types, as in \"Conv:u8s8u8/n1/hw7x7/c3>8/k3x3\"", text);
  }
  memcpy(op, segment, (size_t)(colon - segment));
  const qe__op_schema *schema = qe__op_find(op);
  if (!schema)
    return qe__fail(QE_ERROR_FORMAT, "case '%.200s': there is no op '%s' (names are those of ONNX, e.g. Conv, MatMul)",
                    text, op);
  c->op = schema->id;
  const char *p = colon + 1;
  if (strlen(p) >= sizeof c->dtypes)
    return qe__fail(QE_ERROR_FORMAT, "case '%.200s': too many types at position %zu", text,
                    (size_t)(colon + 1 - segment));
  for (const char *q = p; *q;) {
    const int at = dtype_at(q);
    if (at < 0)
      return qe__fail(
          QE_ERROR_FORMAT,
          "case '%.200s': no type begins like '%.8s' (position %zu); types are f32, u8, s8, s32, s64, bool, ...", text,
          q, (size_t)(q - segment));
    q += strlen(dtype_codes[at].code);
  }
  if (!*p) return qe__fail(QE_ERROR_FORMAT, "case '%.200s': no types after the colon", text);
  memcpy(c->dtypes, p, strlen(p));
  return QE_OK;
}

qe_status_t qe__case_parse(const char *text, qe__case *out) {
  char segment[QE__CASE_TEXT];
  int last = -1;
  memset(out, 0, sizeof *out);
  if (!text || strlen(text) >= QE__CASE_TEXT)
    return qe__fail(QE_ERROR_FORMAT, "a case has 1 to %d characters", QE__CASE_TEXT - 1);
  qe__case c;
  memset(&c, 0, sizeof c);
  for (const char *p = text;; p++) {
    const size_t length = strcspn(p, "/");
    memcpy(segment, p, length);
    segment[length] = '\0';
    if (p == text)
      QE_TRY(parse_head(text, segment, &c));
    else
      QE_TRY(parse_field(text, (size_t)(p - text), segment, &last, &c));
    p += length;
    if (!*p) break;
  }
  *out = c;
  return QE_OK;
}

const char *qe__case_print(const qe__case *c, char *buffer) {
  const qe__op_schema *op = qe__op_at(c->op);
  int used = snprintf(buffer, QE__CASE_TEXT, "%s:%s", op ? op->name : "?", c->dtypes);
  for (uint32_t i = 0; i < c->n_fields && used >= 0 && used < QE__CASE_TEXT; i++) {
    const int rule = rule_index(c->fields[i].key);
    const bool bare = rule >= 0 && rules[rule].style == BARE;
    used += snprintf(buffer + used, (size_t)(QE__CASE_TEXT - used), "/%s%s%s", c->fields[i].key, bare ? "" : "=",
                     c->fields[i].value);
  }
  return buffer;
}

/* FNV-1a over the text without its seed field, mixed with the base; a seed field replaces the base. */
uint64_t qe__case_seed(const qe__case *c, uint64_t base) {
  char text[QE__CASE_TEXT];
  qe__case bare = *c;
  const char *seed = qe__case_text(c, "seed");
  if (seed) base = strtoull(seed, NULL, 16);
  (void)qe__case_set(&bare, "seed", NULL);
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  for (const char *p = qe__case_print(&bare, text); *p; p++) h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
  uint64_t state = h ^ (base * UINT64_C(0x9E3779B97F4A7C15));
  return qe__random(&state);
}

/* ---- fields of a parsed case ---- */

const char *qe__case_text(const qe__case *c, const char *key) {
  for (uint32_t i = 0; i < c->n_fields; i++) {
    if (strcmp(c->fields[i].key, key) == 0) return c->fields[i].value;
  }
  return NULL;
}

bool qe__case_set(qe__case *c, const char *key, const char *value) {
  const int rule = rule_index(key);
  uint32_t at = 0;
  if (rule < 0 || (value && strlen(value) >= sizeof c->fields[0].value)) return false;
  while (at < c->n_fields && rule_index(c->fields[at].key) < rule) at++;
  const bool found = at < c->n_fields && strcmp(c->fields[at].key, key) == 0;
  if (!value) {
    if (!found) return true;
    memmove(&c->fields[at], &c->fields[at + 1], (c->n_fields - at - 1) * sizeof c->fields[0]);
    memset(&c->fields[--c->n_fields], 0, sizeof c->fields[0]);
    return true;
  }
  if (!found) {
    if (c->n_fields == QE__CASE_FIELDS) return false;
    memmove(&c->fields[at + 1], &c->fields[at], (c->n_fields - at) * sizeof c->fields[0]);
    c->n_fields++;
  }
  memset(&c->fields[at], 0, sizeof c->fields[at]);
  memcpy(c->fields[at].key, key, strlen(key));
  memcpy(c->fields[at].value, value, strlen(value));
  return true;
}

bool qe__case_set_ints(qe__case *c, const char *key, char separator, uint32_t n, const int64_t *values) {
  char text[128] = "", one[32];
  size_t used = 0;
  for (uint32_t i = 0; i < n; i++) {
    const int w = snprintf(one, sizeof one, "%lld", (long long)values[i]);
    if (w < 0 || used + (size_t)w + 2 > sizeof text) return false;
    if (i) text[used++] = separator;
    memcpy(text + used, one, (size_t)w + 1);
    used += (size_t)w;
  }
  return qe__case_set(c, key, text);
}

uint32_t qe__case_ints(const qe__case *c, const char *key, uint32_t capacity, int64_t *out) {
  const char *p = qe__case_text(c, key);
  uint32_t n = 0;
  if (!p || strcmp(p, "scalar") == 0) return 0;
  while (*p && n < capacity) {
    char *end = NULL;
    out[n++] = strtoll(p, &end, 10);
    if (end == p || !*end) break;
    p = end + 1;
  }
  return n;
}

int64_t qe__case_int(const qe__case *c, const char *key, int64_t fallback) {
  int64_t v = fallback;
  (void)qe__case_ints(c, key, 1, &v);
  return v;
}

double qe__case_real(const qe__case *c, const char *key, double fallback) {
  const char *p = qe__case_text(c, key);
  return p ? strtod(p, NULL) : fallback;
}

bool qe__case_is(const qe__case *c, const char *key, const char *value) {
  const char *p = qe__case_text(c, key);
  return p && strcmp(p, value) == 0;
}

const char *qe__verdict_name(qe__verdict v) {
  static const char *const names[] = {"PASS",  "FAIL",    "MISTRUSTED", "UNSUPPORTED",
                                      "CRASH", "TIMEOUT", "WAIVED",     "REFUSED"};
  return (unsigned)v < sizeof names / sizeof names[0] ? names[v] : "?";
}
