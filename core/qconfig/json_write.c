/* Writing qconfig JSON: canonical names, fields unlike their defaults, the same bytes for the same mapping. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "qconfig/mapping.h"
#include "qconfig/names.h"

/* jansson gives NULL for what it can't make and passes NULL on; the one check is at the end of each object. */
static bool put(json_t *object, const char *key, json_t *value) {
  return json_object_set_new(object, key, value) == 0;
}

#define WRITE_BOOL(field)                                                                                              \
  if (c->field != d.field) ok = put(o, #field, json_boolean(c->field)) && ok
#define WRITE_INT(field)                                                                                               \
  if (c->field != d.field || (c->has_range && is_range(#field))) ok = put(o, #field, json_integer(c->field)) && ok
#define WRITE_FLOAT(field)                                                                                             \
  if (c->field != d.field) ok = put(o, #field, json_real((double)c->field)) && ok

/* A range is written whenever it is set, and only then. */
static bool is_range(const char *field) {
  return strncmp(field, "quant_", 6) == 0;
}

static json_t *observer_json(const qe_observer_config_t *c) {
  qe_observer_config_t d;
  qe_observer_config_default(&d);
  if (!c->has_range) {
    d.quant_min = c->quant_min;
    d.quant_max = c->quant_max;
  }
  if (!c->observer[0]) return json_null();
  json_t *o = json_object();
  bool ok = put(o, "observer", json_string(c->observer));
  ok = put(o, "dtype", json_string(qe_dtype_name(c->dtype))) && ok;
  ok = put(o, "qscheme", json_string(qe__name_of(qe__qscheme_names, (int)c->qscheme))) && ok;
  if (c->method != d.method) ok = put(o, "method", json_string(qe__name_of(qe__method_names, (int)c->method))) && ok;
#define FIELD(field, kind, lo, hi) WRITE_##kind(field);
#include "qconfig/fields.def"
#undef FIELD
  if (ok) return o;
  json_decref(o);
  return NULL;
}

static json_t *qconfig_json(const qe_qconfig_t *q, bool optional) {
  json_t *o = json_object();
  bool ok = put(o, "activation", observer_json(&q->activation));
  ok = put(o, "weight", observer_json(&q->weight)) && ok;
  if (optional) ok = put(o, "optional", json_true()) && ok;
  if (ok) return o;
  json_decref(o);
  return NULL;
}

static json_t *rules_json(const qe_qconfig_mapping_t *m, qe__rule_kind kind) {
  json_t *o = json_object();
  bool ok = true;
  for (size_t i = 0; i < m->count && ok; i++) {
    const qe__rule *r = &m->rules[i];
    if (r->kind == kind) ok = put(o, r->pattern, r->quantize ? qconfig_json(&r->qconfig, r->optional) : json_null());
  }
  if (ok) return o;
  json_decref(o);
  return NULL;
}

qe_status_t qe_qconfig_mapping_dump(const qe_qconfig_mapping_t *mapping, char **json) {
  static const char *const sections[QE__RULE_KINDS] = {"op_types", "name_globs", "names"};
  QE_CHECK_ARG(json, "json is NULL");
  *json = NULL;
  QE_CHECK_ARG(mapping, "mapping is NULL");
  json_t *root = json_object();
  bool ok = put(root, "schema_version", json_integer(1));
  ok = put(root, "global", mapping->has_global ? qconfig_json(&mapping->global, false) : json_null()) && ok;
  if (mapping->equalize) ok = put(root, "equalize", json_true()) && ok;
  for (int kind = 0; kind < QE__RULE_KINDS; kind++) {
    json_t *rules = rules_json(mapping, (qe__rule_kind)kind);
    if (rules && json_object_size(rules) == 0)
      json_decref(rules);
    else
      ok = put(root, sections[kind], rules) && ok;
  }
  /* 9 digits: every float32 comes back. */
  char *text = ok ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(root);
  if (!text) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "a qconfig can't be written as JSON: a name in it is not UTF-8, a number is not finite, or "
                    "memory ran out");
  }
  *json = qe__strdup(text);
  free(text);
  return *json ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
}
