/* See waivers.h. */
#include "conform/waivers.h"

#include <fnmatch.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"

enum { LARGEST_FILE = 4 << 20, SHOWN = 120 };

typedef struct waiver {
  const char *cases, *kernels, *reason, *link, *expires; /* belong to the JSON value */
  int32_t last_day;
} waiver;

struct qe__waivers {
  json_t *root;
  waiver *items;
  size_t count;
};

int32_t qe__today(void) {
  const time_t now = time(NULL);
  struct tm day;
  gmtime_r(&now, &day);
  return (day.tm_year + 1900) * 10000 + (day.tm_mon + 1) * 100 + day.tm_mday;
}

static bool parse_day(const char *text, int32_t *out) {
  static const char form[] = "dddd-dd-dd";
  if (strlen(text) != sizeof form - 1) return false;
  int32_t digits = 0;
  for (size_t i = 0; i < sizeof form - 1; i++) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (form[i] == 'd' ? !digit : text[i] != '-') return false;
    if (digit) digits = digits * 10 + (text[i] - '0');
  }
  const int32_t month = digits / 100 % 100, day = digits % 100;
  *out = digits;
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static qe_status_t read_entry(const json_t *object, size_t index, const char *name, waiver *w) {
  const struct {
    const char *key;
    const char **to;
    bool required;
  } keys[] = {
      {"case",    &w->cases,   true },
      {"kernel",  &w->kernels, false},
      {"reason",  &w->reason,  true },
      {"link",    &w->link,    true },
      {"expires", &w->expires, true }
  };
  enum { KEYS = sizeof keys / sizeof keys[0] };
  if (!json_is_object(object)) return qe__fail(QE_ERROR_FORMAT, "%s: waiver %zu is not an object", name, index);
  for (void *at = json_object_iter((json_t *)object); at != NULL; at = json_object_iter_next((json_t *)object, at)) {
    size_t k = 0;
    while (k < KEYS && strcmp(keys[k].key, json_object_iter_key(at)) != 0) k++;
    if (k == KEYS)
      return qe__fail(QE_ERROR_FORMAT,
                      "%s: waiver %zu has the unknown key '%.40s'; the keys are case, kernel, reason, link, expires",
                      name, index, json_object_iter_key(at));
  }
  for (size_t k = 0; k < KEYS; k++) {
    const json_t *value = json_object_get(object, keys[k].key);
    if (value == NULL && !keys[k].required) continue;
    if (!json_is_string(value) || json_string_length(value) == 0)
      return qe__fail(QE_ERROR_FORMAT, "%s: waiver %zu needs \"%s\", a text that is not empty", name, index,
                      keys[k].key);
    *keys[k].to = json_string_value(value);
  }
  if (w->kernels == NULL) w->kernels = "*";
  if (!parse_day(w->expires, &w->last_day))
    return qe__fail(QE_ERROR_FORMAT, "%s: waiver %zu expires on \"%.40s\", expected a date as YYYY-MM-DD", name, index,
                    w->expires);
  return QE_OK;
}

static qe_status_t read_all(qe__waivers *w, const char *name) {
  const json_t *version = json_object_get(w->root, "schema_version"), *list = json_object_get(w->root, "waivers");
  if (!json_is_integer(version) || json_integer_value(version) != 1)
    return qe__fail(QE_ERROR_FORMAT, "%s: expected an object with \"schema_version\": 1", name);
  if (!json_is_array(list)) return qe__fail(QE_ERROR_FORMAT, "%s: expected an array \"waivers\"", name);
  w->items = qe__calloc(json_array_size(list), sizeof *w->items);
  if (w->items == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (; w->count < json_array_size(list); w->count++)
    QE_TRY(read_entry(json_array_get(list, w->count), w->count, name, &w->items[w->count]));
  return QE_OK;
}

qe_status_t qe__waivers_parse(const char *text, size_t size, const char *name, qe__waivers **out) {
  *out = NULL;
  json_error_t error;
  qe__waivers *w = qe__calloc(1, sizeof *w);
  if (w == NULL) return QE_ERROR_OUT_OF_MEMORY;
  w->root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
  const qe_status_t status =
      w->root != NULL ? read_all(w, name) : qe__fail(QE_ERROR_FORMAT, "%s:%d: %s", name, error.line, error.text);
  if (status != QE_OK) qe__waivers_free(&w);
  *out = w;
  return status;
}

qe_status_t qe__waivers_load(const char *path, qe__waivers **out) {
  void *data;
  size_t size;
  *out = NULL;
  QE_TRY(qe__read_file(path, LARGEST_FILE, &data, &size));
  const qe_status_t status = qe__waivers_parse(data, size, path, out);
  qe__free_aligned(data);
  return status;
}

void qe__waivers_free(qe__waivers **waivers) {
  if (*waivers == NULL) return;
  json_decref((*waivers)->root);
  qe__free((*waivers)->items);
  qe__free(*waivers);
  *waivers = NULL;
}

qe_status_t qe__waivers_apply(const qe__waivers *waivers, int32_t today, bool whole, qe_conform_report_t *r) {
  for (size_t i = 0; i < waivers->count; i++) {
    const waiver *w = &waivers->items[i];
    size_t covered = 0, ran = 0;
    for (size_t k = 0; k < r->n_records; k++) {
      qe_conform_case_t *c = &r->records[k].c;
      if (fnmatch(w->cases, c->text, 0) != 0 || fnmatch(w->kernels, r->kernels[c->kernel].name, 0) != 0) continue;
      ran++;
      if (!qe_conform_verdict_is_bad(c->verdict) && c->verdict != QE_CONFORM_WAIVED) continue;
      covered++;
      if (w->last_day < today) continue;
      c->verdict = QE_CONFORM_WAIVED;
      QE_TRY(qe__report_set(r, &c->waiver, w->reason));
    }
    if (w->last_day < today)
      QE_TRY(qe__report_problem(r, "the waiver of '%.*s' (%.*s) expired on %s; see %.*s", SHOWN, w->cases, SHOWN,
                                w->reason, w->expires, SHOWN, w->link));
    else if (covered == 0 && (ran > 0 || whole))
      QE_TRY(qe__report_problem(r, "the waiver of '%.*s' (%.*s) covers nothing that fails; remove it", SHOWN, w->cases,
                                SHOWN, w->reason));
  }
  return QE_OK;
}
