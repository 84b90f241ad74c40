/* Writing qconfig JSON: canonical names, every field that differs from its default, the same bytes for the same mapping. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "qconfig/mapping.h"
#include "qconfig/names.h"

#define WRITE_BOOL(field) \
  if (c->field != d.field) json_object_set_new(o, #field, json_boolean(c->field))
#define WRITE_INT(field) \
  if (c->field != d.field) json_object_set_new(o, #field, json_integer(c->field))
#define WRITE_FLOAT(field) \
  if (c->field != d.field) json_object_set_new(o, #field, json_real((double)c->field))

static json_t *observer_json(const qe_observer_config_t *c) {
  qe_observer_config_t d;
  qe_observer_config_default(&d);
  d.quant_min = c->has_range ? c->quant_min + 1 : c->quant_min; /* a range is written whenever it is set */
  d.quant_max = c->has_range ? c->quant_max - 1 : c->quant_max;
  if (!c->observer[0]) return json_null();
  json_t *o = json_object();
  json_object_set_new(o, "observer", json_string(c->observer));
  json_object_set_new(o, "dtype", json_string(qe_dtype_name(c->dtype)));
  json_object_set_new(o, "qscheme", json_string(qe__name_of(qe__qscheme_names, (int)c->qscheme)));
  if (c->method != d.method) json_object_set_new(o, "method", json_string(qe__name_of(qe__method_names, (int)c->method)));
#define FIELD(field, kind, lo, hi) WRITE_##kind(field);
#include "qconfig/fields.def"
#undef FIELD
  return o;
}

static json_t *qconfig_json(const qe_qconfig_t *q) {
  json_t *o = json_object();
  json_object_set_new(o, "activation", observer_json(&q->activation));
  json_object_set_new(o, "weight", observer_json(&q->weight));
  return o;
}

static json_t *rules_json(const qe_qconfig_mapping_t *m, qe__rule_kind kind) {
  json_t *o = json_object();
  for (size_t i = 0; i < m->count; i++) {
    const qe__rule *r = &m->rules[i];
    if (r->kind != kind) continue;
    json_t *value = r->quantize ? qconfig_json(&r->qconfig) : json_null();
    if (r->optional && r->quantize) json_object_set_new(value, "optional", json_true());
    json_object_set_new(o, r->pattern, value);
  }
  return o;
}

qe_status_t qe_qconfig_mapping_dump(const qe_qconfig_mapping_t *mapping, char **json) {
  static const char *const sections[QE__RULE_KINDS] = {"op_types", "name_globs", "names"};
  QE_CHECK_ARG(json, "json is NULL");
  *json = NULL;
  QE_CHECK_ARG(mapping, "mapping is NULL");
  json_t *root = json_object();
  json_object_set_new(root, "schema_version", json_integer(1));
  json_object_set_new(root, "global", mapping->has_global ? qconfig_json(&mapping->global) : json_null());
  if (mapping->equalize) json_object_set_new(root, "equalize", json_true());
  for (int kind = 0; kind < QE__RULE_KINDS; kind++) {
    json_t *rules = rules_json(mapping, (qe__rule_kind)kind);
    if (json_object_size(rules) > 0) json_object_set(root, sections[kind], rules);
    json_decref(rules);
  }
  char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9));
  json_decref(root);
  *json = text ? qe__strdup(text) : NULL;
  free(text);
  return *json ? QE_OK : qe__fail(QE_ERROR_OUT_OF_MEMORY, "out of memory while writing a qconfig as JSON");
}

void qe_string_free(char *text) { qe__free(text); }
