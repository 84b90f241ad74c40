/*
 * Reading qconfig JSON (docs/qconfig.md). Strict: an unknown key, a wrong type, a duplicate key or a value out of range
 * is an error that names the path from the top, as /global/activation/dtype.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/nearest.h"
#include "qconfig/mapping.h"
#include "qconfig/names.h"
#include "tensor/tensor.h"

#define MAX_JSON_BYTES ((size_t)16 << 20)
enum { PLACE = 256 }; /* a path in messages; longer ones are cut */

static qe_status_t wrong(const char *at, const char *expected, const json_t *found) {
  static const char *const types[] = {"an object", "an array", "a string", "an integer",
                                      "a number",  "true",     "false",    "null"};
  return qe__fail(QE_ERROR_FORMAT, "qconfig JSON at %s: expected %s, found %s", *at ? at : "the top", expected,
                  found ? types[json_typeof(found)] : "nothing");
}

static qe_status_t unknown_key(const char *at, const char *key, size_t count, const char *const *known) {
  const char *near = qe__nearest_name(key, count, known);
  char list[400] = "";
  size_t used = 0;
  for (size_t i = 0; i < count && used < sizeof list; i++) {
    const int w = snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", known[i]);
    used += w > 0 ? (size_t)w : 0;
  }
  if (near) {
    return qe__fail(QE_ERROR_FORMAT, "qconfig JSON at %s: unknown key '%s'; did you mean '%s'?", *at ? at : "the top",
                    key, near);
  }
  return qe__fail(QE_ERROR_FORMAT, "qconfig JSON at %s: unknown key '%s'; there are %s", *at ? at : "the top", key,
                  list);
}

/* What failed further down is a fault of the file, unless memory ran out. `at` NULL: the message names the place. */
static qe_status_t in_file(qe_status_t status, const char *at) {
  if (status == QE_OK) return QE_OK;
  if (status != QE_ERROR_OUT_OF_MEMORY) status = QE_ERROR_FORMAT;
  return at ? qe__fail_in(status, "qconfig JSON at %s", at) : qe__fail_in(status, "qconfig JSON");
}

/* ---- one observer ---- */

static qe_status_t read_bool(const json_t *v, const char *at, int *out) {
  if (!json_is_boolean(v)) return wrong(at, "true or false", v);
  *out = json_is_true(v);
  return QE_OK;
}

static qe_status_t read_int(const json_t *v, const char *at, int64_t lo, int64_t hi, int32_t *out) {
  if (!json_is_integer(v)) return wrong(at, "an integer", v);
  const json_int_t i = json_integer_value(v);
  if (i < lo || i > hi) {
    return qe__fail(QE_ERROR_FORMAT, "qconfig JSON at %s: %lld is outside %lld..%lld", at, (long long)i, (long long)lo,
                    (long long)hi);
  }
  *out = (int32_t)i;
  return QE_OK;
}

static qe_status_t read_float(const json_t *v, const char *at, float *out) {
  if (!json_is_number(v)) return wrong(at, "a number", v);
  const double d = json_number_value(v);
  if (!isfinite(d) || fabs(d) > 3.4028234663852886e38) {
    return qe__fail(QE_ERROR_FORMAT, "qconfig JSON at %s: %g is not a float32 number", at, d);
  }
  *out = (float)d;
  return QE_OK;
}

static qe_status_t read_name(const json_t *v, const char *at, const qe__name *table, const char *what, int *out) {
  if (!json_is_string(v)) return wrong(at, "a string", v);
  *out = qe__name_value(table, json_string_value(v));
  if (*out >= 0) return QE_OK;
  char list[200] = "";
  size_t used = 0;
  for (const qe__name *n = table; n->name && used < sizeof list; n++) {
    const int w = snprintf(list + used, sizeof list - used, "%s%s", n == table ? "" : ", ", n->name);
    used += w > 0 ? (size_t)w : 0;
  }
  return qe__fail(QE_ERROR_FORMAT, "qconfig JSON at %s: '%s' is not a %s; there are %s", at, json_string_value(v), what,
                  list);
}

static qe_status_t read_dtype(const json_t *v, const char *at, qe_dtype_t *out) {
  if (!json_is_string(v)) return wrong(at, "a string", v);
  const char *name = json_string_value(v);
  *out = qe__dtype_from_name(strncmp(name, "torch.", 6) == 0 ? name + 6 : name);
  if (*out != QE_DTYPE_NONE) return QE_OK;
  return qe__fail(QE_ERROR_FORMAT,
                  "qconfig JSON at %s: '%s' is not a dtype; there are uint8, int8, int16, ... and torch's names", at,
                  name);
}

