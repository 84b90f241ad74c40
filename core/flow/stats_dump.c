/* A statistics file as JSON, for people and scripts. */
#include <jansson.h>
#include <stdlib.h>

#include "base/memory.h"
#include "flow/stats_file.h"

static qe_status_t describe(const qe__stats_entry *e, const char *path, json_t *list) {
  qe__observer *o = NULL;
  qe__qparams q = {0};
  bool observed;
  float min, max;
  QE_TRY(qe__stats_observer(e, path, &o));
  const qe_observer_config_t *config = qe__observer_config(o);
  json_t *row = json_object(), *scale = json_array(), *zero_point = json_array();
  qe_status_t status = row && scale && zero_point ? qe__observer_qparams(o, &q, &observed) : QE_ERROR_OUT_OF_MEMORY;
  if (status == QE_OK) {
    for (uint32_t c = 0; c < q.view.count; c++) {
      json_array_append_new(scale, json_real((double)q.scales[c]));
      json_array_append_new(zero_point, json_integer(q.zero_points[c]));
    }
    json_object_set_new(row, "tensor", json_stringn((const char *)e->name.data, e->name.size));
    json_object_set_new(row, "observer", json_string(config->observer));
    json_object_set_new(row, "dtype", json_string(qe_dtype_name(config->dtype)));
    json_object_set_new(row, "observed", json_boolean(observed));
    if (qe__observer_min_max(o, &min, &max)) {
      json_object_set_new(row, "min", json_real((double)min));
      json_object_set_new(row, "max", json_real((double)max));
    }
    json_object_set(row, "scale", scale);
    json_object_set(row, "zero_point", zero_point);
    json_array_append(list, row);
  }
  json_decref(row);
  json_decref(scale);
  json_decref(zero_point);
  qe__qparams_clear(&q);
  qe__observer_destroy(&o);
  return status;
}

qe_status_t qe_stats_dump(const char *path, char **json) {
  qe__stats_file f;
  char hash[2 * QE__STATS_HASH + 1];
  QE_CHECK_ARG(json, "json is NULL");
  *json = NULL;
  QE_CHECK_ARG(path, "path is NULL");
  QE_TRY(qe__stats_open(path, &f));
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < QE__STATS_HASH; i++) {
    hash[2 * i] = digits[f.hash[i] >> 4];
    hash[2 * i + 1] = digits[f.hash[i] & 15];
  }
  hash[2 * QE__STATS_HASH] = '\0';
  json_t *root = json_object(), *list = json_array();
  qe_status_t status = root && list ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < f.count && status == QE_OK; i++) status = describe(&f.entries[i], path, list);
  if (status == QE_OK) {
    json_object_set_new(root, "schema_version", json_integer(1));
    json_object_set_new(root, "model_hash", json_string(hash));
    json_object_set_new(root, "batches", json_integer((json_int_t)f.batches));
    json_object_set_new(root, "qconfig", json_loadb((const char *)f.mapping.data, f.mapping.size, 0, NULL));
    json_object_set(root, "observers", list);
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    *json = text ? qe__strdup(text) : NULL;
    free(text);
    if (!*json) status = QE_ERROR_OUT_OF_MEMORY;
  }
  json_decref(root);
  json_decref(list);
  qe__stats_close(&f);
  return status;
}
