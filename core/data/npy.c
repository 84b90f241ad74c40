/* NumPy's .npy format, versions 1 to 3: a header that is a Python dictionary, then the elements. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "data/formats.h"

enum { MAGIC_SIZE = 6, MAX_HEADER = 1 << 16 };

static const char magic[MAGIC_SIZE] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

bool qe__npy_magic(const void *data, size_t size) { return size >= MAGIC_SIZE && memcmp(data, magic, MAGIC_SIZE) == 0; }

/* A cursor over the dictionary. */
typedef struct cursor {
  const char *name; /* of the file */
  const char *start, *p, *end;
} cursor;

static qe_status_t fail_at(const cursor *c, const char *expected) {
  return qe__fail(QE_ERROR_FORMAT, "%s: malformed .npy header: expected %s at character %td of \"%.*s\"", c->name,
                  expected, c->p - c->start, (int)(c->end - c->start < 200 ? c->end - c->start : 200), c->start);
}

static void skip_space(cursor *c) {
  while (c->p < c->end && isspace((unsigned char)*c->p)) c->p++;
}

static bool accept(cursor *c, char wanted) {
  skip_space(c);
  if (c->p == c->end || *c->p != wanted) return false;
  c->p++;
  return true;
}

/* A quoted string without escapes; numpy writes no others here. */
static qe_status_t quoted(cursor *c, const char **text, size_t *length) {
  skip_space(c);
  if (c->p == c->end || (*c->p != '\'' && *c->p != '"')) return fail_at(c, "a quoted string");
  const char quote = *c->p;
  const char *first = c->p + 1;
  const char *last = memchr(first, quote, (size_t)(c->end - first));
  if (last == NULL) return fail_at(c, "a string with an end");
  *text = first;
  *length = (size_t)(last - first);
  c->p = last + 1;
  return QE_OK;
}

static bool word(cursor *c, const char *wanted) {
  skip_space(c);
  const size_t n = strlen(wanted);
  if ((size_t)(c->end - c->p) < n || memcmp(c->p, wanted, n) != 0) return false;
  c->p += n;
  return true;
}

static const struct descr { const char *code; qe_dtype_t dtype; } descrs[] = {
  {"f4", QE_FLOAT32}, {"f8", QE_FLOAT64}, {"f2", QE_FLOAT16}, {"i1", QE_INT8},   {"u1", QE_UINT8},  {"i2", QE_INT16},
  {"u2", QE_UINT16},  {"i4", QE_INT32},   {"u4", QE_UINT32},  {"i8", QE_INT64},  {"u8", QE_UINT64}, {"b1", QE_BOOL},
};
enum { N_DESCRS = sizeof descrs / sizeof descrs[0] };

static qe_status_t parse_descr(cursor *c, qe__array_header *h) {
  skip_space(c);
  if (c->p < c->end && *c->p == '[') {
    return qe__fail(QE_ERROR_UNSUPPORTED,
                    "%s: a structured array (records with named fields); save each field as an array of its own",
                    c->name);
  }
  const char *text = NULL;
  size_t length = 0;
  QE_TRY(quoted(c, &text, &length));
  const char order = length > 0 ? *text : 0;
  const bool has_order = order == '<' || order == '>' || order == '|' || order == '=';
  const char *code = text + (has_order ? 1 : 0);
  const size_t code_length = length - (has_order ? 1 : 0);
  if (code_length > 0 && code[0] == 'O') {
    return qe__fail(QE_ERROR_UNSUPPORTED,
                    "%s: an array of Python objects (a pickle), which is never read; save numbers: np.save(f, "
                    "a.astype(np.float32))",
                    c->name);
  }
  for (size_t i = 0; i < N_DESCRS; i++) {
    if (code_length != 2 || memcmp(code, descrs[i].code, 2) != 0) continue;
    h->dtype = descrs[i].dtype;
    h->swap = order == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '>' : '<');
    return QE_OK;
  }
  return qe__fail(
      QE_ERROR_UNSUPPORTED,
      "%s: elements of type '%.*s'; expected f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 or b1 (convert with a.astype)", c->name,
      (int)(length < 64 ? length : 64), text);
}

static qe_status_t parse_dimension(cursor *c, int64_t *value) {
  skip_space(c);
  if (c->p == c->end || !isdigit((unsigned char)*c->p)) return fail_at(c, "a dimension (0 or more)");
  int64_t v = 0;
  while (c->p < c->end && isdigit((unsigned char)*c->p)) {
    if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *c->p - '0', &v)) {
      return fail_at(c, "a dimension below 2^63");
    }
    c->p++;
  }
  if (c->p < c->end && *c->p == 'L') c->p++; /* Python 2 wrote long integers so */
  *value = v;
  return QE_OK;
}

static qe_status_t parse_shape(cursor *c, qe__array_header *h) {
  if (!accept(c, '(')) return fail_at(c, "a tuple");
  h->rank = 0;
  while (!accept(c, ')')) {
    if (h->rank == QE_MAX_RANK) {
      return qe__fail(QE_ERROR_UNSUPPORTED, "%s: more than %d dimensions; reshape the array", c->name, QE_MAX_RANK);
    }
    QE_TRY(parse_dimension(c, &h->dims[h->rank]));
    h->rank++;
    if (accept(c, ',')) continue;
    if (!accept(c, ')')) return fail_at(c, "',' or ')'");
    break;
  }
  return QE_OK;
}

static qe_status_t parse_order(cursor *c, qe__array_header *h) {
  if (word(c, "True")) h->fortran = true;
  else if (!word(c, "False")) return fail_at(c, "True or False");
  return QE_OK;
}