static qe_status_t read_observer_name(const json_t *v, const char *at, qe_observer_config_t *c) {
  if (!json_is_string(v)) return wrong(at, "a string", v);
  const char *name = qe__observer_canonical(json_string_value(v));
  if (!*name || strlen(name) >= sizeof c->observer) {
    return qe__fail(QE_ERROR_FORMAT, "qconfig JSON at %s: an observer's name has 1..%zu characters", at,
                    sizeof c->observer - 1);
  }
  memset(c->observer, 0, sizeof c->observer);
  memcpy(c->observer, name, strlen(name));
  return QE_OK;
}

static qe_status_t read_field(const char *key, const json_t *v, const char *at, qe_observer_config_t *c) {
  static const char *const known[] = {
      "observer", "dtype", "qscheme", "method",
#define FIELD(field, kind, lo, hi) #field,
#include "qconfig/fields.def"
#undef FIELD
  };
  int value = 0;
  if (strcmp(key, "observer") == 0) return read_observer_name(v, at, c);
  if (strcmp(key, "dtype") == 0) return read_dtype(v, at, &c->dtype);
  if (strcmp(key, "qscheme") == 0) {
    QE_TRY(read_name(v, at, qe__qscheme_names, "qscheme", &value));
    c->qscheme = (qe_qscheme_t)value;
    return QE_OK;
  }
  if (strcmp(key, "method") == 0) {
    QE_TRY(read_name(v, at, qe__method_names, "histogram method", &value));
    c->method = (qe_histogram_method_t)value;
    return QE_OK;
  }
#define READ_BOOL(field, lo, hi)  return read_bool(v, at, &c->field)
#define READ_INT(field, lo, hi)   return read_int(v, at, lo, hi, &c->field)
#define READ_FLOAT(field, lo, hi) return read_float(v, at, &c->field)
#define FIELD(field, kind, lo, hi)                                                                                     \
  if (strcmp(key, #field) == 0) READ_##kind(field, lo, hi);
#include "qconfig/fields.def"
#undef FIELD
  return unknown_key(at, key, sizeof known / sizeof known[0], known);
}

static qe_status_t read_observer(json_t *object, const char *at, bool activation, qe_observer_config_t *c) {
  const char *key;
  json_t *v;
  qe_observer_config_default(c);
  if (json_is_null(object)) {
    memset(c->observer, 0, sizeof c->observer);
    return QE_OK;
  }
  if (!json_is_object(object)) return wrong(at, "an object or null", object);
  json_object_foreach(object, key, v) {
    char place[PLACE];
    snprintf(place, sizeof place, "%.200s/%.40s", at, key);
    QE_TRY(read_field(key, v, place, c));
  }
  if (!json_object_get(object, "observer")) {
    return qe__fail(QE_ERROR_FORMAT, "qconfig JSON at %s: key 'observer' is missing", at);
  }
  const bool lo = json_object_get(object, "quant_min") != NULL, hi = json_object_get(object, "quant_max") != NULL;
  if (lo != hi) return qe__fail(QE_ERROR_FORMAT, "qconfig JSON at %s: quant_min and quant_max go together", at);
  c->has_range = lo;
  return in_file(qe__observer_config_check(c, activation, at), NULL);
}

/* A qconfig: {"activation": ..., "weight": ...}, {"preset": name}, or null (*quantize false: keep float). */
static qe_status_t read_qconfig(json_t *value, const char *at, bool engines, qe_qconfig_t *q, bool *quantize) {
  static const char *const known[] = {"activation", "weight", "preset"};
  const char *key;
  json_t *v;
  *q = (qe_qconfig_t){.struct_size = sizeof *q};
  *quantize = !json_is_null(value);
  if (!*quantize) return QE_OK;
  if (!json_is_object(value)) return wrong(at, "an object or null", value);
  json_t *preset = json_object_get(value, "preset");
  if (preset) {
    char place[PLACE];
    snprintf(place, sizeof place, "%.200s/preset", at);
    if (!json_is_string(preset)) return wrong(place, "the name of a preset", preset);
    QE_TRY(in_file(qe__preset_qconfig(json_string_value(preset), engines, q), place));
  }
  json_object_foreach(value, key, v) {
    char place[PLACE];
    snprintf(place, sizeof place, "%.200s/%.40s", at, key);
    if (strcmp(key, "activation") == 0)
      QE_TRY(read_observer(v, place, true, &q->activation));
    else if (strcmp(key, "weight") == 0)
      QE_TRY(read_observer(v, place, false, &q->weight));
    else if (strcmp(key, "preset") != 0)
      return unknown_key(at, key, sizeof known / sizeof known[0], known);
  }
  if (!preset && (!json_object_get(value, "activation") || !json_object_get(value, "weight"))) {
    return qe__fail(QE_ERROR_FORMAT, "qconfig JSON at %s: 'activation' and 'weight' (or 'preset') are needed", at);
  }
  return QE_OK;
}

/* ---- the mapping ---- */

static qe_status_t read_rules(json_t *object, const char *section, qe__rule_kind kind, bool engines,
                              qe_qconfig_mapping_t *m) {
  const char *key;
  json_t *v;
  char at[PLACE];
  snprintf(at, sizeof at, "/%s", section);
  if (!json_is_object(object)) return wrong(at, "an object", object);
  json_object_foreach(object, key, v) {
    qe_qconfig_t q;
    bool quantize, optional = false;
    snprintf(at, sizeof at, "/%s/%.160s", section, key);
    if (!*key) return qe__fail(QE_ERROR_FORMAT, "qconfig JSON at %s: the empty string matches nothing", at);
    json_t *mark = json_is_object(v) ? json_object_get(v, "optional") : NULL;
    if (mark) { /* a rule that may match nothing, as those of presets */
      int on = 0;
      QE_TRY(read_bool(mark, at, &on));
      optional = on;
      json_object_del(v, "optional");
    }
    QE_TRY(read_qconfig(v, at, engines, &q, &quantize));
    QE_TRY(qe__mapping_add(m, kind, key, quantize ? &q : NULL, optional));
  }
  return QE_OK;
}

static qe_status_t read_mapping(json_t *root, bool engines, qe_qconfig_mapping_t *m) {
  static const char *const known[] = {"schema_version", "preset",     "global", "equalize",
                                      "op_types",       "name_globs", "names"};
  const char *key;
  json_t *v;
  json_object_foreach(root, key, v) {
    int on = 0;
    if (strcmp(key, "schema_version") == 0) {
      if (!json_is_integer(v) || json_integer_value(v) != 1) return wrong("/schema_version", "the integer 1", v);
    } else if (strcmp(key, "preset") == 0) {
      continue;
    } else if (strcmp(key, "global") == 0) {
      QE_TRY(read_qconfig(v, "/global", engines, &m->global, &m->has_global));
    } else if (strcmp(key, "equalize") == 0) {
      QE_TRY(read_bool(v, "/equalize", &on));
      m->equalize = on;
    } else if (strcmp(key, "op_types") == 0) {
      QE_TRY(read_rules(v, key, QE__RULE_OP_TYPE, engines, m));
    } else if (strcmp(key, "name_globs") == 0) {
      QE_TRY(read_rules(v, key, QE__RULE_GLOB, engines, m));
    } else if (strcmp(key, "names") == 0) {
      QE_TRY(read_rules(v, key, QE__RULE_NAME, engines, m));
    } else {
      return unknown_key("", key, sizeof known / sizeof known[0], known);
    }
  }
  return QE_OK;
}

/* The starting point: a preset's mapping when one is named, else nothing. */
static qe_status_t start_mapping(json_t *root, bool engines, qe_qconfig_mapping_t **out) {
  json_t *preset = json_object_get(root, "preset");
  if (!preset) return qe_qconfig_mapping_create(NULL, out);
  if (!json_is_string(preset)) return wrong("/preset", "a string", preset);
  return in_file(qe__mapping_preset(json_string_value(preset), engines, out), "/preset");
}

qe_status_t qe__mapping_parse(const char *json, size_t length, bool engines, qe_qconfig_mapping_t **out) {
  json_error_t error;
  *out = NULL;
  if (length > MAX_JSON_BYTES) {
    return qe__fail(QE_ERROR_FORMAT, "qconfig JSON: %zu bytes exceed the limit of %zu", length, MAX_JSON_BYTES);
  }
  json_t *root = json_loadb(length ? json : "", length, JSON_REJECT_DUPLICATES, &error);
  if (!root) {
    return qe__fail(QE_ERROR_FORMAT, "qconfig JSON, line %d, column %d: %s", error.line, error.column, error.text);
  }
  qe_status_t status = json_is_object(root) ? QE_OK : wrong("", "an object", root);
  if (status == QE_OK) status = start_mapping(root, engines, out);
  if (status == QE_OK) status = read_mapping(root, engines, *out);
  if (status != QE_OK) qe_qconfig_mapping_destroy(out);
  json_decref(root);
  return status;
}

qe_status_t qe_qconfig_mapping_parse(const char *json, size_t length, qe_qconfig_mapping_t **out) {
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(json || length == 0, "json is NULL");
  return qe__mapping_parse(json, length, true, out);
}

qe_status_t qe_qconfig_mapping_load(const char *path, qe_qconfig_mapping_t **out) {
  void *data = NULL;
  size_t size = 0;
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(path, "path is NULL");
  QE_TRY(qe__read_file(path, MAX_JSON_BYTES, &data, &size));
  const qe_status_t status = qe_qconfig_mapping_parse(data, size, out);
  qe__free_aligned(data);
  return status == QE_OK ? QE_OK : qe__fail_in(status, "'%s'", path);
}