static qe_status_t parse_dictionary(cursor *c, qe__array_header *h) {
  static const char *const keys[] = {"descr", "fortran_order", "shape"};
  unsigned seen = 0;
  if (!accept(c, '{')) return fail_at(c, "'{'");
  while (!accept(c, '}')) {
    const char *key = NULL;
    size_t length = 0, which = 0;
    QE_TRY(quoted(c, &key, &length));
    while (which < 3 && (strlen(keys[which]) != length || memcmp(keys[which], key, length) != 0)) which++;
    if (which == 3 || (seen & (1u << which)) != 0) {
      return qe__fail(QE_ERROR_FORMAT,
                      "%s: malformed .npy header: key '%.*s' is %s; expected descr, fortran_order and shape", c->name,
                      (int)(length < 64 ? length : 64), key, which == 3 ? "unknown" : "there twice");
    }
    seen |= 1u << which;
    if (!accept(c, ':')) return fail_at(c, "':'");
    QE_TRY(which == 0 ? parse_descr(c, h) : which == 1 ? parse_order(c, h) : parse_shape(c, h));
    if (accept(c, ',')) continue;
    if (!accept(c, '}')) return fail_at(c, "',' or '}'");
    break;
  }
  for (size_t i = 0; i < 3; i++) {
    if ((seen & (1u << i)) == 0)
      return qe__fail(QE_ERROR_FORMAT, "%s: malformed .npy header: no '%s'", c->name, keys[i]);
  }
  skip_space(c);
  return c->p == c->end ? QE_OK : fail_at(c, "the end");
}

qe_status_t qe__npy_header(const void *data, size_t size, const char *name, qe__array_header *h) {
  const uint8_t *p = data;
  memset(h, 0, sizeof *h);
  if (!qe__npy_magic(data, size))
    return qe__fail(QE_ERROR_FORMAT, "%s: not an .npy file: it does not begin with \\x93NUMPY", name);
  if (size < MAGIC_SIZE + 2) return qe__fail(QE_ERROR_FORMAT, "%s: truncated: %zu bytes, no .npy version", name, size);
  const uint8_t major = p[6];
  if (major < 1 || major > 3) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "%s: .npy version %d.%d; expected 1, 2 or 3", name, major, p[7]);
  }
  const size_t start = major == 1 ? 10 : 12;
  if (size < start) return qe__fail(QE_ERROR_FORMAT, "%s: truncated: %zu bytes, no .npy header length", name, size);
  size_t length = (size_t)p[8] | (size_t)p[9] << 8;
  if (major > 1) length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
  if (length > MAX_HEADER) {
    return qe__fail(QE_ERROR_UNSUPPORTED, "%s: an .npy header of %zu bytes; at most %d are accepted", name, length,
                    MAX_HEADER);
  }
  if (length > size - start) {
    return qe__fail(QE_ERROR_FORMAT, "%s: truncated: the .npy header has %zu bytes, %zu are there", name, length,
                    size - start);
  }
  const char *text = (const char *)p + start;
  cursor c = {.name = name, .start = text, .p = text, .end = text + length};
  QE_TRY(parse_dictionary(&c, h));
  h->offset = start + length;
  if (!qe__dims_count(h->rank, h->dims, &h->count) || !qe__dtype_bytes(h->dtype, h->count, &h->bytes)) {
    char dims[200];
    return qe__fail(QE_ERROR_FORMAT, "%s: the shape %s of %s exceeds the address space", name,
                    qe__dims_text(h->rank, h->dims, dims, sizeof dims), qe_dtype_name(h->dtype));
  }
  return QE_OK;
}

qe_status_t qe__npy_parse(const void *data, size_t size, const char *name, qe_tensor_t **out) {
  *out = NULL;
  qe__array_header h;
  QE_TRY(qe__npy_header(data, size, name, &h));
  return qe__array_tensor(&h, data, size, name, out);
}

qe_status_t qe__npy_write_header(const qe_tensor_t *tensor, char buffer[QE__NPY_HEADER_MAX], size_t *size) {
  size_t which = 0;
  *size = 0;
  while (which < N_DESCRS && descrs[which].dtype != tensor->dtype) which++;
  if (which == N_DESCRS) {
    return qe__fail(QE_ERROR_UNSUPPORTED,
                    "a %s tensor cannot be saved as .npy, which has no such type; dequantize or convert it first",
                    qe_dtype_name(tensor->dtype));
  }
  char shape[256];
  size_t used = 0;
  for (uint32_t d = 0; d < tensor->rank; d++) {
    used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%" PRId64, d == 0 ? "" : ", ", tensor->dims[d]);
  }
  shape[used] = 0;
  const char order = qe_dtype_bits(tensor->dtype) == 8 ? '|' : __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>';
  memcpy(buffer, magic, MAGIC_SIZE);
  buffer[6] = 1;
  buffer[7] = 0;
  const int n =
      snprintf(buffer + 10, QE__NPY_HEADER_MAX - 10, "{'descr': '%c%s', 'fortran_order': False, 'shape': (%s%s), }",
               order, descrs[which].code, shape, tensor->rank == 1 ? "," : "");
  size_t end = 10 + (size_t)n;
  while ((end + 1) % 64 != 0) buffer[end++] = ' ';
  buffer[end++] = '\n';
  buffer[8] = (char)((end - 10) & 255);
  buffer[9] = (char)((end - 10) >> 8);
  *size = end;
  return QE_OK;
}
